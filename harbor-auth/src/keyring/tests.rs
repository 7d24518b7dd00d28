use aws_lc_rs::hmac;
use harbor_core::Clock;
use harbor_core::meta::AuditScope;
use harbor_core::query::Query;
use harbor_storage::sql::SqlMetadata;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::claims::{Access, Holder, seconds};

const SERVICE: &str = "harbor-registry";
const LIFE: Duration = Duration::from_secs(30 * 60);

fn claims(now: Timestamp) -> Claims {
    let access = Access {
        kind: "repository".to_owned(),
        name: "library/nginx".to_owned(),
        actions: vec!["pull".to_owned()],
        project: Some(7),
    };
    Claims::new(SERVICE, Holder::User { id: 3, epoch: 2 }, "grace", vec![access], now, LIFE).unwrap()
}

async fn ring() -> (SqlMetadata, KeyRing, Timestamp) {
    let store = SqlMetadata::in_memory().await.unwrap();
    let now = Clock::System.now();
    let ring = KeyRing::load(&store, now).await.unwrap();
    (store, ring, now)
}

fn base64(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

/// A token with the header and the text of claims given, rightly signed by `key`.
fn signed(head: &Value, claims: &str, key: &EncodingKey) -> String {
    let message = format!("{}.{}", base64(head), BASE64.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

impl KeyRing {
    /// As somebody has it done, who has the keys replaced.
    async fn rotate(&self, store: &dyn MetadataStore, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = store.begin().await?;
        let keys = Self::rotated(&mut *transaction, now).await?;
        transaction.commit().await?;
        self.replace(keys);
        Ok(())
    }

    /// Whether `token` names a key that is not known.
    fn lacks_key_of(&self, token: &str) -> bool {
        head(token).is_some_and(|head| !self.keys().has(&head.kid))
    }

    fn head(&self) -> Value {
        json!({"typ": "JWT", "alg": "ES256", "kid": self.keys().signing().0})
    }

    /// Signed by this ring's key, whatever it says.
    fn forge(&self, head: &Value, claims: &str) -> String {
        signed(head, claims, self.keys().signing().1)
    }
}

fn json_of(claims: &Claims) -> Value {
    serde_json::to_value(claims).unwrap()
}

#[tokio::test]
async fn what_was_signed_verifies() {
    let (store, ring, now) = ring().await;
    let claims = claims(now);
    let token = ring.sign(&claims).unwrap();
    assert_eq!(ring.verify(token.expose(), SERVICE, now), Some(claims.clone()));
    assert!(!ring.lacks_key_of(token.expose()));
    let again = KeyRing::load(&store, now).await.unwrap();
    assert_eq!(again.verify(token.expose(), SERVICE, now), Some(claims.clone()), "another node");
    assert_eq!(
        ring.verify(&ring.forge(&ring.head(), &json_of(&claims).to_string()), SERVICE, now),
        Some(claims)
    );
}

#[tokio::test]
async fn nodes_that_start_at_once_have_one_key() {
    let store = SqlMetadata::in_memory().await.unwrap();
    let now = Clock::System.now();
    let load = || KeyRing::load(&store, now);
    let (one, two, three) = tokio::try_join!(load(), load(), load()).unwrap();
    let token = one.sign(&claims(now)).unwrap();
    assert!(two.verify(token.expose(), SERVICE, now).is_some());
    assert!(three.verify(token.expose(), SERVICE, now).is_some());
}

#[tokio::test]
async fn a_token_holds_for_its_time_and_service() {
    let (_store, ring, now) = ring().await;
    let token = ring.sign(&claims(now)).unwrap();
    let verify = |service: &str, now| ring.verify(token.expose(), service, now).is_some();
    assert!(verify(SERVICE, now));
    assert!(!verify("harbor-notary", now) && !verify("", now) && !verify("Harbor-registry", now));
    assert!(!verify(SERVICE, now.plus(LIFE)), "expired");
    assert!(!verify(SERVICE, now.minus(Duration::from_secs(60))), "not yet valid");
    for (name, value) in [
        ("iss", json!("somebody")),
        ("iss", json!(["harbor-token-issuer"])),
        ("aud", json!([SERVICE])),
        ("aud", json!([SERVICE, "other"])),
        ("aud", Value::Null),
        ("exp", json!(seconds(now))),
        ("exp", json!(i64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("nbf", json!(seconds(now) + 60)),
        ("iat", json!(seconds(now) + 60)),
    ] {
        let mut claims = json_of(&claims(now));
        claims[name] = value.clone();
        let token = ring.forge(&ring.head(), &claims.to_string());
        assert_eq!(ring.verify(&token, SERVICE, now), None, "{name} {value}");
    }
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access", "holder"] {
        let mut claims = json_of(&claims(now));
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(
            ring.verify(&ring.forge(&ring.head(), &claims.to_string()), SERVICE, now),
            None,
            "no {name}"
        );
    }
}

#[tokio::test]
async fn claims_said_twice_are_refused() {
    let (_store, ring, now) = ring().await;
    let claims = json_of(&claims(now)).to_string();
    for twice in [r#""sub":"admin","#, r#""exp":99999999999,"#, r#""holder":{"u":{"id":1,"epoch":0}},"#] {
        let token = ring.forge(&ring.head(), &claims.replacen('{', &format!("{{{twice}"), 1));
        assert_eq!(ring.verify(&token, SERVICE, now), None, "{twice}");
    }
}

#[tokio::test]
async fn only_es256_and_no_key_but_ours() {
    let (_store, ring, now) = ring().await;
    let claims = json_of(&claims(now)).to_string();
    let kid = ring.head()["kid"].as_str().unwrap().to_owned();
    let right = ring.forge(&ring.head(), &claims);
    let (message, signature) = right.rsplit_once('.').unwrap();
    let mut tokens = vec![String::new(), "..".to_owned(), message.to_owned(), format!("{message}.")];
    for alg in ["none", "None", "NONE", "nOnE", "HS256", "ES384", "RS256", "PS256", "EdDSA", "es256", ""] {
        let head = base64(&json!({"typ": "JWT", "alg": alg, "kid": kid}));
        let message = format!("{head}.{}", BASE64.encode(&claims));
        tokens.extend([format!("{message}."), format!("{message}.{signature}"), message]);
        tokens.push(ring.forge(&json!({"typ": "JWT", "alg": alg, "kid": kid}), &claims));
    }
    tokens.extend(with_public_key_as_secret(&ring, &kid, &claims));
    for token in tokens {
        assert_eq!(ring.verify(&token, SERVICE, now), None, "{token}");
    }
}

/// HS256, keyed with what everybody may know.
fn with_public_key_as_secret(ring: &KeyRing, kid: &str, claims: &str) -> Vec<String> {
    let keys = ring.keys();
    let key = keys.verifying(kid, Timestamp::from_micros(0)).unwrap();
    let point = key.try_get_as_bytes().unwrap();
    let message =
        format!("{}.{}", base64(&json!({"typ": "JWT", "alg": "HS256", "kid": kid})), BASE64.encode(claims));
    let sign = |secret: &[u8]| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", BASE64.encode(tag))
    };
    vec![sign(point), sign(&point[1..]), sign(BASE64.encode(point).as_bytes()), sign(b"")]
}

#[tokio::test]
async fn a_token_brings_no_key_along() {
    let (_store, ring, now) = ring().await;
    let (_other_store, other, _) = self::ring().await;
    let claims = json_of(&claims(now)).to_string();
    let keys = other.keys();
    let point = keys.verifying(keys.signing().0, now).unwrap().try_get_as_bytes().unwrap();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..])});
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/key")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("typ", json!("at+jwt")),
    ] {
        let mut head = ring.head();
        head[name] = value;
        assert_eq!(ring.verify(&other.forge(&head, &claims), SERVICE, now), None, "{name} of another key");
        assert_eq!(ring.verify(&ring.forge(&head, &claims), SERVICE, now), None, "{name}, rightly signed");
        head.as_object_mut().unwrap().remove("kid");
        assert_eq!(ring.verify(&other.forge(&head, &claims), SERVICE, now), None, "{name} and no kid");
    }
}

#[tokio::test]
async fn a_kid_is_a_name_and_nothing_else() {
    let (store, ring, now) = ring().await;
    let claims = json_of(&claims(now)).to_string();
    let before = ring.head();
    for kid in ["", "../../dev/null", "' OR '1'='1", "tokens.keys", "*", "\u{0}", "unknown"] {
        let mut head = ring.head();
        head["kid"] = json!(kid);
        let token = ring.forge(&head, &claims);
        assert_eq!(ring.verify(&token, SERVICE, now), None, "{kid}");
        assert!(ring.lacks_key_of(&token), "{kid}");
    }
    for kid in [json!(null), json!(1), json!(["a"])] {
        let mut head = ring.head();
        head["kid"] = kid;
        assert_eq!(ring.verify(&ring.forge(&head, &claims), SERVICE, now), None);
    }
    let twice = format!("{{\"kid\":\"x\",{}", &ring.head().to_string()[1..]);
    let twice = format!("{}.{}", BASE64.encode(twice), BASE64.encode(&claims));
    let signature =
        jsonwebtoken::crypto::sign(twice.as_bytes(), ring.keys().signing().1, Algorithm::ES256).unwrap();
    assert_eq!(ring.verify(&format!("{twice}.{signature}"), SERVICE, now), None, "a kid said twice");

    ring.rotate(&store, now).await.unwrap();
    assert_eq!(
        ring.verify(&ring.forge(&before, &claims), SERVICE, now),
        None,
        "the kid of another key of ours"
    );
    let (_other_store, other, _) = self::ring().await;
    assert_eq!(
        ring.verify(&other.forge(&ring.head(), &claims), SERVICE, now),
        None,
        "a key of somebody else"
    );
}

#[tokio::test]
async fn a_token_that_was_changed_is_none() {
    let (_store, ring, now) = ring().await;
    let token = ring.sign(&claims(now)).unwrap();
    let token = token.expose();
    for end in 0..token.len() {
        assert_eq!(ring.verify(&token[..end], SERVICE, now), None, "truncated at {end}");
    }
    for at in 0..token.len() {
        let mut changed = token.to_owned();
        changed.replace_range(at..=at, if token.as_bytes()[at] == b'A' { "B" } else { "A" });
        assert_eq!(ring.verify(&changed, SERVICE, now), None, "changed at {at}");
    }
    for more in [format!("{token}."), format!("{token}=="), format!(" {token}"), format!("{token}.{token}")] {
        assert_eq!(ring.verify(&more, SERVICE, now), None);
    }
}

#[tokio::test]
async fn tokens_have_a_longest_length_and_life() {
    let (_store, ring, now) = ring().await;
    let mut long = claims(now);
    long.access = (0..200).flat_map(|_| claims(now).access).collect();
    let error = ring.sign(&long).unwrap_err();
    assert!(matches!(&error, Error::BadRequest(why) if why.contains("fewer scopes")), "{error}");
    let token = ring.forge(&ring.head(), &json_of(&long).to_string());
    assert!(token.len() > LONGEST);
    assert_eq!(ring.verify(&token, SERVICE, now), None);
    assert!(!ring.lacks_key_of(&"x".repeat(LONGEST + 1)));
    assert!(ring.sign(&Claims { exp: i64::MAX, ..claims(now) }).is_err(), "too long a life");
}

#[tokio::test]
async fn a_rotation_ends_no_token_before_its_time() {
    let (store, ring, now) = ring().await;
    let behind = KeyRing::load(&store, now).await.unwrap();
    let token = ring.sign(&claims(now)).unwrap();
    let token = token.expose();
    ring.rotate(&store, now.plus(Duration::from_secs(1))).await.unwrap();
    assert_eq!(ring.current_since(), now.plus(Duration::from_secs(1)));
    assert!(ring.verify(token, SERVICE, now).is_some());
    assert!(ring.verify(token, SERVICE, now.plus(LIFE)).is_none(), "not after its end");
    assert!(
        ring.verify(behind.sign(&claims(now)).unwrap().expose(), SERVICE, now).is_some(),
        "a node is behind"
    );

    let fresh = ring.sign(&claims(now)).unwrap();
    let fresh = fresh.expose();
    assert!(behind.verify(fresh, SERVICE, now).is_none() && behind.lacks_key_of(fresh));
    behind.reload(&store).await.unwrap();
    assert!(behind.verify(fresh, SERVICE, now).is_some() && !behind.lacks_key_of(fresh));
}

#[tokio::test]
async fn a_key_goes_when_its_last_token_may_have_ended() {
    let (store, ring, now) = ring().await;
    let head = ring.head();
    let old = Arc::clone(&ring.keys());
    ring.rotate(&store, now).await.unwrap();
    let end = now.plus(LONGEST_LIFE).plus(UNAWARE);
    let at = |now: Timestamp| {
        let token = signed(&head, &json_of(&claims(now)).to_string(), old.signing().1);
        ring.verify(&token, SERVICE, now).is_some()
    };
    assert!(at(end.minus(Duration::from_secs(1))));
    assert!(!at(end), "whoever finds an old private key can do nothing with it");
    ring.rotate(&store, end.minus(Duration::from_secs(1))).await.unwrap();
    assert!(ring.keys().has(old.signing().0));
    ring.rotate(&store, end).await.unwrap();
    assert!(!ring.keys().has(old.signing().0));
    let stored = store.read().await.unwrap().setting(SETTING).await.unwrap().unwrap();
    assert_eq!(stored.matches("\"private\"").count(), 1, "of earlier keys the private half is forgotten");
    assert!(!stored.contains(old.signing().0));
}

#[tokio::test]
async fn of_two_rotations_at_once_none_is_lost() {
    let (store, one, now) = ring().await;
    let two = KeyRing::load(&store, now).await.unwrap();
    let (a, b) = tokio::join!(one.rotate(&store, now), two.rotate(&store, now));
    a.and(b).unwrap();
    let third = KeyRing::load(&store, now).await.unwrap();
    for ring in [&one, &two] {
        assert!(third.verify(ring.sign(&claims(now)).unwrap().expose(), SERVICE, now).is_some());
    }
}

/// Of nodes that find the key old, one makes another, and all know it; the log has one line.
#[tokio::test]
async fn an_old_key_is_renewed_once() {
    let (store, one, now) = ring().await;
    let two = KeyRing::load(&store, now).await.unwrap();
    let later = now.plus(Duration::from_secs(1));
    let (a, b) = tokio::join!(one.renew(&store, later, later), two.renew(&store, later, later));
    a.and(b).unwrap();
    assert_eq!(one.head(), two.head());
    assert_eq!(one.keys().current_since(), later);
    one.renew(&store, later.plus(Duration::from_secs(1)), later).await.unwrap();
    assert_eq!(one.keys().current_since(), later, "it is not old");
    let log =
        store.read().await.unwrap().audit_lines(&AuditScope::Registry, &Query::default()).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|row| (row.line.username.as_str(), row.line.resource.as_str())).collect();
    assert_eq!(told, [("system", ROTATES)]);
}

#[tokio::test]
async fn the_ring_stays_bounded() {
    let (store, ring, now) = ring().await;
    for _ in 0..40 {
        ring.rotate(&store, now).await.unwrap();
    }
    let stored = store.read().await.unwrap().setting(SETTING).await.unwrap().unwrap();
    assert_eq!(stored.matches("\"public\"").count(), 32);
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let (store, ring, _now) = ring().await;
    let stored = store.read().await.unwrap().setting(SETTING).await.unwrap().unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    let private = stored["current"]["private"].as_str().unwrap();
    assert!(private.len() > 100);
    let printed = format!("{ring:?} {ring:#?}");
    assert!(printed.contains(stored["current"]["id"].as_str().unwrap()), "{printed}");
    assert!(!printed.contains(private) && printed.len() < 200, "{printed}");

    let mut transaction = store.begin().await.unwrap();
    let broken = format!(r#"{{"version":1,"current":{{"id":"a","since":"{private}"}}}}"#);
    transaction.setting_put(SETTING, &broken).await.unwrap();
    transaction.commit().await.unwrap();
    let error = ring.reload(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(!format!("{error} {error:?}").contains(private));
    assert!(ring.sign(&claims(Clock::System.now())).is_ok(), "what was known goes on to hold");
}

/// The first format that was ever written, and a token of each of its keys. This text never changes. The
/// private key was made for this test, and signs nothing else.
const FIRST: &str = r#"{"version":1,"current":{"id":"DcNnUPj5NP2pkr9i","since":1700000000000000,"private":"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCccq0fTfA2MSTBk7VZiHs4Wcf1PQqKH5d6XcOrOexbahRANCAAS7XUtDe5_KjWfRcCdDDB4vz2x-Ea0b2_gHhEzJzJ9PbbB4N5ASrgup54uZ2vpUjXT4YCnElNoA07eVneQ7dMiZ"},"earlier":[{"id":"Skm3qmCxpsBE7Nar","until":1700608400000000,"public":"BNVY6mYOjOkhTOh4RLQ6OjuU98F7P6F4mhuFbI5mE_GczCdehocctGQORdGarjKz44kM3WlXXzm6_2XbCY2gjhM"}]}"#;
const TOKENS: [&str; 2] = [
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6IlNrbTNxbUN4cHNCRTdOYXIifQ.eyJpc3MiOiJoYXJib3ItdG9rZW4taXNzdWVyIiwic3ViIjoiZ3JhY2UiLCJhdWQiOiJoYXJib3ItcmVnaXN0cnkiLCJleHAiOjE3MDAwMDE4MDAsIm5iZiI6MTcwMDAwMDAwMCwiaWF0IjoxNzAwMDAwMDAwLCJqdGkiOiJiQ0JtQmZaVUhLdG9OVlJMbnpXU1haIiwiYWNjZXNzIjpbeyJ0eXBlIjoicmVwb3NpdG9yeSIsIm5hbWUiOiJsaWJyYXJ5L25naW54IiwiYWN0aW9ucyI6WyJwdWxsIl0sInByb2plY3QiOjd9XSwiaG9sZGVyIjp7InUiOnsiaWQiOjMsImVwb2NoIjoyfX19.F0rOEmdrCubumoylB4kkdyUDwGP7FSe_e33gUrq6DpcWpUea0Iq4L9_Vcuqj-q4YyQUrJMCphPFduLf4wvyudQ",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6IkRjTm5VUGo1TlAycGtyOWkifQ.eyJpc3MiOiJoYXJib3ItdG9rZW4taXNzdWVyIiwic3ViIjoiZ3JhY2UiLCJhdWQiOiJoYXJib3ItcmVnaXN0cnkiLCJleHAiOjE3MDAwMDE4MDAsIm5iZiI6MTcwMDAwMDAwMCwiaWF0IjoxNzAwMDAwMDAwLCJqdGkiOiJlck1kSlowSkd2TGpGaFVoS1oxclBNIiwiYWNjZXNzIjpbeyJ0eXBlIjoicmVwb3NpdG9yeSIsIm5hbWUiOiJsaWJyYXJ5L25naW54IiwiYWN0aW9ucyI6WyJwdWxsIl0sInByb2plY3QiOjd9XSwiaG9sZGVyIjp7InUiOnsiaWQiOjMsImVwb2NoIjoyfX19.QiF9n2AWZ03coa78RPRS5vLRGpnfTm6iQ6eT4WkDnCwvS7gNBTJt0BeAzbuoj8xxoqUdUoGCvFGIkLHqjJeLpA",
];

#[tokio::test]
async fn the_first_format_is_read() {
    let store = SqlMetadata::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.setting_put(SETTING, FIRST).await.unwrap();
    transaction.commit().await.unwrap();
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let ring = KeyRing::load(&store, now).await.unwrap();
    for token in TOKENS {
        let claims = ring.verify(token, SERVICE, now).unwrap();
        assert_eq!(claims.holder, Holder::User { id: 3, epoch: 2 });
        assert_eq!(claims, Claims { jti: claims.jti.clone(), ..self::claims(now) });
    }
    assert_eq!(ring.keys().write().unwrap(), FIRST);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let newer = Keys::read(r#"{"version":2,"keys":[]}"#).unwrap_err();
    assert_eq!(newer.kind(), StoreErrorKind::TooNew);
    for broken in ["", "{}", "[]", r#"{"version":1}"#, &FIRST.replace("MIGH", "MIGG")] {
        assert_eq!(Keys::read(broken).unwrap_err().kind(), StoreErrorKind::Corrupt, "{broken}");
    }
}

//! Who asks: Basic authentication, and the token service as the clients of registries expect it.

use harbor_core::oci::Algorithm;
use harbor_tests::content::Piece;
use harbor_tests::{Client, TestRegistry};

use super::REPO;

super::on_every_store! {
    a_push_without_credentials_is_sent_for_a_token;
    a_token_is_as_good_as_the_password;
    a_token_for_nobody_pulls_what_is_public;
    wrong_credentials_are_refused_and_not_taken_for_none;
    the_token_service_refuses_what_it_should;
    a_token_ends with manual_clock;
}

fn manual_clock(builder: harbor_tests::RegistryBuilder) -> harbor_tests::RegistryBuilder {
    builder.clock(harbor_core::Clock::manual())
}

fn uploads() -> String {
    format!("/v2/{REPO}/blobs/uploads/")
}

async fn token(client: &Client) -> String {
    let call = client.get("/service/token").query("service", "harbor-registry");
    let answer = call.query("scope", format!("repository:{REPO}:pull,push")).await.expect_status(200);
    let body = answer.json();
    assert_eq!(body["token"], body["access_token"]);
    assert!(body["expires_in"].as_u64().unwrap() >= 60, "{body}");
    assert!(body["issued_at"].is_string(), "{body}");
    assert_eq!(answer.need("Cache-Control"), "no-store");
    body["token"].as_str().unwrap().to_owned()
}

async fn a_push_without_credentials_is_sent_for_a_token(registry: &TestRegistry) {
    let answer = registry.anon().post(&uploads()).await.expect_error(401, "UNAUTHORIZED");
    let challenge = answer.need("WWW-Authenticate");
    let realm = format!(r#"realm="http://{}/service/token""#, registry.address());
    let scope = format!(r#"scope="repository:{REPO}:pull,push""#);
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    for part in [realm.as_str(), r#"service="harbor-registry""#, &scope] {
        assert!(challenge.contains(part), "{challenge} lacks {part}");
    }
}

async fn a_token_is_as_good_as_the_password(registry: &TestRegistry) {
    let token = token(&registry.admin()).await;
    let bearer = registry.anon().bearer(&token);
    bearer.get("/v2/").await.expect_status(200);
    let blob = Piece::blob(Algorithm::Sha256, 100);
    bearer.push_blob(REPO, &blob).await;
    bearer.delete(&format!("/v2/{REPO}/blobs/{}", blob.digest)).await.expect_status(202);
    // An upload is of a person, not of a token.
    let at = bearer.begin(REPO).await;
    registry.admin().get(&at).await.expect_status(204);
}

async fn a_token_for_nobody_pulls_what_is_public(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 100);
    registry.admin().push_blob(REPO, &blob).await;
    let nobody = registry.anon().bearer(&token(&registry.anon()).await);
    nobody.get("/v2/").await.expect_status(200);
    nobody.get(&format!("/v2/{REPO}/blobs/{}", blob.digest)).await.expect_status(200);
    let refused = nobody.post(&uploads()).await.expect_error(401, "UNAUTHORIZED");
    assert!(refused.need("WWW-Authenticate").contains(r#"error="insufficient_scope""#), "{refused}");
}

async fn wrong_credentials_are_refused_and_not_taken_for_none(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 100);
    registry.admin().push_blob(REPO, &blob).await;
    let path = format!("/v2/{REPO}/blobs/{}", blob.digest);
    registry.anon().get(&path).await.expect_status(200);
    for client in [
        registry.anon().basic("admin", "wrong"),
        registry.anon().basic("admin", ""),
        registry.anon().basic("", ""),
        registry.anon().basic("nobody", "wrong"),
        registry.anon().bearer("garbage"),
        registry.anon().bearer(""),
        registry.anon().authorization("Basic not-base64!"),
        registry.anon().authorization("Digest x"),
        registry.anon().authorization("nonsense"),
    ] {
        for target in ["/v2/", path.as_str(), "/v2/_catalog"] {
            client.get(target).await.expect_error(401, "UNAUTHORIZED");
        }
    }
    // Who showed a password is asked for another, not sent to a token service.
    let answer = registry.anon().basic("admin", "wrong").get("/v2/").await;
    assert_eq!(answer.need("WWW-Authenticate"), r#"Basic realm="harbor""#);
}

async fn the_token_service_refuses_what_it_should(registry: &TestRegistry) {
    for client in [registry.anon().basic("admin", "wrong"), registry.anon().basic("nobody", "wrong")] {
        let answer = client.get("/service/token").query("scope", "repository:a/b:pull").await;
        assert_eq!((answer.status, answer.codes()), (401, vec!["UNAUTHORIZED".to_owned()]), "{answer}");
    }
    registry.anon().get("/service/token").await.expect_status(401);
    // containerd tries POST first, and falls back on this status.
    registry.admin().post("/service/token").body("grant_type=password").await.expect_status(405);
}

async fn a_token_ends(registry: &TestRegistry) {
    let token = token(&registry.admin()).await;
    let bearer = registry.anon().bearer(&token);
    bearer.get("/v2/").await.expect_status(200);
    registry.clock.advance(std::time::Duration::from_secs(24 * 60 * 60));
    bearer.get("/v2/").await.expect_error(401, "UNAUTHORIZED");
}

//! Who may do something is asked before the body comes, and again when that took long: it may have been taken away meanwhile.

use std::time::Duration;

use harbor_core::access::{Actor, Attempt, Credentials, Role, Secret};
use harbor_core::meta::UserId;
use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Piece};
use harbor_tests::{Client, RawConnection, TestRegistry};
use serde_json::{Value, json};

use super::{API, private, read};

harbor_tests::on_every_store! {
    what_is_taken_away_while_a_body_comes_is_not_done;
    a_stream_of_events_ends_for_who_administers_no_more;
    an_export_ends_for_who_administers_no_more;
}

/// Longer than what was asked holds.
const LONG: Duration = Duration::from_millis(1_300);

/// A request of which half of the body was sent.
struct Halfway {
    what: String,
    raw: RawConnection,
    rest: Vec<u8>,
}

impl Halfway {
    async fn begin(registry: &TestRegistry, client: &Client, line: String, kind: &str, body: &[u8]) -> Self {
        let mut raw = registry.raw().await;
        let headers = [
            format!("Authorization: {}", client.header()),
            format!("Content-Type: {kind}"),
            format!("Content-Length: {}", body.len()),
        ];
        raw.head(&line, &headers.each_ref().map(String::as_str)).await;
        let (half, rest) = body.split_at(body.len() / 2);
        raw.send(half).await;
        Self { what: line, raw, rest: rest.to_vec() }
    }

    async fn json(registry: &TestRegistry, client: &Client, line: &str, body: &Value) -> Self {
        // So that its password is known by now, and nothing waits for a hash.
        client.get("/v2/").await.expect_status(200);
        let (method, path) = line.split_once(' ').unwrap();
        let line = format!("{method} {API}{path}");
        Self::begin(registry, client, line, "application/json", body.to_string().as_bytes()).await
    }

    async fn ends(mut self, status: u16) {
        self.raw.send(&self.rest).await;
        let answer = self.raw.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{}: {}", self.what, String::from_utf8_lossy(&answer.body));
    }
}

async fn robot(registry: &TestRegistry) -> (String, Client) {
    let access = json!([{ "resource": "repository", "action": "push" }]);
    let permissions = json!([{ "kind": "project", "namespace": "team", "access": access }]);
    let body = json!({ "name": "ci", "level": "project", "duration": 1, "permissions": permissions });
    let made = registry.admin().post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    let client = registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    (format!("/robots/{}", made["id"]), client)
}

async fn administers(registry: &TestRegistry, id: i64, flag: bool) {
    let path = format!("{API}/users/{id}/sysadmin");
    registry.admin().put(&path).json(&json!({ "sysadmin_flag": flag })).await.expect_status(200);
}

async fn what_is_taken_away_while_a_body_comes_is_not_done(registry: &TestRegistry) {
    private(registry, "team").await;
    let set = content::image(Algorithm::Sha256);
    registry.admin().push("team/app", Some("latest"), &set).await;
    let mut ids = std::collections::BTreeMap::new();
    for name in ["boss", "mallory", "gone", "token", "less", "out", "same"] {
        ids.insert(name, registry.add_user(name).await);
    }
    for name in ["less", "out", "same"] {
        registry.add_member("team", ids[name], Role::ProjectAdmin).await;
    }
    let members = format!("{API}/projects/team/members");
    let listed = registry.admin().get(&members).await.json();
    let member = |name: &str| {
        let of = listed.as_array().unwrap().iter().find(|member| member["entity_name"] == name);
        format!("{members}/{}", of.unwrap()["id"])
    };
    administers(registry, ids["boss"].get(), true).await;
    let user = |name: &str| registry.user(name);
    let made = user("token")
        .post(&format!("{API}/users/current/tokens"))
        .json(&json!({ "name": "ci", "duration": 1 }))
        .await;
    let made = made.expect_status(201).json();
    let by_token = registry.anon().basic("token", made["token"].as_str().unwrap());
    let (path_of_robot, ci) = robot(registry).await;
    let named = |name: &str| json!({ "project_name": name });
    let makes_a_robot = json!({ "name": "all", "level": "system", "duration": 1, "permissions": [
        { "kind": "system", "namespace": "/", "access": [{ "resource": "user", "action": "list" }] }] });
    let makes_a_member = json!({ "role_id": 1, "member_user": { "username": "mallory" } });
    let promotes = format!("PUT /users/{}/sysadmin", ids["mallory"].get());
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    let upload = ci.begin("team/app").await;

    let manifest = set.top();
    let begin = async |line: &str, kind: &str, body: &[u8]| {
        Halfway::begin(registry, &ci, line.to_owned(), kind, body).await
    };
    let (boss, less) = (user("boss"), user("less"));
    let refused = [
        (Halfway::json(registry, &boss, &promotes, &json!({ "sysadmin_flag": true })).await, 401),
        // Of this one, what it needs is asked when the body is there, of who it was before.
        (Halfway::json(registry, &boss, "POST /robots", &makes_a_robot).await, 401),
        (Halfway::json(registry, &user("gone"), "POST /projects", &named("by-gone")).await, 401),
        (Halfway::json(registry, &by_token, "POST /projects", &named("by-token")).await, 401),
        (Halfway::json(registry, &less, "POST /projects/team/members", &makes_a_member).await, 403),
        (Halfway::json(registry, &user("out"), "PUT /projects/team", &json!({ "metadata": {} })).await, 403),
        (begin("PUT /v2/team/app/manifests/slow", &manifest.media_type, &manifest.bytes).await, 401),
        (begin(&format!("PATCH {upload}"), "application/octet-stream", &blob.bytes).await, 401),
    ];
    let same = Halfway::json(registry, &user("same"), "PUT /projects/team", &json!({ "metadata": {} })).await;
    tokio::time::sleep(LONG).await;

    let admin = registry.admin();
    administers(registry, ids["boss"].get(), false).await;
    admin.delete(&format!("{API}/users/{}", ids["gone"].get())).await.expect_status(200);
    let tokens = format!("{API}/users/current/tokens/{}", made["id"]);
    user("token").delete(&tokens).await.expect_status(200);
    admin.put(&member("less")).json(&json!({ "role_id": 3 })).await.expect_status(200);
    admin.delete(&member("out")).await.expect_status(200);
    let mut disabled = read(&admin, &path_of_robot).await;
    disabled["disable"] = json!(true);
    admin.put(&format!("{API}{path_of_robot}")).json(&disabled).await.expect_status(200);
    for (halfway, status) in refused {
        halfway.ends(status).await;
    }
    same.ends(200).await;

    assert_eq!(read(&admin, &format!("/users/{}", ids["mallory"].get())).await["sysadmin_flag"], false);
    assert_eq!(read(&admin, "/robots").await, json!([]));
    for project in ["by-gone", "by-token"] {
        admin.get(&format!("{API}/projects/{project}")).await.expect_status(404);
    }
    admin.get("/v2/team/app/manifests/slow").await.expect_status(404);
    // The upload goes on where it was before.
    disabled["disable"] = json!(false);
    admin.put(&format!("{API}{path_of_robot}")).json(&disabled).await.expect_status(200);
    assert_eq!(ci.get(&upload).await.expect_status(204).need("Range"), "0-0");
    ci.put(&upload).query("digest", blob.digest).body(blob.bytes).await.expect_status(201);
    // It is told as any refusal.
    registry.harbor.write_audit().await.unwrap();
    let log = registry.admin().get(&format!("{API}/auditlog-exts"));
    let lines = log.query("q", "operation_result=false,username=boss").await.expect_status(200).json();
    assert!(!lines.as_array().unwrap().is_empty(), "{lines}");
}

/// Somebody who administers for now, as known by a token of theirs.
async fn administrator_by_token(registry: &TestRegistry) -> (UserId, Actor) {
    let boss = registry.add_user("boss").await;
    administers(registry, boss.get(), true).await;
    let by_token = registry.user("boss").post(&format!("{API}/users/current/tokens"));
    let made = by_token.json(&json!({ "name": "ci", "duration": 1 })).await.expect_status(201).json();
    let shown = Credentials::Bearer(Secret::new(made["token"].as_str().unwrap()));
    let actor = registry.harbor.authenticate(Some(Attempt::new(&shown))).await.unwrap();
    (boss, actor)
}

/// Of streams, it is asked for each event.
async fn a_stream_of_events_ends_for_who_administers_no_more(registry: &TestRegistry) {
    use harbor_core::{EventFilter, Streamed};

    let (boss, actor) = administrator_by_token(registry).await;
    let mut stream = registry.harbor.events().stream(&actor, EventFilter::default(), None).await.unwrap();
    registry.project("first", false).await;
    let Some(Streamed::Event(event)) = stream.next().await.unwrap() else { panic!("an event") };
    assert!(format!("{event:?}").contains("first"));
    administers(registry, boss.get(), false).await;
    registry.project("second", false).await;
    // Who is no administrator any more hears nothing of it, and does not go on either.
    let next = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("it ends");
    assert!(matches!(next, Ok(None)), "{next:?}");
}

/// Of an export of the audit log, for each piece.
async fn an_export_ends_for_who_administers_no_more(registry: &TestRegistry) {
    use harbor_core::Error;
    use harbor_core::query::Query;

    let (boss, actor) = administrator_by_token(registry).await;
    for number in 0..120 {
        let label = json!({ "name": format!("label-{number}"), "scope": "g" });
        registry.admin().post(&format!("{API}/labels")).json(&label).await.expect_status(201);
    }
    let export = || registry.harbor.audit().export(&actor, &Query::default()).unwrap();
    let (mut through, mut broken_off) = (export(), export());
    assert_eq!(broken_off.next().await.unwrap().unwrap().len(), 100);
    while through.next().await.unwrap().is_some() {}
    administers(registry, boss.get(), false).await;
    let next = broken_off.next().await;
    assert!(matches!(next, Err(Error::Unauthenticated)), "{next:?}");
}

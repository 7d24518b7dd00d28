//! Where what the audit log tells came from, with what, and what was refused.

use std::slice;

use harbor_core::access::Role;
use harbor_tests::content::Piece;
use harbor_tests::{BackEnd, Client, TestRegistry};
use serde_json::{Value, json};

use crate::{API, SHA, artifact, digest, push_image, read};

harbor_tests::on_every_store! {
    with harbor_tests::RegistryBuilder::behind_a_proxy;
    lines_say_from_where_and_with_what;
    refusals_are_told_once;
    failed_logins_are_told;
    challenges_are_not_told;
    tokens_that_nobody_knows_are_told;
    what_no_permission_decides_is_told;
    what_a_rule_or_a_limit_refuses_is_told;
    what_nobody_asked_for_is_no_refusal;
}

/// What waited is written down, and sealed, when the registry stops.
#[tokio::test]
async fn a_shutdown_leaves_nothing_behind() {
    let registry = TestRegistry::builder(BackEnd::Folder).start().await;
    registry.anon().basic("grace", "wrong").get("/v2/").await.expect_status(401);
    registry.harbor.shutdown().await;
    let told =
        registry.number("SELECT COUNT(*) FROM audit_log WHERE username = 'grace' AND allowed = 0").await;
    assert_eq!(told, 1);
    let open = "SELECT COUNT(*) FROM audit_log WHERE id NOT IN (SELECT line_id FROM audit_chain)";
    assert_eq!(registry.number(open).await, 0);
    registry.close().await;
}

/// Nobody asks for it: about a second later, what waited is written, and all of it is sealed.
#[tokio::test]
async fn workers_write_down_and_seal() {
    let registry = TestRegistry::in_memory().await;
    registry.anon().basic("grace", "wrong").get("/v2/").await.expect_status(401);
    let done = async {
        loop {
            let report = read(&registry.admin(), format!("{API}/auditlog-exts/verify")).await;
            if report["lines"] == 1 {
                return report;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let report = tokio::time::timeout(std::time::Duration::from_secs(20), done).await.unwrap();
    assert_eq!(report["intact"], true, "{report}");
    let told = read(&registry.admin(), format!("{API}/auditlog-exts?q=operation_result=false")).await;
    assert_eq!(told[0]["username"], "grace");
    registry.close().await;
}

/// The lines that a query finds, last first.
async fn lines(registry: &TestRegistry, q: &str) -> Vec<Value> {
    registry.harbor.write_audit().await.unwrap();
    let found = read(&registry.admin(), format!("{API}/auditlog-exts?q={q}&page_size=100")).await;
    found.as_array().unwrap().clone()
}

fn origin(line: &Value) -> [&str; 3] {
    ["client_address", "credential", "request_id"].map(|name| line[name].as_str().unwrap())
}

/// Makes a label, from an address and in a request.
async fn label(client: &Client, name: &str, from: &str) {
    let body = json!({ "name": name, "scope": "g" });
    let call = client.post(&format!("{API}/labels")).json(&body);
    let call = call.header("X-Forwarded-For", from).header("X-Request-Id", format!("request-{name}"));
    call.await.expect_status(201);
}

async fn lines_say_from_where_and_with_what(registry: &TestRegistry) {
    let admin = registry.admin();
    label(&admin, "one", "192.0.2.1").await;
    let robot = json!({ "name": "ci", "level": "system", "duration": -1, "permissions": [{ "kind": "system",
        "namespace": "/", "access": [{ "resource": "label", "action": "create" }] }] });
    let made = admin.post(&format!("{API}/robots")).json(&robot).await.expect_status(201).json();
    let secret = made["secret"].as_str().unwrap();
    label(&registry.anon().basic("robot$ci", secret), "two", "2001:db8::2").await;
    let token = json!({ "name": "mine", "duration": -1 });
    let token =
        admin.post(&format!("{API}/users/current/tokens")).json(&token).await.expect_status(201).json();
    let (id, token) = (&token["id"], token["token"].as_str().unwrap_or_else(|| panic!("{token}")));
    label(&registry.anon().basic("admin", token), "three", "192.0.2.3").await;
    let found = lines(registry, "resource_type=label").await;
    let personal = format!("personal_access_token:{id}");
    assert_eq!(
        found.iter().map(origin).collect::<Vec<_>>(),
        [
            ["192.0.2.3", &personal, "request-three"],
            ["2001:db8::2", "robot_secret", "request-two"],
            ["192.0.2.1", "password", "request-one"],
        ]
    );
    assert!(found.iter().all(|line| line["operation_result"] == true));
    registry.add_user("grace").await;
    let cookie = registry.log_in("grace").await;
    registry.anon().get("/c/log_out").header("Cookie", &cookie).await.expect_status(200);
    let found = lines(registry, "username=grace").await;
    let credentials: Vec<_> = found.iter().map(|line| origin(line)[1]).collect();
    assert_eq!(credentials, ["session", "password"]);
    assert_eq!(origin(&found[0])[0], "127.0.0.1");
    for (q, count) in
        [("client_address=192.0.2.3", 1), ("request_id=request-two", 1), ("credential=~robot_", 1)]
    {
        assert_eq!(lines(registry, q).await.len(), count, "{q}");
    }
}

/// Who was refused what, and how often: on a slow machine, what is told at once elsewhere may be told in two lines.
fn counted(lines: &[Value]) -> Vec<(&str, &str, u64)> {
    let mut counted: Vec<(&str, &str, u64)> = Vec::new();
    for line in lines {
        let (user, text) =
            (line["username"].as_str().unwrap(), line["operation_description"].as_str().unwrap());
        let times = text.strip_suffix(" times)").and_then(|text| text.rsplit_once(" ("));
        let (text, times) = times.map_or((text, 1), |(text, times)| (text, times.parse().unwrap()));
        match counted.last_mut().filter(|last| (last.0, last.1) == (user, text)) {
            Some(last) => last.2 += times,
            None => counted.push((user, text, times)),
        }
    }
    counted
}

async fn refusals_are_told_once(registry: &TestRegistry) {
    registry.project("one", false).await;
    registry.project("two", false).await;
    let id = registry.add_user("grace").await;
    registry.add_member("one", id, Role::Guest).await;
    let admin_id = registry.add_user("ada").await;
    registry.add_member("one", admin_id, Role::ProjectAdmin).await;
    push_image(&registry.admin(), "one/app", "v1").await;
    let grace = registry.user("grace");
    for _ in 0..5 {
        grace.delete(&format!("{API}/projects/one/repositories/app")).await.expect_status(403);
    }
    grace.get(&format!("{API}/projects/two/members")).await.expect_status(403);
    grace.get(&format!("{API}/users")).await.expect_status(403);
    // What there is not is no refusal.
    grace.get(&format!("{API}/projects/none/members")).await.expect_status(403);
    let found = lines(registry, "username=grace,operation_result=false").await;
    assert_eq!(
        counted(&found),
        [
            ("grace", "refused: list user: ", 1),
            ("grace", "refused: list member: two", 1),
            ("grace", "refused: delete repository: one/app", 5),
        ]
    );
    // Who may read the log of a project is told of what was refused in it, and the older form, which cannot say so, leaves it out.
    let of_one =
        read(&registry.user("ada"), format!("{API}/projects/one/auditlog-exts?q=operation_result=false"))
            .await;
    assert_eq!(of_one.as_array().unwrap().len(), 1);
    let older = read(&registry.admin(), format!("{API}/projects/one/logs?q=operation=delete")).await;
    assert_eq!(older, json!([]));
}

async fn failed_logins_are_told(registry: &TestRegistry) {
    registry.add_user("grace").await;
    let canary = "Canary9Canary9Canary";
    let wrong = registry.anon().basic("grace", canary);
    for _ in 0..3 {
        wrong
            .get("/service/token?service=harbor-registry")
            .header("X-Forwarded-For", "192.0.2.9")
            .await
            .expect_status(401);
    }
    // In the wrong field.
    let token = format!("hpat_{canary}");
    registry.anon().basic(&token, "x").get(&format!("{API}/users/current")).await.expect_status(401);
    let form = format!("principal=nobody%00here&password={canary}");
    registry.anon().post("/c/login").body(form).await.expect_status(401);
    let found = lines(registry, "operation=login,operation_result=false").await;
    assert_eq!(
        counted(&found),
        [
            ("nobody\u{fffd}here", "refused: login user: nobody\u{fffd}here (wrong name or password)", 1),
            ("hpat_…", "refused: login user: hpat_… (wrong name or password)", 1),
            ("grace", "refused: login user: grace (wrong name or password)", 3),
        ]
    );
    assert_eq!(origin(&found[2])[..2], ["192.0.2.9", "password"]);
    assert!(!found.iter().any(|line| line.to_string().contains(canary)));
}

async fn challenges_are_not_told(registry: &TestRegistry) {
    registry.project("secret", false).await;
    registry.anon().get("/v2/").await.expect_status(401);
    registry.anon().get("/v2/secret/app/manifests/v1").await.expect_status(401);
    registry.anon().get("/v2/").header("Authorization", "Bearer stale").await.expect_status(401);
    let stale = registry.anon().get(&format!("{API}/users/current")).header("Cookie", "sid=hs_stale");
    stale.await.expect_status(401);
    assert_eq!(lines(registry, "operation_result=false").await, [Value::Null; 0]);
}

async fn tokens_that_nobody_knows_are_told(registry: &TestRegistry) {
    let canary = format!("hpat_{}", "Canary9".repeat(6));
    for _ in 0..3 {
        let call = registry.anon().get("/v2/").header("Authorization", format!("Bearer {canary}"));
        call.header("X-Forwarded-For", "192.0.2.7").await.expect_status(401);
    }
    registry.anon().basic("grace", &canary).get(&format!("{API}/users/current")).await.expect_status(401);
    // One that was taken away.
    let token = json!({ "name": "mine", "duration": -1 });
    let path = format!("{API}/users/current/tokens");
    let made = registry.admin().post(&path).json(&token).await.expect_status(201).json();
    registry.admin().delete(&format!("{path}/{}", made["id"])).await.expect_status(200);
    let shown = format!("Bearer {}", made["token"].as_str().unwrap());
    let call = registry.anon().get(&format!("{API}/users/current")).header("Authorization", shown);
    call.header("X-Forwarded-For", "192.0.2.8").await.expect_status(401);
    let found = lines(registry, "operation=login,operation_result=false").await;
    let mut told: Vec<(&str, &str, &str, u64)> = Vec::new();
    for line in &found {
        let ([address, credential, _], (user, _, times)) = (origin(line), counted(slice::from_ref(line))[0]);
        match told.last_mut().filter(|last| (last.0, last.1) == (user, address)) {
            Some(last) => last.3 += times,
            None => told.push((user, address, credential, times)),
        }
    }
    let kind = "personal_access_token";
    assert_eq!(
        told,
        [
            ("anonymous", "192.0.2.8", kind, 1),
            ("grace", "127.0.0.1", kind, 1),
            ("anonymous", "192.0.2.7", kind, 3),
        ]
    );
    assert!(!found.iter().any(|line| line.to_string().contains("Canary")));
}

async fn what_no_permission_decides_is_told(registry: &TestRegistry) {
    let id = registry.add_user("grace").await;
    // A page of somebody else.
    let cookie = registry.log_in("grace").await;
    let label = json!({ "name": "mine", "scope": "g" });
    let made = |client: &Client| client.post(&format!("{API}/labels")).json(&label);
    made(&registry.anon()).header("Cookie", &cookie).await.expect_status(403);
    let call = made(&registry.admin()).header("Sec-Fetch-Site", "cross-site");
    call.header("X-Forwarded-For", "192.0.2.5").await.expect_status(403);
    let login = registry.anon().post("/c/login").header("Sec-Fetch-Site", "cross-site");
    login.header("X-Forwarded-For", "192.0.2.6").body("principal=grace&password=x").await.expect_status(403);
    // Whoever has a session guesses the password.
    let change = json!({ "old_password": "Canary9Canary9", "new_password": "Other9Other9" });
    let path = format!("{API}/users/{}/password", id.get());
    registry.user("grace").put(&path).json(&change).await.expect_status(403);
    let found = lines(registry, "operation_result=false").await;
    let told = found.iter().map(|line| {
        let text = |name: &str| line[name].as_str().unwrap();
        let done = format!("{} {} {}", text("operation"), text("resource_type"), text("resource"));
        (text("username"), origin(line)[0], origin(line)[1], done)
    });
    let changed = format!("update user /users/{}/password", id.get());
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("grace", "127.0.0.1", "password", changed),
            ("anonymous", "192.0.2.6", "", "login user ".to_owned()),
            ("anonymous", "192.0.2.5", "", "create label /labels".to_owned()),
            ("grace", "127.0.0.1", "session", "create label /labels".to_owned()),
        ]
    );
    let mut words = found.iter().map(|line| line["operation_description"].as_str().unwrap());
    assert!(words.next().unwrap().ends_with("(the old password is not right)"), "{found:?}");
    assert!(
        words.next_back().unwrap().contains("CSRF token invalid") && !format!("{found:?}").contains("Canary")
    );
}

/// Whoever has the permission is refused by a rule of immutable tags, or by a quota.
async fn what_a_rule_or_a_limit_refuses_is_told(registry: &TestRegistry) {
    registry.project("team", false).await;
    let id = registry.add_user("grace").await;
    registry.add_member("team", id, Role::ProjectAdmin).await;
    let (admin, grace) = (registry.admin(), registry.user("grace"));
    let image = push_image(&grace, "team/app", "v1").await;
    let rule = json!({
        "action": "immutable",
        "template": "immutable_template",
        "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "v*" }],
        "scope_selectors": {
            "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }],
        },
    });
    grace.post(&format!("{API}/projects/team/immutabletagrules")).json(&rule).await.expect_status(201);
    grace.push_manifest("team/app", "v1", image.top()).await.expect_status(412);
    grace.delete(&artifact("team/app", "v1")).await.expect_status(412);
    let quotas = read(&admin, format!("{API}/quotas?reference=project")).await;
    let of_team = |quota: &&Value| quota["ref"]["name"] == "team";
    let quota = quotas.as_array().unwrap().iter().find(of_team).unwrap()["id"].clone();
    let small = json!({ "hard": { "storage": 1 } });
    admin.put(&format!("{API}/quotas/{quota}")).json(&small).await.expect_status(200);
    let blob = Piece::blob(SHA, 1000);
    let target = format!("/v2/team/app/blobs/uploads/?digest={}", blob.digest);
    grace.post(&target).body(blob.bytes).await.expect_status(403);
    let found = lines(registry, "operation_result=false").await;
    let told = found.iter().map(|line| {
        let text = |name: &str| line[name].as_str().unwrap();
        assert_eq!((text("username"), origin(line)[1]), ("grace", "password"), "{line}");
        format!("{} {} {}", text("operation"), text("resource_type"), text("resource"))
    });
    let told: Vec<String> = told.collect();
    let deleted = "delete artifact /projects/team/repositories/app/artifacts/v1";
    assert_eq!(told, ["create artifact team/app", deleted, "create artifact team/app:v1"]);
    let words = found[0]["operation_description"].as_str().unwrap();
    assert!(words.contains("exceed the configured upper limit"), "{words}");
}

async fn what_nobody_asked_for_is_no_refusal(registry: &TestRegistry) {
    registry.project("one", false).await;
    registry.project("two", false).await;
    let image = push_image(&registry.admin(), "two/app", "v1").await;
    let id = registry.add_user("grace").await;
    registry.add_member("one", id, Role::Developer).await;
    // A client that would mount gets an upload.
    let mount = format!("/v2/one/app/blobs/uploads/?mount={}&from=two/app", digest(&image));
    registry.user("grace").post(&mount).await.expect_status(202);
    assert_eq!(lines(registry, "operation_result=false").await, [Value::Null; 0]);
}

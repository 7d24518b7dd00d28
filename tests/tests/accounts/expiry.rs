//! Robots and personal access tokens end when their time is over, and with them what came of them.

use std::time::Duration;

use harbor_core::Clock;
use harbor_core::access::Role;
use harbor_tests::{BackEnd, Client, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, private};

harbor_tests::on_every_store! {
    a_robot_ends_and_what_came_of_it(stores);
    a_personal_token_ends_and_what_came_of_it(stores);
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MANIFEST: &str = "/v2/team/app/manifests/latest";

/// A registry whose time stands still, with a private project of which grace is a developer.
async fn registry(back_end: BackEnd) -> TestRegistry {
    let registry = TestRegistry::builder(back_end).patient_with_logins().clock(Clock::manual()).start().await;
    private(&registry, "team").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    registry.admin().push("team/app", Some("latest"), &set).await;
    let id = registry.add_user("grace").await;
    registry.add_member("team", id, Role::Developer).await;
    registry
}

async fn bearer(registry: &TestRegistry, client: &Client) -> Client {
    let token = client.get("/service/token?scope=repository:team/app:pull").await.expect_status(200).json();
    registry.anon().bearer(token["token"].as_str().unwrap())
}

/// What somebody shows works for a day and not after it, and neither does a token that it was traded for shortly before, which would
/// last for longer.
async fn ends_after_a_day(registry: &TestRegistry, shown: &[Client]) {
    registry.clock.advance(DAY - MINUTE * 5);
    let mut all = shown.to_vec();
    for client in shown {
        all.push(bearer(registry, client).await);
    }
    registry.clock.advance(MINUTE * 5 - Duration::from_secs(1));
    for client in &all {
        client.get(MANIFEST).await.expect_status(200);
    }
    // A user's token that is as old goes on to work.
    let other = bearer(registry, &registry.user("grace")).await;
    registry.clock.advance(Duration::from_secs(2));
    for client in &all {
        client.get(MANIFEST).await.expect_error(401, "UNAUTHORIZED");
    }
    for client in shown {
        client.get(&format!("{API}/projects/team")).await.expect_error(401, "UNAUTHORIZED");
        client.get("/service/token?scope=repository:team/app:pull").await.expect_error(401, "UNAUTHORIZED");
    }
    other.get(MANIFEST).await.expect_status(200);
}

async fn made(client: &Client, path: &str, body: &Value) -> Value {
    client.post(&format!("{API}{path}")).json(body).await.expect_status(201).json()
}

async fn a_robot_ends_and_what_came_of_it(back_end: BackEnd) {
    let registry = registry(back_end).await;
    let admin = registry.admin();
    let pull = json!([{ "kind": "project", "namespace": "team",
        "access": [{ "resource": "repository", "action": "pull" }, { "resource": "project", "action": "read" }] }]);
    let (mut shown, mut lasting) = (Vec::new(), Vec::new());
    for (name, level, days) in
        [("a", "project", 1), ("b", "system", 1), ("c", "project", 2), ("d", "project", -1)]
    {
        let body = json!({ "name": name, "level": level, "duration": days, "permissions": pull });
        let robot = made(&admin, "/robots", &body).await;
        let client =
            registry.anon().basic(robot["name"].as_str().unwrap(), robot["secret"].as_str().unwrap());
        if days == 1 { shown.push(client) } else { lasting.push(client) }
    }
    ends_after_a_day(&registry, &shown).await;
    for client in &lasting {
        client.get(MANIFEST).await.expect_status(200);
    }
    registry.close().await;
}

async fn a_personal_token_ends_and_what_came_of_it(back_end: BackEnd) {
    let registry = registry(back_end).await;
    let (grace, path) = (registry.user("grace"), "/users/current/tokens");
    let token = made(&grace, path, &json!({ "name": "short", "duration": 1 })).await;
    let lasting = made(&grace, path, &json!({ "name": "long", "duration": 2 })).await;
    let text = |token: &Value| token["token"].as_str().unwrap().to_owned();
    let token = text(&token);
    ends_after_a_day(&registry, &[registry.anon().basic("grace", &token), registry.anon().bearer(&token)])
        .await;
    registry.anon().bearer(&text(&lasting)).get(MANIFEST).await.expect_status(200);
    registry.close().await;
}

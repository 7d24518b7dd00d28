//! What is secret is in no answer, but for the one that hands it out: words that nobody else writes are passwords, secrets and
//! tokens of each kind, and are looked for in all that can be read, by whoever may read most, and in refusals.

mod world;

use std::time::Duration;

use harbor_core::operation::{self, Operation};
use harbor_tests::{Answer, Client, TestRegistry};
use serde_json::json;

use self::world::World;
use super::API;

harbor_tests::on_every_store! {
    secrets_are_in_no_answer;
}

async fn secrets_are_in_no_answer(registry: &TestRegistry) {
    let world = World::make(registry).await;
    world.all_are_live(registry).await;
    let admin = registry.admin();
    for operation in served("GET") {
        for query in world.queries(operation) {
            let target = format!("{API}{}{query}", world.path(operation));
            let answer = read_by(&admin, operation, &target).await;
            assert_eq!(answer.status, if operation.id == "getCert" { 404 } else { 200 }, "{answer}");
            world.is_in_none(operation, &answer);
            for client in world.others() {
                world.is_in_none(operation, &read_by(client, operation, &target).await);
            }
        }
    }
    refusals(registry, &world).await;
    let metrics = admin.get("/metrics").await.expect_status(200);
    world.is_in_none(served("GET").next().unwrap(), &metrics);
}

/// The operations of a method that are served: whoever asks for another one is told so at once.
fn served(method: &str) -> impl Iterator<Item = &'static Operation> {
    let not_yet = include_str!("../../operations/not_yet_served.txt");
    operation::all()
        .filter(move |operation| method.is_empty() || operation.method.as_str() == method)
        .filter(move |operation| !not_yet.lines().any(|id| id == operation.id))
}

/// An answer, whole. Somebody may have to wait for what a worker is about to write.
async fn read_by(client: &Client, operation: &Operation, target: &str) -> Answer {
    for _ in 0..100 {
        let answer = client.get(target).await;
        if answer.status != 404 || operation.id == "getCert" {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.get(target).await
}

/// Bodies with secrets, also such as are of another kind than they have to be, from everybody and for everything.
async fn refusals(registry: &TestRegistry, world: &World) {
    let clients = [registry.admin(), registry.anon()];
    let bodies =
        [world.body(|secret| json!(secret)), world.body(|_| json!(NUMBER)), world.body(|_| json!([NUMBER]))];
    for operation in served("").filter(|operation| operation.method.as_str() != "GET") {
        for client in clients.iter().chain(world.others()) {
            for body in &bodies {
                let target = format!("{API}{}", world.path_to_nothing(operation));
                let answer = client.call(operation.method.as_str(), &target).json(body).await;
                world.is_in_none(operation, &answer);
                let text = String::from_utf8_lossy(&answer.body).to_string();
                assert!(!text.contains(&NUMBER.to_string()), "{}: {answer}", operation.id);
                assert!(answer.status < 500, "{}: {answer}", operation.id);
            }
        }
    }
    let current = operation::all().find(|operation| operation.id == "getCurrentUserInfo").unwrap();
    for secret in world.secrets() {
        for client in [
            registry.anon().basic("admin", secret),
            registry.anon().basic(secret, secret),
            registry.anon().basic("robot$nobody", secret),
            registry.anon().bearer(secret),
        ] {
            let answer = client.get(&format!("{API}/users/1")).await;
            assert!([401, 403].contains(&answer.status), "{answer}");
            world.is_in_none(current, &answer);
        }
    }
}

/// A secret that is a number, which texts may be as well.
const NUMBER: u64 = 4_711_471_147_114_711;

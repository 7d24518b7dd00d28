//! Every operation that is served, as everybody: anonymous, each role, somebody who is nothing in the project, an administrator,
//! and robots, also such as have exactly the permission or all but that. What comes is compared with the matrix.

use harbor_core::operation::{self, Operation};
use harbor_tests::{Answer, TestRegistry};

use super::NOT_YET;
use super::callers::{Caller, Callers, Is, On, exact, may, robot};
use super::places::{Place, World};

harbor_tests::on_every_store! {
    every_operation_as_everybody;
}

/// They end the project or a user, and are called on others: [`ended`].
const ENDS: [&str; 2] = ["deleteProject", "deleteUser"];

async fn every_operation_as_everybody(registry: &TestRegistry) {
    let mut world = World::make(registry).await;
    let not_yet: Vec<&str> = NOT_YET.lines().collect();
    let mut callers = Callers::make(registry).await;
    let served = operation::all().filter(|operation| !not_yet.contains(&operation.id));
    for operation in served.filter(|operation| !ENDS.contains(&operation.id)) {
        for caller in callers.of(registry, operation).await {
            for place in Place::of(operation) {
                let answer = world.call(&caller.client, operation, place).await;
                compare(&caller, operation, place, &answer);
            }
        }
    }
    users_end(registry, &mut callers).await;
    projects_end(registry, &mut callers).await;
}

fn compare(caller: &Caller, operation: &Operation, place: Place, answer: &Answer) {
    let refused = [401, 403].contains(&answer.status);
    let what = format!("{} as {} in {place:?}: {answer}", operation.id, caller.name);
    assert_eq!(!refused, may(caller.is, operation, place), "{what}");
    assert!(answer.status < 500, "{what}");
    // Nothing else is a page, which browsers might show within another one: see what is said of the one that there is.
    if let Some(kind) = answer.header("Content-Type") {
        assert!(!kind.contains("html"), "{what}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{what}");
    }
    if refused {
        assert_eq!(answer.status == 401, caller.is == Is::Anonymous, "{what}");
    }
}

fn operation_of(id: &str) -> &'static Operation {
    operation::all().find(|operation| operation.id == id).unwrap()
}

/// Deletes a user; whoever may gets one of its own.
async fn users_end(registry: &TestRegistry, callers: &mut Callers) {
    let operation = operation_of("deleteUser");
    for (number, caller) in callers.of(registry, operation).await.into_iter().enumerate() {
        let doomed = registry.add_user(&format!("doomed-{number}")).await;
        let answer = caller.client.delete(&format!("/api/v2.0/users/{}", doomed.get())).await;
        compare(&caller, operation, Place::System, &answer);
        let left = registry.admin().get(&format!("/api/v2.0/users/{}", doomed.get())).await;
        assert_eq!(left.status == 404, answer.status == 200, "{}: {answer}, {left}", caller.name);
    }
}

/// A project that is deleted.
const ENDING: &str = "ending";

/// Deletes a project in which the caller is what it is in the others: members have their roles, robots are of it.
async fn projects_end(registry: &TestRegistry, callers: &mut Callers) {
    let operation = operation_of("deleteProject");
    let mut everybody: Vec<_> = callers.of(registry, operation).await.into_iter().map(Ok).collect();
    everybody.extend(exact(operation).into_iter().map(|(_, given)| Err(given)));
    for caller in everybody {
        registry.project(ENDING, false).await;
        let caller = match caller {
            Ok(caller) => caller,
            Err(given) => robot(registry, On::Project(ENDING), given).await,
        };
        if let Is::Role(role) = caller.is {
            let id = registry.accounts.id_of(&caller.name).await.unwrap().unwrap();
            registry.add_member(ENDING, id, role).await;
        }
        let answer = caller.client.delete(&format!("/api/v2.0/projects/{ENDING}")).await;
        compare(&caller, operation, Place::In(ENDING), &answer);
        let status = if answer.status == 200 { 404 } else { 200 };
        registry.admin().delete(&format!("/api/v2.0/projects/{ENDING}")).await.expect_status(status);
    }
}

//! Every operation that is served, as everybody: anonymous, each role, somebody who is nothing in the project, robots with and
//! without the permission, and an administrator. What comes is compared with the matrix of roles and permissions, which is
//! committed beside this file as Harbor has it.

use std::collections::BTreeMap;

use harbor_core::access::{Level, Permission, Role, permission};
use harbor_core::operation::{self, Need, Operation};
use harbor_tests::{Answer, BackEnd, Client, TestRegistry};
use serde_json::json;

use super::{NOT_YET, path};

/// Who may do what, as Harbor has it: scope, resource, action, then a column for each role, for everybody in a public project,
/// and for robots; tabs between them.
const MATRIX: &str = include_str!("matrix.tsv");

/// Rows of permissions that this registry has and Harbor has not.
const BEYOND: [&str; 9] = [
    "role:create",
    "role:delete",
    "role:update",
    "user-totp:delete",
    "notification-policy:create",
    "notification-policy:delete",
    "notification-policy:list",
    "notification-policy:read",
    "notification-policy:update",
];

/// A private project, and a public one. Members have the same roles in both; robots are of the first.
const SECRET: &str = "secret";
const OPEN: &str = "open";

/// A row of the matrix.
struct Row<'a> {
    level: Level,
    resource: &'a str,
    action: &'a str,
    marks: Vec<bool>,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    MATRIX.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split('\t');
        let level = if words.next() == Some("system") { Level::System } else { Level::Project };
        let (resource, action) = (words.next().unwrap(), words.next().unwrap());
        // Harbor calls the project itself nothing, and gives robots a resource of its own for it.
        let resource = if resource == "(self)" { "project" } else { resource };
        Row { level, resource, action, marks: words.map(|word| word == "1").collect() }
    })
}

const ROLES: [Role; 5] =
    [Role::ProjectAdmin, Role::Maintainer, Role::Developer, Role::Guest, Role::LimitedGuest];

#[test]
fn the_list_of_permissions_is_the_matrix() {
    let mut listed: BTreeMap<(Level, &str, &str), Vec<bool>> = BTreeMap::new();
    for row in rows() {
        let marks = listed.entry((row.level, row.resource, row.action)).or_insert_with(|| vec![false; 7]);
        let columns = row.marks.iter().chain(std::iter::repeat(&false));
        marks.iter_mut().zip(columns).for_each(|(mark, more)| *mark |= more);
    }
    for permission in permission::ALL {
        let Some(marks) = listed.remove(&(permission.level, permission.resource, permission.action)) else {
            assert!(BEYOND.contains(&permission.to_string().as_str()), "{permission} is not in the matrix");
            continue;
        };
        match permission.level {
            Level::Project => {
                let held: Vec<bool> = ROLES
                    .iter()
                    .map(|role| permission.has(*role))
                    .chain([permission.is_public(), permission.is_grantable()])
                    .collect();
                assert_eq!(held, marks, "{permission}");
            }
            Level::System => {
                let held = [permission.is_shown_to_administrators(), permission.is_grantable()];
                assert_eq!(held, marks[..2], "{permission}");
                assert!(ROLES.iter().all(|role| !permission.has(*role)), "{permission}");
            }
        }
    }
    assert!(listed.is_empty(), "in the matrix and not in the list: {:?}", listed.keys());
}

/// Somebody who calls, and what is known of what they may.
struct Caller {
    name: String,
    client: Client,
    is: Is,
}

#[derive(Clone, Copy, PartialEq)]
enum Is {
    Anonymous,
    Role(Role),
    Stranger,
    Administrator,
    /// A robot that was given every permission that it can be given, in the project or on the whole registry.
    Robot(Level),
    /// A robot that was given one permission that no operation here is about.
    PoorRobot,
}

/// Whether somebody has a permission, in a project of this test.
fn has(is: Is, permission: Permission, project: &str) -> bool {
    if project == OPEN && permission.level == Level::Project && permission.is_public() {
        return true;
    }
    match is {
        Is::Administrator => true,
        Is::Role(role) => permission.has(role) || permission.to_string() == "project:create",
        Is::Robot(Level::Project) if project != SECRET => false,
        Is::Robot(level) => level == permission.level && permission.is_grantable(),
        // Whoever has logged in may make projects.
        Is::Stranger => permission.level == Level::System && permission.to_string() == "project:create",
        Is::Anonymous | Is::PoorRobot => false,
    }
}

/// Whether somebody may call an operation; `None` where that depends on what is called for.
fn may(is: Is, operation: &Operation, project: &str) -> Option<bool> {
    match operation.need {
        Need::Nothing => Some(true),
        Need::Login => Some(is != Is::Anonymous),
        Need::Permission(permission) => Some(has(is, permission, project)),
        // Of somebody else, for the path names the administrator.
        Need::Own(permission) => Some(has(is, permission, project)),
        Need::Registers(permission) => Some(has(is, permission, project)),
        Need::Any(_) if is == Is::Anonymous => Some(false),
        Need::Any(_) => None,
    }
}

async fn secret_of_robot(registry: &TestRegistry, body: serde_json::Value) -> (String, String) {
    let made = registry.admin().post("/api/v2.0/robots").json(&body).await.expect_status(201).json();
    (made["name"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// Every permission that a robot can be given on a level.
fn grantable(level: Level) -> Vec<serde_json::Value> {
    let of = |permission: &&Permission| permission.level == level && permission.is_grantable();
    let entry =
        |permission: &Permission| json!({ "resource": permission.resource, "action": permission.action });
    permission::ALL.iter().filter(of).map(entry).collect()
}

async fn robots(registry: &TestRegistry) -> Vec<Caller> {
    let project = json!([{ "kind": "project", "namespace": "secret", "access": grantable(Level::Project) }]);
    let system = json!([{ "kind": "system", "namespace": "/", "access": grantable(Level::System) }]);
    let poor = json!([{ "kind": "project", "namespace": "secret",
        "access": [{ "resource": "export-cve", "action": "read" }] }]);
    let mut callers = Vec::new();
    for (is, level, permissions) in [
        (Is::Robot(Level::Project), "project", project),
        (Is::Robot(Level::System), "system", system),
        (Is::PoorRobot, "project", poor),
    ] {
        let name = format!("matrix-{}", callers.len());
        let body = json!({ "name": name, "level": level, "duration": -1, "permissions": permissions });
        let (name, secret) = secret_of_robot(registry, body).await;
        let client = registry.anon().basic(&name, &secret);
        callers.push(Caller { name, client, is });
    }
    callers
}

async fn callers(registry: &TestRegistry) -> Vec<Caller> {
    let mut callers = vec![
        Caller { name: "anonymous".to_owned(), client: registry.anon(), is: Is::Anonymous },
        Caller { name: "admin".to_owned(), client: registry.admin(), is: Is::Administrator },
    ];
    for role in ROLES {
        let name = role.name().to_lowercase();
        let id = registry.add_user(&name).await;
        registry.add_member(SECRET, id, role).await;
        registry.add_member(OPEN, id, role).await;
        callers.push(Caller { client: registry.user(&name), name, is: Is::Role(role) });
    }
    registry.add_user("stranger").await;
    callers.push(Caller { name: "stranger".to_owned(), client: registry.user("stranger"), is: Is::Stranger });
    callers.extend(robots(registry).await);
    callers
}

/// What a path of the test names: a project, and keys that there are not, so that nothing is changed.
fn parameter(name: &str, project: &str) -> String {
    match name {
        "project_name" | "project_name_or_id" => project.to_owned(),
        "repository_name" => "app".to_owned(),
        "user_id" => "1".to_owned(),
        "meta_name" => "none".to_owned(),
        name if name.contains("id") => "70000".to_owned(),
        _ => "none".to_owned(),
    }
}

/// Calls an operation with a body that does not read: whoever may call it is told so, and nothing is changed.
async fn call(client: &Client, operation: &Operation, project: &str) -> Answer {
    let target = path(operation, |name| parameter(name, project));
    let request = client.call(operation.method.as_str(), &target);
    match operation.method.as_str() {
        "POST" | "PUT" | "PATCH" => request.header("Content-Type", "application/json").body("{").await,
        _ => request.await,
    }
}

/// They end the project or a user, and are called on others: [`ended`].
const ENDS: [&str; 2] = ["deleteProject", "deleteUser"];

async fn everybody(back_end: BackEnd) {
    let registry = TestRegistry::start(back_end).await;
    registry.project(SECRET, false).await;
    registry.project(OPEN, true).await;
    let not_yet: Vec<&str> = NOT_YET.lines().collect();
    let callers = callers(&registry).await;
    for operation in operation::all().filter(|operation| !not_yet.contains(&operation.id)) {
        for caller in callers.iter().filter(|_| !ENDS.contains(&operation.id)) {
            for project in [SECRET, OPEN] {
                let answer = call(&caller.client, operation, project).await;
                compare(caller, operation, project, &answer);
            }
        }
    }
    ended(&registry, &callers).await;
    registry.close().await;
}

fn compare(caller: &Caller, operation: &Operation, project: &str, answer: &Answer) {
    let refused = [401, 403].contains(&answer.status);
    let what = format!("{} as {} in {project}: {answer}", operation.id, caller.name);
    if let Some(allowed) = may(caller.is, operation, project) {
        assert_eq!(!refused, allowed, "{what}");
    }
    assert!(answer.status < 500, "{what}");
    if refused {
        assert_eq!(answer.status == 401, caller.is == Is::Anonymous, "{what}");
    }
}

/// Deletes a user, and a project in which the caller is what it is in the others.
async fn ended(registry: &TestRegistry, callers: &[Caller]) {
    let doomed = registry.add_user("doomed").await;
    let (project, user) = (operation_of("deleteProject"), operation_of("deleteUser"));
    for caller in callers.iter().filter(|caller| caller.is != Is::Administrator) {
        // The robot of the system may; whoever comes after it finds nobody to delete, if that is not refused.
        let answer = caller.client.delete(&format!("/api/v2.0/users/{}", doomed.get())).await;
        compare(caller, user, SECRET, &answer);
        // A robot of one project is nothing in another.
        if !matches!(caller.is, Is::Robot(_) | Is::PoorRobot) {
            registry.project("ending", false).await;
            if let Is::Role(role) = caller.is {
                let id = registry.accounts.id_of(&caller.name).await.unwrap().unwrap();
                registry.add_member("ending", id, role).await;
            }
            let answer = caller.client.delete("/api/v2.0/projects/ending").await;
            compare(caller, project, "ending", &answer);
            registry.admin().delete("/api/v2.0/projects/ending").await;
        }
    }
    registry.admin().delete(&format!("/api/v2.0/users/{}", doomed.get())).await.expect_status(404);
}

fn operation_of(id: &str) -> &'static Operation {
    operation::all().find(|operation| operation.id == id).unwrap()
}

#[tokio::test]
async fn every_operation_as_everybody() {
    everybody(BackEnd::Memory).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and an S3 server"]
async fn every_operation_as_everybody_postgres() {
    everybody(BackEnd::PostgresS3).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn every_operation_as_everybody_mariadb() {
    everybody(BackEnd::MariaDbFolder).await;
}

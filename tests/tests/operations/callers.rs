//! Who calls, and what is known of what they may.

use std::collections::HashMap;

use harbor_core::access::{Level, Permission, Role, permission};
use harbor_core::operation::{Need, Operation};
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::matrix::ROLES;
use super::places::{OPEN, Place, SECRET};

/// Somebody who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) is: Is,
}

/// What somebody is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Is {
    Anonymous,
    /// A member of both projects.
    Role(Role),
    /// Somebody who is nothing in any project.
    Stranger,
    Administrator,
    /// An administrator, by a token that is limited to pulling from one project, or to nothing.
    Limited,
    Robot(On, Given),
}

/// What everybody may ask for who has logged in, and what a limited token is good for too: it is the same for everybody, or has no
/// more than the limit has room for.
const FOR_LIMITED: [&str; 12] = [
    "exportAuditLog",
    "getCurrentUserPermissions",
    "getPermissions",
    "getRentenitionMetadata",
    "getRole",
    "getSchedulePaused",
    "getStatistic",
    "listAuditLogEventTypes",
    "listAuditLogExts",
    "listAuditLogs",
    "listRoles",
    "streamEvents",
];

/// Where a robot was given something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum On {
    /// On the whole registry.
    System,
    /// In every project.
    EveryProject,
    /// In one project.
    Project(&'static str),
}

/// What a robot was given there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Given {
    /// All that can be given there.
    Everything,
    /// One permission and no other.
    Only(Permission),
    /// All that can be given there but for one permission.
    AllBut(Permission),
}

impl On {
    /// Where a permission is given to a robot that has it nowhere else.
    const fn of(permission: Permission) -> Self {
        match permission.level {
            Level::System => Self::System,
            Level::Project => Self::Project(SECRET),
        }
    }

    fn reaches(self, level: Level, place: Place) -> bool {
        match self {
            Self::System => level == Level::System,
            Self::EveryProject => level == Level::Project,
            Self::Project(name) => level == Level::Project && place == Place::In(name),
        }
    }
}

impl Given {
    fn has(self, permission: Permission) -> bool {
        permission.is_grantable()
            && match self {
                Self::Everything => true,
                Self::Only(only) => permission == only,
                Self::AllBut(but) => permission != but,
            }
    }
}

/// Whether somebody has a permission in a place of this test.
fn has(is: Is, permission: Permission, place: Place) -> bool {
    let public = place == Place::In(OPEN) && permission.level == Level::Project && permission.is_public();
    if public && is != Is::Limited {
        return true;
    }
    // Whoever has logged in may make projects.
    let of_everybody = permission.level == Level::System && permission.to_string() == "project:create";
    match is {
        Is::Administrator => true,
        Is::Role(role) => of_everybody || permission.has(role),
        Is::Stranger => of_everybody,
        Is::Robot(on, given) => on.reaches(permission.level, place) && given.has(permission),
        Is::Anonymous | Is::Limited => false,
    }
}

/// The permissions one of which an operation needs in a place.
fn needed(operation: &Operation, place: Place) -> Vec<Permission> {
    match operation.need {
        Need::Nothing | Need::Login => Vec::new(),
        // Users are of somebody else here: the path names the administrator.
        Need::Permission(permission) | Need::Own(permission) | Need::Registers(permission) => {
            vec![permission]
        }
        Need::Any(permissions) => {
            permissions.iter().copied().filter(|permission| permission.level == place.level()).collect()
        }
    }
}

/// Whether somebody may call an operation about something in a place.
pub(crate) fn may(is: Is, operation: &Operation, place: Place) -> bool {
    match (operation.need, needed(operation, place)) {
        (Need::Login, _) if is == Is::Limited => FOR_LIMITED.contains(&operation.id),
        (Need::Login, _) => is != Is::Anonymous,
        // The labels that all may use are listed to everybody.
        (_, permissions) if permissions.is_empty() => true,
        (_, permissions) => permissions.into_iter().any(|permission| has(is, permission, place)),
    }
}

/// Every permission that a robot with this can be given.
fn access(on: On, given: Given) -> Vec<Value> {
    let level = if on == On::System { Level::System } else { Level::Project };
    let of = |permission: &&Permission| permission.level == level && given.has(**permission);
    let entry =
        |permission: &Permission| json!({ "resource": permission.resource, "action": permission.action });
    permission::ALL.iter().filter(of).map(entry).collect()
}

/// Makes a robot.
pub(crate) async fn robot(registry: &TestRegistry, on: On, given: Given) -> Caller {
    let (level, kind, namespace) = match on {
        On::System => ("system", "system", "/"),
        On::EveryProject => ("system", "project", "*"),
        On::Project(name) => ("project", "project", name),
    };
    let permissions = [json!({ "kind": kind, "namespace": namespace, "access": access(on, given) })];
    let name = format!("matrix-{}", uuid::Uuid::new_v4());
    let body = json!({ "name": name, "level": level, "duration": -1, "permissions": permissions });
    let made = registry.admin().post("/api/v2.0/robots").json(&body).await.expect_status(201).json();
    let (full, secret) = (made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let client = registry.anon().basic(full, secret);
    Caller { name: format!("a robot with {given:?} on {on:?}"), client, is: Is::Robot(on, given) }
}

/// A token of the administrator that is limited to pulls from one project, and what the token service gives for nothing in particular.
async fn limited(registry: &TestRegistry) -> [Caller; 2] {
    let access = json!([{ "resource": "repository", "action": "pull" }]);
    let scopes = json!([{ "kind": "project", "namespace": SECRET, "access": access }]);
    let body = json!({ "name": "pulls", "duration": 1, "scopes": scopes });
    let admin = registry.admin();
    let made = admin.post("/api/v2.0/users/current/tokens").json(&body).await.expect_status(201).json();
    let personal = registry.anon().basic("admin", made["token"].as_str().unwrap());
    let bearer = admin.get("/service/token?service=harbor-registry").await.expect_status(200).json();
    let bearer = registry.anon().bearer(bearer["token"].as_str().unwrap());
    [("a personal token for pulls", personal), ("a bearer for nothing", bearer)]
        .map(|(name, client)| Caller { name: name.to_owned(), client, is: Is::Limited })
}

/// Everybody who calls every operation, and the robots that were made to call some.
pub(crate) struct Callers {
    all: Vec<Caller>,
    robots: HashMap<(On, Given), Caller>,
}

impl Callers {
    pub(crate) async fn make(registry: &TestRegistry) -> Self {
        let mut all = vec![
            Caller { name: "anonymous".to_owned(), client: registry.anon(), is: Is::Anonymous },
            Caller { name: "admin".to_owned(), client: registry.admin(), is: Is::Administrator },
        ];
        for role in ROLES {
            let name = role.name().to_lowercase();
            let id = registry.add_user(&name).await;
            registry.add_member(SECRET, id, role).await;
            registry.add_member(OPEN, id, role).await;
            all.push(Caller { client: registry.user(&name), name, is: Is::Role(role) });
        }
        registry.add_user("stranger").await;
        let client = registry.user("stranger");
        all.push(Caller { name: "stranger".to_owned(), client, is: Is::Stranger });
        all.extend(limited(registry).await);
        for on in [On::System, On::EveryProject, On::Project(SECRET)] {
            all.push(robot(registry, on, Given::Everything).await);
        }
        Self { all, robots: HashMap::new() }
    }

    /// Everybody who is to call an operation: also, for each permission that it may need, a robot that has that alone and one
    /// that has all but that.
    pub(crate) async fn of(&mut self, registry: &TestRegistry, operation: &Operation) -> Vec<Caller> {
        let mut callers = self.all.clone();
        for (on, given) in exact(operation) {
            let made = match self.robots.get(&(on, given)) {
                Some(made) => made.clone(),
                None => robot(registry, on, given).await,
            };
            self.robots.insert((on, given), made.clone());
            callers.push(made);
        }
        callers
    }
}

/// For each permission that an operation may need and robots can be given: that alone, and all but that.
pub(crate) fn exact(operation: &Operation) -> Vec<(On, Given)> {
    let everywhere = [Place::System, Place::In(SECRET)];
    let mut permissions: Vec<_> = everywhere.iter().flat_map(|place| needed(operation, *place)).collect();
    permissions.dedup();
    let grantable = permissions.into_iter().filter(|permission| permission.is_grantable());
    grantable
        .flat_map(|permission| {
            let on = On::of(permission);
            [(on, Given::Only(permission)), (on, Given::AllBut(permission))]
        })
        .collect()
}

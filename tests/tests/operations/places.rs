//! What operations are called for: the registry, a private project, a public one, and one thing of each kind in each of them.

use std::collections::BTreeMap;

use harbor_core::access::Level;
use harbor_core::operation::{Need, Operation};
use harbor_tests::{Answer, Client, TestRegistry};
use serde_json::{Value, json};

use super::path;

/// A private project, and a public one. Members have the same roles in both; robots are of the first, or of all.
pub(crate) const SECRET: &str = "secret";
pub(crate) const OPEN: &str = "open";

const API: &str = "/api/v2.0";

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Of the whole registry.
    System,
    /// In a project.
    In(&'static str),
}

impl Place {
    pub(crate) const fn level(self) -> Level {
        match self {
            Self::System => Level::System,
            Self::In(_) => Level::Project,
        }
    }

    /// The places in which an operation is called. Where the permission follows from the thing that is named, things are of the
    /// registry and of projects.
    pub(crate) fn of(operation: &Operation) -> Vec<Self> {
        let projects = [Self::In(SECRET), Self::In(OPEN)];
        match operation.need {
            // A policy of retention is made for a project; the one of the registry is set by another operation.
            Need::Any(_) if operation.id != "createRetention" => [&[Self::System], &projects[..]].concat(),
            _ => projects.to_vec(),
        }
    }
}

/// The things of one place, by key.
#[derive(Clone, Copy)]
struct Things {
    project: i64,
    label: i64,
    policy: i64,
    robot: i64,
}

/// What there is to be called for.
pub(crate) struct World {
    admin: Client,
    things: BTreeMap<Place, Things>,
}

impl World {
    pub(crate) async fn make(registry: &TestRegistry) -> Self {
        registry.project(SECRET, false).await;
        registry.project(OPEN, true).await;
        let mut world = Self { admin: registry.admin(), things: BTreeMap::new() };
        for place in [Place::System, Place::In(SECRET), Place::In(OPEN)] {
            let project = world.project(place).await;
            let none = Things { project, label: 0, policy: 0, robot: 0 };
            world.things.insert(place, none);
            let label = world.label(place).await;
            let policy = world.policy(place).await;
            let robot = world.robot(place).await;
            world.things.insert(place, Things { label, policy, robot, ..none });
        }
        world
    }

    async fn read(&self, path: &str) -> Value {
        self.admin.get(&format!("{API}{path}")).await.expect_status(200).json()
    }

    /// Makes something; yields its key.
    async fn post(&self, path: &str, body: &Value) -> i64 {
        let answer = self.admin.post(&format!("{API}{path}")).json(body).await.expect_status(201);
        answer.need("Location").rsplit('/').next().unwrap().parse().unwrap()
    }

    async fn project(&self, place: Place) -> i64 {
        match place {
            Place::System => 0,
            Place::In(name) => self.read(&format!("/projects/{name}")).await["project_id"].as_i64().unwrap(),
        }
    }

    async fn label(&self, place: Place) -> i64 {
        let scope = if place == Place::System { "g" } else { "p" };
        let project = self.things[&place].project;
        self.post("/labels", &json!({ "name": "thing", "scope": scope, "project_id": project })).await
    }

    async fn policy(&self, place: Place) -> i64 {
        let mut policy = json!({ "algorithm": "or", "rules": [],
            "trigger": { "kind": "Schedule", "settings": { "cron": "" } } });
        if place == Place::System {
            self.admin.put(&format!("{API}/retentions/default")).json(&policy).await.expect_status(200);
            return self.read("/retentions/default").await["id"].as_i64().unwrap();
        }
        policy["scope"] = json!({ "level": "project", "ref": self.things[&place].project });
        self.post("/retentions", &policy).await
    }

    async fn robot(&self, place: Place) -> i64 {
        let access =
            json!([{ "resource": if place == Place::System { "user" } else { "label" }, "action": "list" }]);
        let (level, namespace) = match place {
            Place::System => ("system", "/"),
            Place::In(name) => ("project", name),
        };
        let permissions = [json!({ "kind": level, "namespace": namespace, "access": access })];
        let body = json!({ "name": "thing", "level": level, "duration": 1, "permissions": permissions });
        self.post("/robots", &body).await
    }

    /// What a path of the test names: things of a place, and keys that there are not, so that little is changed.
    fn parameter(&self, operation: &Operation, name: &str, place: Place) -> String {
        let things = self.things[&place];
        match (operation.tag, name) {
            ("label", "label_id") => things.label.to_string(),
            ("Retention", "id") => things.policy.to_string(),
            ("robot", "robot_id") => things.robot.to_string(),
            (_, "project_name" | "project_name_or_id") => match place {
                Place::In(name) => name.to_owned(),
                Place::System => "none".to_owned(),
            },
            (_, "repository_name") => "app".to_owned(),
            (_, "user_id") => "1".to_owned(),
            (_, name) if name.contains("id") => "70000".to_owned(),
            _ => "none".to_owned(),
        }
    }

    /// What a list of things of a place is asked for by.
    fn query(&self, operation: &Operation, place: Place) -> String {
        let project = self.things[&place].project;
        match (operation.id, place) {
            ("ListLabels", Place::System) => "?scope=g".to_owned(),
            ("ListLabels", Place::In(_)) => format!("?scope=p&project_id={project}"),
            ("ListRobot", Place::System) => "?q=Level%3Dsystem".to_owned(),
            ("ListRobot", Place::In(_)) => format!("?q=Level%3Dproject%2CProjectID%3D{project}"),
            ("headProject", _) => format!("?project_name={SECRET}"),
            ("searchUsers", _) => "?username=a".to_owned(),
            ("searchUserGroups", _) => "?groupname=a".to_owned(),
            _ => String::new(),
        }
    }

    /// A body from which nothing is made: one that does not read where the path tells what it is about, and else one that tells
    /// and is wrong in the rest.
    fn body(&self, operation: &Operation, place: Place) -> String {
        let project = self.things[&place].project;
        let (scope, level, namespace) = match place {
            Place::System => ("g", "system", "/"),
            Place::In(name) => ("p", "project", name),
        };
        let body = match operation.id {
            "CreateLabel" => json!({ "name": "", "scope": scope, "project_id": project }),
            "createRetention" => json!({ "algorithm": "none", "scope": { "level": level, "ref": project } }),
            "CreateRobot" => json!({ "name": "", "level": level, "duration": 1,
                "permissions": [{ "kind": level, "namespace": namespace, "access": [] }] }),
            _ => return "{".to_owned(),
        };
        body.to_string()
    }

    /// Calls an operation so that nothing is changed; but what was deleted is made anew.
    pub(crate) async fn call(&mut self, client: &Client, operation: &Operation, place: Place) -> Answer {
        let target = path(operation, |name| self.parameter(operation, name, place));
        let target = format!("{target}{}", self.query(operation, place));
        let request = client.call(operation.method.as_str(), &target);
        let answer = match operation.method.as_str() {
            "POST" | "PUT" | "PATCH" => {
                let body = self.body(operation, place);
                request.header("Content-Type", "application/json").body(body).await
            }
            _ => request.await,
        };
        if operation.method.as_str() == "DELETE" && answer.status == 200 {
            self.again(operation, place).await;
        }
        answer
    }

    /// Makes anew what an operation has deleted.
    async fn again(&mut self, operation: &Operation, place: Place) {
        let place = if operation.id == "deleteDefaultRetention" { Place::System } else { place };
        let mut things = self.things[&place];
        match operation.id {
            "DeleteLabel" => things.label = self.label(place).await,
            "DeleteRobot" => things.robot = self.robot(place).await,
            "deleteRetention" | "deleteDefaultRetention" => things.policy = self.policy(place).await,
            _ => return,
        }
        self.things.insert(place, things);
    }
}

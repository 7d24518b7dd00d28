//! A registry with secrets of each kind, and something for each parameter of a path.

use std::collections::BTreeMap;
use std::time::Duration;

use harbor_core::access::Role;
use harbor_core::oci::Algorithm;
use harbor_core::operation::Operation;
use harbor_tests::{Answer, Client, TestRegistry, code_at, content};
use serde_json::{Value, json};

use crate::{API, PASSWORD, key, make, read};

/// A project that only its members see.
const TEAM: &str = "team";

/// A secret of each kind that whoever has it chooses. They keep to the rules of passwords.
const CHOSEN: [&str; 10] = [
    "Canary0ofThePassword",
    "Canary1ofTheRobot",
    "Canary2ofTheRobotToo",
    "Canary3ofTheHeader",
    "Canary4ofTheSignature",
    "Canary5ofTheSignatureToo",
    "Canary6ofTheCommandLine",
    "Canary7ofLdap",
    "Canary8ofOidc",
    "Canary9ofNobody",
];

/// What there is, by the names of parameters; and what nobody may see.
pub(super) struct World {
    ids: BTreeMap<(&'static str, &'static str), String>,
    secrets: Vec<String>,
    /// The administrator of the project, somebody with a second factor and a token, and a robot.
    others: Vec<Client>,
    robot: String,
}

impl World {
    pub(super) async fn make(registry: &TestRegistry) -> Self {
        registry.project(TEAM, false).await;
        let secrets = CHOSEN.iter().map(|secret| (*secret).to_owned()).collect();
        let mut world = Self { ids: BTreeMap::new(), secrets, others: Vec::new(), robot: String::new() };
        world.people(registry).await;
        world.robots(registry).await;
        world.webhooks(&registry.admin()).await;
        world.content(&registry.admin()).await;
        world.things(&registry.admin()).await;
        world.runs(&registry.admin()).await;
        world.settings(&registry.admin()).await;
        world
    }

    /// Keeps what a parameter may be, for operations of a tag, or for all.
    fn id(&mut self, tag: &'static str, name: &'static str, value: impl ToString) {
        self.ids.insert((tag, name), value.to_string());
    }

    fn secret(&mut self, value: &Value) -> String {
        let secret = value.as_str().unwrap().to_owned();
        self.secrets.push(secret.clone());
        secret
    }

    async fn people(&mut self, registry: &TestRegistry) {
        let admin = registry.admin();
        let grace = json!({ "username": "grace", "password": CHOSEN[0] });
        let grace_id = make(&admin, "/users", &grace).await;
        let ada = make(&admin, "/users", &json!({ "username": "ada", "password": PASSWORD })).await;
        let mut member = 0;
        for name in ["grace", "ada"] {
            let body = json!({ "role_id": Role::ProjectAdmin.id(), "member_user": { "username": name } });
            member = make(&admin, "/projects/team/members", &body).await;
        }
        self.id("", "mid", member);
        self.id("", "user_id", grace_id);
        let grace = registry.anon().basic("grace", CHOSEN[0]);
        let refused = grace.put(&format!("{API}/users/{grace_id}/cli_secret"));
        let refused = refused.json(&json!({ "secret": CHOSEN[6] })).await.expect_status(412);
        assert!(!String::from_utf8_lossy(&refused.body).contains(CHOSEN[6]), "{refused}");
        assert_ne!(ada, grace_id);
        let ada = self.second_factor(registry).await;
        self.others.extend([grace, ada]);
    }

    /// Somebody with a second factor, who shows a token instead of it.
    async fn second_factor(&mut self, registry: &TestRegistry) -> Client {
        let ada = registry.anon().basic("ada", PASSWORD);
        let path = format!("{API}/users/current/tokens");
        let token =
            ada.post(&path).json(&json!({ "name": "t", "duration": 1 })).await.expect_status(201).json();
        let token = self.secret(&token["token"]);
        let path = format!("{API}/users/current/totp");
        let made = ada.post(&path).json(&json!({ "password": PASSWORD })).await.expect_status(201).json();
        let secret = self.secret(&made["secret"]);
        let code = code_at(&secret, registry.clock.now(), 0);
        let on = ada.put(&path).json(&json!({ "code": code })).await.expect_status(200).json();
        for code in on["recovery_codes"].as_array().unwrap() {
            self.secret(code);
        }
        registry.anon().basic("ada", &token)
    }

    async fn robots(&mut self, registry: &TestRegistry) {
        let admin = registry.admin();
        let access =
            json!([{ "resource": "repository", "action": "list" }, { "resource": "log", "action": "list" }]);
        let body = json!({ "name": "ci", "level": "project", "duration": 1, "secret": CHOSEN[1],
            "permissions": [{ "kind": "project", "namespace": TEAM, "access": access }] });
        let made = admin.post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
        self.robot = made["name"].as_str().unwrap().to_owned();
        let renewed = json!({ "secret": CHOSEN[2], "overlap": 3600 });
        let path = format!("{API}/robots/{}", made["id"]);
        admin.patch(&path).json(&renewed).await.expect_status(200);
        self.id("", "robot_id", &made["id"]);
        let body = json!({ "name": "older", "access": access, "expires_at": -1 });
        let path = format!("{API}/projects/team/robots");
        let older = admin.post(&path).json(&body).await.expect_status(201).json();
        self.secret(&older["secret"]);
        self.others.push(registry.anon().basic(&self.robot, CHOSEN[1]));
    }

    /// Both secrets of the robot are, and so are the others that somebody logs in with: else there was nothing to be found.
    pub(super) async fn all_are_live(&self, registry: &TestRegistry) {
        let robots = [CHOSEN[1], CHOSEN[2]].map(|secret| registry.anon().basic(&self.robot, secret));
        for client in robots.iter().chain(&self.others) {
            client.get(&format!("{API}/projects/team/repositories")).await.expect_status(200);
        }
        registry.anon().basic("ada", PASSWORD).get(&format!("{API}/users/current")).await.expect_status(401);
    }

    async fn webhooks(&mut self, admin: &Client) {
        // There is no such host: the delivery is tried, and fails.
        let target = json!({ "type": "http", "address": "https://hooks.invalid/x", "auth_header": CHOSEN[3],
            "secrets": [CHOSEN[4], CHOSEN[5]] });
        let policy = json!({ "name": "told", "enabled": true, "event_types": ["DELETE_ARTIFACT"], "targets": [target] });
        for (tag, path) in [("project", "/projects/team/webhook/policies"), ("system", "/webhook/policies")] {
            let id = make(admin, path, &policy).await;
            let shown = read(admin, &format!("{path}/{id}")).await["targets"][0].clone();
            assert!(
                shown["auth_header"] != json!("") && shown["secrets"].as_array().unwrap().len() == 2,
                "{shown}"
            );
            self.id(tag, "webhook_policy_id", id);
        }
    }

    /// A repository with an artifact, and another that was deleted, of which targets are told.
    async fn content(&mut self, admin: &Client) {
        let set = content::image(Algorithm::Sha256);
        for (repository, tag) in [("team/app", "latest"), ("team/gone", "v1")] {
            admin.push(repository, Some(tag), &set).await;
        }
        admin.delete(&format!("{API}/projects/team/repositories/gone/artifacts/v1")).await.expect_status(200);
        for (name, value) in [
            ("project_name", TEAM),
            ("project_name_or_id", TEAM),
            ("repository_name", "app"),
            ("reference", "latest"),
            ("tag_name", "latest"),
            ("addition", "build_history"),
            ("meta_name", "public"),
            ("job_type", "all"),
        ] {
            self.id("", name, value);
        }
        for (tag, path) in [("project", "/projects/team/webhook/policies"), ("system", "/webhook/policies")] {
            let below = format!("{path}/{}/executions", self.ids[&(tag, "webhook_policy_id")]);
            let execution = eventually(admin, &below).await[0]["id"].clone();
            let task = eventually(admin, &format!("{below}/{execution}/tasks")).await[0]["id"].clone();
            self.id(tag, "execution_id", execution);
            self.id(tag, "task_id", task);
        }
    }

    async fn things(&mut self, admin: &Client) {
        let project = read(admin, "/projects/team").await["project_id"].clone();
        self.id("", "project", &project);
        let label = json!({ "name": "l", "scope": "p", "project_id": project });
        let label = make(admin, "/labels", &label).await;
        self.id("", "label_id", label);
        let group = make(admin, "/usergroups", &json!({ "group_name": "staff", "group_type": 3 })).await;
        self.id("", "group_id", group);
        let access = json!([{ "resource": "repository", "action": "pull" }]);
        let role = make(admin, "/roles", &json!({ "name": "reader", "permissions": access })).await;
        self.id("", "role_id", role);
        let quotas = read(admin, &format!("/quotas?reference=project&reference_id={project}")).await;
        self.id("quota", "id", &quotas[0]["id"]);
    }

    /// What runs beside the requests, once each.
    async fn runs(&mut self, admin: &Client) {
        let manual = json!({ "schedule": { "type": "Manual" },
            "parameters": { "dry_run": true, "audit_retention_hour": 1 } });
        let gc = make(admin, "/system/gc/schedule", &manual).await;
        self.id("", "gc_id", gc);
        let purge = make(admin, "/system/purgeaudit/schedule", &manual).await;
        self.id("", "purge_id", purge);
        let never = json!({ "algorithm": "or", "trigger": { "kind": "Schedule", "settings": { "cron": "" } },
            "scope": { "level": "project", "ref": read(admin, "/projects/team").await["project_id"] },
            "rules": [{ "action": "retain", "template": "always", "params": {},
                "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "**" }],
                "scope_selectors":
                    { "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }] } }] });
        let policy = make(admin, "/retentions", &never).await;
        let below = format!("/retentions/{policy}/executions");
        let run = admin.post(&format!("{API}{below}")).json(&json!({ "dry_run": true })).await;
        let run = key(run.expect_status(201).need("Location"));
        let task = eventually(admin, &format!("{below}/{run}/tasks")).await[0]["id"].clone();
        self.id("Retention", "id", policy);
        self.id("Retention", "eid", run);
        self.id("Retention", "tid", task);
        let mut common = never;
        common.as_object_mut().unwrap().remove("scope");
        admin.put(&format!("{API}/retentions/default")).json(&common).await.expect_status(200);
        let jobs = read(admin, "/jobservice/jobs").await;
        // Those of webhooks have the most to tell.
        let told = |job: &&Value| job["vendor_type"] == json!("WEBHOOK");
        let job = jobs.as_array().unwrap().iter().find(told).unwrap();
        self.id("", "job_id", job["job_id"].as_str().unwrap());
        let pools = read(admin, "/jobservice/pools").await;
        self.id("", "pool_id", pools[0]["worker_pool_id"].as_str().unwrap());
    }

    /// Settings of Harbor that are secret. This registry has none of them; others that come with them are set.
    async fn settings(&self, admin: &Client) {
        let secrets = json!({ "banner_message": "hello", "ldap_search_password": CHOSEN[7],
            "oidc_client_secret": CHOSEN[8], "uaa_client_secret": CHOSEN[9] });
        let answer = admin.put(&format!("{API}/configurations")).json(&secrets).await;
        assert!([200, 400].contains(&answer.status), "{answer}");
    }

    pub(super) fn others(&self) -> &[Client] {
        &self.others
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Something that there is for each parameter of the path.
    pub(super) fn path(&self, operation: &Operation) -> String {
        let of = if operation.path.starts_with("/webhook") { "system" } else { "project" };
        let find = |name: &'static str| {
            let places = [operation.tag, "", of];
            let found = places.iter().find_map(|tag| self.ids.get(&(*tag, name)));
            found.unwrap_or_else(|| panic!("{}: there is nothing for {name}", operation.id)).clone()
        };
        filled(operation, find)
    }

    /// Names of things that there are not, but for the project: so nothing is changed.
    pub(super) fn path_to_nothing(&self, operation: &Operation) -> String {
        filled(operation, |name| match name {
            "project_name" | "project_name_or_id" => TEAM.to_owned(),
            name if name.contains("id") => "70000".to_owned(),
            _ => "absent".to_owned(),
        })
    }

    /// What a list has to be asked for by; several where it shows different things.
    pub(super) fn queries(&self, operation: &Operation) -> Vec<String> {
        let project = &self.ids[&("", "project")];
        match operation.id {
            "streamEvents" => vec!["?seconds=0&after=0".to_owned()],
            "ListLabels" => vec!["?scope=g".to_owned(), format!("?scope=p&project_id={project}")],
            "ListRobot" => vec![String::new(), format!("?q=Level%3Dproject%2CProjectID%3D{project}")],
            "ListWebhookJobs" => {
                vec![format!("?policy_id={}", self.ids[&("project", "webhook_policy_id")])]
            }
            "search" => vec!["?q=team".to_owned()],
            "searchUsers" => vec!["?username=grace".to_owned()],
            "searchUserGroups" => vec!["?groupname=staff".to_owned()],
            "listArtifacts" | "listArtifactsOfProject" | "getArtifact" => {
                vec![String::new(), "?with_label=true&with_tag=true&with_accessory=true".to_owned()]
            }
            _ => vec![String::new()],
        }
    }

    /// A body with something under each name that a secret has in some body.
    pub(super) fn body(&self, value: impl Fn(&str) -> Value) -> Value {
        let names = [
            "password",
            "new_password",
            "old_password",
            "secret",
            "code",
            "auth_header",
            "token",
            "ldap_search_password",
            "oidc_client_secret",
        ];
        let mut body: serde_json::Map<String, Value> =
            names.iter().zip(CHOSEN).map(|(name, secret)| ((*name).to_owned(), value(secret))).collect();
        let target = json!({ "type": "none", "address": "none", "auth_header": value(CHOSEN[3]),
            "secrets": [value(CHOSEN[4])] });
        body.insert("targets".to_owned(), json!([target]));
        Value::Object(body)
    }

    /// Fails when an answer has one of the secrets, or the hash of one.
    pub(super) fn is_in_none(&self, operation: &Operation, answer: &Answer) {
        let headers = format!("{:?}", answer.headers);
        for text in [String::from_utf8_lossy(&answer.body).to_string(), headers] {
            let found = self.secrets.iter().find(|secret| text.contains(secret.as_str()));
            assert_eq!(found, None, "{}: {text}", operation.id);
            assert!(!text.contains("Canary") && !text.contains("$argon2"), "{}: {text}", operation.id);
        }
    }
}

fn filled(operation: &Operation, parameter: impl Fn(&'static str) -> String) -> String {
    let segment =
        |segment: &'static str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => parameter(name),
            None => segment.to_owned(),
        };
    operation.path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A list that somebody is about to write to.
async fn eventually(admin: &Client, path: &str) -> Value {
    for _ in 0..200 {
        let list = read(admin, path).await;
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            return list;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing came to {path}")
}

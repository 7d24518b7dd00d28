//! Who may list some repositories of a project gives nobody the list of all of them.

use harbor_core::access::Role;
use harbor_tests::{Client, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, make, private};

harbor_tests::on_every_store! {
    a_limited_token_makes_no_robot_that_lists_all;
    what_everybody_may_is_not_given;
    a_limited_robot_makes_no_robot_that_lists_all;
    a_limited_token_makes_no_member_that_lists_all;
}

const LISTS: [&str; 2] = ["repository:list", "artifact:list"];

fn given(project: &str, permissions: &[&str], repositories: &[&str]) -> Value {
    let entry = |text: &&str| {
        let (resource, action) = text.split_once(':').unwrap();
        json!({ "resource": resource, "action": action })
    };
    let access: Value = permissions.iter().map(entry).collect();
    json!({ "kind": "project", "namespace": project, "access": access, "repositories": repositories })
}

async fn team(registry: &TestRegistry) {
    private(registry, "team").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    for repository in ["team/web", "team/db"] {
        registry.admin().push(repository, Some("latest"), &set).await;
    }
    for name in ["grace", "ada"] {
        let id = registry.add_user(name).await;
        if name == "grace" {
            registry.add_member("team", id, Role::ProjectAdmin).await;
        }
    }
}

/// What grace may do, limited to that.
async fn token(registry: &TestRegistry, scopes: Value) -> Client {
    let body = json!({ "name": "some", "duration": 1, "scopes": scopes });
    let made = registry.user("grace").post(&format!("{API}/users/current/tokens")).json(&body).await;
    let made = made.expect_status(201).json();
    registry.anon().basic("grace", made["token"].as_str().unwrap())
}

fn robot(permissions: &[&str], repositories: &[&str]) -> Value {
    let permissions = [given("team", permissions, repositories)];
    json!({ "name": "lister", "level": "project", "duration": 1, "permissions": permissions })
}

/// With the lists of some repositories only, and then of all.
async fn makes_no_robot(limited: &Client, whole: &Client) {
    let robots = format!("{API}/robots");
    for list in LISTS {
        let made = limited.post(&robots).json(&robot(&[list], &[])).await;
        let refused = made.expect_error(403, "FORBIDDEN");
        assert!(String::from_utf8_lossy(&refused.body).contains(list), "{refused}");
    }
    // What it has in all of the project, it gives.
    let looks = robot(&["project:read"], &[]);
    let made = limited.post(&robots).json(&looks).await.expect_status(201).json();
    limited.delete(&format!("{robots}/{}", made["id"])).await.expect_status(200);
    whole.post(&robots).json(&robot(&LISTS, &[])).await.expect_status(201);
}

async fn a_limited_token_makes_no_robot_that_lists_all(registry: &TestRegistry) {
    team(registry).await;
    let rules = given("team", &["robot:create", "robot:delete", "project:read"], &[]);
    let limited = token(registry, json!([rules, given("team", &LISTS, &["web/**"])])).await;
    makes_no_robot(&limited, &registry.user("grace")).await;
}

/// What everybody may while the project is public is not somebody's own, who could keep it when it is not any more.
async fn what_everybody_may_is_not_given(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let access = json!([{ "resource": "robot", "action": "create" }]);
    let role = make(&admin, "/roles", &json!({ "name": "maker", "permissions": access })).await;
    let body = json!({ "role_id": role, "member_user": { "username": "ada" } });
    admin.post(&format!("{API}/projects/team/members")).json(&body).await.expect_status(201);
    let public = json!({ "metadata": { "public": "true" } });
    admin.put(&format!("{API}/projects/team")).json(&public).await.expect_status(200);
    let ada = registry.user("ada");
    ada.get("/v2/team/web/manifests/latest").await.expect_status(200);
    let made = ada.post(&format!("{API}/robots")).json(&robot(&["repository:pull"], &[])).await;
    made.expect_error(403, "FORBIDDEN");
    let own = ada.post(&format!("{API}/robots")).json(&robot(&["robot:create"], &[])).await;
    own.expect_status(201);
}

async fn a_limited_robot_makes_no_robot_that_lists_all(registry: &TestRegistry) {
    team(registry).await;
    let rules = given("team", &["robot:create", "robot:delete", "project:read"], &[]);
    let system = async |name: &str, repositories: &[&str]| {
        let permissions = json!([rules, given("team", &LISTS, repositories)]);
        let body = json!({ "name": name, "level": "system", "duration": 1, "permissions": permissions });
        let made = registry.admin().post(&format!("{API}/robots")).json(&body).await;
        let made = made.expect_status(201).json();
        registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap())
    };
    makes_no_robot(&system("limited", &["web/**"]).await, &system("whole", &[]).await).await;
}

async fn a_limited_token_makes_no_member_that_lists_all(registry: &TestRegistry) {
    team(registry).await;
    let access: Value = LISTS
        .iter()
        .map(|text| text.split_once(':').unwrap())
        .map(|(resource, action)| json!({ "resource": resource, "action": action }))
        .collect();
    let role = make(&registry.admin(), "/roles", &json!({ "name": "lister", "permissions": access })).await;
    let body = json!({ "role_id": role, "member_user": { "username": "ada" } });
    let inviter = given("team", &["member:create", "project:read"], &[]);
    let limited = token(registry, json!([inviter, given("team", &LISTS, &["web/**"])])).await;
    let members = format!("{API}/projects/team/members");
    limited.post(&members).json(&body).await.expect_error(403, "FORBIDDEN");
    registry.user("grace").post(&members).json(&body).await.expect_status(201);
}

//! Patterns from before there was a bound on all of them together: what has them can be disabled and shortened.

use harbor_core::access::Role;
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::{Value, json};

use super::{API, key, private, read};

harbor_tests::on_every_store! {
    a_robot_with_long_patterns_is_disabled_and_shortened(stores);
    a_member_with_long_patterns_gets_another_role(stores);
    long_rules_of_immutable_tags_are_changed_and_shortened(stores);
}

/// Behind whose back something can be stored, with somebody's project.
async fn start(stores: BackEnd) -> TestRegistry {
    let stores = if stores == BackEnd::Memory { BackEnd::Folder } else { stores };
    let registry = TestRegistry::builder(stores).patient_with_logins().start().await;
    private(&registry, "team").await;
    registry
}

/// Five patterns of a thousand bytes.
fn long() -> Vec<String> {
    (0..5).map(|number| format!("{number}{}", "x".repeat(999))).collect()
}

/// Stores five patterns of a thousand bytes where one was.
async fn lengthen(registry: &TestRegistry, table: &str, column: &str) {
    let long = serde_json::to_string(&long()).unwrap();
    let long = long.trim_matches(['[', ']']);
    registry.sql(&format!("UPDATE {table} SET {column} = replace({column}, '\"seed\"', '{long}')")).await;
}

async fn a_robot_with_long_patterns_is_disabled_and_shortened(stores: BackEnd) {
    let registry = start(stores).await;
    let admin = registry.admin();
    let permissions = json!([{ "kind": "project", "namespace": "team", "repositories": ["seed"],
        "access": [{ "resource": "repository", "action": "pull" }] }]);
    let body = json!({ "name": "ci", "level": "project", "duration": 1, "permissions": permissions });
    let made = admin.post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    lengthen(&registry, "robots", "permissions").await;
    let path = format!("/robots/{}", made["id"]);
    let mut robot = read(&admin, &path).await;
    assert_eq!(robot["permissions"][0]["repositories"], json!(long()));
    let put = async |robot: &Value| admin.put(&format!("{API}{path}")).json(robot).await;
    robot["disable"] = json!(true);
    put(&robot).await.expect_status(200);
    let mut more = robot.clone();
    more["permissions"][0]["repositories"][0] = json!("x".repeat(1001));
    put(&more).await.expect_error(400, "BAD_REQUEST");
    // Still too long to be given anew, and shorter than it was.
    robot["permissions"][0]["repositories"][0] = json!("x".repeat(500));
    put(&robot).await.expect_status(200);
    robot["permissions"][0]["repositories"] = json!(long());
    put(&robot).await.expect_error(400, "BAD_REQUEST");
    assert_eq!(read(&admin, &path).await["disable"], true);
    registry.close().await;
}

async fn a_member_with_long_patterns_gets_another_role(stores: BackEnd) {
    let registry = start(stores).await;
    let admin = registry.admin();
    registry.add_user("grace").await;
    let members = format!("{API}/projects/team/members");
    let body = |role: i64, repositories: &[String]| json!({ "role_id": role, "member_user": { "username": "grace" }, "repositories": repositories });
    let made = admin.post(&members).json(&body(Role::Developer.id(), &["seed".to_owned()])).await;
    let path = format!("{members}/{}", key(made.expect_status(201).need("Location")));
    lengthen(&registry, "project_members", "repositories").await;
    let put =
        async |repositories: &[String]| admin.put(&path).json(&body(Role::Guest.id(), repositories)).await;
    put(&long()).await.expect_status(200);
    put(&[long(), vec!["y".to_owned()]].concat()).await.expect_error(400, "BAD_REQUEST");
    put(&long()[..4]).await.expect_status(200);
    put(&long()).await.expect_error(400, "BAD_REQUEST");
    registry.close().await;
}

async fn long_rules_of_immutable_tags_are_changed_and_shortened(stores: BackEnd) {
    let registry = start(stores).await;
    let admin = registry.admin();
    let rules = format!("{API}/projects/team/immutabletagrules");
    let rule = |tags: &str, repositories: &str| {
        json!({ "action": "immutable", "template": "immutable_template", "priority": 1,
            "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": tags }],
            "scope_selectors": { "repository":
                [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": repositories }] } })
    };
    let mut ids = Vec::new();
    for number in 0..10 {
        let made = admin.post(&rules).json(&rule("seed", &number.to_string())).await.expect_status(201);
        ids.push(key(made.need("Location")));
    }
    let long = "x".repeat(500);
    let change = format!("UPDATE immutable_rules SET selection = replace(selection, 'seed', '{long}')");
    registry.sql(&change).await;
    let put = async |tags: &str| {
        let mut body = rule(tags, "0");
        body["id"] = json!(ids[0]);
        body["disabled"] = json!(false);
        admin.put(&format!("{rules}/{}", ids[0])).json(&body).await
    };
    put(&long).await.expect_status(200);
    put(&"y".repeat(500)).await.expect_status(200);
    put(&"y".repeat(501)).await.expect_error(412, "PRECONDITION");
    put(&"y".repeat(490)).await.expect_status(200);
    put(&long).await.expect_error(412, "PRECONDITION");
    admin.post(&rules).json(&rule("z", "z")).await.expect_error(412, "PRECONDITION");
    registry.close().await;
}

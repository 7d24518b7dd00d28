//! Those who have something and want more: each of these worked once, for somebody who looked.

use harbor_tests::{BackEnd, Client, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, PASSWORD, make, private, read};

harbor_tests::on_every_store! {
    a_token_limited_to_repositories_is;
    a_token_is_not_widened_by_the_catalogue;
    a_robot_does_not_become_a_stronger_one;
    whoever_updates_users_does_not_become_an_administrator;
    a_token_does_not_live_longer_by_being_traded;
    a_search_does_not_tell_what_it_does_not_show;
    a_token_that_ends_makes_none_that_does_not;
    a_browser_is_not_used_by_another_page;
    a_locked_name_is_not_guessed_at_any_faster(stores);
}

async fn team(registry: &TestRegistry) {
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    for (project, repositories) in
        [("team", vec!["team/app", "team/web/x"]), ("secret", vec!["secret/hidden"])]
    {
        private(registry, project).await;
        for repository in repositories {
            registry.admin().push(repository, Some("latest"), &set).await;
        }
    }
}

async fn token(client: &Client, scopes: Value) -> String {
    let body = json!({ "name": "some", "duration": 1, "scopes": scopes });
    let made = client.post(&format!("{API}/users/current/tokens")).json(&body).await.expect_status(201);
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn robot(registry: &TestRegistry, name: &str, permissions: Value) -> (i64, Client) {
    let body = json!({ "name": name, "level": "system", "duration": 1, "permissions": permissions });
    let made = registry.admin().post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    let client = registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    (made["id"].as_i64().unwrap(), client)
}

fn system(resource: &str, action: &str) -> Value {
    json!([{ "kind": "system", "namespace": "/", "access": [{ "resource": resource, "action": action }] }])
}

fn pull(project: &str, repositories: &[&str]) -> Value {
    json!([{ "kind": "project", "namespace": project, "repositories": repositories,
        "access": [{ "resource": "repository", "action": "pull" }] }])
}

async fn a_token_limited_to_repositories_is(registry: &TestRegistry) {
    team(registry).await;
    let token = token(&registry.admin(), pull("team", &["web/**"])).await;
    let client = registry.anon().basic("admin", &token);
    client.get("/v2/team/web/x/manifests/latest").await.expect_status(200);
    client.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
}

async fn a_token_is_not_widened_by_the_catalogue(registry: &TestRegistry) {
    team(registry).await;
    let token = token(&registry.admin(), pull("team", &[])).await;
    let client = registry.anon().basic("admin", &token);
    let listed = client.get("/v2/_catalog").await.expect_status(200).json();
    assert_eq!(listed["repositories"], json!(["team/app", "team/web/x"]));
    let traded = client.get("/service/token?scope=registry:catalog:*").await.expect_status(200).json();
    let bearer = registry.anon().bearer(traded["token"].as_str().unwrap());
    let listed = bearer.get("/v2/_catalog").await.expect_status(200).json();
    assert_eq!(listed["repositories"], json!([]));
}

async fn a_robot_does_not_become_a_stronger_one(registry: &TestRegistry) {
    team(registry).await;
    let everywhere = json!([{ "kind": "project", "namespace": "*",
        "access": [{ "resource": "repository", "action": "pull" }, { "resource": "repository", "action": "push" }] }]);
    let (id, strong) = robot(registry, "strong", everywhere).await;
    let (own, weak) = robot(registry, "weak", system("robot", "create")).await;
    let path = format!("{API}/robots/{id}");
    weak.patch(&path).json(&json!({})).await.expect_error(403, "FORBIDDEN");
    let mut body = read(&registry.admin(), &format!("/robots/{id}")).await;
    body["disable"] = json!(true);
    body["permissions"] = system("robot", "create");
    weak.put(&path).json(&body).await.expect_error(403, "FORBIDDEN");
    strong.get("/v2/secret/hidden/manifests/latest").await.expect_status(200);
    weak.patch(&format!("{API}/robots/{own}")).json(&json!({})).await.expect_status(200);
}

async fn whoever_updates_users_does_not_become_an_administrator(registry: &TestRegistry) {
    let grace = registry.add_user("grace").await.get();
    let (_, robot) = robot(registry, "users", system("user", "update")).await;
    let token = token(&registry.admin(), system("user", "update")).await;
    let limited = registry.anon().basic("admin", &token);
    for client in [&robot, &limited] {
        for user in [1, grace] {
            let password = client.put(&format!("{API}/users/{user}/password"));
            let password =
                password.json(&json!({ "new_password": PASSWORD, "old_password": "Guess 1234" })).await;
            assert_eq!(password.status, 403, "{password}");
            let flag =
                client.put(&format!("{API}/users/{user}/sysadmin")).json(&json!({ "sysadmin_flag": true }));
            flag.await.expect_error(403, "FORBIDDEN");
        }
    }
    assert_eq!(read(&registry.user("grace"), "/users/current").await["sysadmin_flag"], json!(false));
    let profile = json!({ "realname": "Grace", "comment": "" });
    robot.put(&format!("{API}/users/{grace}")).json(&profile).await.expect_status(200);
}

async fn a_token_does_not_live_longer_by_being_traded(registry: &TestRegistry) {
    team(registry).await;
    let traded = registry.admin().get("/service/token?scope=repository:team/app:pull").await.json();
    let bearer = registry.anon().bearer(traded["token"].as_str().unwrap());
    bearer.get("/v2/team/app/manifests/latest").await.expect_status(200);
    let again = bearer.get("/service/token?scope=repository:team/app:pull").await;
    again.expect_error(401, "UNAUTHORIZED");
    // Nor does one that a personal access token was traded for, which goes on to be traded itself.
    let personal = token(&registry.admin(), pull("team", &[])).await;
    let shown = registry.anon().bearer(&personal);
    let traded = shown.get("/service/token?scope=repository:team/app:pull").await.expect_status(200).json();
    let traded = registry.anon().bearer(traded["token"].as_str().unwrap());
    traded.get("/v2/team/app/manifests/latest").await.expect_status(200);
    traded.get("/service/token?scope=repository:team/app:pull").await.expect_error(401, "UNAUTHORIZED");
    // Nor does it tell what there is.
    for repository in ["secret/x", "absent/x"] {
        let answer = bearer.get(&format!("/v2/{repository}/manifests/latest")).await;
        answer.expect_error(401, "UNAUTHORIZED");
    }
}

async fn a_search_does_not_tell_what_it_does_not_show(registry: &TestRegistry) {
    let victim = json!({ "username": "victim", "password": PASSWORD, "email": "top@secret.example" });
    make(&registry.admin(), "/users", &victim).await;
    let group = json!({ "group_name": "staff", "group_type": 1, "ldap_group_dn": "cn=staff" });
    make(&registry.admin(), "/usergroups", &group).await;
    registry.add_user("grace").await;
    let found = async |path: &str, q: &str| {
        let answer = registry.user("grace").get(&format!("{API}{path}")).query("q", q).await;
        answer.expect_status(200).json().as_array().unwrap().len()
    };
    for (path, right, wrong) in [
        ("/users/search?username=victim", "email=~top@s", "email=~top@x"),
        ("/usergroups/search?groupname=staff", "ldap_group_dn=~cn", "ldap_group_dn=~xx"),
    ] {
        assert_eq!((found(path, right).await, found(path, wrong).await), (1, 1));
    }
}

async fn a_token_that_ends_makes_none_that_does_not(registry: &TestRegistry) {
    let token = token(&registry.admin(), json!([])).await;
    let client = registry.anon().basic("admin", &token);
    let forever =
        client.post(&format!("{API}/users/current/tokens")).json(&json!({ "name": "f", "duration": -1 }));
    forever.await.expect_error(403, "FORBIDDEN");
}

async fn a_browser_is_not_used_by_another_page(registry: &TestRegistry) {
    let body = br#"{"project_name":"pwn"}"#.to_vec();
    let post =
        || registry.admin().post(&format!("{API}/projects")).header("Content-Type", "application/json");
    for (header, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")] {
        post().header(header, value).body(body.clone()).await.expect_error(403, "FORBIDDEN");
    }
    let simple = registry.admin().post(&format!("{API}/projects")).body(body.clone());
    simple.await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    post().body(body).await.expect_status(201);
}

/// What was right before is known without hashing, and must not be guessed at any faster for that.
async fn a_locked_name_is_not_guessed_at_any_faster(stores: BackEnd) {
    let builder = TestRegistry::builder(stores).user("grace", &[]);
    let registry =
        builder.accounts(|options| options.login_limits.delay = std::time::Duration::ZERO).start().await;
    registry.user("grace").get("/v2/").await.expect_status(200);
    for guess in 0..60 {
        let answer = registry.anon().basic("grace", &format!("Guess {guess}")).get("/v2/").await;
        assert!([401, 429].contains(&answer.status));
    }
    // Even the right one is not looked at: it could be a guess as well.
    registry.user("grace").get("/v2/").await.expect_error(429, "TOOMANYREQUESTS");
    registry.close().await;
}

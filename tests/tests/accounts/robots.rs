//! Robots: made, used, limited, renewed, ended.

use std::time::Duration;

use harbor_core::Clock;
use harbor_core::access::Role;
use harbor_tests::{BackEnd, Client, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, private, read};

harbor_tests::on_every_store! {
    a_robot_of_a_project_does_what_it_was_given;
    a_robot_of_a_project_is_found_by_the_name_that_harbor_has;
    who_made_a_robot;
    a_robot_of_a_project_in_the_older_form;
    the_older_form_gives_back_nothing;
    a_robot_of_the_whole_registry;
    what_cannot_be_given;
    a_secret_is_renewed_without_an_outage;
    an_overlap_ends(stores);
    a_robot_is_disabled_and_deleted_at_once;
    a_robot_does_not_survive_its_project;
    robots_of_another_project_are_not_reached;
    nobody_makes_a_robot_that_may_do_more;
    a_robot_is_limited_to_some_repositories;
}

fn access(permissions: &[&str]) -> Value {
    let entry = |text: &&str| {
        let (resource, action) = text.split_once(':').unwrap();
        json!({ "resource": resource, "action": action })
    };
    permissions.iter().map(entry).collect()
}

fn of_project(name: &str, project: &str, permissions: &[&str]) -> Value {
    let permissions = json!([{ "kind": "project", "namespace": project, "access": access(permissions) }]);
    json!({ "name": name, "level": "project", "duration": -1, "permissions": permissions })
}

fn of_system(name: &str, permissions: Value) -> Value {
    json!({ "name": name, "level": "system", "duration": 30, "permissions": permissions })
}

/// Makes a robot; yields what was answered, and a client that is it.
async fn robot(registry: &TestRegistry, by: &Client, body: &Value) -> (Value, Client) {
    let made = by.post(&format!("{API}/robots")).json(body).await.expect_status(201);
    assert!(made.need("Location").ends_with(&format!("/robots/{}", made.json()["id"])));
    let made = made.json();
    let client = registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    (made, client)
}

async fn team(registry: &TestRegistry) {
    private(registry, "team").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    registry.admin().push("team/app", Some("latest"), &set).await;
}

async fn a_robot_of_a_project_does_what_it_was_given(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let (made, client) = robot(registry, &admin, &of_project("ci", "team", &["repository:pull"])).await;
    assert_eq!((&made["name"], &made["expires_at"]), (&json!("robot$team+ci"), &json!(-1)));
    assert_eq!(made["secret"].as_str().unwrap().len(), 32);
    client.get("/v2/team/app/manifests/latest").await.expect_status(200);
    client.post("/v2/team/app/blobs/uploads/").await.expect_error(404, "NAME_UNKNOWN");
    client.get("/v2/library/none/tags/list").await.expect_error(404, "NAME_UNKNOWN");
    let shown = read(&admin, &format!("/robots/{}", made["id"])).await;
    assert!(shown.get("secret").is_none());
    assert_eq!((&shown["level"], &shown["duration"]), (&json!("project"), &json!(-1)));
    assert_eq!(shown["permissions"][0]["namespace"], json!("team"));
    let id = read(&admin, "/projects/team").await["project_id"].clone();
    let list = admin.get(&format!("{API}/robots")).query("q", format!("Level=project,ProjectID={id}")).await;
    assert_eq!(list.expect_status(200).json()[0]["name"], json!("robot$team+ci"));
    assert_eq!(read(&admin, "/robots").await, json!([]), "none of the whole registry");
    let push = of_project("push", "team", &["repository:push", "project:read"]);
    let (_, pusher) = robot(registry, &admin, &push).await;
    pusher.begin("team/new").await;
    pusher.get("/v2/team/app/manifests/latest").await.expect_status(200);
    pusher.get(&format!("{API}/projects/team")).await.expect_status(200);
    pusher.put(&format!("{API}/projects/team")).json(&json!({})).await.expect_error(403, "FORBIDDEN");
    let token =
        client.get("/service/token?scope=repository:team/app:pull,push").await.expect_status(200).json();
    let bearer = registry.anon().bearer(token["token"].as_str().unwrap());
    bearer.get("/v2/team/app/manifests/latest").await.expect_status(200);
    bearer.post("/v2/team/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
}

/// To Harbor's clients the name of a project's robot begins with the project's.
async fn a_robot_of_a_project_is_found_by_the_name_that_harbor_has(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    for name in ["ci", "ci-2"] {
        robot(registry, &admin, &of_project(name, "team", &["repository:pull"])).await;
    }
    let id = read(&admin, "/projects/team").await["project_id"].clone();
    let found = async |name: &str| {
        let q = format!("Level=project,ProjectID={id},name={name}");
        let list = admin.get(&format!("{API}/robots")).query("q", q).await.expect_status(200);
        let names =
            list.json().as_array().unwrap().iter().map(|robot| robot["name"].clone()).collect::<Vec<_>>();
        assert_eq!(list.need("X-Total-Count"), names.len().to_string());
        names
    };
    for name in ["team+ci", "team%2Bci", "ci", "{team%2Bci other}"] {
        assert_eq!(found(name).await, ["robot$team+ci"], "{name}");
        let older = admin.get(&format!("{API}/projects/team/robots")).query("q", format!("name={name}"));
        let older = older.await.expect_status(200).json();
        assert_eq!(
            (older.as_array().unwrap().len(), &older[0]["name"]),
            (1, &json!("robot$team+ci")),
            "{name}"
        );
    }
    assert_eq!(found("~ci").await, ["robot$team+ci", "robot$team+ci-2"]);
    for name in ["other+ci", "team+", "team", "team+team+ci"] {
        assert_eq!(found(name).await, Vec::<Value>::new(), "{name}");
    }
}

/// A robot names who made it, and not who has that name later.
async fn who_made_a_robot(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let grace = registry.add_user("grace").await;
    registry.add_member("team", grace, Role::ProjectAdmin).await;
    let permissions = ["repository:pull", "robot:create"];
    let (first, maker) =
        robot(registry, &registry.user("grace"), &of_project("maker", "team", &permissions)).await;
    let (second, _) = robot(registry, &maker, &of_project("made", "team", &["repository:pull"])).await;
    let (third, _) = robot(
        registry,
        &admin,
        &of_system(
            "global",
            json!([{ "kind": "project", "namespace": "*",
        "access": access(&["repository:pull"]) }]),
        ),
    )
    .await;
    let by = async |made: &Value| {
        let robot = read(&admin, &format!("/robots/{}", made["id"])).await;
        (robot["creator_type"].clone(), robot["creator_ref"].clone())
    };
    assert_eq!(by(&first).await, (json!("local"), json!(grace.get())));
    assert_eq!(by(&second).await, (json!("robot"), first["id"].clone()));
    let own = read(&admin, "/users/current").await["user_id"].clone();
    assert_eq!(by(&third).await, (json!("local"), own));
    admin.delete(&format!("{API}/users/{}", grace.get())).await.expect_status(200);
    assert_eq!(by(&first).await, (json!("local"), json!(0)));
    registry.add_user("grace").await;
    assert_eq!(by(&first).await, (json!("local"), json!(0)), "another of that name made nothing");
    admin.delete(&format!("{API}/robots/{}", first["id"])).await.expect_status(200);
    assert_eq!(by(&second).await, (json!("robot"), json!(0)));
}

/// What somebody takes away meanwhile stays taken away: the older form changes what it has.
async fn the_older_form_gives_back_nothing(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let (made, _) = robot(registry, &admin, &of_project("ci", "team", &["repository:pull"])).await;
    let (newer, id) = (format!("/robots/{}", made["id"]), made["id"].as_i64().unwrap());
    let older = format!("{API}/projects/team/robots/{id}");
    let mut body = read(&admin, &newer).await;
    for round in 0..30 {
        let permission = if round % 2 == 0 { "repository:push" } else { "repository:pull" };
        body["permissions"][0]["access"] = access(&[permission]);
        let described = json!({ "description": format!("round {round}"), "disable": false });
        let (changed, taken) = tokio::join!(
            admin.put(&older).json(&described).into_future(),
            admin.put(&format!("{API}{newer}")).json(&body).into_future()
        );
        changed.expect_status(200);
        taken.expect_status(200);
        let now = read(&admin, &newer).await;
        let left = &now["permissions"][0]["access"][0];
        assert_eq!(left["action"], body["permissions"][0]["access"][0]["action"], "round {round}");
    }
    admin.put(&older).json(&json!({ "description": "last", "disable": true })).await.expect_status(200);
    let now = read(&admin, &newer).await;
    assert_eq!((&now["description"], &now["disable"]), (&json!("last"), &json!(true)));
}

async fn a_robot_of_the_whole_registry(registry: &TestRegistry) {
    team(registry).await;
    let permissions = json!([
        { "kind": "system", "namespace": "/", "access": access(&["project:create", "user:list"]) },
        { "kind": "project", "namespace": "*", "access": access(&["repository:pull", "repository:push"]) }]);
    let (made, client) = robot(registry, &registry.admin(), &of_system("all", permissions)).await;
    assert_eq!(made["name"], json!("robot$all"));
    client.get("/v2/team/app/manifests/latest").await.expect_status(200);
    client.begin("library/new").await;
    client.get(&format!("{API}/users")).await.expect_status(200);
    client.get(&format!("{API}/usergroups")).await.expect_error(403, "FORBIDDEN");
    client.post(&format!("{API}/projects")).json(&json!({ "project_name": "made" })).await.expect_status(201);
    client.delete("/v2/team/app/manifests/latest").await;
    client.get("/v2/team/app/manifests/latest").await.expect_status(200);
}

async fn what_cannot_be_given(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let system = |access: Value| json!([{ "kind": "system", "namespace": "/", "access": access }]);
    let two = json!([{ "kind": "project", "namespace": "team", "access": access(&["repository:pull"]) },
        { "kind": "project", "namespace": "library", "access": access(&["repository:pull"]) }]);
    let mut days = of_project("x", "team", &["repository:pull"]);
    days["duration"] = json!(0);
    let mut weak = of_project("x", "team", &["repository:pull"]);
    weak["secret"] = json!("short");
    let mut two_projects = of_project("x", "team", &[]);
    two_projects["permissions"] = two;
    for wrong in [
        of_project("Upper", "team", &["repository:pull"]),
        of_project("a+b", "team", &["repository:pull"]),
        of_project("x", "team", &["repository:explode"]),
        of_project("x", "team", &["robot:update"]),
        of_project("x", "team", &[]),
        of_system("x", system(access(&["configuration:update"]))),
        of_system("x", json!([])),
        json!({ "name": "x", "level": "galaxy" }),
        days,
        weak,
        two_projects,
    ] {
        admin.post(&format!("{API}/robots")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    robot(registry, &admin, &of_project("x", "team", &["repository:pull"])).await;
    let again = of_project("x", "team", &["repository:pull"]);
    admin.post(&format!("{API}/robots")).json(&again).await.expect_error(409, "CONFLICT");
}

async fn a_secret_is_renewed_without_an_outage(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let (made, first) = robot(registry, &admin, &of_project("ci", "team", &["repository:pull"])).await;
    let path = format!("{API}/robots/{}", made["id"]);
    let as_robot = |secret: &str| registry.anon().basic("robot$team+ci", secret);
    let renewed =
        admin.patch(&path).json(&json!({ "secret": "", "overlap": 3600 })).await.expect_status(200).json();
    let second = as_robot(renewed["secret"].as_str().unwrap());
    for client in [&first, &second] {
        client.get("/v2/team/app/manifests/latest").await.expect_status(200);
    }
    let bearer_of = async |client: &Client| {
        let token = client.get("/service/token?scope=repository:team/app:pull").await.json();
        registry.anon().bearer(token["token"].as_str().unwrap())
    };
    // A third one ends the first one, and what came of it; and nothing else.
    let (of_the_first, of_the_second) = (bearer_of(&first).await, bearer_of(&second).await);
    let renewed =
        admin.patch(&path).json(&json!({ "secret": "", "overlap": 3600 })).await.expect_status(200).json();
    let third = as_robot(renewed["secret"].as_str().unwrap());
    for client in [&first, &of_the_first] {
        client.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    }
    for client in [&second, &of_the_second, &third] {
        client.get("/v2/team/app/manifests/latest").await.expect_status(200);
    }
    let bearer = bearer_of(&second).await;
    let chosen = json!({ "secret": "Chosen by hand 1" });
    admin.patch(&path).json(&chosen).await.expect_status(200);
    for client in [&first, &second, &third, &bearer] {
        client.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    }
    as_robot("Chosen by hand 1").get("/v2/team/app/manifests/latest").await.expect_status(200);
    let long = json!({ "secret": "", "overlap": 10_000_000 });
    admin.patch(&path).json(&long).await.expect_error(400, "BAD_REQUEST");
    admin.patch(&path).json(&json!({ "secret": "weak" })).await.expect_error(400, "BAD_REQUEST");
}

/// A secret that works on for a while ends when that is over, and with it what came of it.
async fn an_overlap_ends(back_end: BackEnd) {
    let registry = TestRegistry::builder(back_end).patient_with_logins().clock(Clock::manual()).start().await;
    team(&registry).await;
    let admin = registry.admin();
    let (made, first) = robot(&registry, &admin, &of_project("ci", "team", &["repository:pull"])).await;
    let renew = json!({ "secret": "", "overlap": 600 });
    let path = format!("{API}/robots/{}", made["id"]);
    let renewed = admin.patch(&path).json(&renew).await.expect_status(200).json();
    let second = registry.anon().basic("robot$team+ci", renewed["secret"].as_str().unwrap());
    let mut bearers = Vec::new();
    for client in [&first, &second] {
        let token =
            client.get("/service/token?scope=repository:team/app:pull").await.expect_status(200).json();
        bearers.push(registry.anon().bearer(token["token"].as_str().unwrap()));
    }
    let statuses = async || {
        let mut statuses = Vec::new();
        for client in [&first, &bearers[0], &second, &bearers[1]] {
            statuses.push(client.get("/v2/team/app/manifests/latest").await.status);
        }
        statuses
    };
    registry.clock.advance(Duration::from_secs(599));
    assert_eq!(statuses().await, [200; 4]);
    registry.clock.advance(Duration::from_secs(2));
    assert_eq!(statuses().await, [401, 401, 200, 200], "the first ends, and what came of it");
    registry.close().await;
}

async fn a_robot_is_disabled_and_deleted_at_once(registry: &TestRegistry) {
    team(registry).await;
    let admin = registry.admin();
    let (made, client) = robot(registry, &admin, &of_project("ci", "team", &["repository:pull"])).await;
    let token = client.get("/service/token?scope=repository:team/app:pull").await.json();
    let bearer = registry.anon().bearer(token["token"].as_str().unwrap());
    let path = format!("{API}/robots/{}", made["id"]);
    let mut body = read(&admin, &format!("/robots/{}", made["id"])).await;
    for (disable, status) in [(true, 401), (false, 200)] {
        body["disable"] = json!(disable);
        admin.put(&path).json(&body).await.expect_status(200);
        for client in [&client, &bearer] {
            assert_eq!(client.get("/v2/team/app/manifests/latest").await.status, status);
        }
    }
    let mut renamed = body.clone();
    renamed["name"] = json!("robot$team+other");
    admin.put(&path).json(&renamed).await.expect_error(400, "BAD_REQUEST");
    admin.delete(&path).await.expect_status(200);
    for client in [&client, &bearer] {
        client.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    }
    admin.get(&path).await.expect_error(404, "NOT_FOUND");
}

/// Grants are of a project's incarnation: a project of the same name is another.
async fn a_robot_does_not_survive_its_project(registry: &TestRegistry) {
    private(registry, "short").await;
    let admin = registry.admin();
    let (_, own) = robot(registry, &admin, &of_project("ci", "short", &["repository:push"])).await;
    let permissions =
        json!([{ "kind": "project", "namespace": "short", "access": access(&["repository:push"]) }]);
    let (_, system) = robot(registry, &admin, &of_system("all", permissions)).await;
    let token = system.get("/service/token?scope=repository:short/app:push").await.expect_status(200).json();
    let bearer = registry.anon().bearer(token["token"].as_str().unwrap());
    admin.delete(&format!("{API}/projects/short")).await.expect_status(200);
    private(registry, "short").await;
    own.post("/v2/short/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    system.post("/v2/short/app/blobs/uploads/").await.expect_error(404, "NAME_UNKNOWN");
    bearer.post("/v2/short/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
}

async fn robots_of_another_project_are_not_reached(registry: &TestRegistry) {
    team(registry).await;
    private(registry, "mine").await;
    let eve = registry.add_user("eve").await;
    registry.add_member("mine", eve, Role::ProjectAdmin).await;
    let (made, _) = robot(registry, &registry.admin(), &of_project("ci", "team", &["repository:pull"])).await;
    let (path, eve) = (format!("{API}/robots/{}", made["id"]), registry.user("eve"));
    eve.get(&path).await.expect_error(403, "FORBIDDEN");
    eve.put(&path).json(&json!({})).await.expect_error(403, "FORBIDDEN");
    eve.patch(&path).json(&json!({})).await.expect_error(403, "FORBIDDEN");
    eve.delete(&path).await.expect_error(403, "FORBIDDEN");
    eve.get(&format!("{API}/robots/70000")).await.expect_error(403, "FORBIDDEN");
    let other = of_project("x", "team", &["repository:pull"]);
    eve.post(&format!("{API}/robots")).json(&other).await.expect_error(403, "FORBIDDEN");
    let own = of_project("x", "mine", &["repository:pull", "metadata:list"]);
    eve.post(&format!("{API}/robots")).json(&own).await.expect_status(201);
}

async fn nobody_makes_a_robot_that_may_do_more(registry: &TestRegistry) {
    team(registry).await;
    let maker = of_project("maker", "team", &["robot:create", "repository:pull"]);
    let (_, maker) = robot(registry, &registry.admin(), &maker).await;
    let path = format!("{API}/robots");
    for above in ["repository:push", "member:create", "project:delete"] {
        let body = of_project("x", "team", &["repository:pull", above]);
        maker.post(&path).json(&body).await.expect_error(403, "FORBIDDEN");
    }
    maker.post(&path).json(&of_project("x", "team", &["repository:pull"])).await.expect_status(201);
    let everywhere = json!([{ "kind": "project", "namespace": "*", "access": access(&["repository:pull"]) }]);
    maker.post(&path).json(&of_system("x", everywhere)).await.expect_error(403, "FORBIDDEN");
}

async fn a_robot_is_limited_to_some_repositories(registry: &TestRegistry) {
    team(registry).await;
    let mut body = of_project("ci", "team", &["repository:push"]);
    body["permissions"][0]["repositories"] = json!(["web/**"]);
    let (_, client) = robot(registry, &registry.admin(), &body).await;
    client.begin("team/web/app").await;
    client.post("/v2/team/app/blobs/uploads/").await.expect_error(404, "NAME_UNKNOWN");
    client.get("/v2/team/app/manifests/latest").await.expect_error(404, "NAME_UNKNOWN");
}

async fn a_robot_of_a_project_in_the_older_form(registry: &TestRegistry) {
    team(registry).await;
    private(registry, "other").await;
    let admin = registry.admin();
    let id = read(&admin, "/projects/team").await["project_id"].clone();
    let path = format!("{API}/projects/team/robots");
    let body = json!({ "name": "old", "description": "d", "expires_at": -1, "disable": true, "level": "system", "access": [
        { "resource": format!("/project/{id}/repository"), "action": "pull" },
        { "resource": "repository", "action": "push", "effect": "allow" }] });
    let made = admin.post(&path).json(&body).await.expect_status(201);
    let robot = made.json();
    assert!(made.need("Location").ends_with(&format!("/projects/team/robots/{}", robot["id"])));
    assert_eq!((&robot["name"], &robot["expires_at"]), (&json!("robot$team+old"), &json!(-1)));
    let client = registry.anon().basic("robot$team+old", robot["secret"].as_str().unwrap());
    client.get("/v2/team/app/manifests/latest").await.expect_status(200);
    let own = format!("{path}/{}", robot["id"]);
    let shown = admin.get(&own).await.expect_status(200).json();
    assert_eq!((&shown["level"], &shown["permissions"][0]["namespace"]), (&json!("project"), &json!("team")));
    assert_eq!(shown["permissions"][0]["access"].as_array().unwrap().len(), 2);
    let listed = admin.get(&path).await.expect_status(200);
    assert_eq!((listed.need("X-Total-Count"), &listed.json()[0]), ("1", &shown));
    assert_eq!(admin.get(&format!("{API}/projects/other/robots")).await.need("X-Total-Count"), "0");
    let foreign = format!("{API}/projects/other/robots/{}", robot["id"]);
    admin.get(&foreign).await.expect_error(404, "NOT_FOUND");
    admin.delete(&foreign).await.expect_error(404, "NOT_FOUND");
    admin.put(&foreign).json(&json!({ "disable": true })).await.expect_error(404, "NOT_FOUND");
    admin.put(&own).json(&json!({ "disable": true, "description": "off" })).await.expect_status(200);
    client.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(admin.get(&own).await.json()["permissions"], shown["permissions"]);
    for wrong in [
        json!({ "name": "x", "expires_at": 5, "access": [{ "resource": "repository", "action": "pull" }] }),
        json!({ "name": "x", "access": [{ "resource": "/project/1/repository", "action": "pull" }] }),
        json!({ "name": "x", "access": [{ "resource": "user", "action": "list" }] }),
    ] {
        admin.post(&path).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    admin.delete(&own).await.expect_status(200);
    admin.get(&own).await.expect_error(404, "NOT_FOUND");
}

/// What is shown is compared with both after one hash: they have one salt, and so 53 characters.
#[tokio::test]
async fn two_secrets_that_live_have_one_salt() {
    let registry = TestRegistry::builder(BackEnd::Folder).patient_with_logins().start().await;
    team(&registry).await;
    let admin = registry.admin();
    let (made, _) = robot(&registry, &admin, &of_project("ci", "team", &["repository:pull"])).await;
    let renew = json!({ "secret": "", "overlap": 3600 });
    admin.patch(&format!("{API}/robots/{}", made["id"])).json(&renew).await.expect_status(200);
    let alike = "SELECT count(*) FROM robots WHERE substr(secret, 1, 53) = substr(earlier_secret, 1, 53)";
    assert_eq!(registry.number(alike).await, 1);
    registry.close().await;
}

//! Members, robots and tokens that are limited to some repositories of projects: every list has exactly those.

use std::collections::BTreeSet;

use harbor_tests::{Client, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, make, private, read};

harbor_tests::on_every_store! {
    a_limited_member_lists_what_it_may_see;
    a_limited_robot_lists_what_it_may_see;
    a_limited_token_lists_what_it_and_its_holder_may_see;
    a_robot_that_pushes_lists_what_it_may_pull;
    a_token_for_a_repository_lists_it;
    a_changed_limit_changes_the_lists;
    lists_are_what_is_allowed_one_by_one;
    numbers_are_of_what_may_be_seen;
}

/// What a robot or token is given that looks at everything in its repositories.
const LOOKS: [(&str, &str); 6] = [
    ("project", "read"),
    ("repository", "list"),
    ("repository", "read"),
    ("repository", "pull"),
    ("artifact", "list"),
    ("artifact", "read"),
];

const TEAM: [&str; 4] = ["team/db", "team/web", "team/web/api", "team/website"];
const OTHER: [&str; 2] = ["other/db", "other/web/x"];

/// Two private projects and a public one.
async fn filled(registry: &TestRegistry) {
    for project in ["team", "other"] {
        private(registry, project).await;
    }
    for repository in TEAM.into_iter().chain(OTHER).chain(["library/open"]) {
        let set = content::image(harbor_core::oci::Algorithm::Sha256);
        registry.admin().push(repository, Some("latest"), &set).await;
    }
}

fn access(permissions: &[(&str, &str)]) -> Value {
    permissions.iter().map(|(resource, action)| json!({ "resource": resource, "action": action })).collect()
}

fn given(project: &str, repositories: &[&str]) -> Value {
    json!({ "kind": "project", "namespace": project, "repositories": repositories, "access": access(&LOOKS) })
}

async fn robot(registry: &TestRegistry, name: &str, permissions: &[Value]) -> Client {
    let body = json!({ "name": name, "level": "system", "duration": 1, "permissions": permissions });
    let made = registry.admin().post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap())
}

async fn token(registry: &TestRegistry, holder: &str, name: &str, scopes: &[Value]) -> Client {
    let body = json!({ "name": name, "duration": 1, "scopes": scopes });
    let by = if holder == "admin" { registry.admin() } else { registry.user(holder) };
    let made = by.post(&format!("{API}/users/current/tokens")).json(&body).await.expect_status(201).json();
    registry.anon().basic(holder, made["token"].as_str().unwrap())
}

async fn member(registry: &TestRegistry, project: &str, name: &str, repositories: &[&str]) -> i64 {
    let body = json!({ "role_id": 3, "member_user": { "username": name }, "repositories": repositories });
    make(&registry.admin(), &format!("/projects/{project}/members"), &body).await
}

/// The names of a list that is read in pages of two; each page tells how many there are.
async fn paged(client: &Client, path: &str, name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut totals = BTreeSet::new();
    for page in 1.. {
        let answer = client.get(&format!("{API}{path}")).query("page", page).query("page_size", 2).await;
        let answer = answer.expect_status(200);
        totals.insert(answer.need("X-Total-Count").to_owned());
        let list = answer.json();
        let list = list.as_array().unwrap();
        names.extend(list.iter().map(|entry| entry[name].as_str().unwrap().to_owned()));
        if list.is_empty() {
            break;
        }
    }
    assert_eq!(totals, BTreeSet::from([names.len().to_string()]), "{path}");
    names.sort();
    names
}

/// The names of the catalogue, read in pages of two.
async fn catalog(client: &Client) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let last = names.last().cloned().unwrap_or_default();
        let page =
            client.get("/v2/_catalog").query("n", 2).query("last", last).await.expect_status(200).json();
        let page = page["repositories"].as_array().unwrap().clone();
        names.extend(page.iter().map(|name| name.as_str().unwrap().to_owned()));
        if page.len() < 2 {
            return names;
        }
    }
}

/// Whoever it is sees exactly these, in every list; `team` has those of them that are of that project.
async fn sees(client: &Client, names: &[&str]) {
    let team: Vec<&str> = names.iter().copied().filter(|name| name.starts_with("team/")).collect();
    assert_eq!(catalog(client).await, names);
    assert_eq!(paged(client, "/repositories", "name").await, names);
    assert_eq!(paged(client, "/projects/team/repositories", "name").await, team);
    for path in ["/projects/team/artifacts", "/projects/team/artifacts?latest_in_repository=true"] {
        assert_eq!(paged(client, path, "repository_name").await, team, "{path}");
    }
    let found = read(client, "/search?q=").await;
    let found: Vec<&str> = found["repository"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["repository_name"].as_str().unwrap())
        .collect();
    assert_eq!(found, names);
    let figures = read(client, "/statistics").await;
    let public = names.iter().filter(|name| name.starts_with("library/")).count();
    assert_eq!(
        (&figures["public_repo_count"], &figures["private_repo_count"]),
        (&json!(public), &json!(names.len() - public))
    );
}

async fn a_limited_member_lists_what_it_may_see(registry: &TestRegistry) {
    filled(registry).await;
    registry.add_user("grace").await;
    let grace = registry.user("grace");
    assert_eq!(catalog(&grace).await, ["library/open"]);
    member(registry, "team", "grace", &["web", "web/**"]).await;
    sees(&grace, &["library/open", "team/web", "team/web/api"]).await;
    member(registry, "other", "grace", &[]).await;
    sees(&grace, &["library/open", "other/db", "other/web/x", "team/web", "team/web/api"]).await;
    assert_eq!(paged(&grace, "/projects", "name").await, ["library", "other", "team"]);
    // What is not for the limited is not in lists of it either: logs are of projects.
    grace.get(&format!("{API}/projects/team/logs")).await.expect_error(403, "FORBIDDEN");
}

async fn a_limited_robot_lists_what_it_may_see(registry: &TestRegistry) {
    filled(registry).await;
    let client = robot(registry, "one", &[given("team", &["db", "web/?*"])]).await;
    sees(&client, &["library/open", "team/db", "team/web/api"]).await;
    assert_eq!(paged(&client, "/projects", "name").await, ["library", "team"]);
    let everywhere = robot(registry, "every", &[given("*", &["web", "web/**"])]).await;
    sees(&everywhere, &["library/open", "other/web/x", "team/web", "team/web/api"]).await;
    let nothing = robot(registry, "nothing", &[given("team", &["none/**"])]).await;
    sees(&nothing, &["library/open"]).await;
}

async fn a_limited_token_lists_what_it_and_its_holder_may_see(registry: &TestRegistry) {
    filled(registry).await;
    let client = token(registry, "admin", "one", &[given("team", &["web", "web/**"])]).await;
    sees(&client, &["team/web", "team/web/api"]).await;
    registry.add_user("grace").await;
    member(registry, "team", "grace", &["web*", "web/**"]).await;
    let both = token(registry, "grace", "both", &[given("team", &["{website,db}"])]).await;
    sees(&both, &["team/website"]).await;
    let wide = token(registry, "grace", "wide", &[given("team", &[])]).await;
    sees(&wide, &["team/web", "team/web/api", "team/website"]).await;
}

/// As with Harbor, a robot of a project that may push may pull: it is not told less by the catalogue.
async fn a_robot_that_pushes_lists_what_it_may_pull(registry: &TestRegistry) {
    filled(registry).await;
    let permissions = json!([{ "kind": "project", "namespace": "team", "repositories": ["web", "web/**"],
        "access": access(&[("repository", "push")]) }]);
    let body = json!({ "name": "ci", "level": "project", "duration": -1, "permissions": permissions });
    let made = registry.admin().post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    let client = registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    client.get("/v2/team/web/manifests/latest").await.expect_status(200);
    assert_eq!(catalog(&client).await, ["library/open", "team/web", "team/web/api"]);
}

async fn a_token_for_a_repository_lists_it(registry: &TestRegistry) {
    filled(registry).await;
    let traded = registry.admin().get("/service/token?scope=repository:team/web:pull").await.json();
    let bearer = registry.anon().bearer(traded["token"].as_str().unwrap());
    bearer.get("/v2/team/web/manifests/latest").await.expect_status(200);
    assert_eq!(catalog(&bearer).await, ["team/web"]);
}

async fn a_changed_limit_changes_the_lists(registry: &TestRegistry) {
    filled(registry).await;
    registry.add_user("grace").await;
    let id = member(registry, "team", "grace", &["web"]).await;
    let (admin, grace) = (registry.admin(), registry.user("grace"));
    sees(&grace, &["library/open", "team/web"]).await;
    let path = format!("{API}/projects/team/members/{id}");
    let change = json!({ "role_id": 3, "repositories": ["db"] });
    admin.put(&path).json(&change).await.expect_status(200);
    sees(&grace, &["library/open", "team/db"]).await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    admin.delete(&format!("{API}/projects/team/repositories/db")).await.expect_status(200);
    sees(&grace, &["library/open"]).await;
    admin.push("team/db", Some("latest"), &set).await;
    sees(&grace, &["library/open", "team/db"]).await;
    let project = format!("{API}/projects/team");
    admin.put(&project).json(&json!({ "public": true })).await.expect_status(200);
    assert_eq!(paged(&grace, "/projects/team/repositories", "name").await, TEAM);
    assert_eq!(catalog(&grace).await, [&["library/open"], &TEAM[..]].concat());
    admin.put(&project).json(&json!({ "public": false })).await.expect_status(200);
    sees(&grace, &["library/open", "team/db"]).await;
    admin.delete(&path).await.expect_status(200);
    assert_eq!(catalog(&grace).await, ["library/open"]);
}

/// Of limits of every kind, put together as they come: what the lists have is what may be read one by one.
async fn lists_are_what_is_allowed_one_by_one(registry: &TestRegistry) {
    filled(registry).await;
    registry.add_user("grace").await;
    member(registry, "team", "grace", &["web*", "d?"]).await;
    member(registry, "other", "grace", &["**/x"]).await;
    let limits = ["", "web/**", "web", "*", "{db,website}", "**/api", "[^w]*", "none"];
    let (mut lengths, mut state) = (BTreeSet::new(), 11_u64);
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for round in 0..12 {
        let mut permissions = Vec::new();
        for project in ["team", "other", "*"] {
            let patterns: Vec<&str> = (0..next(3)).map(|_| limits[next(limits.len())]).collect();
            if next(2) == 0 {
                permissions.push(given(project, &patterns));
            }
        }
        if permissions.is_empty() {
            permissions.push(given("other", &["db"]));
        }
        let name = format!("r{round}");
        let own: Vec<Value> = permissions.iter().filter(|one| one["namespace"] != "*").cloned().collect();
        let clients = [
            robot(registry, &name, &permissions).await,
            token(registry, "admin", &name, &permissions).await,
            token(registry, "grace", &name, &own).await,
        ];
        for client in clients {
            let (mut pulled, mut seen) = (Vec::new(), Vec::new());
            for repository in ["library/open"].into_iter().chain(OTHER).chain(TEAM) {
                if client.get(&format!("/v2/{repository}/manifests/latest")).await.status == 200 {
                    pulled.push(repository);
                }
                let (project, within) = repository.split_once('/').unwrap();
                let within = within.replace('/', "%252F");
                // Of public projects everybody may list, and not read, their repositories.
                let path = format!("{API}/projects/{project}/repositories/{within}/artifacts");
                if client.get(&path).await.status == 200 {
                    seen.push(repository);
                }
            }
            assert_eq!(catalog(&client).await, pulled, "{permissions:?}");
            assert_eq!(paged(&client, "/repositories", "name").await, seen, "{permissions:?}");
            lengths.insert(seen.len());
        }
    }
    assert!(lengths.len() > 3, "{lengths:?}");
}

/// How many repositories the team has, wherever that is told.
async fn counted(client: &Client) -> Vec<Value> {
    let count = |project: &Value| project["repo_count"].clone();
    let of_team = |list: &Value| {
        let team = list.as_array().unwrap().iter().find(|project| project["name"] == "team");
        count(team.unwrap())
    };
    vec![
        count(&read(client, "/projects/team").await),
        count(&read(client, "/projects/team/summary").await),
        of_team(&read(client, "/projects").await),
        of_team(&read(client, "/search?q=team").await["project"]),
    ]
}

async fn numbers_are_of_what_may_be_seen(registry: &TestRegistry) {
    filled(registry).await;
    registry.add_user("grace").await;
    let grace = registry.user("grace");
    let id = member(registry, "team", "grace", &["web", "web/**"]).await;
    assert_eq!(counted(&grace).await, vec![json!(2); 4]);
    let other = read(&grace, "/projects/library").await["repo_count"].clone();
    assert_eq!(other, json!(1), "everybody lists a public project");
    assert_eq!(counted(&registry.admin()).await, vec![json!(4); 4]);
    let limited = token(registry, "admin", "one", &[given("team", &["db"])]).await;
    assert_eq!(read(&limited, "/projects/team").await["repo_count"], json!(1));
    let change = json!({ "role_id": 3, "repositories": [] });
    let path = format!("{API}/projects/team/members/{id}");
    registry.admin().put(&path).json(&change).await.expect_status(200);
    assert_eq!(counted(&grace).await, vec![json!(4); 4]);
}

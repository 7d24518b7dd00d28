//! What matching many names with many patterns costs: those who asked for it, and nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use harbor_tests::{BackEnd, Client, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, make, private, read};

harbor_tests::on_every_store! {
    patterns_are_bounded_altogether;
}

/// With threads, as a server has them: more than match at a time. On one, the system's events would wait for dozens of turns each.
macro_rules! with_threads {
    ($($name:ident on $stores:ident when $when:meta;)+) => {$(
        #[$when]
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let registry = TestRegistry::builder(BackEnd::$stores).start().await;
            matching_keeps_nobody_waiting(&registry).await;
            registry.close().await;
        }
    )+};
}

with_threads! {
    matching_keeps_nobody_waiting_in_memory on Memory when cfg(test);
    matching_keeps_nobody_waiting_on_postgres on PostgresS3 when ignore = "needs PostgreSQL and S3";
    matching_keeps_nobody_waiting_on_mariadb on MariaDbFolder when ignore = "needs MariaDB";
}

fn given(project: &str, repositories: &[String]) -> Value {
    json!({ "kind": "project", "namespace": project, "repositories": repositories,
        "access": [{ "resource": "repository", "action": "list" }, { "resource": "repository", "action": "pull" }] })
}

fn bounded(answer: harbor_tests::Answer) {
    let answer = answer.expect_error(400, "BAD_REQUEST");
    assert!(String::from_utf8_lossy(&answer.body).contains("4096 bytes altogether"), "{answer}");
}

async fn patterns_are_bounded_altogether(registry: &TestRegistry) {
    private(registry, "team").await;
    registry.add_user("grace").await;
    let admin = registry.admin();
    let most: Vec<String> = (0..4).map(|number| format!("{number}{}", "x".repeat(1023))).collect();
    let more = [&most[..], &["y".to_owned()]].concat();
    let (robots, tokens) = (format!("{API}/robots"), format!("{API}/users/current/tokens"));
    let robot = |level: &str, permissions: &Value| json!({ "name": level, "level": level, "duration": 1, "permissions": permissions });
    let token = |scopes: &Value| json!({ "name": "some", "duration": 1, "scopes": scopes });
    // In one entry or in several.
    let one = json!([given("team", &more)]);
    for many in [&one, &json!([given("team", &most), given("team", &more[4..])])] {
        bounded(admin.post(&tokens).json(&token(many)).await);
        bounded(admin.post(&robots).json(&robot("system", many)).await);
    }
    bounded(admin.post(&robots).json(&robot("project", &one)).await);
    let few = json!([given("team", &most)]);
    admin.post(&tokens).json(&token(&few)).await.expect_status(201);
    let made = admin.post(&robots).json(&robot("system", &few)).await.expect_status(201).json();
    let path = format!("{robots}/{}", made["id"]);
    let mut body = read(&admin, &format!("/robots/{}", made["id"])).await;
    body["permissions"] = json!([given("team", &more)]);
    bounded(admin.put(&path).json(&body).await);
    let members = format!("{API}/projects/team/members");
    let member = |repositories: &[String]| json!({ "role_id": 3, "member_user": { "username": "grace" }, "repositories": repositories });
    bounded(admin.post(&members).json(&member(&more)).await);
    let id = make(&admin, "/projects/team/members", &member(&most)).await;
    bounded(admin.put(&format!("{members}/{id}")).json(&member(&more)).await);
    admin.put(&format!("{members}/{id}")).json(&member(&most)).await.expect_status(200);
}

/// Somebody whose patterns take as long as they can with each name.
async fn greedy(registry: &TestRegistry) -> Client {
    let slow = format!("{{{}}}", vec!["*b"; 33].join(","));
    let body = json!({ "name": "slow", "duration": 1, "scopes": [given("team", &vec![slow; 40])] });
    let made = registry.admin().post(&format!("{API}/users/current/tokens")).json(&body).await;
    registry.anon().basic("admin", made.expect_status(201).json()["token"].as_str().unwrap())
}

/// More than there are connections to read with.
const LISTS: usize = 9;

/// How often others read, at least, before all lists are matched. Whoever had to wait for them would read once or twice.
const READS: usize = 3;

/// How many repositories there are at first and at last. Each is a turn, or some, of those that a read has to wait for, and of the
/// database's own wait for a processor: where too few are matched for that, there are twice as many the next time.
const NAMES: [usize; 2] = [4, 64];

/// While lists are matched, more than there are connections, others read.
async fn matching_keeps_nobody_waiting(registry: &TestRegistry) {
    private(registry, "team").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    let greedy = greedy(registry).await;
    let (mut names, mut reads) = (0, Vec::new());
    while reads.last().is_none_or(|last| *last < READS) {
        assert!(names < NAMES[1], "others read so often: {reads:?}");
        let more = (2 * names).max(NAMES[0]);
        for number in names..more {
            let name = format!("team/{}{number:03}", "a".repeat(180));
            registry.admin().push(&name, Some("latest"), &set).await;
        }
        names = more;
        reads.push(reads_beside(registry, &greedy).await);
    }
}

/// How often others read while all lists are matched.
async fn reads_beside(registry: &TestRegistry, greedy: &Client) -> usize {
    // So many connections to the database are there already: to open one takes many turns, and none may take long.
    join_all((0..2 * LISTS).map(|_| async { registry.admin().get("/v2/_catalog?n=1").await })).await;
    let done = Arc::new(AtomicUsize::new(0));
    let lists = join_all((0..LISTS).map(|_| {
        let (call, done) = (greedy.get("/v2/_catalog?n=1").into_future(), Arc::clone(&done));
        async move {
            assert_eq!(call.await.expect_status(200).json()["repositories"], json!([]));
            done.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let others = async {
        let mut reads = 0;
        while done.load(Ordering::SeqCst) < LISTS {
            read(&registry.admin(), "/projects").await;
            reads += 1;
        }
        reads
    };
    tokio::join!(lists, others).1
}

/// Names are read a thousand at a time: those of a large project by itself, of small ones at once, or of all there are.
#[tokio::test]
async fn no_page_of_names_is_left_out() {
    let registry = TestRegistry::builder(BackEnd::Memory).start().await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    for project in ["before", "team", "after"] {
        private(&registry, project).await;
    }
    let admin = registry.admin();
    // As they are made, those of the others lie between those of the large one.
    for hundred in 0..11 {
        let some = (0..100).map(|number| format!("team/r{}", hundred * 100 + number));
        let names: Vec<String> =
            some.chain(["before", "after"].map(|of| format!("{of}/r{hundred}"))).collect();
        for name in names.chunks(17) {
            join_all(name.iter().map(|name| admin.push(name, Some("latest"), &set))).await;
        }
    }
    let any = ["r*".to_owned()];
    let totals = [
        (json!([given("*", &any)]), "1122"),
        (json!([given("before", &any), given("team", &any), given("after", &any)]), "1122"),
        (json!([given("team", &any)]), "1100"),
        (json!([given("before", &any), given("after", &["r1*".to_owned()])]), "13"),
    ];
    for (number, (scopes, total)) in totals.into_iter().enumerate() {
        let body = json!({ "name": format!("t{number}"), "duration": 1, "scopes": scopes });
        let made = admin.post(&format!("{API}/users/current/tokens")).json(&body).await.expect_status(201);
        let client = registry.anon().basic("admin", made.json()["token"].as_str().unwrap());
        let listed = client.get(&format!("{API}/repositories?page_size=1")).await.expect_status(200);
        assert_eq!(listed.need("X-Total-Count"), total, "{scopes}");
    }
    registry.close().await;
}

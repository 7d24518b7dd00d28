//! What is taken away on one node is gone on the other at once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use harbor_core::oci::Algorithm;
use harbor_tests::Database;
use harbor_tests::{Build, Client, Process, content};
use serde_json::{Value, json};

const API: &str = "/api/v2.0";
const PASSWORD: &str = "Correct horse 1";
const TAGS: &str = "/v2/team/app/tags/list";

struct Node {
    process: Process,
    _data: tempfile::TempDir,
}

impl Node {
    async fn over(database: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut command = Build::Last.over(data.path());
        command.env("HARBOR_DATABASE_URL", database).env("HARBOR_ADMIN_PASSWORD", PASSWORD);
        let process = Process::launch(command, &data.path().join("log")).await;
        Self { process, _data: data }
    }

    fn client(&self, name: &str, password: &str) -> Client {
        self.process.anon().basic(name, password)
    }
}

async fn make(admin: &Client, path: &str, body: &Value) -> Value {
    let made = admin.post(&format!("{API}{path}")).json(body).await.expect_status(201);
    let location = made.need("Location").rsplit('/').next().unwrap().to_owned();
    let body = if made.body.is_empty() { json!({}) } else { made.json() };
    json!({ "at": location, "body": body })
}

over_both! {
    " and the built harbor-server";
    what_is_taken_away_here_is_gone_there;
}

async fn what_is_taken_away_here_is_gone_there(database: Database) {
    let (a, b) = tokio::join!(Node::over(database.url()), Node::over(database.url()));
    let admin = a.client("admin", PASSWORD);
    let private = json!({ "project_name": "team", "metadata": { "public": "false" } });
    make(&admin, "/projects", &private).await;
    admin.push("team/app", Some("latest"), &content::image(Algorithm::Sha256)).await;
    let user = make(&admin, "/users", &json!({ "username": "grace", "password": PASSWORD })).await;
    let member = json!({ "role_id": 2, "member_user": { "username": "grace" } });
    let joined = make(&admin, "/projects/team/members", &member).await;

    // Each of these is shown to the other node only, which so remembers what it was.
    let there = b.client("grace", PASSWORD);
    there.get(TAGS).await.expect_status(200);
    let scope = "/service/token?service=harbor-registry&scope=repository:team/app:pull";
    let bearer = there.get(scope).await.expect_status(200).json();
    let bearer = b.process.anon().bearer(bearer["token"].as_str().unwrap());
    bearer.get(TAGS).await.expect_status(200);
    admin
        .delete(&format!("{API}/projects/team/members/{}", joined["at"].as_str().unwrap()))
        .await
        .expect_status(200);
    there.get(TAGS).await.expect_status(404);
    bearer.get(TAGS).await.expect_status(404);
    make(&admin, "/projects/team/members", &member).await;
    there.get(TAGS).await.expect_status(200);
    bearer.get(TAGS).await.expect_status(200);

    let own = a.client("grace", PASSWORD);
    let made = make(&own, "/users/current/tokens", &json!({ "name": "ci", "duration": 1 })).await;
    let token = b.client("grace", made["body"]["token"].as_str().unwrap());
    token.get(TAGS).await.expect_status(200);
    own.delete(&format!("{API}/users/current/tokens/{}", made["body"]["id"])).await.expect_status(200);
    token.get(TAGS).await.expect_status(401);

    let pull = json!([{ "kind": "project", "namespace": "team",
        "access": [{ "resource": "repository", "action": "pull" }] }]);
    let robot = json!({ "name": "ci", "level": "project", "duration": -1, "permissions": pull });
    let robot = make(&admin, "/robots", &robot).await;
    let program = b.client("robot$team+ci", robot["body"]["secret"].as_str().unwrap());
    program.get(TAGS).await.expect_status(200);
    let path = format!("{API}/robots/{}", robot["body"]["id"]);
    let mut off = admin.get(&path).await.json();
    off["disable"] = json!(true);
    admin.put(&path).json(&off).await.expect_status(200);
    program.get(TAGS).await.expect_status(401);

    let form = format!("principal=grace&password={}", PASSWORD.replace(' ', "+"));
    let session = a.process.anon().post("/c/login").body(form).await.expect_status(200);
    let cookie = session.need("Set-Cookie").split(';').next().unwrap().to_owned();
    let current =
        |node: &Node| node.process.anon().get(&format!("{API}/users/current")).header("Cookie", &cookie);
    current(&b).await.expect_status(200);
    a.process.anon().get("/c/log_out").header("Cookie", &cookie).await.expect_status(200);
    current(&b).await.expect_status(401);

    there.get(TAGS).await.expect_status(200);
    admin.delete(&format!("{API}/users/{}", user["at"].as_str().unwrap())).await.expect_status(200);
    for gone in [&there, &bearer] {
        gone.get(TAGS).await.expect_status(401);
    }
    assert!(a.process.stop().await && b.process.stop().await);
}

/// A token that one node signs with a key that it just made is good on the other, which has not heard of the key; and a token of
/// the key before it stays good on both.
async fn a_key_that_is_made_here_is_known_there(database: &str) {
    let [a, b] = [Node::over(database).await, Node::over(database).await];
    let admin = a.client("admin", PASSWORD);
    make(&admin, "/projects", &json!({ "project_name": "team" })).await;
    admin.push("team/app", Some("latest"), &content::image(Algorithm::Sha256)).await;
    let bearer = async |from: &Node, to: &Node| {
        let scope = "/service/token?service=harbor-registry&scope=repository:team/app:pull";
        let token = from.client("admin", PASSWORD).get(scope).await.expect_status(200).json();
        let token = token["token"].as_str().unwrap().to_owned();
        (to.process.anon().bearer(&token), signed_by(&token))
    };
    let (old, first) = bearer(&b, &a).await;
    let (old_there, _) = bearer(&a, &b).await;
    old.get(TAGS).await.expect_status(200);
    admin.post(&format!("{API}/system/token-keys/rotate")).await.expect_status(200);
    let (new, second) = bearer(&a, &b).await;
    assert_ne!(second, first);
    new.get(TAGS).await.expect_status(200);
    for node in [&a, &b] {
        let (other, _) = bearer(&b, node).await;
        other.get(TAGS).await.expect_status(200);
    }
    old.get(TAGS).await.expect_status(200);

    // Also to many who ask at the moment in which a node hears of it, and while yet another is made.
    for _ in 0..5 {
        admin.post(&format!("{API}/system/token-keys/rotate")).await.expect_status(200);
        let (new, _) = bearer(&a, &b).await;
        let asking = join_all((0..48).map(|number| {
            let shown = if number % 4 == 0 { &old_there } else { &new };
            async { shown.get(TAGS).await.expect_status(200) }
        }));
        let rotating = async {
            admin.post(&format!("{API}/system/token-keys/rotate")).await.expect_status(200);
            bearer(&a, &b).await.0.get(TAGS).await.expect_status(200)
        };
        tokio::join!(asking, rotating);
    }
    assert!(a.process.stop().await && b.process.stop().await);
}

/// The name of the key that signed a token.
fn signed_by(token: &str) -> Value {
    let (head, _) = token.split_once('.').unwrap();
    let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    head["kid"].clone()
}

#[tokio::test]
#[ignore = "needs PostgreSQL and the built harbor-server"]
async fn a_key_that_is_made_here_is_known_there_on_postgres() {
    a_key_that_is_made_here_is_known_there(Database::postgres().url()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB and the built harbor-server"]
async fn a_key_that_is_made_here_is_known_there_on_mysql() {
    a_key_that_is_made_here_is_known_there(Database::mariadb().url()).await;
}

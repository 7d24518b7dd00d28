//! The stream of events, over the API.

use std::time::Duration;

use harbor_core::access::{Actor, Role};
use harbor_core::{Error, EventFilter};
use harbor_tests::content::{self, Piece};
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::retention::{project_with, rule, run};
use super::{API, SHA, at, digest, push_image, read};

harbor_tests::on_every_store! {
    with crate::retention::by_hand;
    what_happens_is_told;
    policies_and_quotas_are_told;
    each_hears_what_they_may_know;
    who_comes_back_misses_nothing;
    what_is_asked_for_is_checked;
    what_is_refused_holds_up_nobody;
    nobody_takes_all_places;
    a_stream_holds_up_nobody;
}

/// How long a test waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who listens.
struct Listener {
    answer: reqwest::Response,
    text: String,
}

impl Listener {
    /// Listens, and is heard: what happens from now on comes.
    async fn open(client: &Client, query: &str, last: Option<i64>) -> Self {
        let call = client.get(&format!("{API}/events/stream{query}"));
        let answer = match last {
            Some(last) => call.header("Last-Event-ID", last.to_string()).open().await,
            None => call.open().await,
        };
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["Content-Type"], "text/event-stream");
        let mut listener = Self { answer, text: String::new() };
        assert!(listener.block().await.unwrap().starts_with("retry: "));
        listener
    }

    /// What comes before the next empty line; nothing at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let piece = tokio::time::timeout(PATIENCE, self.answer.chunk()).await.expect("an event comes");
            self.text.push_str(std::str::from_utf8(&piece.unwrap()?).unwrap());
        }
    }

    /// The next event, with its name and number.
    async fn event(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await?;
            if block.starts_with(':') {
                continue;
            }
            let part = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned)
            };
            let mut data: Value = serde_json::from_str(&part("data:").unwrap()).unwrap();
            let name = part("event:").unwrap();
            match part("id:") {
                Some(id) => assert_eq!((data["id"].to_string(), &data["kind"]), (id, &json!(name))),
                None => data["kind"] = json!(name),
            }
            return Some(data);
        }
    }

    /// Events until one of this kind, but for what is told of quotas, which comes when it does.
    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await.expect("events go on");
            let last = event["kind"] == kind;
            events.push(event);
            if last {
                return events;
            }
        }
    }
}

/// Events in a line each: their kind, and what they are about.
fn told(events: &[Value]) -> Vec<String> {
    let about = |event: &Value| {
        let names = ["project", "repository", "tag", "member", "policy", "change", "tags"];
        let said = names.iter().filter_map(|name| match &event[*name] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
        let words: Vec<String> = said.collect();
        format!("{} {}", event["kind"].as_str().unwrap(), words.join(" "))
    };
    events.iter().map(about).collect()
}

async fn what_happens_is_told(registry: &TestRegistry) {
    let admin = registry.admin();
    let mut listener = Listener::open(&admin, "", None).await;
    let new = json!({ "project_name": "mine", "metadata": { "public": "false" } });
    admin.post(&format!("{API}/projects")).json(&new).await.expect_status(201);
    let grace = registry.add_user("grace").await;
    let members = format!("{API}/projects/mine/members");
    let member = json!({ "role_id": 3, "member_user": { "user_id": grace.get() } });
    let member = admin.post(&members).json(&member).await.expect_status(201).need("Location").to_owned();
    admin.put(&member).json(&json!({ "role_id": 2 })).await.expect_status(200);
    let first = push_image(&admin, "mine/app", "v1").await;
    admin.push("mine/app", Some("v1"), &first).await;
    let second = push_image(&admin, "mine/app", "v1").await;
    let named = format!("{}/artifacts/{}/tags", at("mine/app"), digest(&first));
    admin.post(&named).json(&json!({ "name": "old" })).await.expect_status(201);
    admin.delete(&format!("{named}/old")).await.expect_status(200);
    admin.delete(&format!("/v2/mine/app/manifests/{}", digest(&second))).await.expect_status(202);
    admin.delete(&member).await.expect_status(200);
    let hidden = json!({ "metadata": { "auto_scan": "true" } });
    admin.put(&format!("{API}/projects/mine")).json(&hidden).await.expect_status(200);
    admin.delete(&at("mine/app")).await.expect_status(200);
    admin.delete(&format!("{API}/projects/mine")).await.expect_status(200);

    let events = listener.until("project_deleted").await;
    let pushed = |event: &&Value| !(event["kind"] == "artifact_pushed" && event["tags"] == json!([]));
    // A client pushes a manifest by its digest, and tags it then.
    let events: Vec<Value> = events.iter().filter(pushed).cloned().collect();
    let expected = [
        "project_created mine",
        "member_changed mine grace created",
        "member_changed mine grace updated",
        "repository_created mine/app",
        r#"artifact_pushed mine/app ["v1"]"#,
        "tag_created mine/app v1",
        r#"artifact_pushed mine/app ["v1"]"#,
        r#"artifact_pushed mine/app ["v1"]"#,
        "tag_created mine/app v1",
        r#"artifact_pushed mine/app ["old"]"#,
        "tag_created mine/app old",
        "tag_deleted mine/app old",
        r#"artifact_deleted mine/app ["v1"]"#,
        "tag_deleted mine/app v1",
        "member_changed mine grace deleted",
        "project_updated mine",
        r#"artifact_deleted mine/app []"#,
        "repository_deleted mine/app",
        "project_deleted mine",
    ];
    let mut found = told(&events);
    // What is deleted with a repository is told of before or after it.
    let end = found.len() - 3..found.len() - 1;
    found[end].sort();
    assert_eq!(found, expected);
    let ids: Vec<i64> = events.iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted());
    assert!(events.iter().all(|event| event["actor"] == "admin:admin" && event["project_id"].is_i64()));
    assert!(events[0]["occurred_at"].as_str().unwrap().ends_with('Z'));
}

async fn policies_and_quotas_are_told(registry: &TestRegistry) {
    let admin = registry.admin();
    let policy = project_with(registry, "p", vec![rule("always", 0, "**")]).await;
    let mut listener = Listener::open(&admin, "", None).await;
    let immutable = json!({
        "action": "immutable", "template": "immutable_template", "disabled": false,
        "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "never" }],
        "scope_selectors": { "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }] },
    });
    let made =
        admin.post(&format!("{API}/projects/p/immutabletagrules")).json(&immutable).await.expect_status(201);
    admin.delete(made.need("Location")).await.expect_status(200);
    push_image(&admin, "p/app", "v1").await;
    run(registry, &policy, false).await;
    admin.delete(&policy).await.expect_status(200);
    let heard = listener.until("policy_changed").await;
    let heard =
        [heard, listener.until("retention_finished").await, listener.until("policy_changed").await].concat();
    let lines = told(&heard);
    assert_eq!(lines[0], "policy_changed immutable created");
    assert_eq!(lines[1], "policy_changed immutable deleted");
    assert_eq!(lines.last().unwrap(), "policy_changed retention deleted");
    let finished = heard.iter().find(|event| event["kind"] == "retention_finished").unwrap();
    assert_eq!(
        (&finished["total"], &finished["retained"], &finished["actor"]),
        (&json!(1), &json!(1), &json!("system"))
    );
    assert_eq!(finished["deleted"], json!(null));

    let quota =
        read(&admin, format!("{API}/quotas?reference=project&sort=-id&page_size=1")).await[0]["id"].clone();
    let limit = async |bytes: i64| {
        let hard = json!({ "hard": { "storage": bytes } });
        admin.put(&format!("{API}/quotas/{quota}")).json(&hard).await.expect_status(200);
    };
    let used = read(&admin, format!("{API}/quotas/{quota}")).await["used"]["storage"].as_i64().unwrap();
    limit(used + 10).await;
    let big = Piece::blob(SHA, 4096);
    let push = admin.post("/v2/p/app/blobs/uploads/").query("digest", big.digest).body(big.bytes.clone());
    push.await.expect_error(403, "DENIED");
    let exceeded = listener.until("quota_exceeded").await.pop().unwrap();
    assert_eq!((&exceeded["project"], exceeded["hard"].as_i64()), (&json!("p"), Some(used + 10)));
    limit(used + 20_000).await;
    let rest = Piece::blob(SHA, 18_000);
    admin.push_blob("p/app", &rest).await;
    let warned = listener.until("quota_warning").await.pop().unwrap();
    assert_eq!(warned["used"].as_i64(), Some(used + 18_000));
    let told = listener.text.contains("quota_warning");
    assert!(!told, "once");
    // Of what goes it is told what it was.
    let keeps = project_with(registry, "q", vec![rule("always", 0, "keep")]).await;
    for tag in ["keep", "go"] {
        push_image(&admin, "q/app", tag).await;
    }
    run(registry, &keeps, false).await;
    let heard = listener.until("retention_finished").await;
    let finished = heard.iter().find(|event| event["kind"] == "retention_finished").unwrap();
    assert_eq!((&finished["retained"], &finished["deleted"]), (&json!(1), &json!(["go"])));
}

async fn each_hears_what_they_may_know(registry: &TestRegistry) {
    for (name, public) in [("open", true), ("closed", false), ("hers", false)] {
        registry.project(name, public).await;
    }
    let grace = registry.add_user("grace").await;
    registry.add_member("hers", grace, Role::Developer).await;
    let (admin, hers) = (registry.admin(), registry.user("grace"));
    registry.anon().get(&format!("{API}/events/stream")).await.expect_status(401);
    hers.get(&format!("{API}/events/stream?project_name=closed")).await.expect_status(403);
    let mut all = Listener::open(&hers, "", None).await;
    let mut some =
        Listener::open(&hers, "?kind=artifact_pushed,%20tag_deleted&project_name=hers", None).await;
    let set = content::image(SHA);
    for repository in ["closed/a", "open/a", "hers/a"] {
        admin.push(repository, Some("v1"), &set).await;
    }
    let deleted = |repository: &str| format!("{}/artifacts/{}/tags/v1", at(repository), digest(&set));
    admin.delete(&deleted("hers/a")).await.expect_status(200);
    let events = all.until("tag_deleted").await;
    // Who did it is for those who may read the project's log.
    assert!(events.iter().all(|event| event["actor"] == ""), "{events:?}");
    let mut heard = told(&events);
    heard.dedup();
    let pushes = |name: &str| {
        [
            format!("repository_created {name}/a"),
            format!("artifact_pushed {name}/a []"),
            format!(r#"artifact_pushed {name}/a ["v1"]"#),
            format!("tag_created {name}/a v1"),
        ]
    };
    let expected: Vec<String> =
        [&pushes("open")[..], &pushes("hers"), &["tag_deleted hers/a v1".to_owned()]].concat();
    assert_eq!(without_digests(heard), without_digests(expected));
    let heard = told(&some.until("tag_deleted").await);
    assert!(
        heard
            .iter()
            .all(|line| line.starts_with("artifact_pushed hers/a") || line == "tag_deleted hers/a v1")
    );
    // She is a member no more, and hears of the public project alone.
    let members = read(&admin, format!("{API}/projects/hers/members?entityname=grace")).await;
    let member = members[0]["id"].as_i64().unwrap();
    admin.delete(&format!("{API}/projects/hers/members/{member}")).await.expect_status(200);
    admin.push("hers/a", Some("v2"), &set).await;
    admin.delete(&deleted("open/a")).await.expect_status(200);
    let heard = told(&all.until("tag_deleted").await);
    assert!(heard.iter().all(|line| !line.contains("hers/a")), "{heard:?}");
}

/// Without pushes by digest alone, of which there may be one.
fn without_digests(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| !line.ends_with("[]"));
    lines
}

async fn who_comes_back_misses_nothing(registry: &TestRegistry) {
    let admin = registry.admin();
    let mut listener = Listener::open(&admin, "?kind=project_created", None).await;
    registry.project("one", false).await;
    let first = listener.event().await.unwrap();
    drop(listener);
    for name in ["two", "three"] {
        registry.project(name, false).await;
    }
    let last = first["id"].as_i64().unwrap();
    let mut back = Listener::open(&admin, "?kind=project_created", Some(last)).await;
    registry.project("four", false).await;
    for name in ["two", "three", "four"] {
        assert_eq!(back.event().await.unwrap()["project"], name);
    }
    let mut named = Listener::open(&admin, &format!("?kind=project_created&after={last}"), None).await;
    assert_eq!(named.event().await.unwrap()["project"], "two");
    // Events are not kept for ever, and who asks for what is gone is told so.
    registry.clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
    registry.collect_garbage().await;
    for unknown in [last, last + 1_000_000] {
        let mut late = Listener::open(&admin, "?kind=project_created", Some(unknown)).await;
        assert_eq!(late.event().await.unwrap()["kind"], "missed");
        let name = format!("later-{unknown}");
        registry.project(&name, false).await;
        assert_eq!(late.event().await.unwrap()["project"], name);
    }
}

async fn what_is_asked_for_is_checked(registry: &TestRegistry) {
    let admin = registry.admin();
    for query in ["?kind=nothing", "?after=soon", "?seconds=-1", "?seconds=long"] {
        admin.get(&format!("{API}/events/stream{query}")).await.expect_error(400, "BAD_REQUEST");
    }
    let call = admin.get(&format!("{API}/events/stream")).header("Last-Event-ID", "x");
    call.await.expect_error(400, "BAD_REQUEST");
    admin.get(&format!("{API}/events/stream?project_name=none")).await.expect_status(404);
    let ended = admin.get(&format!("{API}/events/stream?seconds=0")).await.expect_status(200);
    assert!(ended.body.starts_with(b"retry: "));
}

/// A change that is refused at its very end leaves no gap behind in what is told, where others would wait for it to be filled: the
/// clock stands still here.
async fn what_is_refused_holds_up_nobody(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let set = content::image(SHA);
    for blob in &set.blobs {
        admin.push_blob("p/app", blob).await;
    }
    let quota = read(&admin, format!("{API}/quotas?reference=project&sort=-id&page_size=1")).await[0].clone();
    let used = quota["used"]["storage"].as_i64().unwrap();
    let hard = json!({ "hard": { "storage": used + 1 } });
    admin.put(&format!("{API}/quotas/{}", quota["id"])).json(&hard).await.expect_status(200);
    let mut listener = Listener::open(&admin, "?kind=project_created", None).await;
    let manifest = &set.manifests[0];
    admin.push_manifest("p/app", manifest.digest, manifest).await.expect_error(403, "DENIED");
    registry.project("q", false).await;
    assert_eq!(listener.until("project_created").await[0]["project"], "q");
}

async fn nobody_takes_all_places(registry: &TestRegistry) {
    let listen =
        async |name| registry.harbor.events().stream(&Actor::user(name), EventFilter::default(), None).await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(listen("greedy").await.unwrap());
    }
    assert!(matches!(listen("greedy").await, Err(Error::TooManyRequests { .. })));
    listen("grace").await.unwrap();
    streams.pop();
    listen("greedy").await.unwrap();
}

/// The registry is closed while somebody listens: were that waited for, the test would wait for a minute.
async fn a_stream_holds_up_nobody(registry: &TestRegistry) {
    let mut listener = Listener::open(&registry.admin(), "", None).await;
    registry.project("one", false).await;
    listener.until("project_created").await;
    tokio::time::timeout(PATIENCE, registry.harbor.shutdown()).await.expect("the registry stops");
    assert_eq!(listener.event().await, None, "the stream ends");
}

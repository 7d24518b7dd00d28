//! What runs of a policy leave, and what previews tell of that.

use std::time::Duration;

use harbor_tests::content::{self, Maker};
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::super::accessories::cosign;
use super::{make, policy, project_id, project_with, push_later, rule, run, tags, tasks};
use crate::{API, SHA, digest, listed, read};

harbor_tests::on_every_store! {
    with crate::retention::by_hand;
    a_run_deletes_what_no_rule_keeps;
    what_belongs_to_an_artifact_follows_it;
    immutable_tags_stay;
    each_tag_by_itself;
    a_preview_tells_what_a_run_does;
}

/// What came out of a run over one repository, and its log.
async fn outcome(client: &Client, run: &str) -> ((u64, u64), String) {
    let all = tasks(client, run).await;
    assert_eq!((all.len(), all[0].1.as_str()), (1, "Success"), "{all:?}");
    let task = read(client, format!("{run}/tasks")).await[0]["id"].as_i64().unwrap();
    let log = client.get(&format!("{run}/tasks/{task}")).await.expect_status(200);
    assert!(log.need("Content-Type").starts_with("text/plain"));
    ((all[0].2, all[0].3), String::from_utf8(log.body.to_vec()).unwrap())
}

/// What the log says of artifacts.
fn fates(log: &str) -> Vec<&str> {
    let fates = log.lines().filter(|line| line.contains("sha256:"));
    fates.map(|line| line.split_once("sha256:").unwrap().1).collect()
}

async fn a_run_deletes_what_no_rule_keeps(registry: &TestRegistry) {
    let admin = registry.admin();
    let path =
        project_with(registry, "p", vec![rule("latestPushedK", 2, "v*"), rule("always", 0, "keep")]).await;
    let first = push_later(registry, "p/app", "v1").await;
    admin.push("p/app", Some("old"), &first).await;
    push_later(registry, "p/app", "v2").await;
    push_later(registry, "p/app", "keep").await;
    push_later(registry, "p/app", "dev").await;
    push_later(registry, "p/app", "v3").await;
    push_later(registry, "p/app", "v4").await;
    // A tag that is set anew makes its artifact young.
    registry.clock.advance(Duration::from_secs(60));
    admin.push("p/app", Some("v1"), &first).await;
    let bare = content::image(SHA);
    admin.push("p/app", None, &bare).await;
    let dry = run(registry, &path, true).await;
    let (figures, would) = outcome(&admin, &dry).await;
    assert_eq!(figures, (7, 3), "{would}");
    assert_eq!(tags(&admin, "p/app").await.len(), 7, "a dry run deletes nothing");
    let (figures, did) = outcome(&admin, &run(registry, &path, false).await).await;
    assert_eq!(figures, (7, 3));
    assert_eq!(fates(&did), fates(&would));
    assert!(did.contains("(old, v1): RETAIN, by rule 0") && did.contains("(dev): DELETE"), "{did}");
    assert!(did.contains("(no tags): DELETE") && did.contains("(keep): RETAIN, by rule 1"), "{did}");
    assert_eq!(tags(&admin, "p/app").await, ["keep", "old", "v1", "v4"]);
    admin.get(&format!("/v2/p/app/manifests/{}", digest(&bare))).await.expect_status(404);
    // Again: nothing is left to do.
    let (figures, again) = outcome(&admin, &run(registry, &path, false).await).await;
    assert_eq!((figures, again.matches("DELETE").count()), ((3, 3), 0), "{again}");
    assert_eq!(tags(&admin, "p/app").await.len(), 4);
    let lines =
        read(&admin, format!("{API}/projects/p/auditlog-exts?q=operation=delete,resource_type=artifact"))
            .await;
    assert_eq!(lines.as_array().unwrap().len(), 4, "{lines}");
    assert_eq!(lines[0]["username"], "system");
    let (ids, total) = listed(admin.get(&format!("{path}/executions")), "id").await;
    assert_eq!((total, dry.ends_with(&format!("/{}", ids[2]))), (3, true));
    let runs = read(&admin, format!("{path}/executions?page=3&page_size=1")).await;
    assert_eq!(
        (&runs[0]["dry_run"], &runs[0]["status"], &runs[0]["trigger"]),
        (&json!(true), &json!("Success"), &json!("MANUAL"))
    );
    assert_eq!(runs[0]["policy_id"].to_string(), path.rsplit('/').next().unwrap());
}

async fn what_belongs_to_an_artifact_follows_it(registry: &TestRegistry) {
    let admin = registry.admin();
    let path = project_with(registry, "p", vec![rule("always", 0, "keep*")]).await;
    let push_index = async |tag: &str| {
        let (one, two) = (content::image(SHA), content::image(SHA));
        admin.push("p/app", Some(&format!("{tag}-amd64")), &one).await;
        let index = Maker::index(SHA).entry(&one).entry(&two).done();
        admin.push("p/app", Some(tag), &index).await;
        let signature = cosign(&admin, "p/app", &index).await;
        let sbom = Maker::artifact(SHA, "application/spdx+json").subject(index.top()).done();
        admin.push("p/app", None, &sbom).await;
        [digest(&index), digest(&one), digest(&two), digest(&signature), digest(&sbom)]
    };
    let (kept, gone) = (push_index("kept").await, push_index("gone").await);
    let keep = push_index("keep").await;
    let (figures, log) = outcome(&admin, &run(registry, &path, false).await).await;
    assert_eq!(figures, (3, 1), "indexes alone are candidates: {log}");
    let status = async |digest: &str| admin.head(&format!("/v2/p/app/manifests/{digest}")).await.status;
    for digest in &keep {
        assert_eq!(status(digest).await, 200);
    }
    for gone in [&kept, &gone] {
        let found =
            [status(&gone[0]).await, status(&gone[2]).await, status(&gone[3]).await, status(&gone[4]).await];
        assert_eq!(found, [404; 4]);
        // It has a tag of its own, and is nobody's child from now on.
        assert_eq!(status(&gone[1]).await, 200);
    }
    outcome(&admin, &run(registry, &path, false).await).await;
    assert_eq!((status(&gone[1]).await, status(&keep[1]).await), (404, 200));
    assert_eq!(outcome(&admin, &run(registry, &path, false).await).await.0, (1, 1));
}

/// Makes tags of a project immutable.
async fn immutable(client: &Client, project: &str, pattern: &str) {
    let rule = json!({
        "action": "immutable",
        "template": "immutable_template",
        "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": pattern }],
        "scope_selectors": {
            "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }],
        },
    });
    client.post(&format!("{API}/projects/{project}/immutabletagrules")).json(&rule).await.expect_status(201);
}

async fn immutable_tags_stay(registry: &TestRegistry) {
    let admin = registry.admin();
    let path = project_with(registry, "p", vec![rule("latestPushedK", 1, "**")]).await;
    let released = push_later(registry, "p/app", "release").await;
    admin.push("p/app", Some("also"), &released).await;
    let signed = push_later(registry, "p/app", "signed").await;
    cosign(&admin, "p/app", &signed).await;
    push_later(registry, "p/app", "old").await;
    push_later(registry, "p/app", "new").await;
    immutable(&admin, "p", "{release,*.sig}").await;
    // A preview tells the same, and why: on any page.
    for (query, from) in [("", 0), ("?page=2&page_size=1", 1)] {
        let shown =
            admin.post(&format!("{path}/preview{query}")).json(&json!({})).await.expect_status(200).json();
        let shown = &shown[1 - from];
        assert_eq!((&shown["tags"][0]["name"], &shown["retained"]), (&json!("signed"), &json!(true)));
        assert_eq!(shown["tags"][0]["retained"], true);
        assert!(shown["reason"].as_str().unwrap().contains("configured as immutable"), "{shown}");
    }
    let (would_figures, would) = outcome(&admin, &run(registry, &path, true).await).await;
    let (figures, did) = outcome(&admin, &run(registry, &path, false).await).await;
    assert_eq!((figures, would_figures), ((4, 3), (4, 3)), "{would}\n{did}");
    assert_eq!(fates(&did), fates(&would));
    assert!(did.contains("(also, release): RETAIN, for these tags are immutable: release"), "{did}");
    assert!(did.contains("(signed): RETAIN: ") && did.contains("configured as immutable"), "{did}");
    let left = tags(&admin, "p/app").await;
    assert_eq!(
        left.iter().filter(|tag| !tag.ends_with(".sig")).collect::<Vec<_>>(),
        ["also", "new", "release", "signed"]
    );
    // A rule that allows deleting keeps nothing here.
    let rules = format!("{API}/projects/p/immutabletagrules");
    let mut rule = read(&admin, &rules).await[0].clone();
    rule["allow_deletion"] = json!(true);
    admin.put(&format!("{rules}/{}", rule["id"])).json(&rule).await.expect_status(200);
    assert_eq!(outcome(&admin, &run(registry, &path, false).await).await.0, (3, 1));
    assert_eq!(tags(&admin, "p/app").await, ["new"]);
}

async fn each_tag_by_itself(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let mut body = policy(project_id(registry, "p").await, vec![rule("latestPushedK", 2, "v*")]);
    body["by"] = json!("tag");
    let path = make(&admin, &body).await;
    let first = push_later(registry, "p/app", "v1").await;
    let second = push_later(registry, "p/app", "v2").await;
    let dev = push_later(registry, "p/app", "dev").await;
    registry.clock.advance(Duration::from_secs(60));
    admin.push("p/app", Some("v3"), &first).await;
    admin.push("p/app", Some("latest"), &first).await;
    let held = push_later(registry, "p/app", "held").await;
    admin.push("p/app", Some("let-go"), &held).await;
    immutable(&admin, "p", "held").await;
    // v1, v3 and latest of the first; v2; dev; held and let-go.
    let dry = run(registry, &path, true).await;
    assert_eq!(tags(&admin, "p/app").await.len(), 7);
    let (figures, did) = outcome(&admin, &run(registry, &path, false).await).await;
    assert_eq!(figures, (7, 3), "{did}");
    let (would_figures, would) = outcome(&admin, &dry).await;
    assert_eq!((would_figures, fates(&would)), (figures, fates(&did)));
    assert_eq!(tags(&admin, "p/app").await, ["held", "v2", "v3"]);
    for (set, status) in [(&first, 200), (&second, 200), (&dev, 404), (&held, 200)] {
        assert_eq!(admin.head(&format!("/v2/p/app/manifests/{}", digest(set))).await.status, status);
    }
    let lines =
        read(&admin, format!("{API}/projects/p/auditlog-exts?q=operation=delete,resource_type=tag")).await;
    assert_eq!(lines.as_array().unwrap().len(), 3, "{lines}");
    assert_eq!(outcome(&admin, &run(registry, &path, false).await).await.0, (3, 3));
    // What has no tags is kept for what it is itself, where a rule is about that.
    body["rules"][0]["template"] = json!("nDaysSinceLastPush");
    body["rules"][0]["tag_selectors"][0] = json!({ "kind": "doublestar", "decoration": "matches", "pattern": "none", "extras": "{\"untagged\":true}" });
    admin.put(&path).json(&body).await.expect_status(200);
    assert_eq!(outcome(&admin, &run(registry, &path, false).await).await.0, (3, 1));
    assert_eq!(tags(&admin, "p/app").await, ["held"]);
    assert_eq!(admin.head(&format!("/v2/p/app/manifests/{}", digest(&first))).await.status, 200);
    assert_eq!(outcome(&admin, &run(registry, &path, false).await).await.0, (3, 3));
}

async fn a_preview_tells_what_a_run_does(registry: &TestRegistry) {
    let admin = registry.admin();
    let path =
        project_with(registry, "p", vec![rule("latestPushedK", 1, "v*"), rule("always", 0, "keep")]).await;
    for (repository, tag) in
        [("p/a", "v1"), ("p/a", "v2"), ("p/a", "keep"), ("p/b/c", "v1"), ("p/b/c", "dev")]
    {
        push_later(registry, repository, tag).await;
    }
    immutable(&admin, "p", "dev").await;
    let preview = async |body: Value, query: &str| {
        let answer = admin.post(&format!("{path}/preview{query}")).json(&body).await.expect_status(200);
        let total = answer.need("X-Total-Count").to_owned();
        let name = |one: &Value| {
            let tag = &one["tags"][0];
            let stays = (one["retained"].as_bool().unwrap(), tag["retained"].as_bool().unwrap());
            assert_eq!(stays.0, stays.1);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&one["repository"]), text(&tag["name"]), stays.0, one["rule"].as_u64())
        };
        (answer.json().as_array().unwrap().iter().map(name).collect::<Vec<_>>(), total)
    };
    let entry =
        |repository: &str, tag: &str, stays, rule| (repository.to_owned(), tag.to_owned(), stays, rule);
    let all = [
        entry("p/a", "v1", false, None),
        entry("p/a", "v2", true, Some(0)),
        entry("p/a", "keep", true, Some(1)),
        entry("p/b/c", "v1", true, Some(0)),
        // It is immutable.
        entry("p/b/c", "dev", true, None),
    ];
    assert_eq!(preview(json!({}), "").await, (all.to_vec(), "5".to_owned()));
    assert_eq!(preview(json!({}), "?page=2&page_size=2").await, (all[2..4].to_vec(), "5".to_owned()));
    assert_eq!(preview(json!({ "repository": "b/c" }), "").await, (all[3..].to_vec(), "2".to_owned()));
    assert_eq!(preview(json!({ "repository": "none" }), "").await, (Vec::new(), "0".to_owned()));
    let instead = policy(1, vec![rule("latestPushedK", 0, "**")]);
    let (gone, _) = preview(json!({ "policy": instead }), "").await;
    assert_eq!(gone.iter().filter(|one| one.2).count(), 1);
    let wrong = policy(1, vec![rule("none", 0, "**")]);
    let preview_path = format!("{path}/preview");
    admin.post(&preview_path).json(&json!({ "policy": wrong })).await.expect_error(400, "BAD_REQUEST");
    assert_eq!((tags(&admin, "p/a").await.len(), tags(&admin, "p/b/c").await.len()), (3, 2));
    let dry = run(registry, &path, true).await;
    let figures: Vec<_> = tasks(&admin, &dry).await.into_iter().map(|one| (one.0, one.2, one.3)).collect();
    assert_eq!(figures, [("a".to_owned(), 3, 2), ("b/c".to_owned(), 2, 2)]);
}

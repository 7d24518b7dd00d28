//! Rules of immutable tags, and what they keep from whom.

use futures_util::future::join_all;
use harbor_core::access::Role;
use harbor_tests::content::{self, Maker};
use harbor_tests::{Answer, Client, TestRegistry};
use serde_json::{Value, json};

use super::accessories::cosign;
use super::{API, SHA, artifact, at, digest, listed, push_image, read};

harbor_tests::on_every_store! {
    rules_are_made_listed_changed_and_deleted;
    rules_that_are_none;
    rules_are_told_apart_and_counted;
    a_rule_is_its_projects_own;
    an_immutable_tag_is_neither_moved_nor_deleted;
    rules_hold_what_they_are_about;
    a_rule_may_allow_deleting;
    several_tags_are_put_all_or_none;
    what_holds_an_immutable_tag_is_not_deleted;
    what_goes_with_it_is_not_deleted_either;
    a_copy_does_not_move_an_immutable_tag;
    tags_tell_whether_they_are_immutable;
    of_many_first_pushes_one_wins;
}

/// The rules of a project.
fn rules(project: &str) -> String {
    format!("{API}/projects/{project}/immutabletagrules")
}

/// A rule about the tags of all repositories that match a pattern.
fn rule(tags: &str) -> Value {
    json!({
        "action": "immutable",
        "template": "immutable_template",
        "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": tags }],
        "scope_selectors": {
            "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }],
        },
    })
}

/// Makes a rule; yields its address.
async fn make(client: &Client, project: &str, body: &Value) -> String {
    let made = client.post(&rules(project)).json(body).await.expect_status(201);
    assert!(made.body.is_empty());
    made.need("Location").to_owned()
}

/// The key at the end of an address.
fn key(address: &str) -> String {
    address.rsplit('/').next().unwrap().to_owned()
}

/// The refusal to change a tag, as Harbor words it.
#[track_caller]
fn assert_immutable(answer: Answer, named: &str) {
    let answer = answer.expect_error(412, "PRECONDITION");
    let expected = format!("Failed to process request due to '{named}' configured as immutable.");
    assert_eq!(answer.json()["errors"][0]["message"], expected);
}

async fn rules_are_made_listed_changed_and_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("4711", false).await;
    // A number is a key, unless it is said to be a name.
    admin.post(&rules("4711")).json(&rule("v*")).await.expect_error(404, "NOT_FOUND");
    let named = admin.post(&rules("4711")).header("X-Is-Resource-Name", "true").json(&rule("v*")).await;
    named.expect_status(201);
    let mut body = rule("v*");
    body["priority"] = json!(5);
    body["params"] = json!({ "kept": [1, { "as": "it is" }] });
    body["tag_selectors"][0]["extras"] = json!("{\"untagged\":true}");
    body["id"] = json!(70_000);
    let first = make(&admin, "library", &body).await;
    assert!(first.starts_with(&rules("library")), "{first}");
    body["id"] = key(&first).parse::<i64>().unwrap().into();
    body["disabled"] = json!(false);
    assert_eq!(read(&admin, rules("library")).await, json!([body]));
    let mut other = rule("{a,b}");
    other.as_object_mut().unwrap().remove("template");
    other["tag_selectors"][0]["kind"] = json!("");
    other["disabled"] = json!(true);
    let second = make(&admin, "1", &other).await;
    let ids = async |query: &[(&str, &str)]| {
        let list = admin.get(&rules("library"));
        listed(query.iter().fold(list, |list, (name, value)| list.query(name, value)), "id").await
    };
    let (one, two) = (key(&first), key(&second));
    assert_eq!(ids(&[]).await, (vec![one.clone(), two.clone()], 2));
    assert_eq!(ids(&[("sort", "-id")]).await.0, [two.clone(), one.clone()]);
    assert_eq!(ids(&[("q", "disabled=true")]).await, (vec![two.clone()], 1));
    assert_eq!(ids(&[("page_size", "1"), ("page", "2")]).await, (vec![two.clone()], 2));
    let page = admin.get(&rules("library")).query("page_size", 1).await;
    assert!(page.need("Link").contains(r#"rel="next""#), "{page}");
    let shown = read(&admin, rules("library")).await;
    assert_eq!(shown[1]["template"], "immutable_template");
    assert_eq!(shown[1]["tag_selectors"][0]["kind"], "doublestar");
    other["disabled"] = json!(false);
    other["scope_selectors"]["repository"][0]["decoration"] = json!("repoExcludes");
    let changed = admin.put(&format!("{}/{two}", rules("library"))).json(&other).await.expect_status(200);
    assert!(changed.body.is_empty());
    let shown = read(&admin, rules("library")).await;
    assert_eq!((&shown[1]["disabled"], shown[1]["id"].to_string()), (&json!(false), two.clone()));
    assert_eq!(shown[1]["scope_selectors"]["repository"][0]["decoration"], "repoExcludes");
    let rule_two = format!("{}/{two}", rules("library"));
    admin.delete(&rule_two).await.expect_status(200);
    admin.delete(&rule_two).await.expect_error(404, "NOT_FOUND");
    admin.put(&rule_two).json(&other).await.expect_error(404, "NOT_FOUND");
    admin.delete(&format!("{}/x", rules("library"))).await.expect_status(422);
    assert_eq!(ids(&[]).await, (vec![one], 1));
}

async fn rules_that_are_none(registry: &TestRegistry) {
    let admin = registry.admin();
    let good = make(&admin, "library", &rule("good")).await;
    let selector =
        |decoration: &str| json!({ "kind": "doublestar", "decoration": decoration, "pattern": "**" });
    let with = |pointer: &str, value: Value| {
        let mut wrong = rule("wrong");
        *wrong.pointer_mut(pointer).unwrap() = value;
        wrong
    };
    for wrong in [
        json!({}),
        json!([]),
        with("/action", json!("")),
        with("/action", json!("retain")),
        with("/template", json!("latestPushedK")),
        with("/tag_selectors", json!([])),
        with("/tag_selectors", json!("v*")),
        with("/tag_selectors", vec![selector("matches"); 17].into()),
        with("/tag_selectors/0/kind", json!("regex")),
        with("/tag_selectors/0/decoration", json!("repoMatches")),
        with("/tag_selectors/0/decoration", json!("")),
        with("/tag_selectors/0/pattern", json!("{v*")),
        with("/tag_selectors/0/pattern", json!("x".repeat(513))),
        with("/scope_selectors", json!({})),
        with("/scope_selectors", json!({ "repository": [] })),
        with("/scope_selectors", json!({ "project": [selector("repoMatches")] })),
        with("/scope_selectors/repository/0/decoration", json!("matches")),
        // The second selector means nothing, and must be one all the same.
        with("/scope_selectors/repository", json!([selector("repoMatches"), selector("matches")])),
        with("", {
            let mut long = rule("wrong");
            long["params"] = json!({ "long": "x".repeat(5000) });
            long
        }),
    ] {
        admin.post(&rules("library")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
        admin.put(&good).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    assert_eq!(listed(admin.get(&rules("library")), "id").await, (vec![key(&good)], 1));
    // To turn one off and on, no more is sent.
    let before = admin.get(&rules("library")).await.json();
    for disabled in [true, false] {
        admin.put(&good).json(&json!({ "disabled": disabled })).await.expect_status(200);
        assert_eq!(admin.get(&rules("library")).await.json()[0]["disabled"], json!(disabled));
    }
    assert_eq!(admin.get(&rules("library")).await.json(), before);
}

async fn rules_are_told_apart_and_counted(registry: &TestRegistry) {
    let admin = registry.admin();
    let first = make(&admin, "library", &rule("v0")).await;
    let mut same = rule("v0");
    same["disabled"] = json!(true);
    same["priority"] = json!(9);
    admin.post(&rules("library")).json(&same).await.expect_error(409, "CONFLICT");
    let second = make(&admin, "library", &rule("v1")).await;
    admin.put(&second).json(&same).await.expect_error(409, "CONFLICT");
    admin.put(&first).json(&same).await.expect_status(200);
    // Of those that are made at once too.
    for round in 0..5 {
        let body = rule(&format!("at once {round}"));
        let made = join_all((0..8).map(|_| async { admin.post(&rules("library")).json(&body).await }));
        let mut made: Vec<u16> = made.await.iter().map(|answer| answer.status).collect();
        made.sort_unstable();
        assert_eq!(made, [201, 409, 409, 409, 409, 409, 409, 409]);
    }
    for number in 7..100 {
        make(&admin, "library", &rule(&format!("v{number}"))).await;
    }
    admin.post(&rules("library")).json(&rule("more")).await.expect_error(412, "PRECONDITION");
    admin.put(&second).json(&rule("other")).await.expect_status(200);
    admin.delete(&second).await.expect_status(200);
    make(&admin, "library", &rule("more")).await;
}

async fn a_rule_is_its_projects_own(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    registry.project("theirs", false).await;
    for (name, role) in [("owner", Role::ProjectAdmin), ("dev", Role::Developer)] {
        let id = registry.add_user(name).await;
        registry.add_member("mine", id, role).await;
    }
    let (owner, dev) = (registry.user("owner"), registry.user("dev"));
    let foreign = key(&make(&admin, "theirs", &rule("v*")).await);
    let own = make(&owner, "mine", &rule("v*")).await;
    let crossed = format!("{}/{foreign}", rules("mine"));
    owner.put(&crossed).json(&rule("x")).await.expect_error(404, "NOT_FOUND");
    owner.delete(&crossed).await.expect_error(404, "NOT_FOUND");
    for somebody in [&owner, &dev] {
        let theirs = format!("{}/{foreign}", rules("theirs"));
        somebody.get(&rules("theirs")).await.expect_error(403, "FORBIDDEN");
        somebody.post(&rules("theirs")).json(&rule("x")).await.expect_error(403, "FORBIDDEN");
        somebody.put(&theirs).json(&rule("x")).await.expect_error(403, "FORBIDDEN");
        somebody.delete(&theirs).await.expect_error(403, "FORBIDDEN");
    }
    dev.get(&rules("mine")).await.expect_error(403, "FORBIDDEN");
    dev.delete(&own).await.expect_error(403, "FORBIDDEN");
    registry.anon().get(&rules("mine")).await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(listed(admin.get(&rules("theirs")), "id").await, (vec![foreign], 1));
    // It goes with its project, and is not that of another of the same name.
    owner.delete(&format!("{API}/projects/mine")).await.expect_status(200);
    registry.project("mine", false).await;
    assert_eq!(listed(admin.get(&rules("mine")), "id").await.1, 0);
    admin.delete(&own).await.expect_error(404, "NOT_FOUND");
}

/// Every way to move or delete the tag `v1` of `library/app`, which a set has, and how it ends.
async fn changes(admin: &Client, set: &content::DataSet) -> Vec<Answer> {
    let other = content::image(SHA);
    admin.push("library/app", None, &other).await;
    let manifest = |reference: &str| format!("/v2/library/app/manifests/{reference}");
    vec![
        admin.push_manifest("library/app", "v1", set.top()).await,
        admin.push_manifest("library/app", "v1", other.top()).await,
        admin.push_manifest("library/app", format!("{}?tag=v1", digest(&other)), other.top()).await,
        admin.delete(&manifest("v1")).await,
        admin.delete(&manifest(&digest(set))).await,
        admin.delete(&format!("{}/tags/v1", artifact("library/app", "v1"))).await,
        admin.delete(&artifact("library/app", "v1")).await,
        admin.delete(&artifact("library/app", digest(set))).await,
        admin.delete(&at("library/app")).await,
    ]
}

async fn an_immutable_tag_is_neither_moved_nor_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    let rule_of_all = make(&admin, "library", &rule("v*")).await;
    // The first push is free, whoever made the rule.
    let set = push_image(&admin, "library/app", "v1").await;
    admin.push_manifest("library/app", "latest", set.top()).await.expect_status(201);
    for refused in changes(&admin, &set).await {
        assert_immutable(refused, "app:v1");
    }
    let taken = admin.post(&format!("{}/tags", artifact("library/app", "latest")));
    taken.json(&json!({ "name": "v1" })).await.expect_error(409, "CONFLICT");
    // It is as it was, and what no rule holds can be changed.
    let pulled = admin.get("/v2/library/app/manifests/v1").await.expect_status(200);
    assert_eq!(pulled.digest(), set.top().digest);
    let tagged = admin.post(&format!("{}/tags", artifact("library/app", "v1")));
    tagged.json(&json!({ "name": "v2" })).await.expect_status(201);
    assert_immutable(admin.delete("/v2/library/app/manifests/v2").await, "app:v2");
    push_image(&admin, "library/app", "latest").await;
    admin.delete("/v2/library/app/manifests/latest").await.expect_status(202);
    admin.push_manifest("library/app", set.top().digest, set.top()).await.expect_status(201);
    // Nobody else is held.
    registry.project("other", false).await;
    push_image(&admin, "other/app", "v1").await;
    push_image(&admin, "other/app", "v1").await;
    let mut disabled = rule("v*");
    disabled["disabled"] = json!(true);
    admin.put(&rule_of_all).json(&disabled).await.expect_status(200);
    admin.push_manifest("library/app", "v1", set.top()).await.expect_status(201);
    admin.put(&rule_of_all).json(&rule("v*")).await.expect_status(200);
    assert_immutable(admin.push_manifest("library/app", "v1", set.top()).await, "app:v1");
    admin.delete(&rule_of_all).await.expect_status(200);
    push_image(&admin, "library/app", "v1").await;
    admin.delete(&at("library/app")).await.expect_status(200);
}

async fn rules_hold_what_they_are_about(registry: &TestRegistry) {
    let admin = registry.admin();
    let mut only_deep = rule("*-dev");
    only_deep["tag_selectors"][0]["decoration"] = json!("excludes");
    only_deep["scope_selectors"]["repository"][0]["pattern"] = json!("deep/**");
    make(&admin, "library", &only_deep).await;
    for (repository, tag, held) in [
        ("library/deep/er/app", "v1", true),
        ("library/deep/er/app", "v1-dev", false),
        ("library/app", "v1", false),
        ("library/library/deep", "v1", false),
    ] {
        push_image(&admin, repository, tag).await;
        let set = content::image(SHA);
        admin.push(repository, None, &set).await;
        let again = admin.push_manifest(repository, tag, set.top()).await;
        if held {
            assert_immutable(again, "deep/er/app:v1");
        } else {
            again.expect_status(201);
        }
    }
}

async fn a_rule_may_allow_deleting(registry: &TestRegistry) {
    let admin = registry.admin();
    let mut body = rule("v*");
    body["allow_deletion"] = json!(true);
    make(&admin, "library", &body).await;
    assert_eq!(read(&admin, rules("library")).await[0]["allow_deletion"], true);
    let first = push_image(&admin, "library/app", "v1").await;
    admin.push("library/app", Some("v2"), &first).await;
    let second = push_image(&admin, "library/other", "v1").await;
    let other = content::image(SHA);
    for blob in &other.blobs {
        admin.push_blob("library/app", blob).await;
    }
    assert_immutable(admin.push_manifest("library/app", "v1", other.top()).await, "app:v1");
    let copied = format!("{}/artifacts", at("library/other"));
    let copied = admin.post(&copied).query("from", "library/app:v1").await;
    assert_immutable(copied, "other:v1");
    let tag = format!("{}/tags/v1", artifact("library/app", digest(&first)));
    admin.delete(&tag).await.expect_status(200);
    admin.delete(&artifact("library/app", "v2")).await.expect_status(200);
    // A rule that allows nothing holds beside it.
    let strict = make(&admin, "library", &rule("{v1,x}")).await;
    assert_immutable(admin.delete(&artifact("library/other", "v1")).await, "other:v1");
    assert_immutable(admin.delete(&at("library/other")).await, "other:v1");
    admin.delete(&strict).await.expect_status(200);
    let by_digest = format!("/v2/library/other/manifests/{}", digest(&second));
    admin.delete(&by_digest).await.expect_status(202);
    push_image(&admin, "library/other", "v1").await;
    admin.delete(&at("library/other")).await.expect_status(200);
}

async fn several_tags_are_put_all_or_none(registry: &TestRegistry) {
    let admin = registry.admin();
    make(&admin, "library", &rule("v*")).await;
    let set = push_image(&admin, "library/app", "v2").await;
    let other = content::image(SHA);
    for blob in &other.blobs {
        admin.push_blob("library/app", blob).await;
    }
    let push = |tags: &str| {
        let reference = format!("{}?{tags}", digest(&other));
        admin.push_manifest("library/app", reference, other.top())
    };
    assert_immutable(push("tag=v1&tag=v2&tag=v3").await, "app:v2");
    for none in ["v1", "v3", &digest(&other)] {
        admin.get(&format!("/v2/library/app/manifests/{none}")).await.expect_status(404);
    }
    push("tag=v1&tag=v3").await.expect_status(201);
    assert_immutable(push("tag=v4&tag=v1").await, "app:v1");
    assert_eq!(admin.get("/v2/library/app/manifests/v2").await.digest(), set.top().digest);
}

async fn what_holds_an_immutable_tag_is_not_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    // More than are deleted at a time, and the one that is held would not be among the first.
    let mut kept = Vec::new();
    for number in 0..40 {
        let tag = if number == 3 { "v1".to_owned() } else { format!("x{number}") };
        kept.push(push_image(&admin, "library/app", &tag).await);
    }
    make(&admin, "library", &rule("v*")).await;
    assert_immutable(admin.delete(&at("library/app")).await, "app:v1");
    let list = admin.get(&format!("{}/artifacts", at("library/app")));
    assert_eq!(listed(list, "digest").await.1, 40, "nothing of it is gone");
    admin.delete(&artifact("library/app", digest(&kept[0]))).await.expect_status(200);
    admin.delete("/v2/library/app/manifests/x1").await.expect_status(202);
}

async fn what_goes_with_it_is_not_deleted_either(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/app", "latest").await;
    let signature = cosign(&admin, "library/app", &set).await;
    make(&admin, "library", &rule("sha256-*.sig")).await;
    let tag = format!("sha256-{}.sig", digest(&set).trim_start_matches("sha256:"));
    assert_immutable(admin.delete(&artifact("library/app", "latest")).await, &format!("app:{tag}"));
    for there in [&set, &signature] {
        admin.get(&artifact("library/app", digest(there))).await.expect_status(200);
    }
}

async fn a_copy_does_not_move_an_immutable_tag(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("target", false).await;
    let (one, two) = (content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&one).entry(&two).done();
    admin.push("library/app", Some("v1"), &index).await;
    admin.push_manifest("library/app", "latest", index.top()).await.expect_status(201);
    make(&admin, "target", &rule("v*")).await;
    let to = format!("{}/artifacts", at("target/app"));
    let copy = || admin.post(&to).query("from", "library/app:v1");
    let there = push_image(&admin, "target/app", "v1").await;
    assert_immutable(copy().await, "app:v1");
    assert_eq!(listed(admin.get(&to).query("q", "base=*"), "digest").await, (vec![digest(&there)], 1));
    // Into a repository that has no such tag it goes once.
    let new = format!("{}/artifacts", at("target/new"));
    let copy = || admin.post(&new).query("from", "library/app:v1");
    copy().await.expect_status(201);
    assert_immutable(copy().await, "new:v1");
    admin.get(&artifact("target/new", "latest")).await.expect_status(200);
}

async fn tags_tell_whether_they_are_immutable(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/app", "v1").await;
    admin.push_manifest("library/app", "latest", set.top()).await.expect_status(201);
    push_image(&admin, "library/other", "v1").await;
    let mut of_app = rule("v*");
    of_app["scope_selectors"]["repository"][0]["pattern"] = json!("app");
    let made = make(&admin, "library", &of_app).await;
    let told = async |address: String, asked: bool| {
        let call = admin.get(&address).query("with_immutable_status", asked);
        let answer = call.await.expect_status(200).json();
        let entries = match answer {
            Value::Array(entries) => entries,
            one => vec![one],
        };
        // A list of tags, or of artifacts with tags.
        let tags = entries.into_iter().flat_map(|entry| match entry.get("tags") {
            Some(tags) => tags.as_array().unwrap().clone(),
            None => vec![entry],
        });
        let held = tags.filter(|tag| tag["immutable"].as_bool().unwrap());
        held.map(|tag| tag["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let addresses = [
        format!("{}/artifacts", at("library/app")),
        artifact("library/app", "latest"),
        format!("{}/tags", artifact("library/app", "v1")),
        format!("{API}/projects/library/artifacts"),
    ];
    for address in &addresses {
        assert_eq!(told(address.clone(), true).await, ["v1"], "{address}");
        assert_eq!(told(address.clone(), false).await, [""; 0], "{address}");
    }
    assert_eq!(told(format!("{}/artifacts", at("library/other")), true).await, [""; 0]);
    admin.delete(&made).await.expect_status(200);
    for address in &addresses {
        assert_eq!(told(address.clone(), true).await, [""; 0], "{address}");
    }
}

async fn of_many_first_pushes_one_wins(registry: &TestRegistry) {
    let admin = registry.admin();
    make(&admin, "library", &rule("v*")).await;
    let mut sets = Vec::new();
    for _ in 0..4 {
        let set = content::image(SHA);
        admin.push("library/app", None, &set).await;
        sets.push(set);
    }
    for round in 0..10 {
        let tag = format!("v{round}");
        let pushes = sets.iter().map(|set| {
            let (admin, tag) = (&admin, &tag);
            async move { admin.push_manifest("library/app", tag, set.top()).await }
        });
        let answers = join_all(pushes).await;
        let won = answers.iter().position(|answer| answer.status == 201).unwrap();
        for (number, answer) in answers.into_iter().enumerate() {
            if number == won {
                answer.expect_status(201);
            } else {
                assert_immutable(answer, &format!("app:{tag}"));
            }
        }
        let named = admin.get(&format!("/v2/library/app/manifests/{tag}")).await.expect_status(200);
        assert_eq!(named.digest(), sets[won].top().digest);
    }
}

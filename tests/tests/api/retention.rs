//! Policies of retention: what they say, and when they are set going.

mod runs;

use std::time::Duration;

use harbor_core::access::permission::SystemConfigurationUpdate;
use harbor_core::access::{Actor, Role};
use harbor_core::job::Job as _;
use harbor_core::meta::Trigger;
use harbor_core::{Clock, Enqueue, Retain};
use harbor_tests::content::{self, DataSet};
use harbor_tests::{Answer, Client, RegistryBuilder, TestRegistry};
use serde_json::{Value, json};

use super::{API, SHA, at, listed, push_image, read};

harbor_tests::on_every_store! {
    with crate::retention::by_hand;
    policies_are_made_shown_changed_and_deleted;
    policies_that_are_none;
    a_policy_is_its_projects_own;
    the_clock_sets_it_going;
    runs_are_stopped;
    all_projects_without_a_policy_have_the_common_one;
    it_goes_with_its_project;
    many_repositories;
    what_is_planned_twice_is_enqueued_once;
}

const RETENTIONS: &str = "/api/v2.0/retentions";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a registry whose clock stands still, in which nothing happens by itself.
pub(crate) fn by_hand(builder: RegistryBuilder) -> RegistryBuilder {
    builder.clock(Clock::manual()).settings(|settings| {
        settings.job_workers = 0;
        settings.gc_interval = Duration::from_secs(3600);
    })
}

/// A rule about tags of all repositories that match a pattern.
pub(crate) fn rule(template: &str, number: u32, tags: &str) -> Value {
    json!({
        "id": 1,
        "priority": 1,
        "disabled": false,
        "action": "retain",
        "template": template,
        "params": { template: number },
        "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": tags,
            "extras": "{\"untagged\":false}" }],
        "scope_selectors": {
            "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }],
        },
    })
}

/// A policy of a project that nothing sets going.
fn policy(project: i64, rules: Vec<Value>) -> Value {
    json!({
        "algorithm": "or",
        "rules": rules,
        "trigger": { "kind": "Schedule", "settings": { "cron": "" }, "references": {} },
        "scope": { "level": "project", "ref": project },
    })
}

async fn project_id(registry: &TestRegistry, name: &str) -> i64 {
    read(&registry.admin(), format!("{API}/projects/{name}")).await["project_id"].as_i64().unwrap()
}

/// Makes a policy; yields its address.
async fn make(client: &Client, body: &Value) -> String {
    let made = client.post(RETENTIONS).json(body).await.expect_status(201);
    assert!(made.body.is_empty());
    made.need("Location").to_owned()
}

/// Makes a project with a policy; yields the address of that.
pub(crate) async fn project_with(registry: &TestRegistry, name: &str, rules: Vec<Value>) -> String {
    registry.project(name, false).await;
    make(&registry.admin(), &policy(project_id(registry, name).await, rules)).await
}

/// Sets a policy going; yields the address of the run when it is over.
pub(crate) async fn run(registry: &TestRegistry, policy: &str, dry_run: bool) -> String {
    let made = registry.admin().post(&format!("{policy}/executions")).json(&json!({ "dry_run": dry_run }));
    let path = made.await.expect_status(201).need("Location").to_owned();
    registry.harbor.run_due_jobs().await.unwrap();
    path
}

/// The tasks of a run: repository, status, total, retained.
async fn tasks(client: &Client, run: &str) -> Vec<(String, String, u64, u64)> {
    let tasks = read(client, format!("{run}/tasks?page_size=100")).await;
    let text = |task: &Value, member: &str| task[member].as_str().unwrap().to_owned();
    let number = |task: &Value, member: &str| task[member].as_u64().unwrap();
    let one = |task: &Value| {
        (text(task, "repository"), text(task, "status"), number(task, "total"), number(task, "retained"))
    };
    let mut tasks: Vec<_> = tasks.as_array().unwrap().iter().map(one).collect();
    tasks.sort();
    tasks
}

/// The tags of a repository.
async fn tags(client: &Client, repository: &str) -> Vec<String> {
    let answer = client.get(&format!("/v2/{repository}/tags/list")).await.expect_status(200).json();
    answer["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

/// Pushes an image a while after what was pushed before.
async fn push_later(registry: &TestRegistry, repository: &str, tag: &str) -> DataSet {
    registry.clock.advance(Duration::from_secs(60));
    push_image(&registry.admin(), repository, tag).await
}

async fn policies_are_made_shown_changed_and_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let id = project_id(registry, "p").await;
    let mut body = policy(id, vec![rule("latestPushedK", 3, "v*"), rule("nDaysSinceLastPull", 7, "**")]);
    body["rules"][1]["tag_selectors"][0]["decoration"] = json!("excludes");
    body["rules"][1]["disabled"] = json!(true);
    body["id"] = json!(70_000);
    let path = make(&admin, &body).await;
    let key: i64 = path.strip_prefix(&format!("{RETENTIONS}/")).unwrap().parse().unwrap();
    body["id"] = json!(key);
    assert_eq!(read(&admin, &path).await, body);
    let project = read(&admin, format!("{API}/projects/p")).await;
    assert_eq!(project["metadata"]["retention_id"], key.to_string());
    // Clients send back what they were shown.
    admin
        .put(&format!("{API}/projects/p"))
        .json(&json!({ "metadata": project["metadata"] }))
        .await
        .expect_status(200);
    let again = admin.post(RETENTIONS).json(&body).await.expect_error(400, "BAD_REQUEST");
    let message = again.json()["errors"][0]["message"].to_string();
    assert!(message.contains(&format!("already has retention policy {key}")), "{message}");
    body["rules"] = json!([]);
    body["by"] = json!("tag");
    admin.put(&path).json(&body).await.expect_status(200);
    assert_eq!(read(&admin, &path).await, body);
    body["scope"]["ref"] = json!(1);
    admin.put(&path).json(&body).await.expect_error(404, "NOT_FOUND");
    let catalogue = read(&admin, format!("{RETENTIONS}/metadatas")).await;
    let templates: Vec<_> =
        catalogue["templates"].as_array().unwrap().iter().map(|one| one["rule_template"].clone()).collect();
    let known = ["latestPushedK", "latestPulledN", "nDaysSinceLastPush", "nDaysSinceLastPull", "always"];
    assert_eq!(templates, known);
    assert_eq!(
        catalogue["templates"][2],
        json!({ "rule_template": "nDaysSinceLastPush", "display_text": "pushed within the last # days",
            "action": "retain", "params": [{ "type": "int", "unit": "DAYS", "required": true }] })
    );
    registry.anon().get(&format!("{RETENTIONS}/metadatas")).await.expect_status(401);
    run(registry, &path, true).await;
    admin.delete(&path).await.expect_status(200);
    // As with Harbor, one that there is not is not found, and a bad request where it is but a part of the path.
    admin.get(&path).await.expect_error(404, "NOT_FOUND");
    admin.delete(&path).await.expect_error(400, "BAD_REQUEST");
    admin.get(&format!("{path}/executions")).await.expect_error(400, "BAD_REQUEST");
    let project = read(&admin, format!("{API}/projects/p")).await;
    assert_eq!(project["metadata"].get("retention_id"), None);
    let jobs = listed(admin.get(&format!("{API}/jobservice/jobs?q=vendor_type=RETENTION")), "id").await;
    assert_eq!(jobs.1, 0, "its runs went with it");
    body["scope"]["ref"] = json!(id);
    make(&admin, &body).await;
}

async fn policies_that_are_none(registry: &TestRegistry) {
    let admin = registry.admin();
    let good = policy(1, vec![rule("latestPushedK", 3, "**")]);
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        body
    };
    for body in [
        with("/algorithm", json!("and")),
        with("/rules/0/action", json!("delete")),
        with("/rules/0/template", json!("nothing")),
        with("/rules/0/params/latestPushedK", json!(-1)),
        with("/rules/0/params/latestPushedK", json!("3")),
        with("/rules/0/params/latestPushedK", json!(32_767)),
        with("/rules/0/tag_selectors", json!([])),
        with("/rules/0/tag_selectors/0/kind", json!("regex")),
        with("/rules/0/tag_selectors/0/decoration", json!("repoMatches")),
        with("/rules/0/tag_selectors/0/pattern", json!("{a")),
        with("/rules/0/scope_selectors", json!({})),
        with("/rules/0/scope_selectors", json!({ "project": [] })),
        with("/rules", (0..16).map(|number| rule("latestPushedK", number, "**")).collect()),
        with("/trigger/kind", json!("Event")),
        with("/trigger/settings/cron", json!("every day")),
        with("/trigger/settings/cron", json!(5)),
        with("/trigger/settings", json!({ "cron": "0 0 0 * * *", "time_zone": "Nowhere" })),
        with("/scope/level", json!("system")),
        with("/scope/ref", json!(70_000)),
        json!({}),
    ] {
        admin.post(RETENTIONS).json(&body).await.expect_error(400, "BAD_REQUEST");
    }
    let mut twice = with("/rules", json!([rule("always", 1, "**"), rule("always", 2, "**")]));
    twice["rules"][1]["id"] = json!(5);
    admin.post(RETENTIONS).json(&twice).await.expect_error(409, "CONFLICT");
    let fifteen = with("/rules", (0..15).map(|number| rule("latestPushedK", number, "**")).collect());
    let path = make(&admin, &fifteen).await;
    admin.put(&path).json(&twice).await.expect_error(409, "CONFLICT");
    for (template, shown) in
        [("latestActiveK", json!({ "latestActiveK": 0 })), ("lastXDays", json!({ "lastXDays": 0 }))]
    {
        let earlier = with("/rules", json!([rule(template, 0, "**")]));
        admin.put(&path).json(&earlier).await.expect_status(200);
        assert_eq!(read(&admin, &path).await["rules"][0]["params"], shown);
    }
    let executions = format!("{path}/executions");
    admin
        .patch(&format!("{executions}/1"))
        .json(&json!({ "action": "start" }))
        .await
        .expect_error(400, "BAD_REQUEST");
    admin
        .patch(&format!("{executions}/1"))
        .json(&json!({ "action": "stop" }))
        .await
        .expect_error(404, "NOT_FOUND");
    admin.get(&format!("{executions}/1/tasks")).await.expect_error(404, "NOT_FOUND");
    admin.get(&format!("{RETENTIONS}/x")).await.expect_status(422);
}

async fn a_policy_is_its_projects_own(registry: &TestRegistry) {
    let (one, other) =
        (project_with(registry, "one", Vec::new()).await, project_with(registry, "other", Vec::new()).await);
    let grace = registry.add_user("grace").await;
    registry.add_member("one", grace, Role::Developer).await;
    let grace = registry.user("grace");
    read(&grace, &one).await;
    let foreign = run(registry, &other, true).await;
    let absent = format!("{RETENTIONS}/70000");
    for path in [&other, &absent] {
        for answer in [
            grace.get(path).await,
            grace.delete(path).await,
            grace.put(path).json(&policy(1, Vec::new())).await,
            grace.get(&format!("{path}/executions")).await,
            grace.post(&format!("{path}/executions")).json(&json!({})).await,
            grace.post(&format!("{path}/preview")).json(&json!({})).await,
            grace.get(&format!("{foreign}/tasks")).await,
        ] {
            answer.expect_error(403, "FORBIDDEN");
        }
    }
    let body = policy(project_id(registry, "other").await, Vec::new());
    grace.post(RETENTIONS).json(&body).await.expect_error(403, "FORBIDDEN");
    // A run of another policy is none of this one.
    let run = foreign.rsplit('/').next().unwrap();
    for answer in [
        grace.get(&format!("{one}/executions/{run}/tasks")).await,
        grace.patch(&format!("{one}/executions/{run}")).json(&json!({ "action": "stop" })).await,
        grace.get(&format!("{one}/executions/{run}/tasks/1")).await,
    ] {
        answer.expect_error(404, "NOT_FOUND");
    }
    for answer in [
        grace.get(&format!("{RETENTIONS}/default")).await,
        grace.put(&format!("{RETENTIONS}/default")).json(&policy(1, Vec::new())).await,
        grace.delete(&format!("{RETENTIONS}/default")).await,
    ] {
        answer.expect_error(403, "FORBIDDEN");
    }
}

async fn the_clock_sets_it_going(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let mut body = policy(project_id(registry, "p").await, vec![rule("nDaysSinceLastPush", 3, "**")]);
    body["trigger"]["settings"] = json!({ "cron": "0 0 0 * * *", "time_zone": "Europe/Berlin" });
    let path = make(&admin, &body).await;
    push_image(&admin, "p/app", "v1").await;
    let shown = read(&admin, &path).await;
    let next = shown["trigger"]["settings"]["next_scheduled_time"].as_str().unwrap().to_owned();
    let schedules = read(&admin, format!("{API}/schedules")).await;
    assert_eq!(
        (&schedules[0]["vendor_type"], &schedules[0]["vendor_id"]),
        (&json!("RETENTION"), &shown["id"])
    );
    assert_eq!(shown["trigger"]["references"]["job_id"], schedules[0]["id"]);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0, "not before {next}");
    let runs = async || listed(admin.get(&format!("{path}/executions")), "trigger").await.0;
    registry.clock.advance(DAY);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 2);
    assert_eq!(
        (runs().await, tags(&admin, "p/app").await),
        (vec!["SCHEDULE".to_owned()], vec!["v1".to_owned()])
    );
    registry.clock.advance(DAY * 3);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 2, "what was missed is made up once");
    assert_eq!((runs().await.len(), tags(&admin, "p/app").await), (2, Vec::new()));
    body["trigger"]["settings"]["cron"] = json!("");
    admin.put(&path).json(&body).await.expect_status(200);
    assert_eq!(read(&admin, format!("{API}/schedules")).await, json!([]));
    registry.clock.advance(DAY * 3);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
}

async fn runs_are_stopped(registry: &TestRegistry) {
    let admin = registry.admin();
    let path = project_with(registry, "p", vec![rule("latestPushedK", 0, "**")]).await;
    push_image(&admin, "p/app", "v1").await;
    let made =
        admin.post(&format!("{path}/executions")).json(&json!({ "dry_run": false })).await.expect_status(201);
    let run = made.need("Location").to_owned();
    let status = async || read(&admin, format!("{path}/executions")).await[0]["status"].clone();
    assert_eq!(status().await, "Pending");
    let stop: Answer = admin.patch(&run).json(&json!({ "action": "stop" })).await;
    stop.expect_status(200);
    assert_eq!(status().await, "Stopped");
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    assert_eq!(tags(&admin, "p/app").await, ["v1"]);
    admin.patch(&run).json(&json!({ "action": "stop" })).await.expect_status(200);
    assert_eq!(status().await, "Stopped");
    // While the registry is read-only, nothing is deleted.
    let read_only =
        |flag: bool| admin.put(&format!("{API}/configurations")).json(&json!({ "read_only": flag }));
    admin.post(&format!("{path}/executions")).json(&json!({})).await.expect_status(201);
    read_only(true).await.expect_status(200);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(tags(&admin, "p/app").await, ["v1"]);
    read_only(false).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(3600));
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!((status().await, tags(&admin, "p/app").await), (json!("Success"), Vec::new()));
}

async fn all_projects_without_a_policy_have_the_common_one(registry: &TestRegistry) {
    let admin = registry.admin();
    let common = format!("{RETENTIONS}/default");
    admin.get(&common).await.expect_error(404, "NOT_FOUND");
    admin.delete(&common).await.expect_error(404, "NOT_FOUND");
    let mut body = policy(0, vec![rule("latestPushedK", 1, "**")]);
    body["trigger"]["settings"]["cron"] = json!("0 0 0 1 1 *");
    admin.put(&common).json(&body).await.expect_status(200);
    registry.project("inherits", false).await;
    project_with(registry, "overrides", vec![rule("latestPushedK", 2, "**")]).await;
    let out = project_with(registry, "out", Vec::new()).await;
    for project in ["inherits", "overrides", "out"] {
        for tag in ["v1", "v2", "v3"] {
            push_later(registry, &format!("{project}/app"), tag).await;
        }
    }
    let shown = read(&admin, &common).await;
    assert_eq!(shown["scope"], json!({ "level": "system", "ref": 0 }));
    let path = format!("{RETENTIONS}/{}", shown["id"]);
    assert_eq!(read(&admin, &path).await, shown);
    let left = async |project: &str| tags(&admin, &format!("{project}/app")).await.len();
    let dry = run(registry, &path, true).await;
    assert_eq!(tasks(&admin, &dry).await, [("inherits/app".to_owned(), "Success".to_owned(), 3, 1)]);
    registry.clock.advance(DAY * 366);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!((left("inherits").await, left("overrides").await, left("out").await), (1, 3, 3));
    // Whoever takes its own away has the common one again.
    admin.delete(&out).await.expect_status(200);
    run(registry, &path, false).await;
    assert_eq!((left("overrides").await, left("out").await), (3, 1));
    admin.delete(&common).await.expect_status(200);
    admin.get(&common).await.expect_error(404, "NOT_FOUND");
    assert_eq!(read(&admin, format!("{API}/schedules")).await, json!([]));
}

async fn it_goes_with_its_project(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let mut body = policy(project_id(registry, "p").await, vec![rule("latestPushedK", 0, "**")]);
    body["trigger"]["settings"]["cron"] = json!("0 0 0 * * *");
    let path = make(&admin, &body).await;
    push_image(&admin, "p/app", "v1").await;
    run(registry, &path, false).await;
    admin.post(&format!("{path}/executions")).json(&json!({})).await.expect_status(201);
    admin.delete(&at("p/app")).await.expect_status(200);
    admin.delete(&format!("{API}/projects/p")).await.expect_status(200);
    admin.get(&path).await.expect_error(404, "NOT_FOUND");
    assert_eq!(read(&admin, format!("{API}/schedules")).await, json!([]));
    assert_eq!(read(&admin, format!("{API}/jobservice/jobs")).await, json!([]));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
}

/// More than are enqueued at a time; those that no rule is about have no task.
async fn many_repositories(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let mut body = policy(project_id(registry, "p").await, vec![rule("always", 0, "**")]);
    body["rules"][0]["scope_selectors"]["repository"][0]["decoration"] = json!("repoExcludes");
    body["rules"][0]["scope_selectors"]["repository"][0]["pattern"] = json!("r?0");
    let path = make(&admin, &body).await;
    let image = content::image(SHA);
    for number in 0..102 {
        admin.push(&format!("p/r{number:02}"), Some("v1"), &image).await;
    }
    let run = run(registry, &path, false).await;
    let answer = admin.get(&format!("{run}/tasks?page_size=50&page=2")).await.expect_status(200);
    // r00 to r90 are ten; r100 and r101 do not match.
    assert_eq!(answer.need("X-Total-Count"), "92");
    assert_eq!(answer.json().as_array().unwrap().len(), 42);
    let (names, _) = listed(admin.get(&format!("{run}/tasks?page_size=100")), "repository").await;
    assert!(!names.contains(&"r10".to_owned()));
    assert_eq!(read(&admin, format!("{path}/executions")).await[0]["status"], "Success");
}

/// Whoever does again what a node did not get through finds what is enqueued already.
async fn what_is_planned_twice_is_enqueued_once(registry: &TestRegistry) {
    let admin = registry.admin();
    let path = project_with(registry, "p", vec![rule("always", 0, "**")]).await;
    for repository in ["p/a", "p/b"] {
        push_image(&admin, repository, "v1").await;
    }
    let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let actor = Actor::administrator("admin");
    let proof = registry.harbor.authorize::<SystemConfigurationUpdate>(&actor, ()).await.unwrap();
    let job = Retain { policy: id, dry_run: false, repository: None };
    let mut write = registry.harbor.write(&proof).await.unwrap();
    let run = write.execution(Retain::KIND, id, Trigger::Manual, Default::default()).await.unwrap();
    for _ in 0..2 {
        write.enqueue(run, Enqueue::new(&job)).await.unwrap();
    }
    write.commit().await.unwrap();
    // Twice the task that finds the repositories, and each of those once.
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 4);
    let run = format!("{path}/executions/{}", run.get());
    let names: Vec<_> = tasks(&admin, &run).await.into_iter().map(|task| task.0).collect();
    assert_eq!(names, ["", "a", "b"]);
}

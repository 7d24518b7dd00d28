//! People, projects and jobs: what is right is not found wrong, and each kind of damage is found, and mended where it can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harbor_core::oci::Algorithm;
use harbor_tests::content::Maker;
use harbor_tests::{Client, Database};
use serde_json::{Value, json};

use super::{check, fill, found, is_mended, nothing_is_wrong};
use crate::local::place::Place;
use crate::local::{API, PASSWORD, make};

/// Waits until nothing is left to be done.
async fn jobs_are_over(place: &Place, kind: &str) {
    let over = format!("SELECT COUNT(*) FROM executions WHERE kind = '{kind}' AND ended_at > 0");
    for _ in 0..600 {
        if place.number(&over).await.unwrap() > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{kind} is not over");
}

async fn key_of(place: &Place, project: &str) -> i64 {
    place.number(&format!("SELECT id FROM projects WHERE name = '{project}'")).await.unwrap()
}

fn rule(action: &str, template: &str) -> Value {
    json!({
        "action": action, "template": template, "disabled": false, "params": { template: 1 },
        "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "never" }],
        "scope_selectors": {
            "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }],
        },
    })
}

/// Some of everything that somebody can make.
async fn people(place: &Place, admin: &Client) {
    make(
        admin,
        "/users",
        json!({ "username": "grace", "password": PASSWORD, "email": "grace@example.org", "realname": "G" }),
    )
    .await;
    let id = |answer: harbor_tests::Answer| -> i64 {
        answer.expect_status(201).need("Location").rsplit('/').next().unwrap().parse().unwrap()
    };
    let pull = json!([{ "resource": "repository", "action": "pull" }]);
    let role = json!({ "name": "puller", "permissions": pull });
    let role = id(admin.post(&format!("{API}/roles")).json(&role).await);
    let crew = json!({ "group_name": "crew", "group_type": 3 });
    let crew = id(admin.post(&format!("{API}/usergroups")).json(&crew).await);
    let grace = json!({ "role_id": role, "member_user": { "username": "grace" }, "repositories": ["app"] });
    make(admin, "/projects/team/members", grace).await;
    make(admin, "/projects/team/members", json!({ "role_id": 4, "member_group": { "id": crew } })).await;
    place.sql(&format!("INSERT INTO user_group_users (user_id, group_id) SELECT id, {crew} FROM users WHERE name = 'grace'")).await;
    let pull = json!([{ "kind": "project", "namespace": "team", "access": [{ "resource": "repository", "action": "pull" }] }]);
    make(admin, "/robots", json!({ "name": "ci", "level": "project", "duration": -1, "permissions": pull }))
        .await;
    make(admin, "/robots", json!({ "name": "ci", "level": "system", "duration": 7, "permissions": pull }))
        .await;
    make(admin, "/labels", json!({ "name": "everywhere", "scope": "g" })).await;
    let team = key_of(place, "team").await;
    let label = json!({ "name": "tested", "scope": "p", "project_id": team });
    let label = id(admin.post(&format!("{API}/labels")).json(&label).await);
    let on = format!("{API}/projects/team/repositories/app/artifacts/x/labels");
    admin.post(&on).json(&json!({ "id": label })).await.expect_status(200);
    let immutable = rule("immutable", "immutable_template");
    admin.post(&format!("{API}/projects/team/immutabletagrules")).json(&immutable).await.expect_status(201);
    let tokens = format!("{API}/users/current/tokens");
    let grace = admin.basic("grace", PASSWORD);
    grace.post(&tokens).json(&json!({ "name": "laptop", "duration": 1 })).await.expect_status(201);
    let form = format!("principal=grace&password={}", PASSWORD.replace(' ', "+"));
    admin.post("/c/login").body(form).await.expect_status(200);
}

/// And of what is done by itself.
async fn jobs(place: &Place, admin: &Client) {
    let team = key_of(place, "team").await;
    let hook = json!({ "name": "w", "enabled": true, "event_types": ["PUSH_ARTIFACT"],
        "targets": [{ "type": "http", "address": "https://example.org/hook" }] });
    make(admin, "/projects/team/webhook/policies", hook).await;
    admin.push("team/told", Some("x"), &Maker::image(Algorithm::Sha256).layers(1).done()).await;
    let policy = json!({
        "algorithm": "or",
        "rules": [rule("retain", "latestPushedK")],
        "trigger": { "kind": "Schedule", "settings": { "cron": "0 0 0 * * *" }, "references": {} },
        "scope": { "level": "project", "ref": team },
    });
    let policy = admin.post(&format!("{API}/retentions")).json(&policy).await.expect_status(201);
    let run = format!("{}/executions", policy.need("Location"));
    admin.post(&run).json(&json!({ "dry_run": true })).await.expect_status(201);
    let gc = json!({ "schedule": { "type": "Manual" }, "parameters": { "delete_untagged": false } });
    make(admin, "/system/gc/schedule", gc).await;
    jobs_are_over(place, "GARBAGE_COLLECTION").await;
    jobs_are_over(place, "RETENTION").await;
    // It has been tried, and is tried again, or not.
    let hooks = "SELECT COUNT(*) FROM executions WHERE kind = 'WEBHOOK'";
    while place.number(hooks).await.unwrap() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Makes projects with all that belongs to them, and deletes them, until it is told to stop; yields how many.
pub(super) async fn busy(admin: Client, stop: Arc<AtomicBool>) -> usize {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("busy{made}");
        make(&admin, "/projects", json!({ "project_name": name })).await;
        let project = admin.get(&format!("{API}/projects/{name}")).await.expect_status(200).json();
        let key = project["project_id"].as_i64().unwrap();
        make(&admin, "/users", json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.org"), "realname": "B" }))
            .await;
        let member = json!({ "role_id": 2, "member_user": { "username": name } });
        make(&admin, &format!("/projects/{name}/members"), member).await;
        make(&admin, "/labels", json!({ "name": name, "scope": "p", "project_id": key })).await;
        let hook = json!({ "name": "w", "enabled": true, "event_types": ["PUSH_ARTIFACT"],
            "targets": [{ "type": "http", "address": "https://example.org/hook" }] });
        make(&admin, &format!("/projects/{name}/webhook/policies"), hook).await;
        admin
            .push(&format!("{name}/app"), Some("x"), &Maker::image(Algorithm::Sha256).layers(1).done())
            .await;
        let policy = json!({
            "algorithm": "or",
            "rules": [rule("retain", "latestPushedK")],
            "trigger": { "kind": "Schedule", "settings": { "cron": "0 0 0 * * *" }, "references": {} },
            "scope": { "level": "project", "ref": key },
        });
        let policy = admin.post(&format!("{API}/retentions")).json(&policy).await.expect_status(201);
        let run = format!("{}/executions", policy.need("Location"));
        admin.post(&run).json(&json!({ "dry_run": true })).await.expect_status(201);
        admin.delete(&format!("{API}/projects/{name}/repositories/app")).await.expect_status(200);
        admin.delete(&format!("{API}/projects/{name}")).await.expect_status(200);
        made += 1;
    }
    made
}

async fn filled(place: &Place) {
    fill(place).await;
    let server = place.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    people(place, &admin).await;
    jobs(place, &admin).await;
    let (code, findings, told) = check(place, &["--content"]).await;
    assert_eq!((code, findings), (Some(0), Vec::new()), "{told}");
    assert!(server.stop().await);
    place.no_nodes().await;
    nothing_is_wrong(place).await;
}

/// What goes, each with what it is found by.
const GOES: &[(&str, &str, &str)] = &[
    (
        "INSERT INTO project_members (project_id, user_id, role_id, created_at, updated_at) VALUES (99999, 1, 1, 0, 0)",
        "member",
        "its project, its user or its group",
    ),
    (
        "INSERT INTO project_members (project_id, user_id, role_id, created_at, updated_at) VALUES (1, 99999, 1, 0, 0)",
        "member",
        "its project, its user or its group",
    ),
    (
        "INSERT INTO project_members (project_id, group_id, role_id, created_at, updated_at) VALUES (1, 99999, 1, 0, 0)",
        "member",
        "its project, its user or its group",
    ),
    (
        "INSERT INTO project_members (project_id, role_id, created_at, updated_at) VALUES (1, 1, 0, 0)",
        "member",
        "its project, its user or its group",
    ),
    (
        "INSERT INTO user_group_users (user_id, group_id) VALUES (99999, 1)",
        "group",
        "a user who is not there",
    ),
    ("INSERT INTO user_group_users (user_id, group_id) VALUES (1, 99999)", "group", "or it is not there"),
    (
        "INSERT INTO personal_tokens (user_id, name, digest, scopes, expires_at, created_at, used_at) \
         VALUES (99999, 'x', 'x', '[]', 0, 0, 0)",
        "token",
        "its user is not there",
    ),
    (
        "INSERT INTO sessions (digest, user_id, epoch, created_at, expires_at) VALUES ('x', 99999, 0, 0, 0)",
        "session",
        "its user, of this key, is not there",
    ),
    (
        "INSERT INTO robots (name, description, project_id, secret, earlier_until, duration, expires_at, is_disabled, \
         permissions, creator, epoch, created_at, updated_at) VALUES ('x', '', 99999, '', 0, 0, 0, 0, '[]', '', 0, 0, 0)",
        "robot",
        "its project is not there",
    ),
    (
        "INSERT INTO labels (project_id, name, description, color, created_at, updated_at) VALUES (99999, 'x', '', '', 0, 0); \
         INSERT INTO artifact_labels (manifest_id, label_id) \
         SELECT (SELECT MAX(m.id) FROM manifests m), l.id FROM labels l WHERE l.name = 'x'",
        "label",
        "its project is not there",
    ),
    (
        "INSERT INTO artifact_labels (manifest_id, label_id) SELECT MAX(m.id), (SELECT l.id FROM labels l \
         WHERE l.name = 'tested') FROM manifests m JOIN projects p ON p.id = m.project_id WHERE p.name = 'library'",
        "label",
        "of another project",
    ),
    (
        "INSERT INTO immutable_rules (project_id, priority, is_disabled, selection) \
         SELECT 99999, 0, 0, MAX(i.selection) FROM immutable_rules i",
        "immutable",
        "its project is not there",
    ),
    // With its schedule, and its executions.
    ("UPDATE retention_policies SET project_id = 99999", "retention", "its project is not there"),
    (
        "INSERT INTO schedules (kind, subject_id, rhythm, cron, time_zone, payload, next_at, created_at, updated_at) \
         VALUES ('RETENTION', 99999, 'Custom', '', '', '{}', 0, 0, 0)",
        "schedule",
        "a policy of retention that is not there",
    ),
    ("UPDATE webhook_policies SET project_id = 99999", "webhook", "its project is not there"),
    (
        "INSERT INTO quotas (project_id, hard, created_at, updated_at) VALUES (99999, -1, 0, 0)",
        "quota",
        "its project is not there",
    ),
    (
        "INSERT INTO executions (token, kind, subject_id, triggered_by, status, message, waiting, running, succeeded, failed, \
         stopped, detail, started_at, updated_at, ended_at) \
         VALUES ('x', 'WEBHOOK', 99999, 'EVENT', 'Success', '', 0, 0, 1, 0, 0, '{}', 1, 1, 1)",
        "execution",
        "a policy that is not there",
    ),
    (
        "INSERT INTO task_logs (task_id, number, content) VALUES (99999, 1, 'x')",
        "log",
        "its task, of this key, is not there",
    ),
    (
        "INSERT INTO tasks (execution_id, job, kind, payload, priority, status, due_at, failures, runs, owner, is_stopping, \
         progress, message, detail, created_at, updated_at, started_at, ended_at) \
         VALUES (99999, 'x', 'x', '{}', 0, 'Pending', 0, 0, 0, '', 0, '', '', '{}', 0, 0, 0, 0); \
         INSERT INTO task_logs (task_id, number, content) SELECT MAX(id), 1, 'x' FROM tasks",
        "task",
        "its execution is not there",
    ),
];

/// What is put right.
const CORRECTED: &[(&str, &str, &str)] = &[
    (
        "UPDATE tasks SET running_key = 'x' WHERE id IN (SELECT n FROM (SELECT MAX(id) AS n FROM tasks) last)",
        "task",
        "holds the place",
    ),
    ("UPDATE tasks SET status = '?' WHERE kind = 'GARBAGE_COLLECTION'", "task", "its status is none"),
    (
        "UPDATE executions SET status = '?' WHERE kind = 'GARBAGE_COLLECTION'",
        "execution",
        "something else of its tasks",
    ),
    (
        "UPDATE executions SET ended_at = 0, status = 'Running', running = 1 WHERE kind = 'GARBAGE_COLLECTION'",
        "execution",
        "something else of its tasks",
    ),
    (
        "UPDATE tasks SET status = 'Pending', ended_at = 0 WHERE kind = 'GARBAGE_COLLECTION'",
        "execution",
        "something else of its tasks",
    ),
    (
        "UPDATE executions SET waiting = waiting + 3 WHERE kind = 'GARBAGE_COLLECTION'",
        "execution",
        "something else of its tasks",
    ),
    (
        "UPDATE executions SET triggered_by = '?' WHERE kind = 'GARBAGE_COLLECTION'",
        "execution",
        "what set it going",
    ),
    (
        "INSERT INTO executions (token, kind, subject_id, triggered_by, status, message, waiting, running, succeeded, failed, \
         stopped, detail, started_at, updated_at, ended_at) \
         VALUES ('y', 'x', 0, 'MANUAL', 'Running', '', 0, 0, 0, 0, 0, '{}', 1, 1, 0)",
        "execution",
        "something else of its tasks",
    ),
];

/// What only a person can put right, and how it is put back here.
const TOLD: &[(&str, &str, &str, &str)] = &[
    (
        "UPDATE project_members SET role_id = 77 WHERE role_id = 1",
        "UPDATE project_members SET role_id = 1 WHERE role_id = 77",
        "member",
        "its role is not there",
    ),
    (
        "INSERT INTO project_members (project_id, user_id, group_id, role_id, created_at, updated_at) \
         SELECT 1, u.id, g.id, 1, 0, 0 FROM users u, user_groups g WHERE u.name = 'grace' AND g.name = 'crew'",
        "DELETE FROM project_members WHERE user_id IS NOT NULL AND group_id IS NOT NULL",
        "member",
        "a user and a group at once",
    ),
    (
        "UPDATE quotas SET hard = 0 WHERE hard = -1",
        "UPDATE quotas SET hard = -1 WHERE hard = 0",
        "quota",
        "its limit is no number",
    ),
    (
        "UPDATE projects SET metadata = '{' WHERE id = 1",
        "UPDATE projects SET metadata = '{}' WHERE id = 1",
        "project",
        "settings do not read",
    ),
    (
        "UPDATE projects SET cve_allowlist = '{' WHERE id = 1",
        "UPDATE projects SET cve_allowlist = NULL WHERE id = 1",
        "project",
        "allowed vulnerabilities",
    ),
    (
        "UPDATE project_members SET repositories = '{}' WHERE repositories IS NOT NULL",
        "UPDATE project_members SET repositories = NULL WHERE repositories IS NOT NULL",
        "member",
        "the repositories that it is of",
    ),
    (
        "UPDATE roles SET permissions = '{'",
        "UPDATE roles SET permissions = '[]'",
        "role",
        "its permissions do not read",
    ),
    (
        "UPDATE robots SET permissions = '['",
        "UPDATE robots SET permissions = '[]'",
        "robot",
        "its permissions do not read",
    ),
    (
        "INSERT INTO settings (name, content) VALUES ('jobs.paused', '[')",
        "DELETE FROM settings WHERE name = 'jobs.paused'",
        "setting",
        "does not read",
    ),
    (
        "INSERT INTO immutable_rules (project_id, priority, is_disabled, selection) VALUES (1, 0, 0, '{}')",
        "DELETE FROM immutable_rules WHERE selection = '{}'",
        "immutable",
        "does not read",
    ),
    (
        "INSERT INTO retention_policies (project_id, policy, created_at, updated_at) VALUES (1, '{', 0, 0)",
        "DELETE FROM retention_policies WHERE policy = '{'",
        "retention",
        "does not read",
    ),
    (
        "INSERT INTO webhook_policies (project_id, name, description, is_enabled, creator, webhook, created_at, updated_at) \
         VALUES (1, 'x', '', 0, '', '{', 0, 0)",
        "DELETE FROM webhook_policies WHERE webhook = '{'",
        "webhook",
        "does not read",
    ),
    (
        "INSERT INTO schedules (kind, subject_id, rhythm, cron, time_zone, payload, next_at, created_at, updated_at) \
         VALUES ('x', 0, 'Custom', '', '', '{', 0, 0, 0)",
        "DELETE FROM schedules WHERE kind = 'x'",
        "schedule",
        "does not read",
    ),
    (
        "UPDATE executions SET detail = '{' WHERE kind = 'GARBAGE_COLLECTION'",
        "UPDATE executions SET detail = '{}' WHERE kind = 'GARBAGE_COLLECTION'",
        "execution",
        "does not read",
    ),
    (
        "INSERT INTO trash (repository_id, digest, media_type, payload, tags, pushed_at, deleted_at, deleted_by, until) \
         SELECT repository_id, 'sha256:0', 'x', payload, '{', 0, 0, 'x', 0 FROM manifests WHERE subject IS NOT NULL",
        "DELETE FROM trash WHERE digest = 'sha256:0'",
        "trash",
        "do not read",
    ),
    (
        "INSERT INTO events (happened_at, body) VALUES (0, '{')",
        "DELETE FROM events WHERE body = '{'",
        "event",
        "does not read",
    ),
    (
        "UPDATE users SET second_factor = '{' WHERE name = 'grace'",
        "UPDATE users SET second_factor = NULL WHERE name = 'grace'",
        "user",
        "second factor does not read",
    ),
    (
        "UPDATE personal_tokens SET scopes = '{'",
        "UPDATE personal_tokens SET scopes = ''",
        "token",
        "does not read",
    ),
    (
        "UPDATE manifests SET annotations = '[]' WHERE annotations = '{}'",
        "UPDATE manifests SET annotations = '{}' WHERE annotations = '[]'",
        "manifest",
        "its annotations do not read",
    ),
    (
        "UPDATE manifests SET attributes = '{' WHERE subject IS NOT NULL",
        "UPDATE manifests SET attributes = NULL WHERE attributes = '{'",
        "manifest",
        "of its config does not read",
    ),
    (
        "UPDATE manifest_children SET says = '{'",
        "UPDATE manifest_children SET says = NULL WHERE says = '{'",
        "reference",
        "what the index says",
    ),
];

async fn people_and_jobs_are_mended(place: Place) {
    filled(&place).await;
    for (damage, undo, kind, what) in TOLD {
        place.sql(damage).await;
        found(&place, kind, what).await;
        let (code, findings, told) = check(&place, &["--repair"]).await;
        assert_eq!(code, Some(8), "{what}: {findings:?} {told}");
        assert!(
            findings.iter().all(|one| one["kind"] == *kind && one["mended"].is_null()),
            "{what}: {findings:?}"
        );
        place.sql(undo).await;
        nothing_is_wrong(&place).await;
    }
    for (damage, kind, what) in CORRECTED {
        place.sql(damage).await;
        is_mended(&place, kind, what).await;
    }
    assert_eq!(place.text("SELECT status FROM executions WHERE token = 'y'").await, "Error");
    let kept = "SELECT COUNT(*) FROM project_members";
    let members = place.number(kept).await;
    for (damage, kind, what) in GOES {
        place.sql(damage).await;
        is_mended(&place, kind, what).await;
    }
    assert_eq!(place.number(kept).await, members, "nobody else goes");
    for gone in ["retention_policies", "webhook_policies", "schedules"] {
        assert_eq!(place.number(&format!("SELECT COUNT(*) FROM {gone}")).await, Some(0), "{gone}");
    }
    let left = "SELECT COUNT(*) FROM executions WHERE kind IN ('RETENTION', 'WEBHOOK')";
    assert_eq!(place.number(left).await, Some(0));
    assert!(place.calm_server().await.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn people_and_jobs_are_mended_in_sqlite() {
    people_and_jobs_are_mended(Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn people_and_jobs_are_mended_in_postgres() {
    people_and_jobs_are_mended(Place::with(Database::postgres()).in_a_bucket()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, the built harbor-server, and harborctl, built with the feature local"]
async fn people_and_jobs_are_mended_in_mariadb() {
    people_and_jobs_are_mended(Place::with(Database::mariadb())).await;
}

//! The client of the API: every noun against a registry of ours, and what servers do that this one does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harbor_core::api::{
    ActionRequest, Label, NewTag, PersonalTokenReq, ProjectReq, ProjectSetting, RobotCreate, Schedule,
    ScheduleObj, UserCreationReq,
};
use harbor_core::oci::Algorithm;
use harbor_core::operation;
use harbor_replicate::client::api::{Api, ProjectRef, Query, verbs};
use harbor_replicate::client::{Credential, Error, Retry};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, Maker};
use serde_json::json;

use super::double::{Double, Reply};
use super::{admin, quick};

/// Those that the table has and the server does not serve yet.
const NOT_SERVED: &str = include_str!("../operations/not_yet_served.txt");

fn api(registry: &TestRegistry, credential: Credential) -> Api {
    let builder = Api::builder(format!("http://{}", registry.address()));
    builder.connection(quick().build().unwrap()).credential(credential).build().unwrap()
}

#[test]
fn every_operation_that_is_served_has_a_verb() {
    let not_served: BTreeSet<&str> = NOT_SERVED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let all: BTreeSet<&str> =
        operation::all().map(|operation| operation.id).filter(|id| !not_served.contains(id)).collect();
    let have: Vec<&str> = verbs().collect();
    assert_eq!(have.len(), have.iter().collect::<BTreeSet<_>>().len(), "an operation has two verbs");
    assert_eq!(have.into_iter().collect::<BTreeSet<_>>(), all);
}

#[tokio::test]
async fn projects_are_made_listed_changed_and_deleted() {
    let registry = TestRegistry::in_memory().await;
    let api = api(&registry, admin(&registry));
    // The second is a number, and a name all the same.
    for name in ["team", "4711"] {
        let new = ProjectReq { project_name: Some(name.to_owned()), ..ProjectReq::default() };
        let created = api.projects().create(&new).await.unwrap();
        let id = created.id().unwrap();
        let project = api.projects().get(name.into()).await.unwrap();
        assert_eq!((project.project_id, project.name.as_str()), (id, name));
        assert_eq!(api.projects().get(id.into()).await.unwrap(), project);
    }
    let query = Query::new().sort("name").page_size(1);
    let names = api.projects().list(&query).all().await.unwrap();
    let names: Vec<&str> = names.iter().map(|project| project.name.as_str()).collect();
    assert_eq!(names, ["4711", "library", "team"], "over three pages");
    let team = ProjectRef::Name("team");
    let setting = ProjectSetting([("auto_scan".to_owned(), "true".to_owned())].into());
    api.projects().add_settings(team, &setting).await.unwrap();
    assert_eq!(api.projects().settings(team).await.unwrap()["auto_scan"], "true");
    let setting = ProjectSetting([("auto_scan".to_owned(), "false".to_owned())].into());
    api.projects().set(team, "auto_scan", &setting).await.unwrap();
    assert_eq!(api.projects().setting(team, "auto_scan").await.unwrap()["auto_scan"], "false");
    api.projects().exists(&Query::new().with("project_name", "team")).await.unwrap();
    api.projects().delete(team).await.unwrap();
    let error = api.projects().exists(&Query::new().with("project_name", "team")).await.unwrap_err();
    assert!(error.is_absent(), "{error}");
    registry.close().await;
}

#[tokio::test]
async fn a_refusal_tells_the_code_and_the_request() {
    let registry = TestRegistry::in_memory().await;
    let api = api(&registry, admin(&registry));
    let error = api.projects().get("none".into()).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.errors[0].code.as_str()), (404, "NOT_FOUND"));
    assert!(refusal.request_id.as_ref().is_some_and(|id| error.to_string().contains(id)), "{error}");
    let wrong = Credential::password("admin", "Wrong12345wrong");
    let error = self::api(&registry, wrong).users().current().await.unwrap_err();
    assert!(matches!(&error, Error::Unauthorized { refusal: Some(refusal), .. } if refusal.status == 401));
    assert!(!format!("{error:?} {error}").contains("Wrong12345wrong"));
    let error = self::api(&registry, Credential::Anonymous).users().current().await.unwrap_err();
    assert!(error.to_string().contains("log in"), "{error}");
    registry.close().await;
}

#[tokio::test]
async fn artifacts_of_repositories_with_slashes() {
    let registry = TestRegistry::in_memory().await;
    let api = api(&registry, admin(&registry));
    let one = content::image(Algorithm::Sha256);
    let index = Maker::index(Algorithm::Sha256).entry(&one).done();
    registry.admin().push("library/a/b.c", Some("v1"), &index).await;
    let artifacts = api.artifacts();
    let digest = index.top().digest.to_string();
    let artifact =
        artifacts.get("library", "a/b.c", "v1", &Query::new().with("with_tag", true)).await.unwrap();
    assert_eq!((artifact.digest.as_str(), artifact.tags[0].name.as_str()), (digest.as_str(), "v1"));
    assert_eq!(artifact.references.len(), 1);
    let tag = NewTag { name: "v2".to_owned() };
    artifacts.create_tag("library", "a/b.c", &digest, &tag).await.unwrap();
    let label = Label { name: "red".to_owned(), scope: "g".to_owned(), ..Label::default() };
    let label = api.labels().create(&label).await.unwrap().id().unwrap();
    let on = Label { id: label, ..Label::default() };
    artifacts.add_label("library", "a/b.c", "v2", &on).await.unwrap();
    let tags = artifacts.tags("library", "a/b.c", "v1", &Query::new()).all().await.unwrap();
    assert_eq!(tags.len(), 2);
    artifacts.copy("library", "copy", &Query::new().with("from", "library/a/b.c:v1")).await.unwrap();
    let all = api.repositories().list("library", &Query::new().sort("name")).all().await.unwrap();
    let names: Vec<&str> = all.iter().map(|repository| repository.name.as_str()).collect();
    assert_eq!(names, ["library/a/b.c", "library/copy"]);
    artifacts.delete("library", "copy", "v1").await.unwrap();
    let deleted = api.deleted_artifacts().list("library", "copy", &Query::new()).all().await.unwrap();
    assert_eq!(deleted.len(), 2);
    let restored = api.deleted_artifacts().restore("library", "copy", &digest).await.unwrap();
    assert_eq!(restored.manifests, 2);
    registry.close().await;
}

#[tokio::test]
async fn people_and_what_stands_for_them() {
    let registry = TestRegistry::in_memory().await;
    let api = api(&registry, admin(&registry));
    let user = UserCreationReq {
        username: "grace".to_owned(),
        email: Some("grace@example.org".to_owned()),
        password: "Hopper1906".to_owned(),
        realname: "Grace Hopper".to_owned(),
        ..UserCreationReq::default()
    };
    let id = api.users().create(&user).await.unwrap().id().unwrap();
    assert_eq!(api.users().get(id).await.unwrap().username, "grace");
    let grace = self::api(&registry, Credential::password("grace", "Hopper1906"));
    let token = PersonalTokenReq { name: "ci".to_owned(), duration: 1, ..PersonalTokenReq::default() };
    let made = grace.personal_tokens().create(&token).await.unwrap();
    let by_token = self::api(&registry, Credential::Bearer(made.token.clone().into()));
    assert_eq!(by_token.users().current().await.unwrap().username, "grace");
    let body = json!({ "name": "ci", "level": "system", "duration": 1, "permissions": [
        { "kind": "project", "namespace": "*", "access": [{ "resource": "repository", "action": "pull" }] }] });
    let robot: RobotCreate = serde_json::from_value(body).unwrap();
    let robot = api.robots().create(&robot).await.unwrap();
    let as_robot = self::api(&registry, Credential::password(robot.name.clone(), robot.secret.clone()));
    assert!(as_robot.projects().list(&Query::new()).all().await.is_ok());
    assert_eq!(api.robots().list(&Query::new()).all().await.unwrap()[0].name, robot.name);
    registry.close().await;
}

#[tokio::test]
async fn work_is_set_going_and_its_log_read() {
    let registry = TestRegistry::in_memory().await;
    let api = api(&registry, admin(&registry));
    let schedule = ScheduleObj { kind: "Manual".to_owned(), ..ScheduleObj::default() };
    let schedule = Schedule { schedule: Some(schedule), ..Schedule::default() };
    let run = api.garbage_collection().run(&schedule).await.unwrap().id().unwrap();
    registry.harbor.run_due_jobs().await.unwrap();
    while api.garbage_collection().get(run).await.unwrap().job_status != "Success" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(api.garbage_collection().log(run).await.unwrap().contains("garbage collection:"));
    api.jobservice().act("all", &ActionRequest { action: "pause".to_owned() }).await.unwrap();
    assert!(api.jobservice().queues().await.unwrap().iter().all(|queue| queue.paused));
    let mut export = api.audit().export(&Query::new().with("format", "jsonl"));
    let mut lines = Vec::new();
    while let Some(piece) = export.next().await {
        lines.extend_from_slice(&piece.unwrap());
    }
    assert!(String::from_utf8(lines).unwrap().lines().count() > 1);
    assert!(api.audit().verify(&Query::new()).await.unwrap().intact);
    registry.close().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_not() {
    let registry = TestRegistry::in_memory().await;
    let api = api(&registry, Credential::Anonymous);
    for (place, told) in [("", "can be no project_name_or_id"), ("..", "can be no project_name_or_id")] {
        let error = api.projects().get(place.into()).await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)) && error.to_string().contains(told), "{error}");
    }
    let error = api.call("getProject").unwrap().nothing().await.unwrap_err();
    assert!(error.to_string().contains("needs a project_name_or_id"), "{error}");
    assert!(api.call("getNothing").is_err());
    // What would lead elsewhere, when what is on the way decodes it, is not sent; the rest stays within its place.
    let error = api.projects().get("../../v2/?x#y".into()).await.unwrap_err();
    assert!(matches!(error, Error::Configuration(_)), "{error}");
    let error = api.projects().get("v2/?x#y".into()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_) | Error::Unauthorized { .. }), "{error}");
    registry.close().await;
}

/// What makes something is sent again only when it was refused untouched.
#[tokio::test]
async fn what_counts_is_done_once() {
    for (status, expected) in [(429, 2), (503, 2), (502, 1), (504, 1)] {
        let asked = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&asked);
        let double = Double::start(move |_request| {
            let first = seen.fetch_add(1, Ordering::SeqCst) == 0;
            let made = Reply::status(201).header("Location", "/api/v2.0/projects/7");
            if first { Reply::status(status) } else { made }
        })
        .await;
        let builder = Api::builder(format!("http://{}", double.address));
        let retry = Retry { first: Duration::from_millis(1), ..Retry::default() };
        let api = builder.connection(quick().retry(retry).build().unwrap()).build().unwrap();
        let created = api.projects().create(&ProjectReq::default()).await;
        assert_eq!((asked.load(Ordering::SeqCst), created.is_ok()), (expected, expected == 2), "{status}");
    }
}

/// As Harbor writes them: what is empty or not known is `null`, or left out, and there is more than anybody knows.
#[tokio::test]
async fn answers_of_harbor() {
    let artifact = json!({
        "accessories": null, "addition_links": { "build_history": { "absolute": false, "href": "/api/v2.0/x" } },
        "artifact_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:abc", "extra_attrs": { "os": "linux" },
        "icon": "sha256:0", "id": 7, "labels": null, "manifest_media_type": "application/vnd.oci.image.manifest.v1+json",
        "media_type": "application/vnd.oci.image.config.v1+json", "project_id": 2, "pull_time": "0001-01-01T00:00:00.000Z",
        "push_time": "2024-05-06T07:08:09.123Z", "references": null, "repository_id": 3, "repository_name": "p/app", "size": 70,
        "tags": [{ "artifact_id": 7, "id": 1, "immutable": false, "name": "v1", "pull_time": "0001-01-01T00:00:00.000Z",
            "push_time": "2024-05-06T07:08:09.123Z", "repository_id": 3 }],
        "type": "IMAGE",
    });
    let double = Double::start(move |came| match came.path() {
        "/api/v2.0/projects/p/repositories/app/artifacts" => {
            Reply::body(json!([artifact]).to_string()).header("X-Total-Count", 1)
        }
        "/api/v2.0/labels" => Reply::body("null"),
        _ => Reply::body("<html>"),
    })
    .await;
    let builder = Api::builder(format!("http://{}", double.address));
    let api = builder.connection(quick().build().unwrap()).build().unwrap();
    let artifacts = api.artifacts().list("p", "app", &Query::new()).all().await.unwrap();
    assert_eq!((artifacts[0].id, artifacts[0].tags[0].name.as_str()), (7, "v1"));
    assert_eq!(api.labels().list(&Query::new()).all().await.unwrap(), []);
    let error = api.users().current().await.unwrap_err();
    assert!(error.to_string().contains("is no JSON"), "{error}");
}

/// Credentials are for the API alone, whatever path somebody was made to type.
#[tokio::test]
async fn a_path_that_leads_elsewhere_is_not_called() {
    let elsewhere = Double::start(|_| Reply::body("{}")).await;
    let double = Double::start(|_| Reply::body("{}")).await;
    let builder = Api::builder(format!("http://{}", double.address)).connection(quick().build().unwrap());
    let api = builder.credential(Credential::password("admin", "hunter2")).build().unwrap();
    for path in [
        format!("http://{}/api/v2.0/users", elsewhere.address),
        format!("//{}/api/v2.0/users", elsewhere.address),
        format!("/api/v2.0http://{}/", elsewhere.address),
        "/../../v2/".to_owned(),
        "/%2e%2e/%2e%2e/v2/".to_owned(),
        "/projects/..%2f..%2f..%2fv2/".to_owned(),
        "/projects/%252e%252e/x".to_owned(),
    ] {
        let error = api.call_path(operation::Method::Get, &path).text().await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{path}: {error}");
    }
    assert!(elsewhere.came().is_empty() && double.came().is_empty());
    api.call_path(operation::Method::Get, "/api/v2.0/systeminfo").text().await.unwrap();
    assert_eq!(double.lines(), ["GET /api/v2.0/systeminfo"]);
}

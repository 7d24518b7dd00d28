//! Clauses about names and keys, and the row methods of projects and repositories.

use super::MetadataFixture;
use super::kit::{
    Says, assert_kind, at, begin, blob, digest, linked, manifest, name, project, project_name, read,
    repository, set, setting, store_with, tag, tagged, upload,
};
use crate::StoreErrorKind;
use crate::meta::{AuditLine, AuditScope, ProjectId, Upload};
use crate::query::Query;

/// *Text*: names differ when their bytes differ; case and accents count.
pub async fn case_and_accents(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let tags = ["latest", "Latest", "LATEST", "v1.0", "v1_0", "v10"];
    for name in tags {
        let id = manifest(&store, repository.id, name, &Says::default()).await;
        tagged(&store, repository.id, id, &[name]).await;
    }
    let mut rows = read(&store).await;
    for name in tags {
        assert_eq!(rows.tag(repository.id, &tag(name)).await.unwrap(), Some(digest(name)), "{name}");
    }
    let sinks = ["cafe", "café", "CAFÉ", "cafe\u{301}", "ß", "ss"];
    let mut rows = begin(&store).await;
    for (number, sink) in (1..).zip(sinks) {
        rows.event_cursor_put(sink, number).await.unwrap();
    }
    for (number, sink) in (1..).zip(sinks) {
        assert_eq!(rows.event_cursor(sink).await.unwrap(), Some(number), "{sink}");
    }
}

/// *Text*: whatever Unicode has is stored and read back.
pub async fn unicode(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let text = "Ærøskøbing 北京 🚢 \u{10ffff} \u{200d}\u{301} 'quoted' \"twice\" \\ ? $1 %s {0} \n\t";
    set(&store, "text", text).await;
    assert_eq!(setting(&store, "text").await.as_deref(), Some(text));
    let principal = "user:Jürgen 🚢".to_owned();
    let session = Upload { principal, ..upload(&store, repository.id, at(0)).await };
    let line = AuditLine {
        at: at(0),
        actor: session.principal.clone(),
        username: "Jürgen 🚢".to_owned(),
        operation: "run".to_owned(),
        resource_type: "test".to_owned(),
        project: None,
        resource: text.to_owned(),
        description: text.to_owned(),
        allowed: true,
        address: "192.0.2.1".to_owned(),
        credential: "password".to_owned(),
        request_id: "1".to_owned(),
    };
    let mut rows = begin(&store).await;
    assert!(rows.upload_save(&session, at(1)).await.unwrap());
    rows.audit_insert(&line).await.unwrap();
    rows.events_insert(at(0), &[text.to_owned()]).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.upload(session.id).await.unwrap(), Some(session));
    let log = rows.audit_log(&AuditScope::Registry, &Query::default()).await.unwrap();
    assert_eq!(log.entries[0].line, line);
    assert_eq!(rows.events(0, 10).await.unwrap()[0].body, text);
}

/// *Keys* are never used again, also after a delete.
pub async fn keys_are_never_used_again(fixture: &dyn MetadataFixture) {
    let (store, home) = store_with(fixture, "one/two").await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let project = project(&store, "again").await;
        let (layer, link) = linked(&store, home.id, "a layer").await;
        let manifest = manifest(&store, home.id, "a manifest", &Says::default()).await;
        let keys = [project.id.get(), layer.id.get(), link.get(), manifest.get()];
        for (kind, key) in keys.into_iter().enumerate() {
            assert!(seen.insert((kind, key)), "key {key} of kind {kind} came again");
        }
        let mut rows = begin(&store).await;
        assert!(rows.project_delete(project.id).await.unwrap());
        rows.links_delete(&[link], at(0)).await.unwrap();
        rows.manifest_delete(manifest).await.unwrap();
        rows.events_insert(at(0), &["an event".to_owned()]).await.unwrap();
        let event = rows.events(0, 1).await.unwrap()[0].id;
        assert!(seen.insert((9, event)), "event {event} came again");
        assert_eq!(rows.events_delete(event).await.unwrap(), 1);
        rows.commit().await.unwrap();
    }
}

/// `project_ensure` makes a project, and then yields it as it is.
pub async fn project_ensure(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    let (made, new) = rows.project_ensure(&project_name("one"), true, at(5)).await.unwrap();
    assert!(new);
    assert_eq!((made.name.as_str(), made.public, made.created_at), ("one", true, at(5)));
    let (again, new) = rows.project_ensure(&project_name("one"), false, at(6)).await.unwrap();
    assert!(!new);
    assert_eq!(again, made);
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert_eq!(rows.project_ensure(&project_name("one"), false, at(7)).await.unwrap(), (made.clone(), false));
    drop(rows);
    let mut rows = read(&store).await;
    assert_eq!(rows.project(&project_name("one")).await.unwrap(), Some(made));
    assert_eq!(rows.project(&project_name("other")).await.unwrap(), None);
}

/// `project_delete`: true when it was there.
pub async fn project_delete(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let one = project(&store, "one").await;
    project(&store, "other").await;
    let mut rows = begin(&store).await;
    assert!(rows.project_delete(one.id).await.unwrap());
    assert!(!rows.project_delete(one.id).await.unwrap());
    assert!(!rows.project_delete(ProjectId::new(9_999)).await.unwrap());
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.project(&project_name("one")).await.unwrap(), None);
    assert!(rows.project(&project_name("other")).await.unwrap().is_some());
}

/// `project_delete`: `Conflict` while it has repositories.
pub async fn project_delete_with_repositories(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let mut rows = begin(&store).await;
    assert_kind(rows.project_delete(repository.project).await, StoreErrorKind::Conflict);
    drop(rows);
    assert!(read(&store).await.project(&project_name("one")).await.unwrap().is_some());
}

/// `repository_ensure` makes a repository, and then yields it as it is.
pub async fn repository_ensure(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let owner = project(&store, "one").await;
    let made = repository(&store, "one/two/three").await;
    assert_eq!((made.project, &made.name), (owner.id, &name("one/two/three")));
    assert_eq!(repository(&store, "one/two/three").await, made);
    assert_ne!(repository(&store, "one/two").await.id, made.id);
    let mut rows = read(&store).await;
    assert_eq!(rows.repository(&name("one/two/three")).await.unwrap(), Some(made));
    assert_eq!(rows.repository(&name("one/three")).await.unwrap(), None);
}

/// `repository_ensure`: `NotFound` when the project is gone, also when another of its name has come.
pub async fn repository_ensure_without_project(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let old = project(&store, "one").await;
    let mut rows = begin(&store).await;
    rows.project_delete(old.id).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert_kind(rows.repository_ensure(old.id, &name("one/two"), at(0)).await, StoreErrorKind::NotFound);
    drop(rows);
    repository(&store, "one/two").await;
    blob(&store, "unrelated").await;
    let mut rows = begin(&store).await;
    assert_kind(rows.repository_ensure(old.id, &name("one/two"), at(0)).await, StoreErrorKind::NotFound);
}

//! The row methods of labels.

use super::MetadataFixture;
use super::kit::{Says, assert_kind, at, begin, manifest, read, store_with};
use crate::StoreErrorKind;
use crate::meta::{Label, LabelId, LabelKey, ProjectId, Transaction};
use crate::query::{Order, Query, Test};

fn new_label(name: &str, project: Option<ProjectId>) -> Label {
    Label {
        id: LabelId::new(0),
        project,
        name: name.to_owned(),
        description: "Ærø 🚢".to_owned(),
        color: "#FFFFFF".to_owned(),
        created_at: at(1),
        updated_at: at(2),
    }
}

/// Makes a label in an open transaction.
pub(super) async fn label(rows: &mut dyn Transaction, name: &str, project: Option<ProjectId>) -> LabelId {
    rows.label_insert(&new_label(name, project)).await.unwrap()
}

/// `label_insert` and `label_save`: names are unlike in a project, and among those that all may use. `label_delete`.
pub async fn label_insert(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let mut rows = begin(&store).await;
    let everybodys = label(&mut *rows, "name", None).await;
    let own = label(&mut *rows, "name", Some(one.project)).await;
    let other = label(&mut *rows, "Name", Some(one.project)).await;
    rows.commit().await.unwrap();
    assert!(everybodys != own && own != other);
    let mut rows = read(&store).await;
    let read_back = rows.label(own).await.unwrap().unwrap();
    assert_eq!(read_back, Label { id: own, ..new_label("name", Some(one.project)) });
    assert_eq!(rows.label(LabelId::new(9_999)).await.unwrap(), None);
    drop(rows);
    for project in [None, Some(one.project)] {
        let mut rows = begin(&store).await;
        assert_kind(rows.label_insert(&new_label("name", project)).await, StoreErrorKind::Conflict);
    }
    let mut rows = begin(&store).await;
    let changed = Label { name: "renamed".to_owned(), color: String::new(), updated_at: at(9), ..read_back };
    assert_eq!(rows.label_lock(own).await.unwrap().unwrap().name, "name");
    rows.label_save(&changed).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.label(own).await.unwrap(), Some(changed.clone()));
    let mut rows = begin(&store).await;
    let taken = Label { name: "Name".to_owned(), ..changed };
    assert_kind(rows.label_save(&taken).await, StoreErrorKind::Conflict);
    drop(rows);
    let mut rows = begin(&store).await;
    assert!(rows.label_delete(own).await.unwrap() && !rows.label_delete(own).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.label(own).await.unwrap(), None);
}

/// `label_put` and `label_take`; a label goes with its artifact, and off every artifact when it is deleted.
pub async fn label_put(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let first = manifest(&store, one.id, "first", &Says::default()).await;
    let second = manifest(&store, one.id, "second", &Says::default()).await;
    let mut rows = begin(&store).await;
    let (red, blue) = (label(&mut *rows, "red", None).await, label(&mut *rows, "blue", None).await);
    assert!(rows.label_put(red, first).await.unwrap() && rows.label_put(blue, first).await.unwrap());
    assert!(rows.label_put(red, second).await.unwrap() && !rows.label_put(red, first).await.unwrap());
    rows.commit().await.unwrap();
    let names = async || {
        let found = read(&store).await.labels_of(&[first, second]).await.unwrap();
        let names = found.iter().map(|(of, label)| format!("{} {}", of.get() - first.get(), label.name));
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names.join(", ")
    };
    assert_eq!(names().await, "0 blue, 0 red, 1 red");
    let mut rows = begin(&store).await;
    assert!(rows.label_take(blue, first).await.unwrap() && !rows.label_take(blue, first).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(names().await, "0 red, 1 red");
    let mut rows = begin(&store).await;
    rows.manifest_delete(second).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(names().await, "0 red");
    let mut rows = begin(&store).await;
    assert!(rows.label_delete(red).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(names().await, "");
}

/// `labels` of a project, or of all: the youngest first, filtered and paged; they go with the project.
pub async fn labels_listed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let one = super::kit::project(&store, "one").await.id;
    let mut rows = begin(&store).await;
    for (number, name) in ["first", "second", "third"].into_iter().enumerate() {
        let made = at(i64::try_from(number).unwrap());
        rows.label_insert(&Label { created_at: made, ..new_label(name, Some(one)) }).await.unwrap();
    }
    label(&mut *rows, "everybody's", None).await;
    rows.commit().await.unwrap();
    let names = async |project, query: &Query<LabelKey>| {
        let page = read(&store).await.labels(project, query).await.unwrap();
        let names: Vec<String> = page.entries.into_iter().map(|label| label.name).collect();
        (names.join(" "), page.total)
    };
    assert_eq!(names(Some(one), &Query::default()).await, ("third second first".to_owned(), 3));
    assert_eq!(names(None, &Query::default()).await, ("everybody's".to_owned(), 1));
    let like = Query::default().filter(LabelKey::Name, Test::Like("IR".to_owned()));
    assert_eq!(
        names(Some(one), &like.sort(LabelKey::Name, Order::Ascending)).await,
        ("first third".to_owned(), 2)
    );
    let mut rows = begin(&store).await;
    assert!(rows.project_delete(one).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(names(Some(one), &Query::default()).await, (String::new(), 0));
}

//! The row methods of what was deleted.

use super::MetadataFixture;
use super::kit::{Says, at, begin, digest, manifest, read, store_with, tagged};
use super::labels::label;
use crate::meta::{AccessoryKind, Described, TrashKey};
use crate::query::{Query, Test, Value};

/// `trash_put` keeps a manifest as it was, with its tags, once for each digest; `trash_delete` forgets it, and it goes with its
/// repository.
pub async fn trash(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let subject = digest("image");
    let image = manifest(&store, one.id, "image", &Says::default()).await;
    tagged(&store, one.id, image, &["v2", "v1"]).await;
    let mut rows = begin(&store).await;
    let labels = [label(&mut *rows, "one", None).await, label(&mut *rows, "two", None).await];
    for label in labels {
        rows.label_put(label, image).await.unwrap();
    }
    rows.commit().await.unwrap();
    let says = Described { accessory: Some((AccessoryKind::Cosign, subject)), ..Described::default() };
    let signature = manifest(&store, one.id, "signature", &Says { described: says, ..Says::default() }).await;
    for (id, by) in [(image, "user:Ærø 🚢"), (image, "admin:admin"), (signature, "system")] {
        let mut rows = begin(&store).await;
        rows.trash_put(id, by, at(5), at(9)).await.unwrap();
        rows.commit().await.unwrap();
    }
    let all = Query::<TrashKey>::default();
    let listed = async |query: &Query<TrashKey>| read(&store).await.trash(one.id, query).await.unwrap();
    assert_eq!(listed(&all).await.total, 0, "they are there");
    let mut rows = begin(&store).await;
    for id in [signature, image] {
        rows.manifest_delete(id).await.unwrap();
    }
    rows.commit().await.unwrap();
    let found = listed(&all).await;
    assert_eq!((found.total, found.entries.len()), (2, 2));
    let by = Query::default().filter(TrashKey::DeletedBy, Test::Is(Value::Text("admin:admin".to_owned())));
    let entry = listed(&by).await.entries.remove(0);
    assert_eq!((entry.digest, entry.deleted_at, entry.until), (subject, at(5), at(9)));
    assert_eq!(entry.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
    let mut rows = read(&store).await;
    let whole = rows.trashed(one.id, &subject).await.unwrap().unwrap();
    assert_eq!((&whole.entry, &whole.payload[..], whole.accessory), (&entry, &b"image"[..], None));
    assert_eq!(whole.labels, labels);
    let whole = rows.trashed(one.id, &digest("signature")).await.unwrap().unwrap();
    assert_eq!(whole.labels, []);
    assert_eq!(
        (whole.accessory, whole.entry.subject),
        (Some((AccessoryKind::Cosign, subject)), Some(subject))
    );
    assert_eq!(rows.trashed(one.id, &digest("other")).await.unwrap(), None);
    assert_eq!(rows.trashed_of(one.id, &subject, at(5), 9).await.unwrap(), [digest("signature")]);
    assert_eq!(rows.trashed_of(one.id, &subject, at(6), 9).await.unwrap(), []);
    drop(rows);
    let mut rows = begin(&store).await;
    rows.trash_delete(one.id, &subject).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(listed(&all).await.total, 1);
    let mut rows = begin(&store).await;
    assert!(rows.repository_delete(one.id).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(listed(&all).await.total, 0);
}

/// `trash_expire` forgets what is over, so many at a time.
pub async fn trash_expire(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    for number in 0..20 {
        let id = manifest(&store, one.id, &format!("image {number}"), &Says::default()).await;
        let mut rows = begin(&store).await;
        rows.trash_put(id, "system", at(0), at(number)).await.unwrap();
        rows.manifest_delete(id).await.unwrap();
        rows.commit().await.unwrap();
    }
    for (now, gone) in [(0, 1), (17, 17), (17, 0), (18, 1)] {
        let mut rows = begin(&store).await;
        assert_eq!(rows.trash_expire(at(now), 17).await.unwrap(), gone, "at {now}");
        rows.commit().await.unwrap();
    }
    let left = read(&store).await.trash(one.id, &Query::default()).await.unwrap();
    assert_eq!((left.total, left.entries[0].digest), (1, digest("image 19")));
}

//! The row methods of policies of retention, and of what they are about.

use super::MetadataFixture;
use super::kit::{Says, assert_refused, at, begin, digest, manifest, project, read, store_with, tag};
use crate::meta::{AccessoryKind, Described, ManifestId, ProjectId, RetentionId, RetentionPolicy};
use crate::retention::{By, Retention};
use crate::{StoreErrorKind, Timestamp};

fn policy(project: Option<ProjectId>, zone: &str) -> RetentionPolicy {
    let retention = Retention::new(By::Tag, Vec::new()).at("0 0 0 * * *", zone);
    RetentionPolicy { id: RetentionId::new(0), project, retention, created_at: at(1), updated_at: at(2) }
}

/// `retention_insert`, `retention_save`, `retention_lock` and `retention_delete`: one a project, which goes with it, and one
/// of no project.
pub async fn retention_insert(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, other) = (project(&store, "one").await.id, project(&store, "other").await.id);
    let mut kept = Vec::new();
    for of in [Some(one), None, Some(other)] {
        let mut rows = begin(&store).await;
        let id = rows.retention_insert(&policy(of, "Ærø 🚢")).await.unwrap();
        rows.commit().await.unwrap();
        kept.push(RetentionPolicy { id, ..policy(of, "Ærø 🚢") });
    }
    for policy in &kept {
        assert_eq!(read(&store).await.retention_of(policy.project).await.unwrap().as_ref(), Some(policy));
        assert_eq!(read(&store).await.retention(policy.id).await.unwrap().as_ref(), Some(policy));
        let mut rows = begin(&store).await;
        let again = rows.retention_insert(policy).await;
        assert_refused(rows, again, StoreErrorKind::Conflict).await;
    }
    let changed = RetentionPolicy { updated_at: at(9), ..kept[0].clone() };
    let changed = RetentionPolicy { retention: policy(None, "UTC").retention, ..changed };
    let mut rows = begin(&store).await;
    assert_eq!(rows.retention_lock(changed.id).await.unwrap().as_ref(), Some(&kept[0]));
    assert!(rows.retention_save(&changed).await.unwrap());
    assert!(rows.retention_save(&changed).await.unwrap(), "that it is the same is no matter");
    let absent = RetentionPolicy { id: RetentionId::new(9_999), ..changed.clone() };
    assert!(!rows.retention_save(&absent).await.unwrap() && !rows.retention_delete(absent.id).await.unwrap());
    assert_eq!(rows.retention_lock(absent.id).await.unwrap(), None);
    assert!(rows.retention_delete(kept[2].id).await.unwrap());
    assert!(!rows.retention_delete(kept[2].id).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.retention(changed.id).await.unwrap(), Some(changed));
    assert_eq!(read(&store).await.retention_of(Some(other)).await.unwrap(), None);
    let mut rows = begin(&store).await;
    assert!(rows.project_delete(one).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.retention(kept[0].id).await.unwrap(), None);
    assert_eq!(read(&store).await.retention(kept[1].id).await.unwrap().as_ref(), Some(&kept[1]));
}

/// `retention_artifacts`: what lists show, in the order of pushes, with whether an index lists it, and whether anything would go
/// with it.
pub async fn retention_artifacts(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let (_, other) = store_with(fixture, "one/other").await;
    let pushed = |pushed| Says { pushed, ..Says::default() };
    let late = manifest(&store, one.id, "late", &pushed(9)).await;
    let child = manifest(&store, one.id, "child", &pushed(3)).await;
    let tagged = manifest(&store, one.id, "tagged child", &pushed(3)).await;
    let children = vec![digest("child"), digest("tagged child")];
    let mut rows = begin(&store).await;
    rows.tag_put(one.id, &tag("t"), tagged, at(4)).await.unwrap();
    rows.commit().await.unwrap();
    let index = manifest(&store, one.id, "index", &Says { children, ..pushed(3) }).await;
    manifest(&store, other.id, "elsewhere", &pushed(3)).await;
    let signed = manifest(&store, one.id, "signed", &pushed(9)).await;
    let accessory = Some((AccessoryKind::Cosign, digest("signed")));
    let described = Described { accessory, ..Described::default() };
    manifest(&store, one.id, "signature", &Says { described, ..pushed(9) }).await;
    let elsewhere = Some((AccessoryKind::Cosign, digest("late")));
    let described = Described { accessory: elsewhere, ..Described::default() };
    manifest(&store, other.id, "signature elsewhere", &Says { described, ..pushed(9) }).await;
    let pages = async |limit| {
        let (mut all, mut after) = (Vec::new(), (Timestamp::default(), ManifestId::new(0)));
        loop {
            let page = read(&store).await.retention_artifacts(one.id, after, limit).await.unwrap();
            let Some(last) = page.last() else { return all };
            assert!(page.len() <= limit as usize);
            after = (last.pushed_at, last.id);
            all.extend(page);
        }
    };
    let all = pages(100).await;
    let seen: Vec<_> =
        all.iter().map(|found| (found.id, found.pushed_at, found.listed, found.alone)).collect();
    // The child that no tag names is hidden, and so is the signature.
    let expected = [
        (tagged, at(3), true, true),
        (index, at(3), false, false),
        (late, at(9), false, true),
        (signed, at(9), false, false),
    ];
    assert_eq!(seen, expected);
    assert!(tagged > child && all[1].digest == digest("index") && all[1].pulled_at.is_none());
    for limit in [1, 2, 3, 4] {
        assert_eq!(pages(limit).await, all);
    }
}

/// `retention_tags` and `retention_tag`: in the order of bytes, with when each was set.
pub async fn retention_tags(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let (_, other) = store_with(fixture, "one/other").await;
    let own = manifest(&store, one.id, "own", &Says::default()).await;
    let theirs = manifest(&store, other.id, "theirs", &Says::default()).await;
    let mut rows = begin(&store).await;
    for (number, name) in (1..).zip(["b", "B", "_", "a"]) {
        rows.tag_put(one.id, &tag(name), own, at(number)).await.unwrap();
    }
    rows.tag_put(other.id, &tag("c"), theirs, at(0)).await.unwrap();
    rows.commit().await.unwrap();
    let page = async |after, limit| {
        let found = read(&store).await.retention_tags(one.id, after, limit).await.unwrap();
        assert!(found.iter().all(|tag| (tag.repository, tag.manifest) == (one.id, own)));
        found.iter().map(|tag| (tag.name.to_string(), tag.pushed_at)).collect::<Vec<_>>()
    };
    let named = |name: &str, time| (name.to_owned(), at(time));
    assert_eq!(page(None, 9).await, [named("B", 2), named("_", 3), named("a", 4), named("b", 1)]);
    assert_eq!(page(Some("B"), 2).await, [named("_", 3), named("a", 4)]);
    let found = read(&store).await.retention_tag(one.id, &tag("B")).await.unwrap().unwrap();
    assert_eq!((found.manifest, found.pushed_at, found.pulled_at), (own, at(2), None));
    for (repository, name) in [(one.id, "c"), (other.id, "b")] {
        assert_eq!(read(&store).await.retention_tag(repository, &tag(name)).await.unwrap(), None);
    }
}

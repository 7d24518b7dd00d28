//! The row methods of manifests and tags.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::MetadataFixture;
use super::kit::{
    Says, assert_refused, at, begin, digest, linked, manifest, media_type, put, read, repository, store_with,
    tag, tagged,
};
use crate::StoreErrorKind;
use crate::meta::{LinkId, ManifestId, RepositoryId, Stored, TagPut};
use crate::oci::Digest;

/// `manifest_ensure` stores a manifest, byte for byte, and then yields the one that is there, with the references of both.
pub async fn manifest_ensure(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (_, first) = linked(&store, repository.id, "first").await;
    let (_, second) = linked(&store, repository.id, "second").await;
    // Bytes that are no text.
    let payload: Bytes = (0..=255).cycle().take(1_000).collect::<Vec<u8>>().into();
    let says = Says { subject: Some(digest("a subject")), links: vec![first], ..Says::default() };
    let mut rows = begin(&store).await;
    let (id, stored) = put(&mut *rows, repository.id, &payload, &says).await.unwrap();
    assert_eq!(stored, Stored::First);
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    let again = Says { links: vec![first, second], ..Says::default() };
    assert_eq!(put(&mut *rows, repository.id, &payload, &again).await.unwrap(), (id, Stored::Before));
    let (_, stored) = put(&mut *rows, repository.id, &"another".into(), &Says::default()).await.unwrap();
    assert_eq!(stored, Stored::Now);
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    for payload in [digest(&payload), digest("another")] {
        let id = rows.manifest_lock(repository.id, &payload).await.unwrap().unwrap();
        rows.manifest_delete(id).await.unwrap();
    }
    let (_, stored) = put(&mut *rows, repository.id, &"after all".into(), &Says::default()).await.unwrap();
    assert_eq!(stored, Stored::Now, "the repository was one to people all the time");
    drop(rows);
    let mut rows = read(&store).await;
    let found = rows.manifest(repository.id, &digest(&payload)).await.unwrap().unwrap();
    assert_eq!((found.id, found.digest, found.media_type), (id, digest(&payload), media_type()));
    assert_eq!((found.payload, found.subject), (payload, Some(digest("a subject"))));
    assert!(rows.link_is_referenced(first).await.unwrap());
    assert!(rows.link_is_referenced(second).await.unwrap());
    assert_eq!(rows.manifest(repository.id, &digest("other")).await.unwrap(), None);
}

/// A manifest of 4 MiB, the largest that is taken, is stored and read back.
pub async fn large_payload(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let payload: Bytes =
        (0..4 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[1] ^ 0xa5).collect::<Vec<u8>>().into();
    let annotations = BTreeMap::from([("long".to_owned(), "text ".repeat(200_000))]);
    let says = Says { annotations: annotations.clone(), subject: Some(digest("s")), ..Says::default() };
    let mut rows = begin(&store).await;
    put(&mut *rows, repository.id, &payload, &says).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let found = rows.manifest(repository.id, &digest(&payload)).await.unwrap().unwrap();
    assert!(found.payload == payload, "4 MiB came back otherwise");
    let (found, _) = rows.referrers(repository.id, &digest("s"), None, None, 9, 1).await.unwrap();
    assert_eq!(found[0].size, payload.len() as u64);
    assert!(found[0].annotations == annotations, "annotations came back otherwise");
}

/// `manifest_lock` finds by repository and digest.
pub async fn manifest_lock(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let id = manifest(&store, one.id, "content", &Says::default()).await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.manifest_lock(one.id, &digest("content")).await.unwrap(), Some(id));
    assert_eq!(rows.manifest_lock(other.id, &digest("content")).await.unwrap(), None);
    assert_eq!(rows.manifest_lock(one.id, &digest("other")).await.unwrap(), None);
}

/// `manifest_by_tag` and `tag` follow the tag.
pub async fn manifest_by_tag(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let id = manifest(&store, one.id, "content", &Says::default()).await;
    tagged(&store, one.id, id, &["latest"]).await;
    let mut rows = read(&store).await;
    let found = rows.manifest_by_tag(one.id, &tag("latest")).await.unwrap().unwrap();
    assert_eq!((found.id, &found.payload[..]), (id, &b"content"[..]));
    assert_eq!(rows.tag(one.id, &tag("latest")).await.unwrap(), Some(digest("content")));
    assert_eq!(rows.manifest_by_tag(one.id, &tag("other")).await.unwrap(), None);
    assert_eq!(rows.manifest_by_tag(other.id, &tag("latest")).await.unwrap(), None);
    assert_eq!(rows.tag(other.id, &tag("latest")).await.unwrap(), None);
}

/// `manifests_present`: which of many digests the repository has, and their subjects.
pub async fn manifests_present(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let mut wanted = Vec::new();
    for number in 0..35 {
        let payload = format!("manifest {number}");
        let home = if number % 7 == 0 { other.id } else { one.id };
        let subject = (number == 1).then(|| digest("s"));
        manifest(&store, home, &payload, &Says { subject, ..Says::default() }).await;
        wanted.push(digest(&payload));
    }
    let mut rows = read(&store).await;
    let mut found = rows.manifests_present(one.id, &wanted).await.unwrap();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 30);
    let subjects: Vec<_> = found.iter().filter(|(_, subject)| subject.is_some()).collect();
    assert_eq!(subjects, [&(digest("manifest 1"), Some(digest("s")))]);
    assert_eq!(rows.manifests_present(other.id, &wanted[..1]).await.unwrap(), [(digest("manifest 0"), None)]);
    assert_eq!(rows.manifests_present(one.id, &[]).await.unwrap(), []);
}

/// `manifest_delete` takes its tags and references with it, and tells them.
pub async fn manifest_delete(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (_, first) = linked(&store, repository.id, "first").await;
    let (_, second) = linked(&store, repository.id, "second").await;
    let says = Says {
        links: vec![first, second],
        missing: vec![digest("missing")],
        children: vec![digest("child"), digest("other child")],
        ..Says::default()
    };
    let id = manifest(&store, repository.id, "content", &says).await;
    let kept = manifest(&store, repository.id, "kept", &Says { links: vec![first], ..Says::default() }).await;
    tagged(&store, repository.id, id, &["b", "a"]).await;
    tagged(&store, repository.id, kept, &["kept"]).await;
    let mut rows = begin(&store).await;
    let (mut tags, mut links) = rows.manifest_delete(id).await.unwrap();
    tags.sort_unstable();
    links.sort_unstable();
    assert_eq!((tags, links), (vec![tag("a"), tag("b")], vec![first, second]));
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.manifest(repository.id, &digest("content")).await.unwrap(), None);
    assert_eq!(rows.tags(repository.id, None, 9).await.unwrap(), [tag("kept")]);
    assert!(rows.link_is_referenced(first).await.unwrap());
    assert!(!rows.link_is_referenced(second).await.unwrap());
}

/// `referrers` of a subject, in the order in which they were pushed, filtered and paged.
pub async fn referrers(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let subject = digest("the subject");
    let annotations =
        BTreeMap::from([("key".to_owned(), "Wert 🚢".to_owned()), (String::new(), String::new())]);
    let refer = |artifact_type| Says {
        subject: Some(subject),
        artifact_type,
        annotations: annotations.clone(),
        ..Says::default()
    };
    let signature = manifest(&store, one.id, "zz signature", &refer(Some("application/sig"))).await;
    let plain = manifest(&store, one.id, "plain", &refer(None)).await;
    let sbom = manifest(&store, one.id, "aa sbom", &refer(Some("application/sbom"))).await;
    manifest(&store, one.id, "of another", &Says { subject: Some(digest("x")), ..Says::default() }).await;
    manifest(&store, other.id, "elsewhere", &refer(None)).await;
    let list = async |artifact_type, after, limit, bytes| {
        let mut rows = read(&store).await;
        let (found, more) =
            rows.referrers(one.id, &subject, artifact_type, after, limit, bytes).await.unwrap();
        (found.iter().map(|referrer| referrer.id).collect::<Vec<ManifestId>>(), more)
    };
    assert_eq!(list(None, None, 9, 1000).await, (vec![signature, plain, sbom], false));
    assert_eq!(list(None, None, 3, 1000).await, (vec![signature, plain, sbom], false));
    assert_eq!(list(None, None, 2, 1000).await, (vec![signature, plain], true));
    assert_eq!(list(None, Some(plain), 2, 1000).await, (vec![sbom], false));
    assert_eq!(list(Some("application/sbom"), None, 9, 1000).await, (vec![sbom], false));
    for other in ["application/SBOM", "é 🚢", "application/sbom\0"] {
        assert_eq!(list(Some(other), None, 9, 1000).await, (vec![], false));
    }
    assert_eq!(list(Some("application/sig"), Some(signature), 9, 1000).await, (vec![], false));
    // The annotations of each have some 25 bytes.
    assert_eq!(list(None, None, 9, 60).await, (vec![signature, plain], true));
    assert_eq!(list(None, None, 9, 0).await, (vec![signature], true));
    assert_eq!(list(None, Some(plain), 9, 0).await, (vec![sbom], false));
    assert_eq!(list(Some("application/sbom"), None, 9, 0).await, (vec![sbom], false));
    let (mut found, _) = read(&store).await.referrers(one.id, &subject, None, None, 1, 0).await.unwrap();
    let found = found.remove(0);
    assert_eq!((found.digest, found.size, found.media_type), (digest("zz signature"), 12, media_type()));
    assert_eq!((found.artifact_type.as_deref(), found.annotations), (Some("application/sig"), annotations));
}

/// `tag_put` lets a tag name a manifest, whatever it named before.
pub async fn tag_put(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let old = manifest(&store, repository.id, "old", &Says::default()).await;
    let new = manifest(&store, repository.id, "new", &Says::default()).await;
    for (id, expected, moved) in
        [(old, "old", true), (new, "new", true), (new, "new", false), (old, "old", true)]
    {
        let mut rows = begin(&store).await;
        let put = rows.tag_put(repository.id, &tag("latest"), id, at(0)).await.unwrap();
        assert_eq!(put, TagPut { ruled: false, moved });
        rows.commit().await.unwrap();
        let found = read(&store).await.tag(repository.id, &tag("latest")).await.unwrap();
        assert_eq!(found, Some(digest(expected)));
    }
}

/// What refers to something that is not there is refused: `Conflict`.
pub async fn dangling(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let id = manifest(&store, repository.id, "content", &Says::default()).await;
    let mut rows = begin(&store).await;
    let refused = rows.tag_put(repository.id, &tag("x"), ManifestId::new(9_999), at(0)).await;
    assert_refused(rows, refused, StoreErrorKind::Conflict).await;
    let mut rows = begin(&store).await;
    let refused = rows.tag_put(RepositoryId::new(9_999), &tag("x"), id, at(0)).await;
    assert_refused(rows, refused, StoreErrorKind::Conflict).await;
    let mut rows = begin(&store).await;
    let says = Says { links: vec![LinkId::new(9_999)], ..Says::default() };
    let refused = put(&mut *rows, repository.id, &"dangling".into(), &says).await;
    assert_refused(rows, refused, StoreErrorKind::Conflict).await;
    assert_eq!(read(&store).await.tags(repository.id, None, 9).await.unwrap(), []);
}

/// `tag_delete` tells what the tag named; the manifest stays.
pub async fn tag_delete(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let id = manifest(&store, repository.id, "content", &Says::default()).await;
    tagged(&store, repository.id, id, &["a", "b"]).await;
    let mut rows = begin(&store).await;
    let named: Option<Digest> = rows.tag_delete(repository.id, &tag("a")).await.unwrap();
    assert_eq!(named, Some(digest("content")));
    assert_eq!(rows.tag_delete(repository.id, &tag("a")).await.unwrap(), None);
    assert_eq!(rows.tag_delete(repository.id, &tag("A")).await.unwrap(), None);
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.tags(repository.id, None, 9).await.unwrap(), [tag("b")]);
    assert!(rows.manifest(repository.id, &digest("content")).await.unwrap().is_some());
}

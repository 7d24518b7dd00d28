//! The row methods of artifacts and accessories.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::MetadataFixture;
use super::kit::{
    Says, Store, assert_kind, at, begin, digest, manifest, put, read, repository, store_with, tag, tagged,
};
use crate::StoreErrorKind;
use crate::meta::{
    AccessoryKey, AccessoryKind, Artifact, ArtifactQuery, ArtifactScope, Described, ManifestId, Pulled,
    Repository, RepositoryId, Says as SaysOf, Stored, TagKey,
};
use crate::oci::Digest;
use crate::query::{Order, Query, Test};

fn is(kind: &str, size: u64) -> Described {
    let config_type = format!("application/{}", kind.to_lowercase());
    Described { kind: kind.to_owned(), config_type, size, ..Described::default() }
}

/// A manifest of that kind, pushed at a time.
pub(super) fn pushed(kind: &str, size: u64, time: i64) -> Says {
    Says { described: is(kind, size), pushed: time, ..Says::default() }
}

fn belongs_to(subject: &str, kind: AccessoryKind, time: i64) -> Says {
    let described = Described { accessory: Some((kind, digest(subject))), ..is("UNKNOWN", 5) };
    Says { described, pushed: time, ..Says::default() }
}

pub(super) fn lists(children: &[&str], time: i64) -> Says {
    let children = children.iter().map(digest).collect();
    Says { children, ..pushed("IMAGE", 9, time) }
}

fn asked(q: &str) -> ArtifactQuery {
    ArtifactQuery::parse(Some(q), None, None, None).unwrap()
}

async fn page(store: &Store, scope: ArtifactScope, query: &ArtifactQuery) -> (Vec<ManifestId>, u64) {
    let listed = read(store).await.artifacts(scope, query).await.unwrap();
    (listed.entries.iter().map(|artifact| artifact.id).collect(), listed.total)
}

/// How many artifacts the repository's entry tells of.
async fn counted(store: &Store, repository: RepositoryId) -> u64 {
    read(store).await.repository_entry(repository).await.unwrap().unwrap().artifacts
}

/// What lists show of a repository, by keys; what is counted agrees.
pub(super) async fn shown(store: &Store, repository: &Repository) -> Vec<ManifestId> {
    let scope = ArtifactScope::Repository(repository.id);
    let query = ArtifactQuery { query: Query::default().page(1, 1), ..ArtifactQuery::default() };
    let (_, total) = page(store, scope, &query).await;
    let (mut ids, all) = page(store, scope, &ArtifactQuery::default()).await;
    assert_eq!((total, all, counted(store, repository.id).await), (all, ids.len() as u64, all));
    ids.sort_unstable();
    ids
}

/// `artifacts` and `artifact`: what was described, the last pushed first, a page at a time.
pub async fn artifacts_listed(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let attributes = Some(r#"{"os":"Ærø 🚢"}"#.to_owned());
    let annotations = BTreeMap::from([("key".to_owned(), "Wert 🚢".to_owned())]);
    let described = Described { attributes: attributes.clone(), ..is("IMAGE", 70) };
    let says = Says {
        described,
        annotations: annotations.clone(),
        artifact_type: Some("a/b"),
        pushed: 5,
        ..Says::default()
    };
    let first = manifest(&store, one.id, "first", &says).await;
    let last = manifest(&store, one.id, "last", &pushed("CHART", 8, 9)).await;
    let same_time = manifest(&store, one.id, "same time", &pushed("CHART", 8, 5)).await;
    manifest(&store, other.id, "elsewhere", &pushed("IMAGE", 8, 7)).await;
    let scope = ArtifactScope::Repository(one.id);
    let of_page = |number, size| ArtifactQuery {
        query: Query::default().page(number, size),
        ..ArtifactQuery::default()
    };
    assert_eq!(page(&store, scope, &of_page(1, 2)).await, (vec![last, same_time], 3));
    assert_eq!(page(&store, scope, &of_page(2, 2)).await, (vec![first], 3));
    assert_eq!(page(&store, scope, &of_page(9, 2)).await, (vec![], 3));
    tagged(&store, one.id, first, &["latest"]).await;
    let expected = Artifact {
        id: first,
        project: one.project,
        repository: one.id,
        repository_name: one.name.clone(),
        digest: digest("first"),
        media_type: super::kit::media_type(),
        artifact_type: Some("a/b".to_owned()),
        annotations,
        kind: "IMAGE".to_owned(),
        config_type: "application/image".to_owned(),
        size: 70,
        accessory: None,
        attributes,
        pushed_at: at(5),
        pulled_at: None,
        pulls: 0,
    };
    let mut rows = read(&store).await;
    assert_eq!(rows.artifact(one.id, &digest("first")).await.unwrap(), Some(expected.clone()));
    assert_eq!(rows.artifact_by_tag(one.id, &tag("latest")).await.unwrap(), Some(expected));
    assert_eq!(rows.artifact(other.id, &digest("first")).await.unwrap(), None);
    assert_eq!(rows.artifact_by_tag(one.id, &tag("other")).await.unwrap(), None);
    let sizes =
        rows.artifact_sizes(one.id, &[digest("first"), digest("last"), digest("none")]).await.unwrap();
    assert_eq!(BTreeMap::from_iter(sizes), BTreeMap::from([(digest("first"), 70), (digest("last"), 8)]));
}

/// `artifacts`: filters by columns, by tags and by labels, and other orders.
pub async fn artifacts_filtered(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let image = manifest(&store, one.id, "image", &pushed("IMAGE", 70, 5)).await;
    let chart = manifest(&store, one.id, "chart", &pushed("CHART", 7, 6)).await;
    let plain = manifest(&store, one.id, "plain", &pushed("UNKNOWN", 700, 7)).await;
    tagged(&store, one.id, image, &["v1", "Latest"]).await;
    tagged(&store, one.id, chart, &["v2"]).await;
    let mut rows = begin(&store).await;
    let (red, blue) = (
        super::labels::label(&mut *rows, "red", None).await,
        super::labels::label(&mut *rows, "blue", None).await,
    );
    for (label, manifest) in [(red, image), (blue, image), (red, plain)] {
        assert!(rows.label_put(label, manifest).await.unwrap());
    }
    rows.commit().await.unwrap();
    let scope = ArtifactScope::Repository(one.id);
    let found = async |q: &str| {
        let (ids, total) = page(&store, scope, &asked(q)).await;
        assert_eq!(ids.len() as u64, total, "{q}");
        ids
    };
    assert_eq!(found("type=IMAGE").await, [image]);
    assert_eq!(found("type={IMAGE CHART}").await, [chart, image]);
    assert_eq!(found("media_type=~CHART").await, [chart]);
    assert_eq!(found("size=[50~]").await, [plain, image]);
    assert_eq!(found(&format!("digest={}", digest("chart"))).await, [chart]);
    assert_eq!(found("tags=*").await, [chart, image]);
    assert_eq!(found("tags=nil").await, [plain]);
    assert_eq!(found("tags=v1").await, [image]);
    assert_eq!(found("tags={v1 v2 v3}").await, [chart, image]);
    assert_eq!(found("tags=~LATE").await, [image]);
    assert_eq!(found("tags=~é").await, []);
    assert_eq!(found("tags=none").await, []);
    assert_eq!(found(&format!("labels=({} {})", red.get(), blue.get())).await, [image]);
    assert_eq!(found(&format!("labels=({})", red.get())).await, [plain, image]);
    assert_eq!(found("labels=(99999)").await, []);
    assert_eq!(found("labels=(x)").await, []);
    assert_eq!(found(&format!("labels=({}),tags=nil,type=~unk", red.get())).await, [plain]);
    let smallest = ArtifactQuery::parse(None, Some("size"), None, None).unwrap();
    assert_eq!(page(&store, scope, &smallest).await.0, [chart, image, plain]);
}

/// `artifacts` of a project, and of each of its repositories the one that was pushed last.
pub async fn artifacts_of_project(fixture: &dyn MetadataFixture) {
    let (store, a) = store_with(fixture, "one/a").await;
    let b = repository(&store, "one/b").await;
    let theirs = repository(&store, "theirs/a").await;
    let early = manifest(&store, a.id, "early", &pushed("IMAGE", 1, 1)).await;
    let late = manifest(&store, b.id, "late", &pushed("IMAGE", 1, 9)).await;
    let middle = manifest(&store, a.id, "middle", &pushed("IMAGE", 1, 5)).await;
    manifest(&store, a.id, "signature", &belongs_to("middle", AccessoryKind::Cosign, 7)).await;
    manifest(&store, theirs.id, "theirs", &pushed("IMAGE", 1, 7)).await;
    tagged(&store, a.id, early, &["v1"]).await;
    tagged(&store, theirs.id, early, &[]).await;
    let all = ArtifactQuery::default();
    assert_eq!(page(&store, ArtifactScope::Project(a.project), &all).await, (vec![late, middle, early], 3));
    let first = ArtifactQuery { query: Query::default().page(1, 1), ..ArtifactQuery::default() };
    assert_eq!(page(&store, ArtifactScope::Project(a.project), &first).await, (vec![late], 3));
    assert_eq!(page(&store, ArtifactScope::Latest(a.project), &all).await, (vec![late, middle], 2));
    assert_eq!(page(&store, ArtifactScope::Latest(a.project), &first).await, (vec![late], 2));
    assert_eq!(page(&store, ArtifactScope::Project(a.project), &asked("tags=v1")).await, (vec![early], 1));
    assert_eq!(
        page(&store, ArtifactScope::Project(a.project), &asked("repository_name=one/b")).await,
        (vec![late], 1)
    );
}

async fn untag(store: &Store, repository: RepositoryId, name: &str) {
    let mut rows = begin(store).await;
    rows.tag_delete(repository, &tag(name)).await.unwrap();
    rows.commit().await.unwrap();
}

async fn delete(store: &Store, id: ManifestId) {
    let mut rows = begin(store).await;
    rows.manifest_delete(id).await.unwrap();
    rows.commit().await.unwrap();
}

/// Lists leave out accessories, and what an index lists unless a tag names it; and what is counted agrees, whatever changes.
pub async fn artifacts_hidden(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let child = manifest(&store, one.id, "child", &pushed("IMAGE", 1, 1)).await;
    let named = manifest(&store, one.id, "named", &pushed("IMAGE", 1, 1)).await;
    let elsewhere = manifest(&store, other.id, "child", &pushed("IMAGE", 1, 1)).await;
    tagged(&store, one.id, named, &["named"]).await;
    assert_eq!(shown(&store, &one).await, [child, named]);
    let index = manifest(&store, one.id, "index", &lists(&["child", "named", "late"], 2)).await;
    assert_eq!(shown(&store, &one).await, [named, index]);
    assert_eq!(shown(&store, &other).await, [elsewhere]);
    // It comes after the index that lists it.
    let late = manifest(&store, one.id, "late", &pushed("IMAGE", 1, 3)).await;
    assert_eq!(shown(&store, &one).await, [named, index]);
    tagged(&store, one.id, child, &["moves"]).await;
    assert_eq!(shown(&store, &one).await, [child, named, index]);
    tagged(&store, one.id, late, &["moves"]).await;
    assert_eq!(shown(&store, &one).await, [named, index, late]);
    untag(&store, one.id, "named").await;
    assert_eq!(shown(&store, &one).await, [index, late]);
    let (all, total) = page(&store, ArtifactScope::Repository(one.id), &asked("base=*")).await;
    assert_eq!((all.len(), total), (4, 4));
    let second = manifest(&store, one.id, "second index", &lists(&["named"], 4)).await;
    delete(&store, index).await;
    assert_eq!(shown(&store, &one).await, [child, late, second]);
    delete(&store, second).await;
    assert_eq!(shown(&store, &one).await, [child, named, late]);
    let signature =
        manifest(&store, one.id, "signature", &belongs_to("child", AccessoryKind::Cosign, 5)).await;
    tagged(&store, one.id, signature, &["signature"]).await;
    let becomes = manifest(&store, one.id, "becomes one", &pushed("IMAGE", 1, 5)).await;
    assert_eq!(shown(&store, &one).await, [child, named, late, becomes]);
    let again = manifest(&store, one.id, "becomes one", &belongs_to("child", AccessoryKind::Cosign, 5)).await;
    assert_eq!((again, shown(&store, &one).await), (becomes, vec![child, named, late]));
    for id in [signature, child, named, late, becomes] {
        delete(&store, id).await;
    }
    assert_eq!((shown(&store, &one).await, shown(&store, &other).await), (vec![], vec![elsewhere]));
}

/// What is counted is right when many push and delete at once.
pub async fn artifacts_at_once(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let mut pushing = Vec::new();
    for number in 0..12 {
        let store = fixture.open().await;
        let repository = one.id;
        pushing.push(tokio::spawn(async move {
            let payload = format!("manifest {number}");
            let id = manifest(&store, repository, &payload, &pushed("IMAGE", 1, number)).await;
            if number % 3 == 0 {
                delete(&store, id).await;
            }
        }));
    }
    for pushed in pushing {
        pushed.await.unwrap();
    }
    assert_eq!(shown(&store, &one).await.len(), 8);
}

/// `artifact_tags` and `tags_of`.
pub async fn artifact_tags(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let first = manifest(&store, one.id, "first", &Says::default()).await;
    let second = manifest(&store, one.id, "second", &Says::default()).await;
    let mut rows = begin(&store).await;
    for (name, manifest, time) in [("b", first, 1), ("a", first, 9), ("c", first, 5), ("d", second, 7)] {
        rows.tag_put(one.id, &tag(name), manifest, at(time)).await.unwrap();
    }
    rows.commit().await.unwrap();
    let names = async |query: &Query<TagKey>| {
        let page = read(&store).await.artifact_tags(first, query).await.unwrap();
        let names: Vec<String> = page.entries.iter().map(|tag| tag.name.to_string()).collect();
        (names.join(" "), page.total)
    };
    assert_eq!(names(&Query::default()).await, ("a c b".to_owned(), 3));
    assert_eq!(names(&Query::default().page(2, 2)).await, ("b".to_owned(), 3));
    let sorted = Query::default().sort(TagKey::Name, Order::Descending);
    assert_eq!(names(&sorted).await, ("c b a".to_owned(), 3));
    assert_eq!(
        names(&Query::default().filter(TagKey::Name, Test::Like("A".to_owned()))).await,
        ("a".to_owned(), 1)
    );
    let found = read(&store).await.tags_of(&[first, second, ManifestId::new(9_999)]).await.unwrap();
    let of: Vec<(String, ManifestId, i64)> = found
        .iter()
        .map(|tag| (tag.name.to_string(), tag.manifest, tag.pushed_at.micros() - at(0).micros()))
        .collect();
    let expected = [("b", first, 1), ("a", first, 9), ("c", first, 5), ("d", second, 7)];
    assert_eq!(of, expected.map(|(name, id, time)| (name.to_owned(), id, time)));
    assert!(found.iter().all(|tag| tag.repository == one.id && tag.pulled_at.is_none()));
    assert_eq!(read(&store).await.tags_of(&[]).await.unwrap(), []);
}

/// `tag_insert` takes no tag that is there.
pub async fn tag_insert(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let first = manifest(&store, one.id, "first", &Says::default()).await;
    let second = manifest(&store, one.id, "second", &Says::default()).await;
    let mut rows = begin(&store).await;
    rows.tag_insert(one.id, &tag("v1"), first, at(1)).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert_kind(rows.tag_insert(one.id, &tag("v1"), second, at(1)).await, StoreErrorKind::Conflict);
    drop(rows);
    assert_eq!(read(&store).await.tag(one.id, &tag("v1")).await.unwrap(), Some(digest("first")));
}

/// `artifacts_undescribed` and `artifact_describe`: what was stored without.
pub async fn artifact_describe(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let subject = manifest(&store, one.id, "subject", &Says::default()).await;
    let child = manifest(&store, one.id, "child", &pushed("IMAGE", 1, 1)).await;
    let index =
        manifest(&store, one.id, "index", &Says { children: vec![digest("child")], ..Says::default() }).await;
    let signature = manifest(&store, one.id, "signature", &Says::default()).await;
    let undescribed = async |after, limit, bytes| {
        let found = read(&store).await.artifacts_undescribed(after, limit, bytes).await.unwrap();
        found
            .into_iter()
            .map(|(repository, manifest)| {
                assert_eq!(repository, one.id);
                manifest.id
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(undescribed(ManifestId::new(0), 9, 99).await, [subject, index, signature]);
    // Their payloads are their names.
    assert_eq!(undescribed(ManifestId::new(0), 9, 12).await, [subject, index]);
    assert_eq!(undescribed(ManifestId::new(0), 9, 11).await, [subject]);
    assert_eq!(undescribed(ManifestId::new(0), 9, 1).await, [subject], "at least one");
    assert_eq!(undescribed(subject, 1, 99).await, [index]);
    let says = SaysOf { platform: Some(serde_json::json!({ "os": "linux" })), ..SaysOf::default() };
    let references = BTreeMap::from([(digest("child"), says.clone())]);
    let mut rows = begin(&store).await;
    rows.artifact_describe(index, &Described { references, ..is("IMAGE", 10) }).await.unwrap();
    let accessory = Some((AccessoryKind::Notation, digest("subject")));
    rows.artifact_describe(signature, &Described { accessory, ..is("UNKNOWN", 3) }).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(undescribed(ManifestId::new(0), 9, 99).await, [subject]);
    assert_eq!(shown(&store, &one).await, [subject, index]);
    let mut rows = read(&store).await;
    assert_eq!(rows.artifact(one.id, &digest("index")).await.unwrap().unwrap().size, 10);
    let entry = &rows.references_of(&[index]).await.unwrap()[0];
    assert_eq!((entry.child, &entry.says), (Some(child), &says));
    assert_eq!(rows.accessories_of(&[subject]).await.unwrap()[0].kind, AccessoryKind::Notation);
}

/// `artifact_is_held` by tags and by indexes.
pub async fn artifact_is_held(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let child = manifest(&store, one.id, "child", &Says::default()).await;
    let index = manifest(&store, one.id, "index", &lists(&["child"], 1)).await;
    tagged(&store, one.id, index, &["latest"]).await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.artifact_is_held(child).await.unwrap(), (false, true));
    assert_eq!(rows.artifact_is_held(index).await.unwrap(), (true, false));
    rows.manifest_delete(index).await.unwrap();
    assert_eq!(rows.artifact_is_held(child).await.unwrap(), (false, false));
}

/// `references_of` and `parents_of`.
pub async fn references(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let child = manifest(&store, one.id, "child", &Says::default()).await;
    let says = SaysOf {
        platform: Some(serde_json::json!({ "os": "linux", "architecture": "arm64" })),
        annotations: BTreeMap::from([("key".to_owned(), "Wert 🚢".to_owned())]),
        urls: vec!["https://example.org".to_owned()],
    };
    let mut all = lists(&["child", "absent"], 1);
    all.described.references = BTreeMap::from([(digest("child"), says.clone())]);
    let index = manifest(&store, one.id, "index", &all).await;
    let other = manifest(&store, one.id, "other index", &lists(&["child"], 1)).await;
    let mut rows = read(&store).await;
    let found = rows.references_of(&[index, child]).await.unwrap();
    let of = |digest: Digest| found.iter().find(|entry| entry.digest == digest).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((of(digest("child")).child, &of(digest("child")).says), (Some(child), &says));
    assert_eq!((of(digest("absent")).child, of(digest("absent")).parent), (None, index));
    assert_eq!(of(digest("absent")).says, SaysOf::default());
    assert_eq!(rows.parents_of(&[child, index]).await.unwrap(), [(child, index), (child, other)]);
    // Many children go in several statements.
    let many: Vec<String> = (0..40).map(|number| format!("child {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    drop(rows);
    let large = manifest(&store, one.id, "large index", &lists(&many, 1)).await;
    assert_eq!(read(&store).await.references_of(&[large]).await.unwrap().len(), 40);
}

/// `accessories` and `accessories_of` a subject, whichever came first.
pub async fn accessories(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let first = manifest(&store, one.id, "signature", &belongs_to("subject", AccessoryKind::Cosign, 3)).await;
    let subject = manifest(&store, one.id, "subject", &Says::default()).await;
    let second = manifest(&store, one.id, "sbom", &belongs_to("subject", AccessoryKind::Sbom, 4)).await;
    manifest(&store, other.id, "signature", &belongs_to("subject", AccessoryKind::Cosign, 3)).await;
    let mut rows = read(&store).await;
    let listed = rows.accessories(subject, &Query::default()).await.unwrap();
    assert_eq!((listed.entries.len(), listed.total), (2, 2));
    let accessory = &listed.entries[0];
    assert_eq!((accessory.id, accessory.kind, accessory.size), (first, AccessoryKind::Cosign, 5));
    assert_eq!((accessory.digest, accessory.pushed_at), (digest("signature"), at(3)));
    assert_eq!((accessory.subject, accessory.subject_digest), (subject, digest("subject")));
    assert_eq!(accessory.repository, one.name);
    let text = |text: &str| Test::Is(crate::query::Value::Text(text.to_owned()));
    let sboms = Query::default().filter(AccessoryKey::Kind, text("sbom.harbor"));
    assert_eq!(rows.accessories(subject, &sboms).await.unwrap().entries[0].id, second);
    let all = rows.accessories_of(&[subject, first]).await.unwrap();
    assert_eq!(all.iter().map(|accessory| accessory.id).collect::<Vec<_>>(), [first, second]);
    let artifact = rows.artifact(one.id, &digest("sbom")).await.unwrap().unwrap();
    assert_eq!(artifact.accessory, Some((AccessoryKind::Sbom, digest("subject"))));
}

/// `pulls_add` counts pulls and tells when they were; what is gone is left out.
pub async fn pulls_add(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let first = manifest(&store, one.id, "first", &Says::default()).await;
    let second = manifest(&store, one.id, "second", &Says::default()).await;
    let third = manifest(&store, other.id, "third", &Says::default()).await;
    tagged(&store, one.id, first, &["a", "b"]).await;
    let add = async |pulled: &[Pulled]| {
        let mut rows = begin(&store).await;
        rows.pulls_add(pulled).await.unwrap();
        rows.commit().await.unwrap();
    };
    let pulled = |manifest, count, time: i64, tags: &[&str]| {
        let tags = tags.iter().map(|name| (tag(name), 1, at(time))).collect();
        Pulled { manifest, count, at: at(time), tags }
    };
    add(&[
        pulled(first, 3, 7, &["a", "gone"]),
        pulled(second, 1, 5, &[]),
        pulled(third, 2, 6, &[]),
        pulled(ManifestId::new(9_999), 5, 5, &["a"]),
    ])
    .await;
    // An earlier pull, of another node perhaps, is counted and does not move the time back.
    add(&[pulled(first, 1, 2, &["a"])]).await;
    let mut rows = read(&store).await;
    let pulls = [
        rows.repository_entry(one.id).await.unwrap().unwrap().pulls,
        rows.repository_entry(other.id).await.unwrap().unwrap().pulls,
    ];
    assert_eq!(pulls, [5, 2]);
    let artifact = rows.artifact(one.id, &digest("first")).await.unwrap().unwrap();
    assert_eq!((artifact.pulled_at, artifact.pulls), (Some(at(7)), 4));
    let tags = rows.tags_of(&[first]).await.unwrap();
    let told: Vec<_> = tags.iter().map(|tag| (tag.pulled_at, tag.pulls)).collect();
    assert_eq!(told, [(Some(at(7)), 2), (None, 0)]);
    let mut listed = rows.artifact_tags(first, &Query::default()).await.unwrap().entries;
    listed.sort_by_key(|tag| tag.id);
    assert_eq!(listed, tags);
    let of_retention = rows.retention_tags(one.id, None, 9).await.unwrap();
    assert_eq!(of_retention, tags);
    drop(rows);
    add(&[]).await;
    let mut rows = begin(&store).await;
    let payload = Bytes::from_static(b"first");
    assert_eq!(put(&mut *rows, one.id, &payload, &Says::default()).await.unwrap(), (first, Stored::Before));
}

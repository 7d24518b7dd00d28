//! How much lists of artifacts have at most.

use std::collections::BTreeMap;

use super::MetadataFixture;
use super::artifacts::{lists, pushed};
use super::kit::{Says, digest, manifest, read, store_with};
use crate::meta::{ArtifactQuery, ArtifactScope, LISTED, Says as SaysOf};

/// Annotations whose JSON has so many bytes.
fn annotations(bytes: usize) -> BTreeMap<String, String> {
    let annotations = BTreeMap::from([("key".to_owned(), "x".repeat(bytes - r#"{"key":""}"#.len()))]);
    assert_eq!(serde_json::to_string(&annotations).unwrap().len(), bytes);
    annotations
}

/// Lists leave out annotations, and what an index says, where there is too much of them.
pub async fn artifacts_bounded(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let says = |bytes| Says { annotations: annotations(bytes), ..pushed("IMAGE", 1, 1) };
    let fits = manifest(&store, one.id, "fits", &says(LISTED)).await;
    let large = manifest(&store, one.id, "large", &says(LISTED + 1)).await;
    let mut index = lists(&["fits", "large"], 2);
    let of_entry = |bytes: usize| SaysOf {
        urls: vec!["x".repeat(bytes - r#"{"urls":[""]}"#.len())],
        ..SaysOf::default()
    };
    let references = [(digest("fits"), of_entry(LISTED)), (digest("large"), of_entry(LISTED + 1))];
    index.described.references = BTreeMap::from(references);
    let index = manifest(&store, one.id, "index", &index).await;
    let mut rows = read(&store).await;
    let query = ArtifactQuery { hidden: true, ..ArtifactQuery::default() };
    let listed = rows.artifacts(ArtifactScope::Repository(one.id), &query).await.unwrap().entries;
    let of = |id| listed.iter().find(|artifact| artifact.id == id).unwrap().annotations.len();
    assert_eq!((of(fits), of(large), of(index)), (1, 0, 0));
    for entry in rows.references_of(&[index]).await.unwrap() {
        assert_eq!(entry.says.urls.is_empty(), entry.digest == digest("large"), "{}", entry.digest);
    }
}

/// An artifact that has very much around it leaves others on the page what is theirs.
pub async fn artifacts_share(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let many: Vec<String> = (0..16_384).map(|number| format!("child {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let large = manifest(&store, one.id, "large", &lists(&many, 1)).await;
    let small = manifest(&store, one.id, "small", &lists(&["child 1", "child 2"], 1)).await;
    let mut rows = read(&store).await;
    assert_eq!(rows.references_of(&[large]).await.unwrap().len(), many.len());
    let found = rows.references_of(&[large, small]).await.unwrap();
    let of = |id| found.iter().filter(|entry| entry.parent == id).count();
    assert_eq!((of(large), of(small)), (8192, 2));
}

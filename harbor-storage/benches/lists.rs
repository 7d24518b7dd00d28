//! Lists of artifacts of a repository that has 100,000. `cargo bench -p harbor-storage --bench lists`; over another database than
//! SQLite with its address, of an empty one, in `HARBOR_BENCH_DATABASE`.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up fails by panicking")]

use std::sync::LazyLock;

use divan::{Bencher, black_box};
use harbor_core::Timestamp;
use harbor_core::access::ProjectFilter;
use harbor_core::meta::{
    ArtifactQuery, ArtifactScope, Described, ManifestId, MetadataStore, NewManifest, ProjectId, RepositoryId,
    RepositoryKey,
};
use harbor_core::oci::{Algorithm, Digest, MediaType};
use harbor_core::query::Query;
use harbor_storage::sql::SqlMetadata;
use tokio::runtime::Runtime;

/// How many artifacts the repository has.
const MANY: usize = 100_000;

/// How many are written in one transaction.
const AT_ONCE: usize = 2_000;

fn main() {
    divan::main();
}

struct Seeded {
    runtime: Runtime,
    store: SqlMetadata,
    project: ProjectId,
    repository: RepositoryId,
    _folder: tempfile::TempDir,
}

static SEEDED: LazyLock<Seeded> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (store, project, repository) = runtime.block_on(async {
        let store = match std::env::var("HARBOR_BENCH_DATABASE") {
            Ok(url) => SqlMetadata::connect(&url).await,
            Err(_) => SqlMetadata::sqlite(&folder.path().join("bench.db")).await,
        };
        let store = store.expect("a store");
        let (project, repository) = fill(&store).await;
        (store, project, repository)
    });
    Seeded { runtime, store, project, repository, _folder: folder }
});

/// One repository with as many artifacts as there shall be, each with a tag, every other one a chart.
async fn fill(store: &SqlMetadata) -> (ProjectId, RepositoryId) {
    let mut rows = store.begin().await.expect("a transaction");
    let now = Timestamp::from_micros(1);
    let name = "library".parse().expect("a name");
    let project = rows.project_ensure(&name, true, now).await.expect("a project").0.id;
    let name = "library/bench".parse().expect("a name");
    let repository = rows.repository_ensure(project, &name, now).await.expect("a repository").id;
    let media_type = MediaType::from_header(MediaType::OCI_MANIFEST).expect("a media type");
    for number in 0..MANY {
        let payload = bytes::Bytes::from(format!("{number:01000}"));
        let now = Timestamp::from_micros(i64::try_from(number).expect("a number"));
        let kind = if number % 2 == 0 { "IMAGE" } else { "CHART" }.to_owned();
        let attributes = Some(r#"{"architecture":"amd64","author":"","os":"linux"}"#.to_owned());
        let described = Described { kind, size: 1000, attributes, ..Described::default() };
        let manifest = NewManifest {
            repository,
            digest: Digest::of(Algorithm::Sha256, &payload),
            media_type: &media_type,
            artifact_type: None,
            subject: None,
            annotations: &Default::default(),
            payload: &payload,
            links: &[],
            missing: &[],
            children: &[],
            described: &described,
            now,
        };
        let (id, _) = rows.manifest_ensure(&manifest).await.expect("a manifest");
        let tag = format!("tag-{number:06}").parse().expect("a tag");
        rows.tag_put(repository, &tag, id, now).await.expect("a tag's row");
        if number % AT_ONCE == AT_ONCE - 1 {
            rows.commit().await.expect("a commit");
            rows = store.begin().await.expect("a transaction");
        }
    }
    rows.commit().await.expect("a commit");
    (project, repository)
}

/// A page of artifacts with all that is shown with them: yields how many there are.
async fn page(scope: ArtifactScope, query: &ArtifactQuery) -> (usize, u64) {
    let mut rows = SEEDED.store.read().await.expect("a reader");
    let listed = rows.artifacts(scope, black_box(query)).await.expect("artifacts");
    let ids: Vec<ManifestId> = listed.entries.iter().map(|artifact| artifact.id).collect();
    let tags = rows.tags_of(&ids).await.expect("tags");
    let references = rows.references_of(&ids).await.expect("references");
    let labels = rows.labels_of(&ids).await.expect("labels");
    let accessories = rows.accessories_of(&ids).await.expect("accessories");
    (tags.len() + references.len() + labels.len() + accessories.len(), listed.total)
}

fn bench(bencher: Bencher<'_, '_>, scope: ArtifactScope, query: &ArtifactQuery) {
    LazyLock::force(&SEEDED);
    bencher.bench(|| SEEDED.runtime.block_on(page(scope, query)));
}

fn asked(q: Option<&str>, number: &str, size: &str) -> ArtifactQuery {
    ArtifactQuery::parse(q, None, Some(number), Some(size)).expect("a query")
}

fn repository() -> ArtifactScope {
    ArtifactScope::Repository(SEEDED.repository)
}

#[divan::bench]
fn first_page_of_10(bencher: Bencher<'_, '_>) {
    bench(bencher, repository(), &asked(None, "1", "10"));
}

#[divan::bench]
fn first_page_of_100(bencher: Bencher<'_, '_>) {
    bench(bencher, repository(), &asked(None, "1", "100"));
}

#[divan::bench]
fn page_in_the_middle(bencher: Bencher<'_, '_>) {
    bench(bencher, repository(), &asked(None, "5000", "10"));
}

#[divan::bench]
fn first_page_of_the_project(bencher: Bencher<'_, '_>) {
    bench(bencher, ArtifactScope::Project(SEEDED.project), &asked(None, "1", "10"));
}

#[divan::bench]
fn latest_of_the_project(bencher: Bencher<'_, '_>) {
    bench(bencher, ArtifactScope::Latest(SEEDED.project), &asked(None, "1", "10"));
}

#[divan::bench(args = ["tags=tag-050000", "tags=*", "tags=nil", "type=CHART", "base=*"], sample_count = 20)]
fn filtered(bencher: Bencher<'_, '_>, q: &str) {
    bench(bencher, repository(), &asked(Some(q), "1", "10"));
}

#[divan::bench]
fn repositories(bencher: Bencher<'_, '_>) {
    LazyLock::force(&SEEDED);
    bencher.bench(|| {
        SEEDED.runtime.block_on(async {
            let mut rows = SEEDED.store.read().await.expect("a reader");
            let query = Query::<RepositoryKey>::default();
            rows.repository_entries(black_box(&ProjectFilter::All), &query).await.expect("a page").total
        })
    });
}

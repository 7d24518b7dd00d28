//! Lists of artifacts of repositories that have 1,000 and 100,000, each with a tag and a label. `cargo bench -p harbor-storage
//! --bench lists`; over another database than SQLite with its address, of an empty one, in `HARBOR_BENCH_DATABASE`.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up fails by panicking")]

use std::sync::LazyLock;

use divan::{Bencher, black_box};
use harbor_core::Timestamp;
use harbor_core::access::ProjectFilter;
use harbor_core::meta::{
    ArtifactQuery, ArtifactScope, Described, Label, LabelId, ManifestId, MetadataStore, NewManifest,
    ProjectId, RepositoryId, RepositoryKey,
};
use harbor_core::oci::{Algorithm, Digest, MediaType};
use harbor_core::query::Query;
use harbor_storage::sql::SqlMetadata;
use tokio::runtime::Runtime;

/// How many artifacts the repositories have.
const SIZES: [usize; 2] = [1_000, 100_000];

/// How many are written in one transaction.
const AT_ONCE: usize = 2_000;

fn main() {
    divan::main();
}

struct Seeded {
    runtime: Runtime,
    store: SqlMetadata,
    /// By how many artifacts there are: a project of one repository.
    places: Vec<(usize, ProjectId, RepositoryId)>,
    _folder: tempfile::TempDir,
}

static SEEDED: LazyLock<Seeded> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (store, places) = runtime.block_on(async {
        let store = match std::env::var("HARBOR_BENCH_DATABASE") {
            Ok(url) => SqlMetadata::connect(&url).await,
            Err(_) => SqlMetadata::sqlite(&folder.path().join("bench.db")).await,
        };
        let store = store.expect("a store");
        let mut places = Vec::new();
        for size in SIZES {
            let (project, repository) = fill(&store, size).await;
            places.push((size, project, repository));
        }
        (store, places)
    });
    Seeded { runtime, store, places, _folder: folder }
});

/// One repository with so many artifacts, each with a tag and a label, every other one a chart.
async fn fill(store: &SqlMetadata, size: usize) -> (ProjectId, RepositoryId) {
    let mut rows = store.begin().await.expect("a transaction");
    let now = Timestamp::from_micros(1);
    let name = format!("project-{size}").parse().expect("a name");
    let project = rows.project_ensure(&name, true, now).await.expect("a project").0.id;
    let name = format!("project-{size}/bench").parse().expect("a name");
    let repository = rows.repository_ensure(project, &name, now).await.expect("a repository").id;
    let label = rows.label_insert(&label(project)).await.expect("a label");
    let media_type = MediaType::from_header(MediaType::OCI_MANIFEST).expect("a media type");
    for number in 0..size {
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
            complete: false,
            described: &described,
            now,
        };
        let (id, _) = rows.manifest_ensure(&manifest).await.expect("a manifest");
        let tag = format!("tag-{number:06}").parse().expect("a tag");
        rows.tag_put(repository, &tag, id, now).await.expect("a tag's row");
        rows.label_put(label, id).await.expect("a label's row");
        if number % AT_ONCE == AT_ONCE - 1 {
            rows.commit().await.expect("a commit");
            rows = store.begin().await.expect("a transaction");
        }
    }
    rows.commit().await.expect("a commit");
    (project, repository)
}

fn label(project: ProjectId) -> Label {
    let at = Timestamp::from_micros(1);
    let (name, description, color) = ("released".to_owned(), String::new(), "#0F0".to_owned());
    Label {
        id: LabelId::new(0),
        project: Some(project),
        name,
        description,
        color,
        created_at: at,
        updated_at: at,
    }
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

fn repository(size: usize) -> ArtifactScope {
    ArtifactScope::Repository(place(size).1)
}

fn project(size: usize) -> ProjectId {
    place(size).0
}

fn place(size: usize) -> (ProjectId, RepositoryId) {
    let place = SEEDED.places.iter().find(|(known, ..)| *known == size);
    place.map(|(_, project, repository)| (*project, *repository)).expect("a size")
}

#[divan::bench(args = SIZES)]
fn first_page_of_10(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, repository(size), &asked(None, "1", "10"));
}

#[divan::bench(args = SIZES)]
fn first_page_of_100(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, repository(size), &asked(None, "1", "100"));
}

#[divan::bench(args = SIZES)]
fn page_in_the_middle(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, repository(size), &asked(None, &(size / 20).to_string(), "10"));
}

#[divan::bench(args = SIZES)]
fn first_page_of_the_project(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, ArtifactScope::Project(project(size)), &asked(None, "1", "10"));
}

#[divan::bench(args = SIZES)]
fn latest_of_the_project(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, ArtifactScope::Latest(project(size)), &asked(None, "1", "10"));
}

#[divan::bench(args = ["tags=tag-050000", "tags=*", "tags=nil", "type=CHART", "base=*"], sample_count = 5)]
fn filtered(bencher: Bencher<'_, '_>, q: &str) {
    bench(bencher, repository(SIZES[1]), &asked(Some(q), "1", "10"));
}

#[divan::bench]
fn repositories(bencher: Bencher<'_, '_>) {
    LazyLock::force(&SEEDED);
    bencher.bench(|| {
        SEEDED.runtime.block_on(async {
            let mut rows = SEEDED.store.read().await.expect("a reader");
            let query = Query::<RepositoryKey>::default();
            rows.repository_entries(black_box(&ProjectFilter::All.into()), &query)
                .await
                .expect("a page")
                .total
        })
    });
}

/// All that retention reads of a repository: its artifacts, and then its tags.
#[divan::bench(args = SIZES, sample_count = 5)]
fn read_for_retention(bencher: Bencher<'_, '_>, size: usize) {
    LazyLock::force(&SEEDED);
    let (_, repository) = place(size);
    bencher.bench(|| {
        let read = SEEDED.runtime.block_on(async {
            let mut rows = SEEDED.store.read().await.expect("a reader");
            let (mut count, mut after) = (0, (Timestamp::default(), ManifestId::new(0)));
            loop {
                let page = rows.retention_artifacts(repository, after, 1000).await.expect("artifacts");
                let Some(last) = page.last() else { break };
                (count, after) = (count + page.len(), (last.pushed_at, last.id));
            }
            let mut after = None::<String>;
            loop {
                let page = rows.retention_tags(repository, after.as_deref(), 1000).await.expect("tags");
                let Some(last) = page.last() else { break count };
                (count, after) = (count + page.len(), Some(last.name.to_string()));
            }
        });
        assert_eq!(read, 2 * size);
    });
}

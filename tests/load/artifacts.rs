//! Repositories with many artifacts, each with a tag and a label, made without HTTP as `fill` does.

use std::io::Write as _;

use bytes::Bytes;
use harbor_core::Timestamp;
use harbor_core::meta::{
    Described, Label, LabelId, MetadataStore, NewManifest, ProjectId, RepositoryId, Transaction,
};
use harbor_core::oci::{Algorithm, Digest, MediaType};
use harbor_storage::sql::SqlMetadata;

use crate::client::Failure;

/// How many artifacts are written in one transaction.
const AT_ONCE: usize = 2000;

/// Writes a project with one repository for each size, and prints the path of a list of its artifacts.
pub(crate) async fn run(database: &str, sizes: &[usize]) -> Result<(), Failure> {
    let store = SqlMetadata::connect(database).await?;
    for size in sizes {
        let project = format!("artifacts-{size}");
        write(&store, &project, *size).await?;
        let path = format!("/api/v2.0/projects/{project}/repositories/app/artifacts");
        writeln!(std::io::stdout().lock(), "artifacts-{size} {path}?with_tag=true&with_label=true")?;
    }
    store.close().await;
    Ok(())
}

async fn write(store: &SqlMetadata, project: &str, size: usize) -> Result<(), Failure> {
    let mut rows = store.begin().await?;
    let start = Timestamp::from_micros(1);
    let name = format!("{project}/app").parse()?;
    let project = rows.project_ensure(&project.parse()?, false, start).await?.0.id;
    let repository = rows.repository_ensure(project, &name, start).await?.id;
    let label = rows.label_insert(&label(project, start)).await?;
    for number in 0..size {
        artifact(&mut *rows, repository, label, number).await?;
        if number % AT_ONCE == AT_ONCE - 1 {
            rows.commit().await?;
            rows = store.begin().await?;
        }
    }
    rows.commit().await?;
    Ok(())
}

async fn artifact(
    rows: &mut dyn Transaction,
    repository: RepositoryId,
    label: LabelId,
    number: usize,
) -> Result<(), Failure> {
    let now = Timestamp::from_micros(i64::try_from(number)?);
    let payload = Bytes::from(format!("{number:01000}"));
    let described = Described {
        kind: if number.is_multiple_of(2) { "IMAGE" } else { "CHART" }.to_owned(),
        size: 1000,
        attributes: Some(r#"{"architecture":"amd64","author":"","os":"linux"}"#.to_owned()),
        ..Described::default()
    };
    let manifest = NewManifest {
        repository,
        digest: Digest::of(Algorithm::Sha256, &payload),
        media_type: &MediaType::OCI_MANIFEST.parse()?,
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
    let (id, _) = rows.manifest_ensure(&manifest).await?;
    rows.tag_put(repository, &format!("tag-{number:06}").parse()?, id, now).await?;
    rows.label_put(label, id).await?;
    Ok(())
}

fn label(project: ProjectId, at: Timestamp) -> Label {
    Label {
        id: LabelId::new(0),
        project: Some(project),
        name: "released".to_owned(),
        description: String::new(),
        color: "#00FF00".to_owned(),
        created_at: at,
        updated_at: at,
    }
}

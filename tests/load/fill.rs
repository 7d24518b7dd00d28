//! A large registry, made without HTTP: rows are written through the port, as the engine would, but many a transaction.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use harbor_core::Timestamp;
use harbor_core::meta::{ManifestId, MetadataStore, NewManifest, ProjectId, RepositoryId, Transaction};
use harbor_core::oci::{Algorithm, Digest, MediaType};
use harbor_storage::sql::SqlMetadata;

use crate::client::Failure;
use crate::seed;

/// How many manifests are written in one transaction.
const AT_ONCE: usize = 1000;

/// How large the registry becomes.
pub(crate) struct Scale {
    pub(crate) manifests: usize,
    pub(crate) tags: usize,
    pub(crate) repositories: usize,
}

/// Writes one repository with all the tags, and spreads the other manifests over the other repositories.
pub(crate) async fn run(database: &Path, scale: &Scale) -> Result<(), Failure> {
    let store = SqlMetadata::sqlite(database).await?;
    let project = store.read().await?.project(&"library".parse()?).await?;
    let project = project.ok_or("start the server once over this database: it has no project library")?.id;
    let tagged = "library/scale-tags";
    write(&store, project, tagged, scale.tags, |number| format!("tag-{number:06}")).await?;
    let each = scale.manifests.saturating_sub(scale.tags) / scale.repositories.max(1);
    for number in 0..scale.repositories {
        write(&store, project, &format!("library/scale-{number:06}"), each, |number| format!("v{number}"))
            .await?;
    }
    store.close().await;
    writeln!(std::io::stdout().lock(), "scale-tags /v2/{tagged}/tags/list?n=100")?;
    Ok(())
}

/// Writes so many manifests to a repository, each with a tag.
async fn write(
    store: &SqlMetadata,
    project: ProjectId,
    repository: &str,
    count: usize,
    tag: impl Fn(usize) -> String,
) -> Result<(), Failure> {
    let now = Timestamp::default();
    let mut rows = store.begin().await?;
    let id = rows.repository_ensure(project, &repository.parse()?, now).await?.id;
    for number in 0..count {
        let manifest = manifest(&mut *rows, id, &format!("{repository} {number}"), now).await?;
        rows.tag_put(id, &tag(number).parse()?, manifest, now).await?;
        if number % AT_ONCE == AT_ONCE - 1 {
            rows.commit().await?;
            rows = store.begin().await?;
        }
    }
    rows.commit().await?;
    Ok(())
}

async fn manifest(
    rows: &mut dyn Transaction,
    repository: RepositoryId,
    note: &str,
    now: Timestamp,
) -> Result<ManifestId, Failure> {
    let config = Digest::of(Algorithm::Sha256, b"{}");
    let payload = Bytes::from(seed::manifest(&config, 2, note));
    let manifest = NewManifest {
        repository,
        digest: Digest::of(Algorithm::Sha256, &payload),
        media_type: &MediaType::OCI_MANIFEST.parse()?,
        artifact_type: None,
        subject: None,
        annotations: &BTreeMap::new(),
        payload: &payload,
        links: &[],
        missing: &[],
        children: &[],
        complete: false,
        described: &Default::default(),
        now,
    };
    Ok(rows.manifest_ensure(&manifest).await?.0)
}

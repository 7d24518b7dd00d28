//! Content to read.

use std::io::Write as _;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use harbor_core::oci::{Algorithm, Digest, MediaType};
use serde_json::json;

use crate::client::{Client, Failure, unique};

/// How many requests are under way.
const AT_ONCE: usize = 16;

const MIB: usize = 1024 * 1024;

pub(crate) fn manifest(config: &Digest, size: usize, note: &str) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size },
        "layers": [],
        "annotations": { "org.example.note": note },
    })
    .to_string()
}

pub(crate) async fn run(
    client: &Client,
    prefix: &str,
    tags: usize,
    repositories: usize,
) -> Result<(), Failure> {
    let config = Bytes::from(vec![b' '; 77]);
    let digest = Digest::of(Algorithm::Sha256, &config);
    let tagged = format!("{prefix}-tags");
    client.push_blob(&tagged, config.clone(), &digest).await?;
    let text = manifest(&digest, config.len(), "tags");
    let manifest_digest = Digest::of(Algorithm::Sha256, text.as_bytes());
    stream::iter(0..tags)
        .map(|number| {
            let (tag, tagged, text) = (format!("tag-{number:06}"), &tagged, text.clone());
            async move { client.push_manifest(tagged, &tag, text).await }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    stream::iter(0..repositories)
        .map(|number| {
            let (repository, config) = (format!("{prefix}-{number:05}"), config.clone());
            let text = manifest(&digest, config.len(), &repository);
            async move {
                client.push_blob(&repository, config, &digest).await?;
                client.push_manifest(&repository, "latest", text).await
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let (middle, middle_digest) = unique(MIB, 1);
    client.push_blob(&tagged, middle, &middle_digest).await?;
    let (large, large_digest) = unique(100 * MIB, 2);
    client.stream_blob(&tagged, large, &large_digest).await?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "manifest-tag /v2/{tagged}/manifests/tag-000500")?;
    writeln!(out, "manifest-digest /v2/{tagged}/manifests/{manifest_digest}")?;
    writeln!(out, "blob-small /v2/{tagged}/blobs/{digest}")?;
    writeln!(out, "blob-1m /v2/{tagged}/blobs/{middle_digest}")?;
    writeln!(out, "blob-100m /v2/{tagged}/blobs/{large_digest}")?;
    writeln!(out, "tags /v2/{tagged}/tags/list?n=100")?;
    writeln!(out, "catalog /v2/_catalog?n=100")?;
    Ok(())
}

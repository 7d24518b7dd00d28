//! A policy of one's own: no tag `latest`. It holds for every client, over HTTP or not.

use async_trait::async_trait;
use harbor_core::access::permission::RepositoryPush;
use harbor_core::access::{Actor, AllowAll, RepositoryTarget};
use harbor_core::content::{Incoming, ManifestPush};
use harbor_core::oci::{Algorithm, Digest, Reference};
use harbor_core::policy::{Policy, Step, Verdict};
use harbor_core::{Error, Harbor, StoreError};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;

#[derive(Debug)]
struct NoLatest;

#[async_trait]
impl Policy for NoLatest {
    fn name(&self) -> &str {
        "no-latest"
    }

    async fn check(&self, _: &Actor, _: &RepositoryTarget, step: Step<'_>) -> Result<Verdict, StoreError> {
        Ok(match step {
            Step::ManifestPush { tags, .. } if tags.iter().any(|tag| tag.as_str() == "latest") => {
                Verdict::Deny("name a version, not latest".to_owned())
            }
            _ => Verdict::Allow,
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let harbor = Harbor::builder()
        .metadata(SqlMetadata::in_memory().await?)
        .blobs(MemoryBlobs::default())
        .authorizer(AllowAll)
        .policy(NoLatest)
        .build()?;
    harbor.start().await?;

    let (somebody, name) = (Actor::user("grace"), "library/tool".parse()?);
    let digest = Digest::of(Algorithm::Sha256, b"{}");
    let proof = harbor.authorize::<RepositoryPush>(&somebody, &name).await?;
    harbor.content().blob_put(proof, &digest, Incoming::whole("{}")).await?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":2}},"layers":[]}}"#
    );
    for (tag, allowed) in [("v1", true), ("latest", false)] {
        let proof = harbor.authorize::<RepositoryPush>(&somebody, &name).await?;
        let reference = Reference::Tag(tag.parse()?);
        let push =
            ManifestPush { reference, tags: Vec::new(), media_type: None, payload: manifest.clone().into() };
        match harbor.content().manifest_put(proof, push).await {
            Ok(pushed) if allowed => println!("{tag} is {}", pushed.digest),
            Err(error @ Error::PolicyDenied { .. }) if !allowed => println!("{tag}: {error}"),
            other => return Err(format!("{tag}: {other:?}").into()),
        }
    }
    Ok(())
}

//! Any registry from a Rust program: an example for each noun of the distribution client, against a registry in memory.
//!
//! `cargo run --bin distribution` runs them all, `cargo run --bin distribution -- blobs` that of one noun. What is asked of Harbor
//! beside content is in the program `api`; an image from its push to its copy, in the program `client`.

#[macro_use]
#[path = "../nouns.rs"]
mod nouns;

mod access;
mod content;
mod places;

use bytes::Bytes;
use harbor_core::Harbor;
use harbor_core::oci::{Algorithm, Digest, MediaType, Reference};
use harbor_replicate::client::{Connection, ManifestPut, Proxy, PushOptions, Registry, Repository};
use harbor_server::{App, AppOptions, Server};
use harbor_storage::InMemory as _;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let registry = registry().await?;
    image(&registry.repository("library/app".parse()?), "v1").await?;
    examples! {
        &registry, &asked;
        access: connections credentials;
        content: catalog tags manifests blobs uploads referrers;
        places: copies layouts archives docker_archives bundles;
    }
    Ok(())
}

/// A registry in memory in which everybody may do everything. One that is elsewhere is `Registry::builder("registry.example")`.
async fn registry() -> Outcome<Registry> {
    let app = App::new(Harbor::in_memory().await?, AppOptions::default());
    let server = Server::bind(app, "127.0.0.1:0".parse()?, None).await?;
    let address = format!("http://{}", server.address()?);
    tokio::spawn(server.serve(Default::default()));
    let connection = Connection::builder().proxy(Proxy::None).build()?;
    Ok(Registry::builder(address).connection(connection).build()?)
}

/// Pushes an image of one layer: its blobs first, then the manifest that names them, under a tag.
async fn image(app: &Repository, tag: &str) -> Outcome<ManifestPut> {
    let config = described(app, "application/vnd.oci.image.config.v1+json", "{}").await?;
    let layer = described(app, "application/vnd.oci.image.layer.v1.tar", "what an image is made of").await?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{layer}]}}"#,
        MediaType::OCI_MANIFEST
    );
    let tag = Reference::Tag(tag.parse()?);
    Ok(app.manifest_put(&tag, &MediaType::OCI_MANIFEST.parse()?, manifest).await?)
}

/// Pushes a blob; yields what a manifest says of it.
async fn described(app: &Repository, kind: &str, content: &'static str) -> Outcome<String> {
    let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
    app.blob_push(&digest, &Bytes::from_static(content.as_bytes()), &PushOptions::default()).await?;
    Ok(format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{}}}"#, content.len()))
}

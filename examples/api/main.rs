//! Harbor's API from a Rust program: an example for each noun, against a registry in memory.
//!
//! `cargo run --bin api` runs them all, `cargo run --bin api -- robots` that of one noun. Each is a function of the noun's name, in
//! the file that the noun has in `harbor_replicate::client::api` too.

#[macro_use]
#[path = "../nouns.rs"]
mod nouns;

mod content;
mod jobs;
mod people;
mod projects;
mod retention;
mod system;
mod webhooks;

use std::sync::Arc;

use bytes::Bytes;
use harbor_auth::AccountOptions;
use harbor_core::Settings;
use harbor_core::access::Secret;
use harbor_core::oci::{Algorithm, Digest, MediaType, Reference};
use harbor_replicate::client::api::Api;
use harbor_replicate::client::{Connection, Credential, Proxy, PushOptions, Registry};
use harbor_server::{App, AppOptions, Server, Standalone};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const PASSWORD: &str = "Correct horse 1";

#[tokio::main]
async fn main() -> Outcome {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let (registry, address) = registry().await?;
    // One that is elsewhere is `Api::builder("registry.example")`. A robot's name and secret do as well, and a personal access token.
    let api = Api::builder(&address)
        .connection(Connection::builder().proxy(Proxy::None).build()?)
        .credential(Credential::password("admin", PASSWORD))
        .build()?;
    push(&address).await?;
    examples! {
        &api, &asked;
        projects: projects quotas immutable_rules;
        content: repositories artifacts deleted_artifacts labels;
        people: users members groups robots project_robots roles personal_tokens totp;
        retention: retentions;
        jobs: jobservice schedules garbage_collection purges;
        webhooks: project_webhooks webhooks;
        system: system audit;
    }
    registry.harbor.shutdown().await;
    Ok(())
}

/// A registry in memory with accounts, and where it listens.
async fn registry() -> Outcome<(Standalone, String)> {
    let mut options = AccountOptions::default();
    options.admin_password = Some(Secret::new(PASSWORD));
    let (metadata, blobs) = (Arc::new(SqlMetadata::in_memory().await?), Arc::new(MemoryBlobs::new()));
    let registry = Standalone::open(metadata, blobs, options, Settings::default()).await?;
    registry.harbor.start().await?;
    let mut options = AppOptions::default();
    options.accounts = Some(registry.accounts.clone());
    let app = App::new(registry.harbor.clone(), options);
    let server = Server::bind(app, "127.0.0.1:0".parse()?, None).await?;
    let address = format!("http://{}", server.address()?);
    tokio::spawn(server.serve(Default::default()));
    Ok((registry, address))
}

/// An image of one layer, as `library/app:v1`.
async fn push(address: &str) -> Outcome {
    let connection = Connection::builder().proxy(Proxy::None).build()?;
    let registry = Registry::builder(address).connection(connection);
    let registry = registry.credentials(Credential::password("admin", PASSWORD)).build()?;
    let app = registry.repository("library/app".parse()?);
    let mut described = Vec::new();
    for (kind, content) in [("config.v1+json", "{}"), ("layer.v1.tar", "what an image is made of")] {
        let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
        app.blob_push(&digest, &Bytes::from_static(content.as_bytes()), &PushOptions::default()).await?;
        let (kind, size) = (format!("application/vnd.oci.image.{kind}"), content.len());
        described.push(format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#));
    }
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
        MediaType::OCI_MANIFEST,
        described[0],
        described[1]
    );
    let tag = Reference::Tag("v1".parse()?);
    app.manifest_put(&tag, &MediaType::OCI_MANIFEST.parse()?, manifest).await?;
    Ok(())
}

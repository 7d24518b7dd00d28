//! Talks to a registry as docker does: pushes an image, lists its tags, pulls it, and copies it to a second registry.

use bytes::Bytes;
use harbor_core::Harbor;
use harbor_core::oci::{Algorithm, Digest, MediaType, Reference};
use harbor_replicate::client::{
    Connection, CopyOptions, Credential, Proxy, PushOptions, Registry, Repository,
};
use harbor_server::{App, AppOptions, Server};
use harbor_storage::InMemory as _;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

#[tokio::main]
async fn main() -> Outcome<()> {
    let (here, there) = (registry().await?, registry().await?);

    // Push: blobs first, then the manifest that names them, under a tag.
    let app = here.repository("library/app".parse()?);
    let config = push(&app, CONFIG, "{}").await?;
    let layer = push(&app, LAYER, "what an image is made of").await?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{layer}]}}"#,
        MediaType::OCI_MANIFEST
    );
    let latest = Reference::Tag("latest".parse()?);
    let pushed = app.manifest_put(&latest, &MediaType::OCI_MANIFEST.parse()?, manifest).await?;

    // What is there.
    let tags = app.tags(None).all().await?;
    println!("{} has the tags {tags:?}", app.name());

    // Copy: straight from one registry to the other.
    let copy = there.repository("library/copy".parse()?);
    let copied = app.copy_to(&latest, &copy, Some(&"latest".parse()?), &CopyOptions::default()).await?;

    // Pull: each piece as it comes; the last one only when all of them have the digest that was asked for.
    let manifest = copy.manifest(&latest).await?;
    assert_eq!(manifest.digest, pushed.digest);
    for layer in manifest.view()?.layers {
        let mut blob = copy.blob(&layer.digest, Some(layer.size)).await?;
        while let Some(piece) = blob.next().await {
            print!("{}", String::from_utf8_lossy(&piece?));
        }
    }
    println!(", by way of two registries: {} blobs were sent", copied.sent);
    Ok(())
}

/// Pushes a blob; yields what a manifest says of it.
async fn push(repository: &Repository, kind: &str, content: &'static str) -> Outcome<String> {
    let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
    repository.blob_push(&digest, &Bytes::from_static(content.as_bytes()), &PushOptions::default()).await?;
    Ok(format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{}}}"#, content.len()))
}

/// A registry in memory, as somebody who may do everything there. With one that is elsewhere, the address is
/// `registry.example`, and `DockerConfig::from_environment()` has the credentials that `docker login` left.
async fn registry() -> Outcome<Registry> {
    let app = App::new(Harbor::in_memory().await?, AppOptions::default());
    let server = Server::bind(app, "127.0.0.1:0".parse()?, None).await?;
    let address = format!("http://{}", server.address()?);
    tokio::spawn(server.serve(Default::default()));
    let connection = Connection::builder().proxy(Proxy::None).build()?;
    Ok(Registry::builder(address).connection(connection).credentials(Credential::Anonymous).build()?)
}

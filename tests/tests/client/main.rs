//! The distribution client: against a registry of ours, against doubles that do what registries should not, and against
//! Debian's docker-registry. One file a noun.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod api;
mod auth;
mod blobs;
mod breaker;
mod bundles;
mod copies;
mod docker;
mod docker_archives;
mod double;
mod folders;
mod foreign;
mod lying;
mod manifests;
mod mounts;
mod names;
mod places;
mod proxies;
mod pushes;
mod redirects;
mod referrers;
mod retries;
mod secrets;
mod sweep;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use harbor_core::oci::{Digest, MediaType, Reference};
use harbor_replicate::client::{
    Connection, ConnectionBuilder, Credential, Proxy, Registry, Repository, Retry,
};
use harbor_tests::TestRegistry;
use harbor_tests::content::{DataSet, Piece};

/// A repository of the public project that every registry has.
const REPO: &str = "library/client/app";

/// A connection that does not wait long, and knows nothing of the environment.
fn quick() -> ConnectionBuilder {
    let retry =
        Retry { first: Duration::from_millis(5), longest: Duration::from_secs(5), ..Retry::default() };
    Connection::builder().proxy(Proxy::None).retry(retry)
}

/// The registry at an address, without TLS.
fn at(address: SocketAddr, credential: Credential) -> Registry {
    let builder = Registry::builder(format!("http://{address}")).connection(quick().build().unwrap());
    builder.credentials(credential).build().unwrap()
}

/// The administrator of a registry of ours.
fn admin(registry: &TestRegistry) -> Credential {
    Credential::password("admin", registry.password("admin"))
}

/// A repository of a registry of ours, as its administrator.
fn repository(registry: &TestRegistry) -> Repository {
    at(registry.address(), admin(registry)).repository(REPO.parse().unwrap())
}

fn tag(name: &str) -> Reference {
    Reference::Tag(name.parse().unwrap())
}

fn by(digest: Digest) -> Reference {
    Reference::Digest(digest)
}

fn media_type(piece: &Piece) -> MediaType {
    piece.media_type.parse().unwrap()
}

/// Pushes a data set, the last manifest by a tag.
async fn push(repository: &Repository, name: &str, set: &DataSet) {
    for blob in &set.blobs {
        repository.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    }
    for manifest in &set.manifests {
        let (reference, kind) = (by(manifest.digest), media_type(manifest));
        let put = repository.manifest_put(&reference, &kind, manifest.bytes.clone()).await.unwrap();
        assert_eq!(put.digest, manifest.digest);
    }
    let top = set.top();
    repository.manifest_put(&tag(name), &media_type(top), top.bytes.clone()).await.unwrap();
}

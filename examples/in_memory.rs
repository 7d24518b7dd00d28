//! A registry on a free port, for the life of a test: push to it, pull from it, forget it.

use harbor_core::Harbor;
use harbor_core::oci::{Algorithm, Digest};
use harbor_server::{App, AppOptions, Server};
use harbor_storage::InMemory as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = App::new(Harbor::in_memory().await?, AppOptions::default());
    let server = Server::bind(app, "127.0.0.1:0".parse()?, None).await?;
    let url = format!("http://{}", server.address()?);
    tokio::spawn(server.serve(Default::default()));

    let content = "anything at all";
    let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
    let uploads = format!("{url}/v2/library/thing/blobs/uploads/?digest={digest}");
    let pushed = reqwest::Client::new().post(uploads).body(content).send().await?;
    assert_eq!(pushed.status(), 201);
    let pulled = reqwest::get(format!("{url}/v2/library/thing/blobs/{digest}")).await?.text().await?;
    assert_eq!(pulled, content);
    println!("{digest} went to {url} and came back");
    Ok(())
}

//! Mounts a registry in an axum application of one's own: `/hello` is ours, `/v2/` is the registry's.

use axum::Router;
use axum::routing::get;
use harbor_core::Harbor;
use harbor_core::access::AllowAll;
use harbor_server::{App, AppOptions};
use harbor_storage::blobs::FolderBlobs;
use harbor_storage::sql::SqlMetadata;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("harbor-embed-{}", std::process::id()));
    let harbor = Harbor::builder()
        .metadata(SqlMetadata::sqlite(&folder.join("registry.db")).await?)
        .blobs(FolderBlobs::open(folder.join("blobs")).await?)
        .authorizer(AllowAll)
        .build()?;
    harbor.start().await?;

    let registry = harbor_server::router(&App::new(harbor.clone(), AppOptions::default()));
    let app = Router::new().route("/hello", get(async || "hello")).merge(registry);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    // As anybody would use it.
    let ours = reqwest::get(format!("{url}/hello")).await?.text().await?;
    let theirs = reqwest::get(format!("{url}/v2/_catalog")).await?.text().await?;
    println!("{url}/hello says {ours}; {url}/v2/_catalog says {theirs}");
    assert_eq!((ours.as_str(), theirs.as_str()), ("hello", r#"{"repositories":[]}"#));

    serving.abort();
    harbor.shutdown().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

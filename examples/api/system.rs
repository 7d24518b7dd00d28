//! The server as a whole.

use std::collections::BTreeMap;

use harbor_core::api::Configurations;
use harbor_replicate::client::api::{Api, Query};
use serde_json::json;

use crate::Outcome;

pub(crate) async fn system(api: &Api) -> Outcome {
    println!("{}", api.system().health().await?.status);
    let values = BTreeMap::from([("robot_name_prefix".to_owned(), json!("bot$"))]);
    api.system().configure(&Configurations(values)).await?;
    let configuration = api.system().configuration().await?;
    println!("robots begin with {:?}", configuration.0["robot_name_prefix"].value);
    let found = api.system().search(&Query::new().q("app")).await?;
    println!("{} repositories are called so", found.repository.len());
    // What happens within a second, as server-sent events.
    let mut events = api.system().events(&Query::new().with("seconds", 1).with("after", 0));
    let mut bytes = 0;
    while let Some(piece) = events.next().await {
        bytes += piece?.len();
    }
    println!("{bytes} bytes of events");
    Ok(())
}

pub(crate) async fn audit(api: &Api) -> Outcome {
    let mut entries = api.audit().list(&Query::new().sort("-op_time").page_size(5));
    if let Some(entry) = entries.next().await {
        let entry = entry?;
        println!("{} {} {}", entry.username, entry.operation, entry.resource);
    }
    let mut lines = api.audit().export(&Query::new().with("format", "jsonl"));
    let mut bytes = 0;
    while let Some(piece) = lines.next().await {
        bytes += piece?.len();
    }
    let verified = api.audit().verify(&Query::new()).await?;
    println!("{bytes} bytes; whole: {}", verified.intact);
    Ok(())
}

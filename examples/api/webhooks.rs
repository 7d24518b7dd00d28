//! Webhooks.

use harbor_core::api::{WebhookPolicy, WebhookTargetObject};
use harbor_replicate::client::api::{Api, Query};

use crate::Outcome;

/// Tells of pushes.
fn policy() -> WebhookPolicy {
    let target = WebhookTargetObject {
        kind: "http".to_owned(),
        address: "https://ci.example/hooks".to_owned(),
        payload_format: "CloudEvents".to_owned(),
        ..WebhookTargetObject::default()
    };
    WebhookPolicy {
        name: "ci".to_owned(),
        targets: vec![target],
        event_types: vec!["PUSH_ARTIFACT".to_owned()],
        enabled: true,
        ..WebhookPolicy::default()
    }
}

pub(crate) async fn project_webhooks(api: &Api) -> Outcome {
    let types = api.project_webhooks().event_types("library".into()).await?;
    println!("{} types of events", types.event_type.len());
    let created = api.project_webhooks().create("library".into(), &policy()).await?;
    let id = created.id().ok_or("a key")?;
    let told = api.project_webhooks().executions("library".into(), id, &Query::new()).all().await?;
    println!("{} deliveries", told.len());
    api.project_webhooks().delete("library".into(), id).await?;
    Ok(())
}

pub(crate) async fn webhooks(api: &Api) -> Outcome {
    let id = api.webhooks().create(&policy()).await?.id().ok_or("a key")?;
    // No address like this one: the sample does not arrive, and why is told.
    for tested in api.webhooks().test(id).await? {
        println!("{}: {}", tested.address, tested.error.unwrap_or_default());
    }
    api.webhooks().delete(id).await?;
    Ok(())
}

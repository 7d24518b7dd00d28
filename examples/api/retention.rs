//! Retention.

use std::collections::BTreeMap;

use harbor_core::api::{
    RetentionPolicy, RetentionPreviewReq, RetentionRule, RetentionRuleTrigger, RetentionRun, RetentionScope,
    RetentionSelector,
};
use harbor_replicate::client::api::{Api, Query};
use serde_json::{Map, json};

use crate::Outcome;
use crate::jobs::over;

/// Keeps the ten artifacts of each repository that were pushed last; every night.
fn policy(project: i64) -> RetentionPolicy {
    let all = |decoration: &str| RetentionSelector {
        kind: "doublestar".to_owned(),
        decoration: decoration.to_owned(),
        pattern: "**".to_owned(),
        ..RetentionSelector::default()
    };
    let rule = RetentionRule {
        action: "retain".to_owned(),
        template: "latestPushedK".to_owned(),
        params: Map::from_iter([("latestPushedK".to_owned(), json!(10))]),
        tag_selectors: vec![all("matches")],
        scope_selectors: BTreeMap::from([("repository".to_owned(), vec![all("repoMatches")])]),
        ..RetentionRule::default()
    };
    RetentionPolicy {
        algorithm: "or".to_owned(),
        rules: vec![rule],
        trigger: Some(RetentionRuleTrigger {
            kind: "Schedule".to_owned(),
            settings: Map::from_iter([("cron".to_owned(), json!("0 0 2 * * *"))]),
            ..RetentionRuleTrigger::default()
        }),
        scope: Some(RetentionScope { level: "project".to_owned(), reference: project }),
        ..RetentionPolicy::default()
    }
}

pub(crate) async fn retentions(api: &Api) -> Outcome {
    let project = api.projects().get("library".into()).await?.project_id;
    let id = api.retentions().create(&policy(project)).await?.id().ok_or("a key")?;
    let preview = api.retentions().preview(id, &RetentionPreviewReq::default(), &Query::new()).all().await?;
    println!("{} artifacts were looked at", preview.len());
    api.retentions().run(id, &RetentionRun { dry_run: true }).await?;
    let latest = || async {
        let runs = api.retentions().runs(id, &Query::new()).all().await?;
        Ok(runs.first().map(|run| run.status.clone()).unwrap_or_default())
    };
    println!("a trial: {}", over(latest).await?);
    api.retentions().delete(id).await?;
    Ok(())
}

//! Projects and what is set for them.

use std::collections::BTreeMap;

use harbor_core::api::{ImmutableRule, ImmutableSelector, ProjectReq, ProjectSetting, QuotaUpdateReq};
use harbor_replicate::client::api::{Api, Query};

use crate::Outcome;

pub(crate) async fn projects(api: &Api) -> Outcome {
    let team = ProjectReq { project_name: Some("team".to_owned()), ..ProjectReq::default() };
    api.projects().create(&team).await?;

    // Lists are streams over their pages.
    let mut projects = api.projects().list(&Query::new().sort("name"));
    while let Some(project) = projects.next().await {
        println!("{}", project?.name);
    }

    // By name, or by key.
    let team = api.projects().get("team".into()).await?;
    let public = ProjectSetting(BTreeMap::from([("public".to_owned(), "true".to_owned())]));
    api.projects().set(team.project_id.into(), "public", &public).await?;
    println!("public: {:?}", api.projects().setting("team".into(), "public").await?.get("public"));

    if api.projects().deletable("team".into()).await?.deletable {
        api.projects().delete("team".into()).await?;
    }
    Ok(())
}

pub(crate) async fn quotas(api: &Api) -> Outcome {
    let quotas = api.quotas().list(&Query::new().with("reference", "project")).all().await?;
    let quota = quotas.first().ok_or("there is a project")?;
    let limit = QuotaUpdateReq { hard: BTreeMap::from([("storage".to_owned(), 10 << 30)]) };
    api.quotas().update(quota.id, &limit).await?;
    let quota = api.quotas().get(quota.id).await?;
    println!("{:?} of {:?} bytes are used", quota.used.get("storage"), quota.hard.get("storage"));
    Ok(())
}

pub(crate) async fn immutable_rules(api: &Api) -> Outcome {
    let matching = |decoration: &str, pattern: &str| ImmutableSelector {
        kind: "doublestar".to_owned(),
        decoration: decoration.to_owned(),
        pattern: pattern.to_owned(),
        ..ImmutableSelector::default()
    };
    // Releases of every repository stay what they are.
    let rule = ImmutableRule {
        action: "immutable".to_owned(),
        template: "immutable_template".to_owned(),
        tag_selectors: vec![matching("matches", "release-*")],
        scope_selectors: BTreeMap::from([("repository".to_owned(), vec![matching("repoMatches", "**")])]),
        ..ImmutableRule::default()
    };
    let created = api.immutable_rules().create("library".into(), &rule).await?;
    let rules = api.immutable_rules().list("library".into(), &Query::new()).all().await?;
    println!("{} rule for {:?}", rules.len(), rules[0].tag_selectors[0].pattern);
    let id = created.id().ok_or("a key")?;
    api.immutable_rules().delete("library".into(), id).await?;
    Ok(())
}

//! `harborctl immutable`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use harbor_core::api::{ImmutableRule, ImmutableSelector};
use harbor_replicate::client::api::{Call, ProjectRef};
use serde_json::Value;

use crate::failure::Outcome;
use crate::lookup::absent;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("REPOSITORIES", "/scope_selectors/repository/0/pattern"),
        Column::plain("", "/scope_selectors/repository/0/decoration"),
        Column::plain("TAGS", "/tag_selectors/0/pattern"),
        Column::plain("", "/tag_selectors/0/decoration"),
        Column::plain("DISABLED", "/disabled"),
        Column::plain("DELETION ALLOWED", "/allow_deletion"),
    ],
};

/// Rules of immutable tags.
#[derive(Debug, Subcommand)]
pub(crate) enum Immutable {
    /// Show the rules of a project
    #[command(visible_alias = "ls")]
    List {
        project: String,
        #[command(flatten)]
        listed: Listed,
    },
    /// Add a rule
    #[command(after_help = "\
Examples:
  harborctl immutable create team --tags 'v*'
  harborctl immutable create team --tags latest --exclude-tags --repositories 'release/**' --allow-deletion")]
    Create {
        project: String,
        #[command(flatten)]
        selectors: Selectors,
        /// The tags may be deleted all the same; they are never moved
        #[arg(long)]
        allow_deletion: bool,
    },
    /// Put a rule out of force
    Disable { project: String, rule: i64 },
    /// Put a rule into force
    Enable { project: String, rule: i64 },
    /// Delete a rule
    #[command(visible_alias = "rm")]
    Delete { project: String, rule: i64 },
}

#[derive(Debug, Args)]
pub(crate) struct Selectors {
    /// The tags: a doublestar pattern
    #[arg(long, default_value = "**", value_name = "PATTERN")]
    tags: String,
    /// All tags but those of the pattern
    #[arg(long)]
    exclude_tags: bool,
    /// The repositories, without the project's name: a doublestar pattern
    #[arg(long, default_value = "**", value_name = "PATTERN")]
    repositories: String,
    /// All repositories but those of the pattern
    #[arg(long)]
    exclude_repositories: bool,
}

impl Immutable {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { project, listed } => {
                session.list(of(session, "ListImmuRules", &project).await?, &listed, &SHAPE).await
            }
            Self::Create { project, selectors, allow_deletion } => {
                let body = selectors.rule(allow_deletion);
                let call = of(session, "CreateImmuRule", &project).await?.json(&body);
                session.makes(call, "rule created", None).await
            }
            Self::Disable { project, rule } => switch(session, &project, rule, true).await,
            Self::Enable { project, rule } => switch(session, &project, rule, false).await,
            Self::Delete { project, rule } => {
                let call = of(session, "DeleteImmuRule", &project).await?.at("immutable_rule_id", rule);
                session.does(call, &format!("rule {rule} deleted")).await
            }
        }
    }
}

impl Selectors {
    fn rule(self, allow_deletion: bool) -> ImmutableRule {
        let selector = |pattern: String, decoration: &str| ImmutableSelector {
            kind: "doublestar".to_owned(),
            decoration: decoration.to_owned(),
            pattern,
            extras: String::new(),
        };
        let tags = selector(self.tags, if self.exclude_tags { "excludes" } else { "matches" });
        let decoration = if self.exclude_repositories { "repoExcludes" } else { "repoMatches" };
        let repositories = selector(self.repositories, decoration);
        ImmutableRule {
            action: "immutable".to_owned(),
            template: "immutable_template".to_owned(),
            tag_selectors: vec![tags],
            scope_selectors: BTreeMap::from([("repository".to_owned(), vec![repositories])]),
            allow_deletion,
            ..ImmutableRule::default()
        }
    }
}

async fn of(session: &Session, operation: &str, project: &str) -> Outcome<Call> {
    Ok(session.call(operation).await?.at("project_name_or_id", ProjectRef::Name(project)))
}

/// There is no operation that shows one rule.
async fn switch(session: &Session, project: &str, id: i64, disabled: bool) -> Outcome {
    let mut rules = of(session, "ListImmuRules", project).await?.pages::<Value>();
    while let Some(rule) = rules.next().await {
        let mut rule = rule?;
        if rule["id"].as_i64() == Some(id) {
            rule["disabled"] = disabled.into();
            let call = of(session, "UpdateImmuRule", project).await?.at("immutable_rule_id", id).json(&rule);
            let what = if disabled { "out of force" } else { "in force" };
            return session.does(call, &format!("rule {id} is {what}")).await;
        }
    }
    Err(absent(&format!("rule {id} of {project}"), "harborctl immutable list PROJECT"))
}

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Timestamp;

/// A policy of retention; in the body of a request, its key is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionPolicy {
    /// Its key.
    pub id: i64,
    /// How what rules keep comes together: `or`.
    pub algorithm: String,
    /// The rules, at most 15. Without any in force, everything stays.
    pub rules: Vec<RetentionRule>,
    /// What sets it going.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<RetentionRuleTrigger>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<RetentionScope>,
    /// What is kept or goes: `artifact`, also when it is left out, or `tag`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// What sets a policy of retention going.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionRuleTrigger {
    /// `Schedule`.
    pub kind: String,
    /// `cron`: six fields, empty for never; `time_zone`: of which time zone they are. In answers also `next_scheduled_time`.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// `job_id`: the key of the schedule. Not read.
    #[schema(value_type = Object)]
    pub references: Map<String, Value>,
}

/// What a policy of retention is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = RetentionPolicyScope)]
pub struct RetentionScope {
    /// `project`; of the policy of all projects that have none of their own, `system`.
    pub level: String,
    /// The key of the project.
    #[serde(rename = "ref")]
    pub reference: i64,
}

/// A rule of retention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionRule {
    /// A number that clients know it by.
    pub id: i64,
    /// A number that clients keep with it. It means nothing.
    pub priority: i64,
    /// Whether it is out of force.
    pub disabled: bool,
    /// What it does: `retain`.
    pub action: String,
    /// What it keeps: see the catalogue.
    pub template: String,
    /// How many, or for how many days, by the template's name.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// The tags that it is about: what all of these select.
    pub tag_selectors: Vec<RetentionSelector>,
    /// What it is about beside tags: `repository`.
    pub scope_selectors: BTreeMap<String, Vec<RetentionSelector>>,
}

/// Which tags, or which repositories by their names without the project's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionSelector {
    /// `doublestar`.
    pub kind: String,
    /// Of tags `matches` or `excludes`, of repositories `repoMatches` or `repoExcludes`.
    pub decoration: String,
    /// The pattern.
    pub pattern: String,
    /// Of tags, JSON that says whether what has none is meant: `{"untagged":true}`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub extras: String,
}

/// What rules of retention are made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionMetadata {
    /// The templates.
    pub templates: Vec<RetentionRuleMetadata>,
    /// The selectors of repositories.
    pub scope_selectors: Vec<RetentionSelectorMetadata>,
    /// The selectors of tags.
    pub tag_selectors: Vec<RetentionSelectorMetadata>,
}

/// A template of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionRuleMetadata {
    /// Its name.
    pub rule_template: String,
    /// What it keeps; `#` stands for the number.
    pub display_text: String,
    /// `retain`.
    pub action: String,
    /// Its parameters.
    pub params: Vec<RetentionRuleParamMetadata>,
}

/// A parameter of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionRuleParamMetadata {
    /// `int`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `COUNT` or `DAYS`.
    pub unit: String,
    /// Whether a rule needs it.
    pub required: bool,
}

/// A kind of selectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionSelectorMetadata {
    /// What it selects, for people.
    pub display_text: String,
    /// `doublestar`.
    pub kind: String,
    /// What its pattern can do.
    pub decorations: Vec<String>,
}

/// How a policy of retention is set going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionRun {
    /// Whether nothing is deleted.
    pub dry_run: bool,
}

/// What shall be done with a run of retention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionOperation {
    /// `stop`.
    pub action: String,
}

/// A run of a policy of retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionExecution {
    /// Its key.
    pub id: i64,
    /// The policy.
    pub policy_id: i64,
    /// When it was set going.
    #[schema(value_type = String, format = DateTime)]
    pub start_time: Timestamp,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
    /// How far it is: `Pending`, `Running`, `Success`, `Error`, `Stopped`.
    pub status: String,
    /// What set it going: `MANUAL` or `SCHEDULE`.
    pub trigger: String,
    /// Whether nothing is deleted.
    pub dry_run: bool,
}

/// The part of a run of retention that is about one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionExecutionTask {
    /// Its key.
    pub id: i64,
    /// The run.
    pub execution_id: i64,
    /// The repository, by its name without the project's.
    pub repository: String,
    /// Its job.
    pub job_id: String,
    /// How far it is: `Pending`, `Running`, `Success`, `Error`, `Stopped`.
    pub status: String,
    /// The same as a number: 0 while it waits, 2 while it runs, 3 when it is over.
    pub status_code: i64,
    /// When it was begun, in seconds since 1970.
    pub status_revision: i64,
    /// When it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_time: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
    /// How many artifacts there were; by tag, how many tags and artifacts without.
    pub total: u64,
    /// How many of those stay.
    pub retained: u64,
}

/// What a preview of a policy shall be of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetentionPreviewReq {
    /// What the policy could say, instead of what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<RetentionPolicy>,
    /// The only repository, by its name without the project's; for the policy of all projects, its full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// What would become of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionPreview {
    /// The full name of its repository.
    pub repository: String,
    /// Its digest.
    pub digest: String,
    /// When it, or one of its tags, was last pushed.
    #[schema(value_type = String, format = DateTime)]
    pub push_time: Timestamp,
    /// When it, or one of its tags, was last pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub pull_time: Option<Timestamp>,
    /// Whether it stays.
    pub retained: bool,
    /// The place of the rule that keeps it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Why it stays though no rule keeps it and no tag of it is immutable: a tag of what would go with it is, or a policy refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its tags.
    pub tags: Vec<RetentionPreviewTag>,
}

/// What would become of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionPreviewTag {
    /// The tag.
    pub name: String,
    /// Whether it stays.
    pub retained: bool,
    /// By tag, the place of the rule that keeps it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Whether it is immutable, and stays for that.
    pub immutable: bool,
    /// Why it stays by itself otherwise: a policy refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

//! Policies of retention, their runs and previews, as the API has them.

use std::collections::BTreeMap;

use harbor_core::api::{
    RetentionExecution, RetentionExecutionTask, RetentionMetadata, RetentionPolicy, RetentionPreview,
    RetentionPreviewTag, RetentionRule, RetentionRuleMetadata, RetentionRuleParamMetadata,
    RetentionRuleTrigger, RetentionScope, RetentionSelector, RetentionSelectorMetadata,
};
use harbor_core::meta::{self, Execution, Schedule, Task, TaskStatus};
use harbor_core::oci::RepositoryName;
use harbor_core::retention::{By, Retention, Rule, Template};
use harbor_core::selector::{KIND, Of, Selector};
use harbor_core::{Error, Judged, Result, Retain};
use serde_json::{Map, Value};

use super::super::runs;

/// How what rules keep comes together.
const ALGORITHM: &str = "or";

/// What a rule does.
const ACTION: &str = "retain";

/// What sets policies going.
const TRIGGER: &str = "Schedule";

/// What a policy is for.
pub(super) const PROJECT: &str = "project";
const SYSTEM: &str = "system";

/// The only scope beside tags.
const REPOSITORY: &str = "repository";

/// Settings of a trigger.
const CRON: &str = "cron";
const TIME_ZONE: &str = "time_zone";
const NEXT: &str = "next_scheduled_time";

/// What a body says that a policy shall be.
pub(super) fn read(body: RetentionPolicy) -> Result<Retention> {
    if !["", ALGORITHM].contains(&body.algorithm.as_str()) {
        return Err(unlike("algorithm", ALGORITHM, &body.algorithm));
    }
    let by = By::named(&body.by).ok_or_else(|| unlike("by", "artifact or tag", &body.by))?;
    let trigger = body.trigger.unwrap_or_default();
    if !["", TRIGGER].contains(&trigger.kind.as_str()) {
        return Err(unlike("kind of the trigger", TRIGGER, &trigger.kind));
    }
    let (cron, zone) = (setting(&trigger, CRON)?, setting(&trigger, TIME_ZONE)?);
    let rules = body.rules.into_iter().map(rule).collect::<Result<_>>()?;
    Ok(Retention::new(by, rules).at(cron.trim(), zone))
}

fn unlike(what: &str, known: &str, given: &str) -> Error {
    Error::BadRequest(format!("the {what} is {known}, and not {given:?}"))
}

fn setting<'a>(trigger: &'a RetentionRuleTrigger, name: &str) -> Result<&'a str> {
    match trigger.settings.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Error::BadRequest(format!("the setting {name} of the trigger must be a text"))),
    }
}

fn rule(mut body: RetentionRule) -> Result<Rule> {
    if body.action != ACTION {
        return Err(unlike("action of a rule", ACTION, &body.action));
    }
    let known = || Template::ALL.map(Template::as_str).join(", ");
    let template = Template::named(&body.template)
        .ok_or_else(|| unlike("template of a rule", &format!("one of {}", known()), &body.template))?;
    let repositories = body.scope_selectors.remove(REPOSITORY).unwrap_or_default();
    if let Some(scope) = body.scope_selectors.keys().next() {
        return Err(unlike("only key of scope_selectors", REPOSITORY, scope));
    }
    Ok(Rule {
        id: body.id,
        priority: body.priority,
        disabled: body.disabled,
        template,
        number: number(template, &body.params)?,
        tags: selectors(Of::Tags, &body.tag_selectors)?,
        repositories: selectors(Of::Repositories, &repositories)?,
    })
}

/// The parameter of a template, which has its name.
fn number(template: Template, params: &Map<String, Value>) -> Result<Option<u32>> {
    let name = template.as_str();
    match params.get(name).filter(|_| template != Template::Always) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let wrong = || Error::BadRequest(format!("{name} must be a number from 0 on, and not {value}"));
            number.map(Some).ok_or_else(wrong)
        }
    }
}

fn selectors(of: Of, written: &[RetentionSelector]) -> Result<Vec<Selector>> {
    let read = |selector: &RetentionSelector| {
        let RetentionSelector { kind, decoration, pattern, extras } = selector;
        Selector::parse(of, kind, decoration, pattern, extras)
    };
    written.iter().map(read).collect()
}

/// A policy as the API shows it.
pub(super) fn policy(policy: meta::RetentionPolicy, schedule: Option<Schedule>) -> RetentionPolicy {
    let Retention { by, rules, cron, time_zone, .. } = policy.retention;
    let mut settings = Map::from_iter([(CRON.to_owned(), cron.into())]);
    if !time_zone.is_empty() {
        settings.insert(TIME_ZONE.to_owned(), time_zone.into());
    }
    let mut references = Map::new();
    if let Some(schedule) = schedule {
        references.insert("job_id".to_owned(), schedule.id.get().into());
        if let Some(next) = schedule.next {
            settings.insert(NEXT.to_owned(), next.to_string().into());
        }
    }
    let scope = match policy.project {
        Some(project) => RetentionScope { level: PROJECT.to_owned(), reference: project.get() },
        None => RetentionScope { level: SYSTEM.to_owned(), reference: 0 },
    };
    RetentionPolicy {
        id: policy.id.get(),
        algorithm: ALGORITHM.to_owned(),
        rules: rules.into_iter().map(shown).collect(),
        trigger: Some(RetentionRuleTrigger { kind: TRIGGER.to_owned(), settings, references }),
        scope: Some(scope),
        by: if by == By::Artifact { String::new() } else { by.as_str().to_owned() },
    }
}

fn shown(rule: Rule) -> RetentionRule {
    let selectors = |of, selectors: Vec<Selector>| {
        let shown = |selector: Selector| RetentionSelector {
            kind: KIND.to_owned(),
            decoration: selector.decoration.word(of).to_owned(),
            pattern: selector.pattern.to_string(),
            extras: selector.extras,
        };
        selectors.into_iter().map(shown).collect::<Vec<_>>()
    };
    let name = rule.template.as_str();
    RetentionRule {
        id: rule.id,
        priority: rule.priority,
        disabled: rule.disabled,
        action: ACTION.to_owned(),
        template: name.to_owned(),
        params: rule.number.into_iter().map(|number| (name.to_owned(), number.into())).collect(),
        tag_selectors: selectors(Of::Tags, rule.tags),
        scope_selectors: BTreeMap::from([(
            REPOSITORY.to_owned(),
            selectors(Of::Repositories, rule.repositories),
        )]),
    }
}

/// What Harbor offers for making rules.
pub(super) fn catalogue() -> RetentionMetadata {
    let template = |template: Template, says: &str, unit: Option<&str>| RetentionRuleMetadata {
        rule_template: template.as_str().to_owned(),
        display_text: says.to_owned(),
        action: ACTION.to_owned(),
        params: unit
            .into_iter()
            .map(|unit| RetentionRuleParamMetadata {
                kind: "int".to_owned(),
                unit: unit.to_owned(),
                required: true,
            })
            .collect(),
    };
    let selector = |says: &str, decorations: [&str; 2]| RetentionSelectorMetadata {
        display_text: says.to_owned(),
        kind: KIND.to_owned(),
        decorations: decorations.map(str::to_owned).to_vec(),
    };
    let (count, days) = (Some("COUNT"), Some("DAYS"));
    RetentionMetadata {
        templates: vec![
            template(Template::LatestPushed, "the most recently pushed # artifacts", count),
            template(Template::LatestPulled, "the most recently pulled # artifacts", count),
            template(Template::PushedWithin, "pushed within the last # days", days),
            template(Template::PulledWithin, "pulled within the last # days", days),
            template(Template::Always, "always", None),
        ],
        scope_selectors: vec![selector("Repositories", ["repoMatches", "repoExcludes"])],
        tag_selectors: vec![selector("Tags", ["matches", "excludes"])],
    }
}

/// A run as the API shows it.
pub(super) fn execution(execution: Execution) -> RetentionExecution {
    let job: Option<Retain> = serde_json::from_str(&execution.detail).ok();
    RetentionExecution {
        id: execution.id.get(),
        policy_id: execution.subject,
        start_time: execution.started_at,
        end_time: execution.ended_at,
        status: runs::status(&execution).to_owned(),
        trigger: execution.trigger.as_str().to_owned(),
        dry_run: job.is_some_and(|job| job.dry_run),
    }
}

/// A task of a run as the API shows it.
pub(super) fn task(task: Task) -> RetentionExecutionTask {
    let detail: Map<String, Value> = serde_json::from_str(&task.detail).unwrap_or_default();
    let repository = detail.get(REPOSITORY).and_then(Value::as_str).unwrap_or_default().to_owned();
    let count = |name: &str| detail.get(name).and_then(Value::as_u64);
    // Of one that was stopped in its midst it is known what went by then.
    let total = count("total").or_else(|| count("of")).unwrap_or_default();
    let retained =
        count("retained").unwrap_or_else(|| total.saturating_sub(count("gone").unwrap_or_default()));
    let code = match task.status {
        TaskStatus::Waiting => 0,
        TaskStatus::Running => 2,
        TaskStatus::Success | TaskStatus::Error | TaskStatus::Stopped => 3,
    };
    RetentionExecutionTask {
        id: task.id.get(),
        execution_id: task.execution.get(),
        repository,
        job_id: task.job,
        status: task.status.as_str().to_owned(),
        status_code: code,
        status_revision: task.started_at.map_or(0, |begun| begun.micros() / 1_000_000),
        start_time: task.started_at,
        end_time: task.ended_at,
        total,
        retained,
    }
}

/// What would become of an artifact, as the API shows it.
pub(super) fn preview((repository, judged): (RepositoryName, Judged)) -> RetentionPreview {
    let goes = judged.goes();
    let Judged { artifact, candidate, verdict, immutable, mut refused } = judged;
    let reason = refused.remove(&None);
    let (pushed, pulled) = (candidate.last_pushed(), candidate.last_pulled());
    // By artifact, nothing is said of single tags.
    let rules = verdict.tags.iter().map(|rule| Some(*rule)).chain(std::iter::repeat(None));
    let tags = candidate.tags.into_iter().zip(rules).map(|(tag, rule)| {
        let immutable = immutable.contains(&tag.name);
        let name = tag.name.to_string();
        let refused = refused.remove(&Some(tag.name));
        // What keeps all of it keeps its tags.
        let kept = immutable || refused.is_some() || reason.is_some();
        let retained = rule.map_or(!goes, |rule| rule.is_some() || kept);
        RetentionPreviewTag { name, retained, rule: rule.flatten(), immutable, reason: refused }
    });
    let tags = tags.collect();
    RetentionPreview {
        repository: repository.to_string(),
        digest: artifact.digest.to_string(),
        push_time: pushed,
        pull_time: pulled,
        retained: !goes,
        rule: verdict.artifact,
        reason,
        tags,
    }
}

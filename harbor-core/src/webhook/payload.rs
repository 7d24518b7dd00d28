//! What targets are told: Harbor's payload, the same as a CloudEvent, and the same as blocks of Slack.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::json;

use super::{EventType, Format, Target, TargetKind};
use crate::event::{Change, Event, EventKind, Policy};
use crate::{Error, Result};

/// How many characters a text of Slack has, of the 3000 that it may have.
const SLACK_TEXT: usize = 2900;

/// What is not in an event and is told with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Where clients reach the registry, without a scheme: `registry.example.org`.
    pub host: String,
    /// The name of the project that it happened in, where it is known, and whether everybody may pull from it.
    pub project: Option<(String, bool)>,
    /// When the repository was made that it happened in, where there still is one: seconds since the epoch.
    pub repository_created: Option<i64>,
    /// What set a run of retention going: `MANUAL`, `SCHEDULE`.
    pub trigger: Option<String>,
}

/// An event that somebody may be told of.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Its type.
    pub event_type: EventType,
    event: &'a Event,
    around: &'a Around,
}

#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    occur_at: i64,
    operator: &'a str,
    event_data: Data,
}

#[derive(Default, Serialize)]
struct Data {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<Repository>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<Retention>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom_attributes: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Resource {
    digest: String,
    tag: String,
    resource_url: String,
}

#[derive(Serialize)]
struct Repository {
    #[serde(skip_serializing_if = "Option::is_none")]
    date_created: Option<i64>,
    name: String,
    namespace: String,
    repo_full_name: String,
    repo_type: &'static str,
}

#[derive(Serialize)]
struct Retention {
    total: u64,
    retained: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    harbor_hostname: String,
    project_name: String,
    retention_policy_id: i64,
    result: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted_artifact: Vec<Deleted>,
}

/// What retention deleted, as Harbor has it.
#[derive(Serialize)]
struct Deleted {
    r#type: &'static str,
    status: &'static str,
    name_tag: String,
}

impl<'a> Notice<'a> {
    /// What is told of an event; nothing where nobody is told of such.
    #[must_use]
    pub fn new(event: &'a Event, around: &'a Around) -> Option<Self> {
        EventType::of(&event.kind).map(|event_type| Self { event_type, event, around })
    }

    /// The body for a target of the policy of a key, of a project or of the whole registry. `delivery` tells it from every other.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be written as JSON.
    pub fn body(&self, target: &Target, policy: i64, project: Option<i64>, delivery: &str) -> Result<String> {
        let written = match (target.kind, target.format) {
            (TargetKind::Slack, _) => self.slack(),
            (TargetKind::Http, Format::Default) => serde_json::to_string(&self.payload()),
            (TargetKind::Http, Format::CloudEvents) => self.cloud_event(policy, project, delivery),
        };
        written.map_err(|error| Error::Internal(error.to_string()))
    }

    fn seconds(&self) -> i64 {
        self.event.at.div_euclid(1_000_000)
    }

    /// Who did it, as Harbor has it: the name alone.
    fn operator(&self) -> &'a str {
        if let (EventType::TagRetention, Some(trigger)) = (self.event_type, &self.around.trigger) {
            return trigger;
        }
        let actor = self.event.actor.as_str();
        actor.split_once(':').map_or(actor, |(_, name)| name)
    }

    fn payload(&self) -> Payload<'a> {
        Payload {
            r#type: self.event_type.as_str(),
            occur_at: self.seconds(),
            operator: self.operator(),
            event_data: self.data(),
        }
    }

    fn cloud_event(&self, policy: i64, project: Option<i64>, delivery: &str) -> serde_json::Result<String> {
        let source = match project {
            Some(project) => format!("/projects/{project}/webhook/policies/{policy}"),
            None => format!("/webhook/policies/{policy}"),
        };
        let time = DateTime::from_timestamp(self.seconds(), 0).unwrap_or_default();
        serde_json::to_string(&json!({
            "specversion": "1.0",
            // No request is known any more: the event's number tells which deliveries are of one event.
            "requestid": self.event.id.to_string(),
            "id": delivery,
            "source": source,
            "type": self.event_type.cloud(),
            "datacontenttype": "application/json",
            "time": time.to_rfc3339_opts(SecondsFormat::Secs, true),
            "data": self.data(),
            "operator": self.operator(),
        }))
    }

    /// Slack's own characters are escaped, so that nobody's name becomes a link or a call to everybody.
    fn slack(&self) -> serde_json::Result<String> {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let data = escaped(&serde_json::to_string_pretty(&self.data())?.replace("  ", "\t"));
        let data: String = data.chars().take(SLACK_TEXT).collect();
        let at = self.seconds();
        let texts = [
            "*Harbor webhook events*".to_owned(),
            format!("*event_type:* {}", self.event_type.as_str()),
            format!("*occur_at:* <!date^{at}^{{date}} at {{time}}|February 18th, 2014 at 6:39 AM PST>"),
            format!("*operator:* {}", escaped(self.operator())),
            "*event_data:*".to_owned(),
            format!("```{data}```"),
        ];
        let block = |text| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
        serde_json::to_string(&json!({ "blocks": texts.map(block) }))
    }

    fn data(&self) -> Data {
        let mut data = Data { custom_attributes: custom(self.event, self.around), ..Data::default() };
        match &self.event.kind {
            EventKind::ArtifactPushed { repository, digest, tags, .. }
            | EventKind::ArtifactDeleted { repository, digest, tags } => {
                let digest = digest.to_string();
                data.resources.push(self.resource(repository, &digest, tags.first().map(String::as_str)));
                data.repository = Some(self.repository(repository));
            }
            EventKind::ArtifactPulled { repository, digest, tag } => {
                data.resources.push(self.resource(repository, &digest.to_string(), tag.as_deref()));
                data.repository = Some(self.repository(repository));
            }
            EventKind::TagCreated { repository, tag, digest }
            | EventKind::TagDeleted { repository, tag, digest } => {
                data.resources.push(self.resource(repository, &digest.to_string(), Some(tag)));
                data.repository = Some(self.repository(repository));
            }
            EventKind::RepositoryCreated { repository } | EventKind::RepositoryDeleted { repository } => {
                data.repository = Some(self.repository(repository));
            }
            // Harbor has a repository here, which clients read for its project.
            EventKind::QuotaExceeded { project, .. } | EventKind::QuotaWarning { project, .. } => {
                data.repository = Some(self.repository_of(project, "", ""));
            }
            EventKind::RetentionFinished { repository, policy_id, total, retained, deleted, .. } => {
                data.retention = Some(Retention {
                    total: *total,
                    retained: *retained,
                    harbor_hostname: self.around.host.split(':').next().unwrap_or_default().to_owned(),
                    project_name: halves(repository).0.to_owned(),
                    retention_policy_id: *policy_id,
                    result: "SUCCESS",
                    deleted_artifact: deleted.iter().map(|name| gone(repository, name)).collect(),
                });
            }
            _ => {}
        }
        data
    }

    fn resource(&self, repository: &str, digest: &str, tag: Option<&str>) -> Resource {
        let host = &self.around.host;
        let slash = if host.is_empty() { "" } else { "/" };
        let (tag, at) = tag.map_or((digest, '@'), |tag| (tag, ':'));
        Resource {
            digest: digest.to_owned(),
            tag: tag.to_owned(),
            resource_url: format!("{host}{slash}{repository}{at}{tag}"),
        }
    }

    fn repository(&self, full: &str) -> Repository {
        let (project, name) = halves(full);
        let date_created = self.around.repository_created;
        Repository { date_created, ..self.repository_of(project, name, full) }
    }

    fn repository_of(&self, project: &str, name: &str, full: &str) -> Repository {
        let public = self.around.project.as_ref().is_some_and(|(_, public)| *public);
        Repository {
            date_created: None,
            name: name.to_owned(),
            namespace: project.to_owned(),
            repo_full_name: full.to_owned(),
            repo_type: if public { "public" } else { "private" },
        }
    }
}

/// An artifact that retention deleted, by a tag or by a digest.
fn gone(repository: &str, name: &str) -> Deleted {
    let joint = if name.contains(':') { '@' } else { ':' };
    let name_tag = format!("{}{joint}{name}", halves(repository).1);
    Deleted { r#type: "image", status: "SUCCESS", name_tag }
}

/// The project of a repository, and its name within.
fn halves(full: &str) -> (&str, &str) {
    full.split_once('/').unwrap_or((full, ""))
}

/// What Harbor has no place for.
fn custom(event: &Event, around: &Around) -> BTreeMap<&'static str, String> {
    let mut custom = BTreeMap::new();
    match &event.kind {
        EventKind::ProjectCreated { project }
        | EventKind::ProjectUpdated { project }
        | EventKind::ProjectDeleted { project } => {
            custom.insert("project", project.clone());
            custom.extend(event.project_id.map(|id| ("project_id", id.to_string())));
        }
        EventKind::MemberChanged { project, member, change } => {
            custom.insert("project", project.clone());
            custom.insert("member", member.clone());
            custom.insert("change", word(*change).to_owned());
        }
        EventKind::PolicyChanged { policy, policy_id, change } => {
            custom.extend(around.project.clone().map(|(project, _)| ("project", project)));
            let policy = match policy {
                Policy::Immutable => "immutable",
                Policy::Retention => "retention",
                Policy::Webhook => "webhook",
            };
            custom.insert("policy", policy.to_owned());
            custom.insert("policy_id", policy_id.to_string());
            custom.insert("change", word(*change).to_owned());
        }
        EventKind::QuotaExceeded { hard, used, added, .. } => {
            let details = Error::QuotaExceeded {
                adding: *added,
                used: used.saturating_add(*added),
                hard: u64::try_from(*hard).unwrap_or(0),
            };
            custom.insert("Details", details.to_string());
        }
        EventKind::QuotaWarning { hard, used, .. } => {
            let details =
                format!("quota usage reach 85%: {used} of {hard} bytes of storage resource are used");
            custom.insert("Details", details);
        }
        _ => {}
    }
    custom
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Deleted => "deleted",
    }
}

#[cfg(test)]
mod tests;

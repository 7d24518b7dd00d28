//! Events: facts written in the transaction of the change that they tell of.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::access::permission::{
    ImmutableTagList, MemberList, NotificationPolicyList, ProjectRead, QuotaRead, RepositoryPull,
    TagRetentionList,
};
use crate::access::{Action as _, Permission};
use crate::oci::Digest;

/// What happened.
///
/// Persisted: the tag is `kind`, fields are only ever added, as options. A test loads every form ever written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A project was made.
    ProjectCreated {
        /// Its name.
        project: String,
    },
    /// A project was deleted.
    ProjectDeleted {
        /// Its name.
        project: String,
    },
    /// A manifest was pushed, or a tag was moved to it.
    ArtifactPushed {
        /// The repository's full name.
        repository: String,
        /// The manifest's digest.
        digest: Digest,
        /// Its media type.
        media_type: String,
        /// The tags that name it since.
        tags: Vec<String>,
    },
    /// A manifest was deleted.
    ArtifactDeleted {
        /// The repository's full name.
        repository: String,
        /// The manifest's digest.
        digest: Digest,
        /// The tags that went with it.
        tags: Vec<String>,
    },
    /// A tag was deleted; its manifest stays.
    TagDeleted {
        /// The repository's full name.
        repository: String,
        /// The tag.
        tag: String,
        /// The digest of the manifest that it named.
        digest: Digest,
    },
    /// A project was changed: its visibility, its metadata, its limit.
    ProjectUpdated {
        /// Its name.
        project: String,
    },
    /// A repository was made.
    RepositoryCreated {
        /// Its full name.
        repository: String,
    },
    /// A repository was deleted, with everything in it.
    RepositoryDeleted {
        /// Its full name.
        repository: String,
    },
    /// A tag was made, or moved to another manifest.
    TagCreated {
        /// The repository's full name.
        repository: String,
        /// The tag.
        tag: String,
        /// The digest of the manifest that it names now.
        digest: Digest,
    },
    /// A manifest was pulled. Written only for projects where somebody wants to hear of it.
    ArtifactPulled {
        /// The repository's full name.
        repository: String,
        /// The manifest's digest.
        digest: Digest,
        /// The tag that it was asked for by, if it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
    /// Somebody became a member of a project, got another role, or is a member no more.
    MemberChanged {
        /// The project's name.
        project: String,
        /// The member's name: a user or a group.
        member: String,
        /// What became of the membership.
        change: Change,
    },
    /// A policy was made, changed or deleted.
    PolicyChanged {
        /// What it is a policy of.
        policy: Policy,
        /// Its key.
        policy_id: i64,
        /// What became of it.
        change: Change,
    },
    /// Something was refused because the project would hold more than it may.
    QuotaExceeded {
        /// The project's name.
        project: String,
        /// How much it may hold, in bytes.
        hard: i64,
        /// How much it held, in bytes.
        used: u64,
        /// How much was to be added, in bytes.
        added: u64,
    },
    /// A project holds more than 85 % of what it may.
    QuotaWarning {
        /// The project's name.
        project: String,
        /// How much it may hold, in bytes.
        hard: i64,
        /// How much it holds, in bytes.
        used: u64,
    },
    /// A policy of retention was carried out in a repository.
    RetentionFinished {
        /// The repository's full name.
        repository: String,
        /// The policy's key.
        policy_id: i64,
        /// The execution's key.
        execution_id: i64,
        /// How many artifacts, or tags, were looked at.
        total: u64,
        /// How many were kept.
        retained: u64,
        /// Whether nothing was deleted in earnest.
        dry_run: bool,
        /// What was deleted, each by its first tag, or by its digest where it had none: the first hundred.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deleted: Vec<String>,
    },
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was made.
    Created,
    /// It is another.
    Updated,
    /// It is no more.
    Deleted,
}

/// What there are policies of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Policy {
    /// Tags that stay as they are.
    Immutable,
    /// What is kept, and what goes.
    Retention,
    /// Who is told of what.
    Webhook,
}

impl EventKind {
    /// What the kinds are called.
    pub const NAMES: [&str; 15] = [
        "project_created",
        "project_deleted",
        "artifact_pushed",
        "artifact_deleted",
        "tag_deleted",
        "project_updated",
        "repository_created",
        "repository_deleted",
        "tag_created",
        "artifact_pulled",
        "member_changed",
        "policy_changed",
        "quota_exceeded",
        "quota_warning",
        "retention_finished",
    ];

    /// What it is called: the tag that it is stored with.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ProjectCreated { .. } => "project_created",
            Self::ProjectDeleted { .. } => "project_deleted",
            Self::ArtifactPushed { .. } => "artifact_pushed",
            Self::ArtifactDeleted { .. } => "artifact_deleted",
            Self::TagDeleted { .. } => "tag_deleted",
            Self::ProjectUpdated { .. } => "project_updated",
            Self::RepositoryCreated { .. } => "repository_created",
            Self::RepositoryDeleted { .. } => "repository_deleted",
            Self::TagCreated { .. } => "tag_created",
            Self::ArtifactPulled { .. } => "artifact_pulled",
            Self::MemberChanged { .. } => "member_changed",
            Self::PolicyChanged { .. } => "policy_changed",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::QuotaWarning { .. } => "quota_warning",
            Self::RetentionFinished { .. } => "retention_finished",
        }
    }

    /// What one has to be allowed, where it happened, to hear of it.
    #[must_use]
    pub const fn permission(&self) -> Permission {
        match self {
            Self::ProjectCreated { .. } | Self::ProjectDeleted { .. } | Self::ProjectUpdated { .. } => {
                ProjectRead::PERMISSION
            }
            Self::ArtifactPushed { .. }
            | Self::ArtifactDeleted { .. }
            | Self::ArtifactPulled { .. }
            | Self::RepositoryCreated { .. }
            | Self::RepositoryDeleted { .. }
            | Self::TagCreated { .. }
            | Self::TagDeleted { .. } => RepositoryPull::PERMISSION,
            Self::MemberChanged { .. } => MemberList::PERMISSION,
            Self::PolicyChanged { policy: Policy::Immutable, .. } => ImmutableTagList::PERMISSION,
            Self::PolicyChanged { policy: Policy::Webhook, .. } => NotificationPolicyList::PERMISSION,
            Self::PolicyChanged { policy: Policy::Retention, .. } | Self::RetentionFinished { .. } => {
                TagRetentionList::PERMISSION
            }
            Self::QuotaExceeded { .. } | Self::QuotaWarning { .. } => QuotaRead::PERMISSION,
        }
    }

    /// The full name of the repository that it happened in, if in one.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::ArtifactPushed { repository, .. }
            | Self::ArtifactDeleted { repository, .. }
            | Self::ArtifactPulled { repository, .. }
            | Self::RepositoryCreated { repository }
            | Self::RepositoryDeleted { repository }
            | Self::TagCreated { repository, .. }
            | Self::TagDeleted { repository, .. }
            | Self::RetentionFinished { repository, .. } => Some(repository),
            Self::ProjectCreated { .. }
            | Self::ProjectDeleted { .. }
            | Self::ProjectUpdated { .. }
            | Self::MemberChanged { .. }
            | Self::PolicyChanged { .. }
            | Self::QuotaExceeded { .. }
            | Self::QuotaWarning { .. } => None,
        }
    }
}

/// An event as it is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: higher is later. The same number is the same event, delivered again.
    #[serde(skip)]
    pub id: i64,
    /// When it happened: microseconds since the epoch.
    pub at: i64,
    /// Who did it: [`Actor::principal`](crate::access::Actor::principal).
    pub actor: String,
    /// The key of the project that it happened in, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<i64>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Receives events.
///
/// # Contract
/// * Every event is delivered at least once, in the order of numbers, also after a restart; an event may come again.
/// * `Err(_)` makes the same event come again, later and later; other sinks do not wait.
/// * `name` is stable: the place in the queue is kept under it.
///
/// ```
/// use harbor_core::event::{Event, EventSink};
/// use harbor_core::StoreError;
///
/// #[derive(Debug)]
/// struct Print;
///
/// #[async_trait::async_trait]
/// impl EventSink for Print {
///     fn name(&self) -> &str {
///         "print"
///     }
///     async fn deliver(&self, event: &Event) -> Result<(), StoreError> {
///         println!("{event:?}");
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait EventSink: fmt::Debug + Send + Sync + 'static {
    /// What the sink is called, for ever.
    fn name(&self) -> &str;

    /// Takes an event.
    async fn deliver(&self, event: &Event) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        let mut left = std::collections::BTreeSet::from(EventKind::NAMES);
        for body in [
            r#"{"at":1,"actor":"admin:admin","kind":"project_created","project":"library"}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"project_deleted","project":"library"}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"artifact_pushed","repository":"library/a","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","media_type":"application/vnd.oci.image.manifest.v1+json","tags":["latest"]}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"artifact_deleted","repository":"library/a","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","tags":[]}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"tag_deleted","repository":"library/a","tag":"latest","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"project_updated","project":"library"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"repository_created","repository":"library/a"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"repository_deleted","repository":"library/a"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"tag_created","repository":"library/a","tag":"latest","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
            r#"{"at":1,"actor":"anonymous","project_id":3,"kind":"artifact_pulled","repository":"library/a","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
            r#"{"at":1,"actor":"anonymous","project_id":3,"kind":"artifact_pulled","repository":"library/a","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","tag":"latest"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"member_changed","project":"library","member":"grace","change":"updated"}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"policy_changed","policy":"webhook","policy_id":7,"change":"created"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"policy_changed","policy":"retention","policy_id":7,"change":"deleted"}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"quota_exceeded","project":"library","hard":10,"used":9,"added":5}"#,
            r#"{"at":1,"actor":"admin:admin","project_id":3,"kind":"quota_warning","project":"library","hard":10,"used":9}"#,
            r#"{"at":1,"actor":"system","project_id":3,"kind":"retention_finished","repository":"library/a","policy_id":7,"execution_id":9,"total":5,"retained":4,"dry_run":false}"#,
            r#"{"at":1,"actor":"system","project_id":3,"kind":"retention_finished","repository":"library/a","policy_id":7,"execution_id":9,"total":5,"retained":4,"dry_run":false,"deleted":["v1"]}"#,
        ] {
            let event: Event = serde_json::from_str(body).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), body);
            assert!(body.contains(&format!(r#""kind":"{}""#, event.kind.name())), "{body}");
            left.remove(event.kind.name());
        }
        assert!(left.is_empty(), "no form of {left:?}");
    }
}

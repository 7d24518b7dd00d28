use serde::{Deserialize, Serialize};

use crate::event::EventKind;

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $cloud:literal;)*) => {
        /// What somebody can be told of, as policies name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl EventType {
            /// All of them: first those of Harbor, then those that this registry has beside them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, as Harbor has it: `PUSH_ARTIFACT`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Its name in CloudEvents: `harbor.artifact.pushed`.
            #[must_use]
            pub const fn cloud(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("harbor.", $cloud),)*
                }
            }
        }
    };
}

event_types! {
    /// An artifact was pushed.
    PushArtifact = "PUSH_ARTIFACT", "artifact.pushed";
    /// An artifact was pulled.
    PullArtifact = "PULL_ARTIFACT", "artifact.pulled";
    /// An artifact was deleted.
    DeleteArtifact = "DELETE_ARTIFACT", "artifact.deleted";
    /// A project would have held more than it may.
    QuotaExceed = "QUOTA_EXCEED", "quota.exceeded";
    /// A project holds nearly what it may.
    QuotaWarning = "QUOTA_WARNING", "quota.warned";
    /// A scan failed.
    ScanningFailed = "SCANNING_FAILED", "scan.failed";
    /// A scan was stopped.
    ScanningStopped = "SCANNING_STOPPED", "scan.stopped";
    /// A scan came to its end.
    ScanningCompleted = "SCANNING_COMPLETED", "scan.completed";
    /// A replication came to another status.
    Replication = "REPLICATION", "replication.status.changed";
    /// A policy of retention was carried out.
    TagRetention = "TAG_RETENTION", "tag_retention.finished";
    /// A tag was made, or moved.
    CreateTag = "CREATE_TAG", "tag.created";
    /// A tag was deleted, and its artifact was not.
    DeleteTag = "DELETE_TAG", "tag.deleted";
    /// A repository was made.
    CreateRepository = "CREATE_REPOSITORY", "repository.created";
    /// A repository was deleted.
    DeleteRepository = "DELETE_REPOSITORY", "repository.deleted";
    /// A project was made.
    CreateProject = "CREATE_PROJECT", "project.created";
    /// A project was changed.
    UpdateProject = "UPDATE_PROJECT", "project.updated";
    /// A project was deleted. Policies of the project go with it: only those of the whole registry tell of it.
    DeleteProject = "DELETE_PROJECT", "project.deleted";
    /// A membership was made, changed or ended.
    ChangeMember = "CHANGE_MEMBER", "member.changed";
    /// A policy was made, changed or deleted.
    ChangePolicy = "CHANGE_POLICY", "policy.changed";
}

impl EventType {
    /// The type of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == name)
    }

    /// The type of an event; none where nobody is told of it, as with a dry run of retention, or one that deleted nothing.
    #[must_use]
    pub const fn of(kind: &EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::ProjectCreated { .. } => Self::CreateProject,
            EventKind::ProjectDeleted { .. } => Self::DeleteProject,
            EventKind::ProjectUpdated { .. } => Self::UpdateProject,
            EventKind::ArtifactPushed { .. } => Self::PushArtifact,
            EventKind::ArtifactDeleted { .. } => Self::DeleteArtifact,
            EventKind::ArtifactPulled { .. } => Self::PullArtifact,
            EventKind::TagCreated { .. } => Self::CreateTag,
            EventKind::TagDeleted { .. } => Self::DeleteTag,
            EventKind::RepositoryCreated { .. } => Self::CreateRepository,
            EventKind::RepositoryDeleted { .. } => Self::DeleteRepository,
            EventKind::MemberChanged { .. } => Self::ChangeMember,
            EventKind::PolicyChanged { .. } => Self::ChangePolicy,
            EventKind::QuotaExceeded { .. } => Self::QuotaExceed,
            EventKind::QuotaWarning { .. } => Self::QuotaWarning,
            EventKind::RetentionFinished { dry_run: true, .. } => return None,
            EventKind::RetentionFinished { total, retained, .. } if *total == *retained => return None,
            EventKind::RetentionFinished { .. } => Self::TagRetention,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        assert!(EventType::ALL.iter().all(|known| EventType::named(known.as_str()) == Some(*known)));
        assert_eq!(EventType::named("push_artifact"), None);
        assert_eq!(EventType::PushArtifact.cloud(), "harbor.artifact.pushed");
    }
}

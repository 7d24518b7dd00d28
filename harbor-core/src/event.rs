//! Events: facts written in the transaction of the change that they tell of.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::StoreError;
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
        for body in [
            r#"{"at":1,"actor":"admin:admin","kind":"project_created","project":"library"}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"project_deleted","project":"library"}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"artifact_pushed","repository":"library/a","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","media_type":"application/vnd.oci.image.manifest.v1+json","tags":["latest"]}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"artifact_deleted","repository":"library/a","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","tags":[]}"#,
            r#"{"at":1,"actor":"admin:admin","kind":"tag_deleted","repository":"library/a","tag":"latest","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
        ] {
            let event: Event = serde_json::from_str(body).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), body);
        }
    }
}

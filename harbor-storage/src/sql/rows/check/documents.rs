//! What rows hold as texts that are read: settings, permissions, policies, what jobs are to do.

use std::collections::BTreeMap;

use harbor_core::meta::ImmutableSelection;
use harbor_core::oci::{Digest, ProjectName, RepositoryName, Tag};
use harbor_core::retention::Retention;
use harbor_core::webhook::Webhook;
use serde::de::IgnoredAny;

/// A column of such texts.
#[derive(Debug)]
pub(crate) struct Document {
    /// What kind of thing has it.
    pub(crate) kind: &'static str,
    /// What is wrong with those that do not read, and what to do.
    pub(crate) what: &'static str,
    /// Finds them: a key (0 for none), a name, the text.
    pub(crate) ask: &'static str,
    /// Whether one reads. Nothing is told of why: it may hold a secret.
    pub(crate) reads: fn(&str) -> bool,
}

fn json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn list(text: &str) -> bool {
    serde_json::from_str::<Vec<String>>(text).is_ok()
}

fn is<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// All of them.
pub(crate) const DOCUMENTS: &[Document] = &[
    Document {
        kind: "setting",
        what: "it does not read: take it from a backup",
        ask: "SELECT CAST(0 AS BIGINT), s.name, s.content FROM settings s \
              WHERE s.name IN ('configuration', 'jobs.paused', 'audit.base', 'audit.keys', 'tokens.keys')",
        reads: json,
    },
    Document {
        kind: "project",
        what: "its settings do not read: set them again",
        ask: "SELECT p.id, p.name, p.metadata FROM projects p WHERE p.metadata IS NOT NULL",
        reads: json,
    },
    Document {
        kind: "project",
        what: "its list of allowed vulnerabilities does not read: set it again",
        ask: "SELECT p.id, p.name, p.cve_allowlist FROM projects p WHERE p.cve_allowlist IS NOT NULL",
        reads: json,
    },
    Document {
        kind: "member",
        what: "the repositories that it is of do not read: remove the member, and add it again",
        ask: "SELECT m.id, (SELECT p.name FROM projects p WHERE p.id = m.project_id), m.repositories \
              FROM project_members m WHERE m.repositories IS NOT NULL",
        reads: list,
    },
    Document {
        kind: "role",
        what: "its permissions do not read: set them again",
        ask: "SELECT r.id, r.name, r.permissions FROM roles r",
        reads: list,
    },
    Document {
        kind: "robot",
        what: "its permissions do not read: set them again",
        ask: "SELECT r.id, r.name, r.permissions FROM robots r",
        reads: json,
    },
    Document {
        kind: "immutable",
        what: "what it is of does not read: delete the rule, and make it again",
        ask: "SELECT i.id, (SELECT p.name FROM projects p WHERE p.id = i.project_id), i.selection FROM immutable_rules i",
        reads: |text| ImmutableSelection::read(text).is_ok(),
    },
    Document {
        kind: "retention",
        what: "the policy does not read: delete it, and make it again",
        ask: "SELECT r.id, (SELECT p.name FROM projects p WHERE p.id = r.project_id), r.policy FROM retention_policies r",
        reads: |text| Retention::read(text).is_ok(),
    },
    Document {
        kind: "webhook",
        what: "the policy does not read: delete it, and make it again",
        ask: "SELECT w.id, w.name, w.webhook FROM webhook_policies w",
        reads: |text| Webhook::read(text).is_ok(),
    },
    Document {
        kind: "schedule",
        what: "what is to be done does not read: set it again",
        ask: "SELECT s.id, s.kind, s.payload FROM schedules s",
        reads: json,
    },
    Document {
        kind: "execution",
        what: "what came out of it does not read: it goes when its time is over",
        ask: "SELECT e.id, e.kind, e.detail FROM executions e",
        reads: json,
    },
    Document {
        kind: "task",
        what: "what is to be done does not read: stop it, and set it going again",
        ask: "SELECT t.id, t.kind, t.payload FROM tasks t WHERE t.status IN ('Pending', 'Running')",
        reads: json,
    },
    Document {
        kind: "trash",
        what: "the tags that it had do not read: push it again",
        ask: "SELECT t.id, t.digest, t.tags FROM trash t",
        reads: list,
    },
    Document {
        kind: "event",
        what: "it does not read: nobody hears of it",
        ask: "SELECT e.id, CAST(NULL AS CHAR(1)), e.body FROM events e",
        reads: json,
    },
    Document {
        kind: "user",
        what: "the second factor does not read: reset it",
        ask: "SELECT u.id, u.name, u.second_factor FROM users u WHERE u.second_factor IS NOT NULL",
        reads: json,
    },
    Document {
        kind: "token",
        what: "what it may do does not read: delete it, and make another",
        ask: "SELECT t.id, t.name, t.scopes FROM personal_tokens t WHERE t.scopes <> ''",
        reads: json,
    },
    Document {
        kind: "trash",
        what: "the labels that it had do not read: push it again",
        ask: "SELECT t.id, t.digest, t.labels FROM trash t WHERE t.labels IS NOT NULL",
        reads: |text| serde_json::from_str::<Vec<i64>>(text).is_ok(),
    },
    Document {
        kind: "manifest",
        what: "its annotations do not read: delete it, and push it again",
        ask: "SELECT m.id, m.digest, m.annotations FROM manifests m",
        reads: |text| serde_json::from_str::<BTreeMap<String, String>>(text).is_ok(),
    },
    Document {
        kind: "manifest",
        what: "what is shown of its config does not read: delete it, and push it again",
        ask: "SELECT m.id, m.digest, m.attributes FROM manifests m WHERE m.attributes IS NOT NULL",
        reads: json,
    },
    Document {
        kind: "reference",
        what: "what the index says of it does not read: delete the index, of this key, and push it again",
        ask: "SELECT c.manifest_id, c.digest, c.says FROM manifest_children c WHERE c.says IS NOT NULL",
        reads: json,
    },
    Document {
        kind: "project",
        what: "its name is none: take it from a backup",
        ask: "SELECT p.id, p.name, p.name FROM projects p",
        reads: is::<ProjectName>,
    },
    Document {
        kind: "repository",
        what: "its name is none: take it from a backup",
        ask: "SELECT r.id, r.name, r.name FROM repositories r",
        reads: is::<RepositoryName>,
    },
    Document {
        kind: "tag",
        what: "its name is none: take it from a backup",
        ask: "SELECT t.id, t.name, t.name FROM tags t",
        reads: is::<Tag>,
    },
    Document {
        kind: "blob",
        what: "its digest is none: take it from a backup",
        ask: "SELECT b.id, b.digest, b.digest FROM blobs b",
        reads: is::<Digest>,
    },
];

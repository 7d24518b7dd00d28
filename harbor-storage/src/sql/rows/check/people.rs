//! Questions about people and projects: who is a member of what, what they log in with, and what projects have beside content.

use super::{Question, goes, no, unnamed};

pub(super) const QUESTIONS: &[Question] = &[
    goes!(
        "member",
        "its project, its user or its group is not there",
        "project_members",
        "project_members.id",
        "(SELECT q.name FROM projects q WHERE q.id = project_members.project_id)",
        concat!(
            no!("project_members", "project_id", "projects"),
            " OR (user_id IS NOT NULL AND ",
            no!("project_members", "user_id", "users"),
            ") OR (group_id IS NOT NULL AND ",
            no!("project_members", "group_id", "user_groups"),
            ") OR (user_id IS NULL AND group_id IS NULL)"
        )
    ),
    Question {
        kind: "member",
        what: "it is a user and a group at once: remove the member, and add whom it should be",
        ask: "SELECT m.id, (SELECT q.name FROM projects q WHERE q.id = m.project_id) FROM project_members m \
              WHERE m.user_id IS NOT NULL AND m.group_id IS NOT NULL",
        from: None,
        done: "",
        mend: &[],
    },
    Question {
        kind: "member",
        what: "its role is not there, so it can do nothing: give it another",
        // The roles that are built in have the numbers up to 5, and those that were made count from 100.
        ask: "SELECT m.id, (SELECT q.name FROM projects q WHERE q.id = m.project_id) FROM project_members m \
              WHERE m.role_id NOT IN (1, 2, 3, 4, 5) \
              AND NOT EXISTS (SELECT 1 FROM roles r WHERE r.id + 100 = m.role_id)",
        from: None,
        done: "",
        mend: &[],
    },
    goes!(
        "group",
        "a user who is not there is in it, or it is not there",
        "user_group_users",
        "user_group_users.group_id",
        "(SELECT g.name FROM user_groups g WHERE g.id = user_group_users.group_id)",
        concat!(
            no!("user_group_users", "user_id", "users"),
            " OR ",
            no!("user_group_users", "group_id", "user_groups")
        )
    ),
    goes!(
        "token",
        "its user is not there",
        "personal_tokens",
        "personal_tokens.id",
        "personal_tokens.name",
        no!("personal_tokens", "user_id", "users")
    ),
    goes!(
        "session",
        "its user, of this key, is not there",
        "sessions",
        "sessions.user_id",
        unnamed!(),
        no!("sessions", "user_id", "users")
    ),
    goes!(
        "robot",
        "its project is not there",
        "robots",
        "robots.id",
        "robots.name",
        concat!("robots.project_id <> 0 AND ", no!("robots", "project_id", "projects"))
    ),
    goes!(
        "label",
        "its project is not there",
        "labels",
        "labels.id",
        "labels.name",
        concat!("labels.project_id <> 0 AND ", no!("labels", "project_id", "projects")),
        concat!(
            "DELETE FROM artifact_labels WHERE EXISTS (SELECT 1 FROM labels WHERE labels.id = artifact_labels.label_id \
             AND labels.project_id <> 0 AND ",
            no!("labels", "project_id", "projects"),
            ")"
        )
    ),
    goes!(
        "label",
        "it is on an artifact of another project",
        "artifact_labels",
        "artifact_labels.label_id",
        "(SELECT k.name FROM labels k WHERE k.id = artifact_labels.label_id)",
        "EXISTS (SELECT 1 FROM labels l, manifests m, repositories r WHERE l.id = artifact_labels.label_id \
         AND m.id = artifact_labels.manifest_id AND r.id = m.repository_id AND l.project_id NOT IN (0, r.project_id))"
    ),
    goes!(
        "immutable",
        "its project is not there",
        "immutable_rules",
        "immutable_rules.id",
        unnamed!(),
        no!("immutable_rules", "project_id", "projects")
    ),
    goes!(
        "retention",
        "its project is not there",
        "retention_policies",
        "retention_policies.id",
        unnamed!(),
        concat!(
            "retention_policies.project_id <> 0 AND ",
            no!("retention_policies", "project_id", "projects")
        )
    ),
    goes!(
        "webhook",
        "its project is not there",
        "webhook_policies",
        "webhook_policies.id",
        "webhook_policies.name",
        concat!("webhook_policies.project_id <> 0 AND ", no!("webhook_policies", "project_id", "projects"))
    ),
    goes!(
        "webhook trigger",
        "its policy, of this key, is not there",
        "webhook_triggers",
        "webhook_triggers.policy_id",
        "webhook_triggers.event_type",
        no!("webhook_triggers", "policy_id", "webhook_policies")
    ),
    goes!(
        "quota",
        "its project is not there",
        "quotas",
        "quotas.id",
        unnamed!(),
        no!("quotas", "project_id", "projects")
    ),
    Question {
        kind: "quota",
        what: "its limit is no number of bytes above 0, and not -1, which is none: set it again",
        ask: "SELECT q.id, p.name FROM quotas q JOIN projects p ON p.id = q.project_id WHERE q.hard < 1 AND q.hard <> -1",
        from: None,
        done: "",
        mend: &[],
    },
    goes!(
        "figure",
        "what a project uses is kept that is not there",
        "project_usage",
        "project_usage.project_id",
        unnamed!(),
        no!("project_usage", "project_id", "projects")
    ),
    goes!(
        "figure",
        "how many artifacts a repository has is kept that is not there",
        "artifact_counts",
        "artifact_counts.repository_id",
        unnamed!(),
        no!("artifact_counts", "repository_id", "repositories")
    ),
    goes!(
        "trash",
        "its repository is not there, so nobody can restore it",
        "trash",
        "trash.id",
        "trash.digest",
        no!("trash", "repository_id", "repositories")
    ),
    // Keyed by a text; what it left in the store is of no upload then.
    goes!(
        "upload",
        "its repository, of this key, is not there",
        "uploads",
        "uploads.repository_id",
        "uploads.id",
        no!("uploads", "repository_id", "repositories")
    ),
];

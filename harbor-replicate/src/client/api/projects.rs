//! Projects and what is set for them.

use std::collections::BTreeMap;

use harbor_core::api;

use super::noun::nouns;
use super::query::ProjectRef;

nouns! {
    /// Projects, with their settings.
    projects Projects {
        /// The projects that may be seen; filters `name`, `public`, `owner`.
        list "listProjects" () => Pages[api::Project];
        /// Whether there is a project: `project_name` in the query. Refused with 404 when there is none.
        exists "headProject" () => Nothing asks;
        /// Makes a project.
        create "createProject" () with api::ProjectReq => Created;
        /// One project.
        get "getProject" (project_name_or_id: ProjectRef<'_>) => One[api::Project];
        /// Changes what a project is set to.
        update "updateProject" (project_name_or_id: ProjectRef<'_>) with api::ProjectReq => Nothing;
        /// Deletes a project without repositories.
        delete "deleteProject" (project_name_or_id: ProjectRef<'_>) => Nothing;
        /// Whether it would be deleted, and why not.
        deletable "getProjectDeletable" (project_name_or_id: ProjectRef<'_>) => One[api::ProjectDeletable];
        /// How many repositories and members it has, and its quota.
        summary "getProjectSummary" (project_name_or_id: ProjectRef<'_>) => One[api::ProjectSummary];
        /// All of its settings.
        settings "listProjectMetadatas" (project_name_or_id: ProjectRef<'_>) => One[BTreeMap<String, String>];
        /// Adds a setting.
        add_settings "addProjectMetadatas" (project_name_or_id: ProjectRef<'_>) with api::ProjectSetting => Nothing;
        /// One of its settings.
        setting "getProjectMetadata" (project_name_or_id: ProjectRef<'_>, meta_name: &str) => One[BTreeMap<String, String>];
        /// Changes a setting.
        set "updateProjectMetadata" (project_name_or_id: ProjectRef<'_>, meta_name: &str) with api::ProjectSetting => Nothing;
        /// Takes a setting away.
        unset "deleteProjectMetadata" (project_name_or_id: ProjectRef<'_>, meta_name: &str) => Nothing;
        /// Its audit log, in the older form.
        logs "getLogs" (project_name: &str) => Pages[api::AuditLog];
        /// Its audit log.
        audit "getLogExts" (project_name: &str) => Pages[api::AuditLogExt];
    }

    /// What projects may hold, and what they do.
    quotas Quotas {
        /// The quotas; `reference` and `reference_id` say of what.
        list "listQuotas" () => Pages[api::Quota];
        /// One quota.
        get "getQuota" (id: i64) => One[api::Quota];
        /// Sets its limits.
        update "updateQuota" (id: i64) with api::QuotaUpdateReq => Nothing;
    }

    /// Rules of immutable tags.
    immutable_rules ImmutableRules {
        /// The rules of a project.
        list "ListImmuRules" (project_name_or_id: ProjectRef<'_>) => Pages[api::ImmutableRule];
        /// Adds a rule.
        create "CreateImmuRule" (project_name_or_id: ProjectRef<'_>) with api::ImmutableRule => Created;
        /// Changes a rule.
        update "UpdateImmuRule" (project_name_or_id: ProjectRef<'_>, immutable_rule_id: i64) with api::ImmutableRule => Nothing;
        /// Deletes a rule.
        delete "DeleteImmuRule" (project_name_or_id: ProjectRef<'_>, immutable_rule_id: i64) => Nothing;
    }
}

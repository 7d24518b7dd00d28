//! Projects, and what belongs to one.

use harbor_core::api;

use super::{Answer, Documented, op};
use crate::api::openapi::shape::of;

pub(super) const TABLE: &[Documented] = &[
    op(
        "listProjects",
        "Page through visible projects; filters name/public/owner; optional detail",
        &["name", "public", "owner"],
        None,
        Answer::Page(of::<api::Project>()),
    ),
    op("headProject", "Existence probe by project_name (200/404)", &["project_name"], None, Answer::Nothing)
        .may(&[404]),
    op(
        "createProject",
        "Create project (optional storage_limit, registry_id => proxy cache)",
        &[],
        Some(of::<api::ProjectReq>()),
        Answer::Created,
    ),
    op("getProject", "One project by id or name", &[], None, Answer::One(of::<api::Project>())),
    op(
        "updateProject",
        "Change metadata / allowlist of project",
        &[],
        Some(of::<api::ProjectReq>()),
        Answer::Nothing,
    ),
    op(
        "deleteProject",
        "Delete project; 412 if it still has repositories (or is otherwise undeletable)",
        &[],
        None,
        Answer::Nothing,
    )
    .may(&[412]),
    op(
        "getProjectDeletable",
        "Ask whether deletion would be accepted, with reason",
        &[],
        None,
        Answer::One(of::<api::ProjectDeletable>()),
    ),
    op(
        "getProjectSummary",
        "Counts of repos, members per role, quota, and upstream registry if proxy",
        &[],
        None,
        Answer::One(of::<api::ProjectSummary>()),
    ),
    op("listProjectMetadatas", "All metadata key/value strings of project", &[], None, Answer::Words),
    op(
        "addProjectMetadatas",
        "Add a metadata key (409 if present)",
        &[],
        Some(of::<api::ProjectSetting>()),
        Answer::Nothing,
    ),
    op("getProjectMetadata", "One metadata key", &[], None, Answer::Words),
    op(
        "updateProjectMetadata",
        "Set a metadata key",
        &[],
        Some(of::<api::ProjectSetting>()),
        Answer::Nothing,
    ),
    op("deleteProjectMetadata", "Drop a metadata key", &[], None, Answer::Nothing),
    op(
        "listQuotas",
        "Quotas, filter reference/reference_id, sortable by hard/used",
        &["reference", "reference_id"],
        None,
        Answer::Page(of::<api::Quota>()),
    ),
    op("getQuota", "One quota", &[], None, Answer::One(of::<api::Quota>())),
    op("updateQuota", "Set hard limits of quota", &[], Some(of::<api::QuotaUpdateReq>()), Answer::Nothing),
    op(
        "getLogs",
        "Audit log of a project: its artifacts, tags and repositories",
        &[],
        None,
        Answer::Page(of::<api::AuditLog>()),
    ),
    op("getLogExts", "Audit log of a project", &[], None, Answer::Page(of::<api::AuditLogExt>())),
    op(
        "ListImmuRules",
        "Immutable-tag rules of project",
        &[],
        None,
        Answer::Page(of::<api::ImmutableRule>()),
    ),
    op("CreateImmuRule", "Add immutable-tag rule", &[], Some(of::<api::ImmutableRule>()), Answer::Created)
        .may(&[412]),
    op(
        "UpdateImmuRule",
        "Change/enable/disable immutable-tag rule",
        &[],
        Some(of::<api::ImmutableRule>()),
        Answer::Nothing,
    )
    .may(&[412]),
    op("DeleteImmuRule", "Drop immutable-tag rule", &[], None, Answer::Nothing),
];

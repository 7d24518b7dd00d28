//! What each operation that is served says of itself, takes and answers. A test compares this list with what is served.

use harbor_core::api;

use super::shape::{Shape, of};

/// An operation that is served.
pub(super) struct Documented {
    /// Its name in the table of operations.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) says: &'static str,
    /// The parameters of its query, beside those of every list.
    pub(super) query: &'static [&'static str],
    /// What it takes.
    pub(super) body: Option<Shape>,
    /// What it answers.
    pub(super) answer: Answer,
}

/// What an operation answers.
pub(super) enum Answer {
    /// 200 without a body.
    Nothing,
    /// 201 without a body.
    Created,
    /// 201 with a body.
    Made(Shape),
    /// One thing.
    One(Shape),
    /// A list, whole.
    Many(Shape),
    /// A page of a list.
    Page(Shape),
    /// Values by name.
    Words,
    /// Text.
    Text,
}

impl Answer {
    /// Whether it is a page of a list.
    pub(super) const fn is_page(&self) -> bool {
        matches!(self, Self::Page(_))
    }
}

impl Documented {
    /// The shapes of what it takes and answers.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let answer = match &self.answer {
            Answer::Made(shape) | Answer::One(shape) | Answer::Many(shape) | Answer::Page(shape) => {
                Some(shape)
            }
            Answer::Nothing | Answer::Created | Answer::Words | Answer::Text => None,
        };
        self.body.iter().chain(answer)
    }
}

const fn op(
    id: &'static str,
    says: &'static str,
    query: &'static [&'static str],
    body: Option<Shape>,
    answer: Answer,
) -> Documented {
    Documented { id, says, query, body, answer }
}

/// The operations that are served.
pub(super) const DOCUMENTED: &[Documented] = &[
    op(
        "getHealth",
        "Aggregate health plus per-component status; no login needed",
        &[],
        None,
        Answer::One(of::<api::OverallHealthStatus>()),
    ),
    op("getPing", "Liveness, returns plain text Pong", &[], None, Answer::Text),
    op(
        "getSystemInfo",
        "Public facts (auth_mode, self_registration, banner); more when logged in",
        &[],
        None,
        Answer::One(of::<api::GeneralInfo>()),
    ),
    op(
        "listProjects",
        "Page through visible projects; filters name/public/owner; optional detail",
        &["name", "public", "owner"],
        None,
        Answer::Page(of::<api::Project>()),
    ),
    op("headProject", "Existence probe by project_name (200/404)", &["project_name"], None, Answer::Nothing),
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
    ),
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
    op(
        "listProjectMembers",
        "Members of project, filter entityname",
        &["entityname"],
        None,
        Answer::Page(of::<api::ProjectMemberEntity>()),
    ),
    op(
        "createProjectMember",
        "Add user or group to project with role id",
        &[],
        Some(of::<api::ProjectMember>()),
        Answer::Created,
    ),
    op(
        "getProjectMember",
        "One membership by member id",
        &[],
        None,
        Answer::One(of::<api::ProjectMemberEntity>()),
    ),
    op(
        "updateProjectMember",
        "Change role of membership",
        &[],
        Some(of::<api::RoleRequest>()),
        Answer::Nothing,
    ),
    op("deleteProjectMember", "Remove membership", &[], None, Answer::Nothing),
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
        "listUserGroups",
        "User groups, filter by ldap_group_dn / group_name",
        &["ldap_group_dn", "group_name"],
        None,
        Answer::Page(of::<api::UserGroup>()),
    ),
    op(
        "createUserGroup",
        "Create LDAP/HTTP/OIDC group record",
        &[],
        Some(of::<api::UserGroup>()),
        Answer::Created,
    ),
    op(
        "searchUserGroups",
        "Search groups by groupname",
        &["groupname"],
        None,
        Answer::Page(of::<api::UserGroupSearchItem>()),
    ),
    op("getUserGroup", "One group", &[], None, Answer::One(of::<api::UserGroup>())),
    op("updateUserGroup", "Rename group", &[], Some(of::<api::UserGroup>()), Answer::Nothing),
    op("deleteUserGroup", "Delete group record", &[], None, Answer::Nothing),
    op(
        "ListRobot",
        "Robots (system by default; q=Level=project,ProjectID=n for project)",
        &[],
        None,
        Answer::Page(of::<api::Robot>()),
    ),
    op(
        "CreateRobot",
        "Create system- or project-level robot; returns secret once",
        &[],
        Some(of::<api::RobotCreate>()),
        Answer::Made(of::<api::RobotCreated>()),
    ),
    op("GetRobotByID", "One robot", &[], None, Answer::One(of::<api::Robot>())),
    op(
        "UpdateRobot",
        "Change robot (enable/disable, duration, permissions)",
        &[],
        Some(of::<api::Robot>()),
        Answer::Nothing,
    ),
    op(
        "RefreshSec",
        "Rotate robot secret (given or generated)",
        &[],
        Some(of::<api::RobotSec>()),
        Answer::One(of::<api::RobotSec>()),
    ),
    op("DeleteRobot", "Delete robot", &[], None, Answer::Nothing),
    op("listUsers", "Users (admin)", &[], None, Answer::Page(of::<api::UserResp>())),
    op("createUser", "Create a local user", &[], Some(of::<api::UserCreationReq>()), Answer::Created),
    op("getCurrentUserInfo", "Who am I", &[], None, Answer::One(of::<api::UserResp>())),
    op(
        "searchUsers",
        "Search users by name (any logged-in user)",
        &["username"],
        None,
        Answer::Page(of::<api::UserSearchRespItem>()),
    ),
    op("getUser", "One user", &[], None, Answer::One(of::<api::UserResp>())),
    op(
        "updateUserProfile",
        "Change email/realname/comment",
        &[],
        Some(of::<api::UserProfile>()),
        Answer::Nothing,
    ),
    op("deleteUser", "Delete user (soft)", &[], None, Answer::Nothing),
    op("setUserSysAdmin", "Grant/revoke sysadmin", &[], Some(of::<api::UserSysAdminFlag>()), Answer::Nothing),
    op("updateUserPassword", "Change password", &[], Some(of::<api::PasswordReq>()), Answer::Nothing),
    op(
        "getCurrentUserPermissions",
        "Caller permissions in a scope (relative or absolute)",
        &["scope", "relative"],
        None,
        Answer::Many(of::<api::PermissionEntry>()),
    ),
    op("setCliSecret", "Set own OIDC CLI secret", &[], None, Answer::Nothing),
    op(
        "getPermissions",
        "Full list of permissions grantable to system / project robots",
        &[],
        None,
        Answer::One(of::<api::Permissions>()),
    ),
    op(
        "listRoles",
        "The roles that were made of permissions",
        &[],
        None,
        Answer::Many(of::<api::CustomRole>()),
    ),
    op("createRole", "Make a role of permissions", &[], Some(of::<api::CustomRoleReq>()), Answer::Created),
    op("getRole", "One role", &[], None, Answer::One(of::<api::CustomRole>())),
    op(
        "updateRole",
        "Change a role, for everybody who has it",
        &[],
        Some(of::<api::CustomRoleReq>()),
        Answer::Nothing,
    ),
    op("deleteRole", "Delete a role that nobody has", &[], None, Answer::Nothing),
    op(
        "listPersonalTokens",
        "The caller's personal access tokens",
        &[],
        None,
        Answer::Many(of::<api::PersonalToken>()),
    ),
    op(
        "createPersonalToken",
        "Make a personal access token; it is shown this once",
        &[],
        Some(of::<api::PersonalTokenReq>()),
        Answer::Made(of::<api::PersonalTokenCreated>()),
    ),
    op("deletePersonalToken", "Delete a personal access token: it ends at once", &[], None, Answer::Nothing),
    op("getTotp", "Whether the caller has a second factor", &[], None, Answer::One(of::<api::TotpState>())),
    op(
        "createTotp",
        "Make a second factor (RFC 6238), with the password; its secret is shown this once",
        &[],
        Some(of::<api::TotpReq>()),
        Answer::Made(of::<api::TotpCreated>()),
    ),
    op(
        "confirmTotp",
        "Turn the second factor on, with a code; the recovery codes are shown this once",
        &[],
        Some(of::<api::TotpConfirmReq>()),
        Answer::One(of::<api::TotpRecoveryCodes>()),
    ),
    op(
        "deleteTotp",
        "Take one's own second factor away, with the password and a code",
        &[],
        Some(of::<api::TotpDeleteReq>()),
        Answer::Nothing,
    ),
    op("resetTotp", "Take somebody's second factor away (administrators)", &[], None, Answer::Nothing),
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
        "getConfigurations",
        "Read user-scope settings, each as {value, editable}",
        &[],
        None,
        Answer::One(of::<api::ConfigurationsResponse>()),
    ),
    op(
        "getInternalconfig",
        "The same, for internal components",
        &[],
        None,
        Answer::One(of::<api::ConfigurationsResponse>()),
    ),
    op(
        "updateConfigurations",
        "Partial update of settings; only sent keys change",
        &[],
        Some(of::<api::Configurations>()),
        Answer::Nothing,
    ),
    op("getVolumes", "Total/free bytes of storage", &[], None, Answer::One(of::<api::SystemInfo>())),
    op("getCert", "Download CA root certificate file", &[], None, Answer::Text),
    op(
        "search",
        "Name search across projects + repositories the caller may see (q= plain text)",
        &["q"],
        None,
        Answer::One(of::<api::Search>()),
    ),
    op(
        "getStatistic",
        "Project/repo counts (private/public/total) and total storage for caller",
        &[],
        None,
        Answer::One(of::<api::Statistic>()),
    ),
    op(
        "listAllRepositories",
        "Repositories across all projects the caller can access",
        &[],
        None,
        Answer::Page(of::<api::Repository>()),
    ),
    op("listRepositories", "Repositories in a project", &[], None, Answer::Page(of::<api::Repository>())),
    op(
        "getRepository",
        "One repository with artifact_count/pull_count",
        &[],
        None,
        Answer::One(of::<api::Repository>()),
    ),
    op(
        "updateRepository",
        "Change description of repository",
        &[],
        Some(of::<api::RepositoryUpdate>()),
        Answer::Nothing,
    ),
    op("deleteRepository", "Delete repository and its artifacts", &[], None, Answer::Nothing),
    op(
        "listArtifacts",
        "Artifacts of a repository with opt-in tag/label/accessory info",
        &[
            "with_tag",
            "with_label",
            "with_scan_overview",
            "with_sbom_overview",
            "with_immutable_status",
            "with_accessory",
            "with_inherited_accessory",
        ],
        None,
        Answer::Page(of::<api::Artifact>()),
    ),
    op(
        "listArtifactsOfProject",
        "Artifacts across a project (latest_in_repository=true gives newest per repository)",
        &[
            "latest_in_repository",
            "with_tag",
            "with_label",
            "with_scan_overview",
            "with_sbom_overview",
            "with_immutable_status",
            "with_accessory",
            "with_inherited_accessory",
        ],
        None,
        Answer::Page(of::<api::Artifact>()),
    ),
    op(
        "CopyArtifact",
        "Server-side copy from another repo via ?from=project/repo@ref or :tag",
        &["from"],
        None,
        Answer::Created,
    ),
    op(
        "getArtifact",
        "One artifact by tag or digest with the same opt-in info",
        &[
            "with_tag",
            "with_label",
            "with_scan_overview",
            "with_sbom_overview",
            "with_immutable_status",
            "with_accessory",
            "with_inherited_accessory",
            "with_signature",
        ],
        None,
        Answer::One(of::<api::Artifact>()),
    ),
    op("deleteArtifact", "Delete artifact and all its tags", &[], None, Answer::Nothing),
    op("createTag", "Attach extra tag to artifact", &[], Some(of::<api::NewTag>()), Answer::Created),
    op(
        "listTags",
        "Tags on an artifact, optional immutable status",
        &["with_immutable_status"],
        None,
        Answer::Page(of::<api::Tag>()),
    ),
    op("deleteTag", "Remove one tag only (artifact stays)", &[], None, Answer::Nothing),
    op(
        "listAccessories",
        "Accessories (signatures, SBOM, ...) hanging off an artifact",
        &[],
        None,
        Answer::Page(of::<api::Accessory>()),
    ),
    op(
        "getAddition",
        "Other addition: build_history, values.yaml, readme.md, dependencies",
        &[],
        None,
        Answer::Text,
    ),
    op("addLabel", "Put existing label on artifact", &[], Some(of::<api::Label>()), Answer::Nothing),
    op("removeLabel", "Take label off artifact", &[], None, Answer::Nothing),
    op(
        "listAuditLogs",
        "Audit log of artifacts, tags, repositories and projects, as far as the caller may see it",
        &[],
        None,
        Answer::Page(of::<api::AuditLog>()),
    ),
    op(
        "listAuditLogExts",
        "Audit log, as far as the caller may see it",
        &[],
        None,
        Answer::Page(of::<api::AuditLogExt>()),
    ),
    op(
        "listAuditLogEventTypes",
        "Types of events that may be left out of the audit log",
        &[],
        None,
        Answer::Many(of::<api::AuditLogEventType>()),
    ),
    op(
        "getLogs",
        "Audit log of a project: its artifacts, tags and repositories",
        &[],
        None,
        Answer::Page(of::<api::AuditLog>()),
    ),
    op("getLogExts", "Audit log of a project", &[], None, Answer::Page(of::<api::AuditLogExt>())),
    op(
        "ListLabels",
        "Labels by scope g/p",
        &["name", "scope", "project_id"],
        None,
        Answer::Page(of::<api::Label>()),
    ),
    op("CreateLabel", "Create global or project label", &[], Some(of::<api::Label>()), Answer::Created),
    op("GetLabelByID", "One label", &[], None, Answer::One(of::<api::Label>())),
    op("UpdateLabel", "Change label", &[], Some(of::<api::Label>()), Answer::Nothing),
    op("DeleteLabel", "Delete label", &[], None, Answer::Nothing),
    op(
        "ListImmuRules",
        "Immutable-tag rules of project",
        &[],
        None,
        Answer::Page(of::<api::ImmutableRule>()),
    ),
    op("CreateImmuRule", "Add immutable-tag rule", &[], Some(of::<api::ImmutableRule>()), Answer::Created),
    op(
        "UpdateImmuRule",
        "Change/enable/disable immutable-tag rule",
        &[],
        Some(of::<api::ImmutableRule>()),
        Answer::Nothing,
    ),
    op("DeleteImmuRule", "Drop immutable-tag rule", &[], None, Answer::Nothing),
];

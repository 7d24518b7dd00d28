//! The list of permissions: one table of (resource, action, scope, who has it) that yields a marker type each.
//!
//! Resources, actions, and who has them are Harbor's. From this table come the gate's marker types, the roles
//! ([`Role`]), what robots may be given, and the lists that the API shows.

use std::fmt;

use super::authorized::{InProject, InRepository, InSystem, InUser, Scope};
use super::role::Role;

/// One entry of the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permission {
    /// What is acted on.
    pub resource: &'static str,
    /// What is done to it.
    pub action: &'static str,
    /// Where.
    pub level: Level,
    holders: u8,
}

/// Where a permission is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// On the whole registry.
    System,
    /// In a project, or in a repository of one.
    Project,
}

// Who has a permission. In projects: the five roles, and everybody where the project is public.
const A: u8 = 1 << 0;
const M: u8 = 1 << 1;
const D: u8 = 1 << 2;
const G: u8 = 1 << 3;
const L: u8 = 1 << 4;
const P: u8 = 1 << 5;
/// Robots may be given it.
const R: u8 = 1 << 6;
/// In the whole registry: it is shown among the permissions of who is an administrator.
const S: u8 = 1 << 7;
/// Whatever only administrators may do, and nobody can be given.
const NONE: u8 = 0;

impl Permission {
    const fn new(resource: &'static str, action: &'static str, level: Level, holders: u8) -> Self {
        Self { resource, action, level, holders }
    }

    /// The entry of that resource and action, if there is one.
    #[must_use]
    pub fn find(level: Level, resource: &str, action: &str) -> Option<Self> {
        ALL.iter()
            .find(|known| known.level == level && known.resource == resource && known.action == action)
            .copied()
    }

    /// Whether a role that Harbor has built in has this permission.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        let bit = match role {
            Role::ProjectAdmin => A,
            Role::Maintainer => M,
            Role::Developer => D,
            Role::Guest => G,
            Role::LimitedGuest => L,
        };
        matches!(self.level, Level::Project) && self.holders & bit != 0
    }

    /// Whether everybody has this permission in a public project.
    #[must_use]
    pub const fn is_public(self) -> bool {
        self.holders & P != 0
    }

    /// Whether a robot, a custom role or a personal access token may be given this permission.
    #[must_use]
    pub const fn is_grantable(self) -> bool {
        self.holders & R != 0
    }

    /// Whether it is one of those that the API shows as an administrator's own.
    #[must_use]
    pub const fn is_shown_to_administrators(self) -> bool {
        self.holders & S != 0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What the engine's own workers write: nobody can be given it.
pub(crate) const WORK: Permission = Permission::new("system", "work", Level::System, NONE);

/// A permission as a type.
pub trait Action: Send + Sync + 'static + sealed::Sealed {
    /// The entry of the list.
    const PERMISSION: Permission;
    /// What it is granted on.
    type Scope: Scope;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! permissions {
    ($($name:ident = $resource:literal $action:literal in $scope:ident, $holders:expr;)*) => {
        $(
            #[doc = concat!("Harbor's `", $resource, ":", $action, "`.")]
            #[derive(Debug)]
            pub enum $name {}
            impl sealed::Sealed for $name {}
            impl Action for $name {
                const PERMISSION: Permission = Permission::new($resource, $action, level!($scope), $holders);
                type Scope = $scope;
            }
        )*
        /// Every permission there is.
        pub const ALL: &[Permission] = &[$($name::PERMISSION),*];
    };
}

macro_rules! level {
    (InSystem) => {
        Level::System
    };
    (InUser) => {
        Level::System
    };
    ($other:ident) => {
        Level::Project
    };
}

permissions! {
    // In a project.
    AccessoryList = "accessory" "list" in InRepository, A | M | D | G | L | P | R;
    ArtifactCreate = "artifact" "create" in InRepository, A | M | D | R;
    ArtifactDelete = "artifact" "delete" in InRepository, A | M | R;
    ArtifactList = "artifact" "list" in InRepository, A | M | D | G | L | P | R;
    ArtifactRead = "artifact" "read" in InRepository, A | M | D | G | L | P | R;
    ArtifactAdditionRead = "artifact-addition" "read" in InRepository, A | M | D | G | L | P | R;
    ArtifactLabelCreate = "artifact-label" "create" in InRepository, A | M | D | R;
    ArtifactLabelDelete = "artifact-label" "delete" in InRepository, A | M | D | R;
    ConfigurationRead = "configuration" "read" in InProject, A | M | D | G | L;
    ConfigurationUpdate = "configuration" "update" in InProject, A;
    ExportCveCreate = "export-cve" "create" in InProject, A | M | D | R;
    ExportCveList = "export-cve" "list" in InProject, A | M | D;
    ExportCveRead = "export-cve" "read" in InProject, A | M | D | R;
    ImmutableTagCreate = "immutable-tag" "create" in InProject, A | M | R;
    ImmutableTagDelete = "immutable-tag" "delete" in InProject, A | M | R;
    ImmutableTagList = "immutable-tag" "list" in InProject, A | M | R;
    ImmutableTagUpdate = "immutable-tag" "update" in InProject, A | M | R;
    LabelCreate = "label" "create" in InProject, A | M | R;
    LabelDelete = "label" "delete" in InProject, A | M | R;
    LabelList = "label" "list" in InProject, A | M | D | G | P | R;
    LabelRead = "label" "read" in InProject, A | M | D | G | P | R;
    LabelUpdate = "label" "update" in InProject, A | M | R;
    LogList = "log" "list" in InProject, A | R;
    MemberCreate = "member" "create" in InProject, A | R;
    MemberDelete = "member" "delete" in InProject, A | R;
    MemberList = "member" "list" in InProject, A | M | D | G | R;
    MemberRead = "member" "read" in InProject, A | M | D | G | R;
    MemberUpdate = "member" "update" in InProject, A | R;
    MetadataCreate = "metadata" "create" in InProject, A | R;
    MetadataDelete = "metadata" "delete" in InProject, A | R;
    MetadataList = "metadata" "list" in InProject, R;
    MetadataRead = "metadata" "read" in InProject, A | M | R;
    MetadataUpdate = "metadata" "update" in InProject, A | R;
    NotificationPolicyCreate = "notification-policy" "create" in InProject, A | R;
    NotificationPolicyDelete = "notification-policy" "delete" in InProject, A | R;
    NotificationPolicyList = "notification-policy" "list" in InProject, A | M | R;
    NotificationPolicyRead = "notification-policy" "read" in InProject, A | M | R;
    NotificationPolicyUpdate = "notification-policy" "update" in InProject, A | R;
    PreheatPolicyCreate = "preheat-policy" "create" in InProject, A | R;
    PreheatPolicyDelete = "preheat-policy" "delete" in InProject, A | R;
    PreheatPolicyList = "preheat-policy" "list" in InProject, A | R;
    PreheatPolicyRead = "preheat-policy" "read" in InProject, A | R;
    PreheatPolicyUpdate = "preheat-policy" "update" in InProject, A | R;
    ProjectDelete = "project" "delete" in InProject, A | R;
    ProjectRead = "project" "read" in InProject, A | M | D | G | L | P | R;
    ProjectUpdate = "project" "update" in InProject, A | R;
    QuotaRead = "quota" "read" in InProject, A | M | D | G | L | R;
    RepositoryCreate = "repository" "create" in InRepository, A | M | D;
    RepositoryDelete = "repository" "delete" in InRepository, A | M | R;
    RepositoryList = "repository" "list" in InProject, A | M | D | G | L | P | R;
    RepositoryPull = "repository" "pull" in InRepository, A | M | D | G | L | P | R;
    RepositoryPush = "repository" "push" in InRepository, A | M | D | R;
    RepositoryRead = "repository" "read" in InRepository, A | M | D | G | L | R;
    RepositoryUpdate = "repository" "update" in InRepository, A | M | D | R;
    RobotCreate = "robot" "create" in InProject, A | R;
    RobotDelete = "robot" "delete" in InProject, A | R;
    RobotList = "robot" "list" in InProject, A | M | D | G | R;
    RobotRead = "robot" "read" in InProject, A | M | D | G | R;
    RobotUpdate = "robot" "update" in InProject, A;
    SbomCreate = "sbom" "create" in InRepository, A | M | R;
    SbomRead = "sbom" "read" in InRepository, A | M | D | G | L | R;
    SbomStop = "sbom" "stop" in InRepository, A | M | R;
    ScanCreate = "scan" "create" in InRepository, A | M | R;
    ScanRead = "scan" "read" in InRepository, A | M | D | G | L | P | R;
    ScanStop = "scan" "stop" in InRepository, A | M | R;
    ScannerCreate = "scanner" "create" in InProject, A | R;
    ScannerRead = "scanner" "read" in InProject, A | M | D | G | L | P | R;
    TagCreate = "tag" "create" in InRepository, A | M | D | R;
    TagDelete = "tag" "delete" in InRepository, A | M | R;
    TagList = "tag" "list" in InRepository, A | M | D | G | L | P | R;
    TagRetentionCreate = "tag-retention" "create" in InProject, A | M | D | R;
    TagRetentionDelete = "tag-retention" "delete" in InProject, A | M | D | R;
    TagRetentionList = "tag-retention" "list" in InProject, A | M | D | R;
    TagRetentionOperate = "tag-retention" "operate" in InProject, A | M | D;
    TagRetentionRead = "tag-retention" "read" in InProject, A | M | D | R;
    TagRetentionUpdate = "tag-retention" "update" in InProject, A | M | D | R;
    // In the whole registry. Harbor has no roles that are made.
    RoleCreate = "role" "create" in InSystem, NONE;
    RoleDelete = "role" "delete" in InSystem, NONE;
    RoleUpdate = "role" "update" in InSystem, NONE;
    // Nor has it webhooks of the whole registry.
    SystemNotificationPolicyCreate = "notification-policy" "create" in InSystem, NONE;
    SystemNotificationPolicyDelete = "notification-policy" "delete" in InSystem, NONE;
    SystemNotificationPolicyList = "notification-policy" "list" in InSystem, NONE;
    SystemNotificationPolicyRead = "notification-policy" "read" in InSystem, NONE;
    SystemNotificationPolicyUpdate = "notification-policy" "update" in InSystem, NONE;
    // Nor has it second factors.
    UserTotpDelete = "user-totp" "delete" in InSystem, NONE;
    AuditLogList = "audit-log" "list" in InSystem, S | R;
    CatalogRead = "catalog" "read" in InSystem, S | R;
    SystemConfigurationRead = "configuration" "read" in InSystem, S;
    SystemConfigurationUpdate = "configuration" "update" in InSystem, S;
    DistributionCreate = "distribution" "create" in InSystem, S;
    DistributionDelete = "distribution" "delete" in InSystem, S;
    DistributionList = "distribution" "list" in InSystem, S;
    DistributionRead = "distribution" "read" in InSystem, S;
    DistributionUpdate = "distribution" "update" in InSystem, S;
    GarbageCollectionCreate = "garbage-collection" "create" in InSystem, S | R;
    GarbageCollectionDelete = "garbage-collection" "delete" in InSystem, S;
    GarbageCollectionList = "garbage-collection" "list" in InSystem, S | R;
    GarbageCollectionRead = "garbage-collection" "read" in InSystem, S | R;
    GarbageCollectionStop = "garbage-collection" "stop" in InSystem, R;
    GarbageCollectionUpdate = "garbage-collection" "update" in InSystem, S | R;
    JobserviceMonitorList = "jobservice-monitor" "list" in InSystem, S | R;
    JobserviceMonitorRead = "jobservice-monitor" "read" in InSystem, S;
    JobserviceMonitorStop = "jobservice-monitor" "stop" in InSystem, S | R;
    SystemLabelCreate = "label" "create" in InSystem, R;
    SystemLabelDelete = "label" "delete" in InSystem, R;
    SystemLabelRead = "label" "read" in InSystem, R;
    SystemLabelUpdate = "label" "update" in InSystem, R;
    LdapUserCreate = "ldap-user" "create" in InSystem, S | R;
    LdapUserList = "ldap-user" "list" in InSystem, S | R;
    PreheatInstanceCreate = "preheat-instance" "create" in InSystem, R;
    PreheatInstanceDelete = "preheat-instance" "delete" in InSystem, R;
    PreheatInstanceList = "preheat-instance" "list" in InSystem, R;
    PreheatInstanceRead = "preheat-instance" "read" in InSystem, R;
    PreheatInstanceUpdate = "preheat-instance" "update" in InSystem, R;
    ProjectCreate = "project" "create" in InSystem, S | R;
    SystemProjectDelete = "project" "delete" in InSystem, S;
    ProjectList = "project" "list" in InSystem, S | R;
    SystemProjectRead = "project" "read" in InSystem, S;
    SystemProjectUpdate = "project" "update" in InSystem, S;
    PurgeAuditCreate = "purge-audit" "create" in InSystem, R;
    PurgeAuditList = "purge-audit" "list" in InSystem, R;
    PurgeAuditRead = "purge-audit" "read" in InSystem, R;
    PurgeAuditStop = "purge-audit" "stop" in InSystem, R;
    PurgeAuditUpdate = "purge-audit" "update" in InSystem, R;
    QuotaList = "quota" "list" in InSystem, R;
    SystemQuotaRead = "quota" "read" in InSystem, R;
    QuotaUpdate = "quota" "update" in InSystem, R;
    RegistryCreate = "registry" "create" in InSystem, S | R;
    RegistryDelete = "registry" "delete" in InSystem, S | R;
    RegistryList = "registry" "list" in InSystem, S | R;
    RegistryRead = "registry" "read" in InSystem, S | R;
    RegistryUpdate = "registry" "update" in InSystem, S | R;
    ReplicationCreate = "replication" "create" in InSystem, S | R;
    ReplicationDelete = "replication" "delete" in InSystem, S;
    ReplicationList = "replication" "list" in InSystem, S | R;
    ReplicationRead = "replication" "read" in InSystem, S | R;
    ReplicationUpdate = "replication" "update" in InSystem, S;
    ReplicationAdapterList = "replication-adapter" "list" in InSystem, R;
    ReplicationPolicyCreate = "replication-policy" "create" in InSystem, R;
    ReplicationPolicyDelete = "replication-policy" "delete" in InSystem, R;
    ReplicationPolicyList = "replication-policy" "list" in InSystem, R;
    ReplicationPolicyRead = "replication-policy" "read" in InSystem, R;
    ReplicationPolicyUpdate = "replication-policy" "update" in InSystem, R;
    SystemRobotCreate = "robot" "create" in InSystem, R;
    SystemRobotDelete = "robot" "delete" in InSystem, R;
    SystemRobotList = "robot" "list" in InSystem, R;
    SystemRobotRead = "robot" "read" in InSystem, R;
    ScanAllCreate = "scan-all" "create" in InSystem, S | R;
    ScanAllDelete = "scan-all" "delete" in InSystem, S;
    ScanAllList = "scan-all" "list" in InSystem, S;
    ScanAllRead = "scan-all" "read" in InSystem, S | R;
    ScanAllStop = "scan-all" "stop" in InSystem, S | R;
    ScanAllUpdate = "scan-all" "update" in InSystem, S | R;
    SystemScannerCreate = "scanner" "create" in InSystem, R;
    ScannerDelete = "scanner" "delete" in InSystem, R;
    ScannerList = "scanner" "list" in InSystem, R;
    SystemScannerRead = "scanner" "read" in InSystem, R;
    ScannerUpdate = "scanner" "update" in InSystem, R;
    SecurityHubList = "security-hub" "list" in InSystem, S | R;
    SecurityHubRead = "security-hub" "read" in InSystem, S | R;
    SystemVolumesRead = "system-volumes" "read" in InSystem, S | R;
    UserCreate = "user" "create" in InSystem, S | R;
    UserDelete = "user" "delete" in InSystem, S | R;
    UserList = "user" "list" in InSystem, S | R;
    UserRead = "user" "read" in InUser, S | R;
    UserUpdate = "user" "update" in InUser, S | R;
    UserGroupCreate = "user-group" "create" in InSystem, S | R;
    UserGroupDelete = "user-group" "delete" in InSystem, S | R;
    UserGroupList = "user-group" "list" in InSystem, S | R;
    UserGroupRead = "user-group" "read" in InSystem, S | R;
    UserGroupUpdate = "user-group" "update" in InSystem, S | R;
}

/// `artifact:list` of a whole project instead of one repository.
#[derive(Debug)]
pub enum ProjectArtifactList {}
impl sealed::Sealed for ProjectArtifactList {}
impl Action for ProjectArtifactList {
    const PERMISSION: Permission = ArtifactList::PERMISSION;
    type Scope = InProject;
}

/// `user:update` of what a user cannot change of itself.
#[derive(Debug)]
pub enum UserAdminister {}
impl sealed::Sealed for UserAdminister {}
impl Action for UserAdminister {
    const PERMISSION: Permission = UserUpdate::PERMISSION;
    type Scope = InSystem;
}

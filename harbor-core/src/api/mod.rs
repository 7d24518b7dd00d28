//! What Harbor's API v2.0 takes and answers: one noun a file, as JSON has it.
//!
//! The server, its OpenAPI document and clients share these. A field that may be absent is an `Option`, and is left out when it
//! is; what a body says beside these fields is not read.

mod artifact;
mod audit;
mod configuration;
mod deleted_artifact;
mod error;
mod event;
mod group;
mod immutable;
mod job;
mod json;
mod label;
mod member;
mod permission;
mod project;
mod quota;
mod repository;
mod retention;
mod robot;
mod role;
mod schedule;
mod system;
mod token;
mod totp;
mod user;
mod webhook;

pub use artifact::{Accessory, AdditionLink, Artifact, NewTag, Platform, Reference, Tag};
pub use audit::{AuditFinding, AuditHead, AuditLog, AuditLogEventType, AuditLogExt, AuditVerification};
pub use configuration::{ConfigItem, Configurations, ConfigurationsResponse};
pub use deleted_artifact::{DeletedArtifact, RestoredArtifact};
pub use error::{ErrorBody, ErrorEntry};
pub use event::Event;
pub use group::{UserGroup, UserGroupSearchItem};
pub use immutable::{ImmutableRule, ImmutableSelector};
pub use job::{ActionRequest, Job, JobQueue, Worker, WorkerPool};
pub use json::{Absent, from_json};
pub use label::Label;
pub use member::{ProjectMember, ProjectMemberEntity, RoleRequest, UserEntity};
pub use permission::{PermissionEntry, Permissions};
pub use project::{
    CveAllowlist, CveAllowlistItem, Project, ProjectDeletable, ProjectReq, ProjectSetting, ProjectSummary,
    ProjectSummaryQuota,
};
pub use quota::{Quota, QuotaRefObject, QuotaUpdateReq};
pub use repository::{Repository, RepositoryUpdate, Search, SearchRepository, Statistic};
pub use retention::{
    RetentionExecution, RetentionExecutionTask, RetentionMetadata, RetentionOperation, RetentionPolicy,
    RetentionPreview, RetentionPreviewReq, RetentionPreviewTag, RetentionRule, RetentionRuleMetadata,
    RetentionRuleParamMetadata, RetentionRuleTrigger, RetentionRun, RetentionScope, RetentionSelector,
    RetentionSelectorMetadata,
};
pub use robot::{Access, Robot, RobotCreate, RobotCreateV1, RobotCreated, RobotPermission, RobotSec};
pub use role::{CustomRole, CustomRoleReq};
pub use schedule::{RunHistory, Schedule, ScheduleObj, ScheduleTask, SchedulerStatus};
pub use system::{ComponentHealthStatus, GeneralInfo, OverallHealthStatus, Storage, SystemInfo};
pub use token::{PersonalToken, PersonalTokenCreated, PersonalTokenReq};
pub use totp::{TotpConfirmReq, TotpCreated, TotpDeleteReq, TotpRecoveryCodes, TotpReq, TotpState};
pub use user::{
    OidcCliSecretReq, PasswordReq, UserCreationReq, UserProfile, UserResp, UserSearchRespItem,
    UserSysAdminFlag,
};
pub use webhook::{
    Execution, ExecutionMetrics, PayloadFormat, SupportedWebhookEventTypes, Task, WebhookJob,
    WebhookLastTrigger, WebhookPolicy, WebhookTargetFailing, WebhookTargetObject, WebhookTest,
};

//! The port of the metadata store: rows, in transactions. The database is the truth.
//!
//! One noun, one file: a row type, a trait that reads and a trait that changes. All of them stand on the transaction; the
//! reading ones stand on a plain connection too.

mod accessory;
mod announcement;
mod artifact;
mod audit;
mod audit_chain;
mod blob;
#[cfg(feature = "conformance")]
pub mod conformance;
mod event;
mod execution;
mod garbage;
mod group;
mod id;
mod immutable;
mod label;
mod manifest;
mod member;
mod personal_token;
mod project;
mod quota;
mod repository;
mod retention;
mod review;
pub mod revision;
mod robot;
mod role;
mod schedule;
mod session;
mod setting;
mod store;
mod tag;
mod task;
mod trash;
mod upload;
mod user;
mod webhook;
mod worker_pool;

pub use accessory::{Accessory, AccessoryKey, AccessoryKind, AccessoryKindError, AccessoryRows};
pub use announcement::{Announcements, Topic};
pub use artifact::{
    Artifact, ArtifactKey, ArtifactQuery, ArtifactReference, ArtifactRows, ArtifactRowsMut, ArtifactScope,
    ArtifactTag, Described, LISTED, Pulled, Says, TagKey, TagTest,
};
pub use audit::{AUDIT_EVENT_TYPES, AuditKey, AuditLine, AuditRow, AuditRows, AuditRowsMut, AuditScope};
pub use audit_chain::{AuditChainRows, AuditChainRowsMut, AuditHead, AuditLink};
pub use blob::{Blob, BlobRows, BlobRowsMut, LinkReview, LinkedBlob, Publish, Published};
pub use event::{EventRow, EventRows, EventRowsMut};
pub use execution::{
    Execution, ExecutionKey, ExecutionRows, ExecutionRowsMut, ExecutionScope, ExecutionStatus, NewExecution,
    TaskCounts, Trigger,
};
pub use garbage::{Garbage, GarbageRows, GarbageRowsMut};
pub use group::{Group, GroupKey, GroupKind, GroupRows, GroupRowsMut};
pub use id::{
    AuditId, BlobId, ExecutionId, GarbageId, GroupId, ImmutableRuleId, LabelId, LinkId, ManifestId, MemberId,
    ProjectId, QuotaId, RepositoryId, RetentionId, RobotId, RoleId, ScheduleId, TagId, TaskId, TokenId,
    UserId, WebhookId,
};
pub use immutable::{ImmutableRows, ImmutableRowsMut, ImmutableRule, ImmutableRuleKey, ImmutableSelection};
pub use label::{Label, LabelKey, LabelRows, LabelRowsMut};
pub use manifest::{Manifest, ManifestRows, ManifestRowsMut, NewManifest, Referrer, Stored, Untagged};
pub use member::{Member, MemberEntity, MemberKey, MemberRows, MemberRowsMut, Membership, NewMember};
pub use personal_token::{PersonalToken, PersonalTokenRows, PersonalTokenRowsMut};
pub use project::{Project, ProjectKey, ProjectRows, ProjectRowsMut};
pub use quota::{CLAIMS, Growth, Quota, QuotaKey, QuotaRows, QuotaRowsMut, UNLIMITED, Usage};
pub use repository::{
    Among, Candidate, Figures, Repository, RepositoryEntry, RepositoryFilter, RepositoryKey, RepositoryRows,
    RepositoryRowsMut,
};
pub use retention::{RetentionArtifact, RetentionPolicy, RetentionRows, RetentionRowsMut};
pub use review::{Review, ReviewRows, ReviewRowsMut};
pub use revision::{RevisionRows, RevisionRowsMut};
pub use robot::{Robot, RobotKey, RobotRows, RobotRowsMut};
pub use role::{CustomRole, RoleRows, RoleRowsMut};
pub use schedule::{Schedule, ScheduleKey, ScheduleRows, ScheduleRowsMut};
pub use session::{Session, SessionRows, SessionRowsMut};
pub use setting::{SettingRows, SettingRowsMut};
pub use store::{MetadataStore, PUSHED, Reads, Sharing, Transaction};
pub use tag::{TagPut, TagRows, TagRowsMut};
pub use task::{
    Held, NewTask, Priority, Queued, Task, TaskKey, TaskRows, TaskRowsMut, TaskScope, TaskStatus,
};
pub use trash::{TrashKey, TrashRows, TrashRowsMut, Trashed, TrashedManifest};
pub use upload::{Upload, UploadRows, UploadRowsMut};
pub use user::{User, UserKey, UserRows, UserRowsMut};
pub use webhook::{WebhookKey, WebhookPolicy, WebhookRows, WebhookRowsMut};
pub use worker_pool::{WorkerPool, WorkerPoolRows, WorkerPoolRowsMut};

/// The result of a row method.
pub type RowResult<T> = Result<T, crate::StoreError>;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries of the page.
    pub entries: Vec<T>,
    /// How many entries the whole list has.
    pub total: u64,
}

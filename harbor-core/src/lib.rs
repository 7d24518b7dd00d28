#![doc = include_str!("../ARCHITECTURE.md")]

pub mod access;
pub mod api;
pub mod blob;
mod engine;
mod error;
pub mod event;
pub mod job;
pub mod meta;
pub mod oci;
pub mod operation;
pub mod pattern;
pub mod policy;
pub mod query;
pub mod retention;
pub mod selector;
mod time;

pub use engine::{
    Addition, AdditionKind, Artifacts, Audit, Builder, CollectGarbage, ConfigKey, Configuration,
    Configurations, EitherProof, Enqueue, ForwardTarget, Found, FoundAll, FoundTag, Freed, GcReport, Harbor,
    Health, ImmutableRules, Jobs, Judged, LabelChange, Labels, MetadataKey, NewImmutableRule, NewLabel,
    NewProject, ProjectChange, Projects, PurgeAudit, Purged, Quotas, RETENTION_ID, Repositories, Retain,
    Retained, RetentionList, RetentionRead, RetentionUpdate, Retentions, Rhythm, RunChange, Runs, SCHEDULER,
    Settings, Statistics, SystemJob, TaskLog, With, Write, audit, content, fixed_configuration,
};
pub use error::{Error, Result, StoreError, StoreErrorKind};
pub use time::{Clock, Timestamp};

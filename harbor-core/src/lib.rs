#![doc = include_str!("../ARCHITECTURE.md")]

pub mod access;
pub mod api;
pub mod blob;
pub mod egress;
mod engine;
mod error;
pub mod event;
pub mod job;
pub mod meta;
mod network;
pub mod oci;
pub mod operation;
pub mod pattern;
pub mod policy;
pub mod query;
pub mod retention;
pub mod selector;
mod time;
pub mod webhook;

#[cfg(feature = "egress")]
pub use engine::Tried;
pub use engine::{
    Addition, AdditionKind, Artifacts, Audit, Builder, CollectGarbage, ConfigKey, Configuration,
    Configurations, EitherProof, Enqueue, EventFilter, EventStream, Events, ForwardTarget, Found, FoundAll,
    FoundTag, Freed, GcReport, Harbor, Health, ImmutableRules, Jobs, Judged, LONGEST_ROBOT_LIFE, LabelChange,
    Labels, MetadataKey, NewImmutableRule, NewLabel, NewProject, ProjectChange, Projects, PurgeAudit, Purged,
    Quotas, RETENTION_ID, Repositories, Restored, Retain, Retained, RetentionList, RetentionRead,
    RetentionUpdate, Retentions, Rhythm, RunChange, Runs, SCHEDULER, Settings, Statistics, Streamed,
    SystemJob, TaskLog, With, Write, audit, content, fixed_configuration,
};
pub use engine::{
    Delivery, FailingTarget, HookJob, LastTrigger, NewWebhook, SlackJob, WebhookCreate, WebhookDelete,
    WebhookList, WebhookRead, WebhookUpdate, Webhooks,
};
pub use error::{Error, Result, StoreError, StoreErrorKind};
pub use network::{Network, NetworkError};
pub use time::{Clock, Timestamp};

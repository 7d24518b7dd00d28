#![doc = include_str!("../ARCHITECTURE.md")]

pub mod access;
pub mod api;
pub mod blob;
mod engine;
mod error;
pub mod event;
pub mod meta;
pub mod oci;
pub mod operation;
pub mod pattern;
pub mod policy;
pub mod query;
pub mod selector;
mod time;

pub use engine::{
    Addition, AdditionKind, Artifacts, Audit, Builder, ConfigKey, Configuration, Configurations, Found,
    FoundAll, FoundTag, GcReport, Harbor, Health, ImmutableRules, LabelChange, LabelProof, Labels,
    MetadataKey, NewImmutableRule, NewLabel, NewProject, ProjectChange, Projects, Quotas, Repositories,
    Settings, Statistics, With, Write, audit, content, fixed_configuration,
};
pub use error::{Error, Result, StoreError, StoreErrorKind};
pub use time::{Clock, Timestamp};

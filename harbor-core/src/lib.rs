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
mod time;

pub use engine::{
    Builder, ConfigKey, Configuration, Configurations, GcReport, Harbor, Health, MetadataKey, NewProject,
    ProjectChange, Projects, Quotas, Settings, Write, content, fixed_configuration,
};
pub use error::{Error, Result, StoreError, StoreErrorKind};
pub use time::{Clock, Timestamp};

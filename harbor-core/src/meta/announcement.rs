//! What processes that share a store tell each other: that there is something to do, never what.

use std::fmt;

use async_trait::async_trait;

use super::RowResult;

/// What there is something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Jobs to begin, or to end.
    Jobs,
    /// Events to deliver.
    Events,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Jobs, Self::Events];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Events => "events",
        }
    }
}

/// Hears what other processes announce.
#[async_trait]
pub trait Announcements: fmt::Debug + Send {
    /// The next topic, as soon as another process announces one. After an error, some may have been missed, and there will be no
    /// more.
    async fn next(&mut self) -> RowResult<Topic>;
}

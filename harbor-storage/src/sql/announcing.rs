//! What processes that share a PostgreSQL tell each other, by its NOTIFY and LISTEN.

use async_trait::async_trait;
use harbor_core::meta::{Announcements, Topic};
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use uuid::Uuid;

use super::error::map;
use super::rows::NOTIFY;
use super::server::PROMPT;
use super::session::Session;
use super::statement::values;

/// The channel. Each database has its own.
const CHANNEL: &str = "harbor";

/// Announces, and hears.
#[derive(Debug)]
pub(super) struct Announcing {
    /// By which this process knows its own voice.
    sender: Uuid,
    /// Of a connection of its own, for whoever listens keeps one.
    options: PgConnectOptions,
}

impl Announcing {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { sender: Uuid::new_v4(), options }
    }

    pub(super) async fn announce(&self, session: &mut dyn Session, topic: Topic) -> Result<(), StoreError> {
        let payload = format!("{} {}", topic.name(), self.sender);
        session.fetch(&NOTIFY, values![CHANNEL, payload]).await.map(|_| ())
    }

    pub(super) async fn listen(&self) -> Result<Listening, StoreError> {
        let lost = |error| map("listening to announcements", error);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PROMPT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await.map_err(lost)?;
        listener.listen(CHANNEL).await.map_err(lost)?;
        Ok(Listening { listener, own: self.sender.to_string() })
    }
}

/// Hears what others announce.
#[derive(Debug)]
pub(super) struct Listening {
    listener: PgListener,
    own: String,
}

#[async_trait]
impl Announcements for Listening {
    async fn next(&mut self) -> Result<Topic, StoreError> {
        loop {
            let heard = self.listener.try_recv().await;
            let heard = heard.map_err(|error| map("listening to announcements", error))?;
            let gone = || StoreError::new(StoreErrorKind::Unavailable, "the connection that listens is gone");
            let heard = heard.ok_or_else(gone)?;
            let Some((topic, sender)) = heard.payload().split_once(' ') else { continue };
            // Of a newer version there may be topics that are unknown here.
            let known = Topic::ALL.into_iter().find(|known| known.name() == topic);
            if let (Some(topic), true) = (known, sender != self.own) {
                return Ok(topic);
            }
        }
    }
}

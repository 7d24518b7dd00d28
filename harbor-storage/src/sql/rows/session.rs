use async_trait::async_trait;
use harbor_core::meta::{Session, SessionRows, SessionRowsMut, UserId};
use harbor_core::{StoreError, Timestamp};

use super::{Rows, first};
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        digest: row.text(0)?,
        user: UserId::new(row.int(1)?),
        epoch: row.int(2)?,
        created_at: Timestamp::from_micros(row.int(3)?),
        expires_at: Timestamp::from_micros(row.int(4)?),
    })
}

#[async_trait]
impl SessionRows for Rows {
    async fn session(&mut self, digest: &str) -> Result<Option<Session>, StoreError> {
        let find =
            sql!("SELECT digest, user_id, epoch, created_at, expires_at FROM sessions WHERE digest = ?");
        first(self.session.fetch(find, values![digest]).await?).map(|row| session(&row)).transpose()
    }

    async fn session_has_ended(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let find = sql!("SELECT 1 FROM sessions WHERE expires_at <= ? LIMIT 1");
        Ok(!self.session.fetch(find, values![now.micros()]).await?.is_empty())
    }
}

#[async_trait]
impl SessionRowsMut for Rows {
    async fn session_insert(&mut self, session: &Session) -> Result<(), StoreError> {
        let insert = sql!(
            "INSERT INTO sessions (digest, user_id, epoch, created_at, expires_at) VALUES (?, ?, ?, ?, ?)"
        );
        let parameters = values![
            session.digest.as_str(),
            session.user.get(),
            session.epoch,
            session.created_at.micros(),
            session.expires_at.micros(),
        ];
        self.session.defer(insert, parameters).await
    }

    async fn session_extend(&mut self, digest: &str, expires_at: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE sessions SET expires_at = ? WHERE digest = ?");
        self.session.defer(update, values![expires_at.micros(), digest]).await
    }

    async fn session_delete(&mut self, digest: &str) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM sessions WHERE digest = ?");
        Ok(self.session.execute(delete, values![digest]).await? == 1)
    }

    async fn sessions_expire(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let list = sql!("SELECT digest FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?");
        let ended = self.session.fetch(list, values![now.micros(), limit]).await?;
        for row in &ended {
            let delete = sql!("DELETE FROM sessions WHERE digest = ?");
            self.session.defer(delete, values![row.text(0)?]).await?;
        }
        Ok(ended.len() as u64)
    }
}

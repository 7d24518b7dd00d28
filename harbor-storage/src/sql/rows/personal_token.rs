use async_trait::async_trait;
use harbor_core::meta::{PersonalToken, PersonalTokenRows, PersonalTokenRowsMut, TokenId, UserId};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, at_or_never, first, never_or_at};
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

fn token(row: &Row) -> Result<PersonalToken, StoreError> {
    Ok(PersonalToken {
        id: TokenId::new(row.int(0)?),
        user: UserId::new(row.int(1)?),
        name: row.text(2)?,
        digest: row.text(3)?,
        scopes: row.text(4)?,
        expires_at: never_or_at(row.int(5)?),
        created_at: Timestamp::from_micros(row.int(6)?),
        used_at: never_or_at(row.int(7)?),
    })
}

#[async_trait]
impl PersonalTokenRows for Rows {
    async fn personal_token(&mut self, digest: &str) -> Result<Option<PersonalToken>, StoreError> {
        let find = sql!(
            "SELECT id, user_id, name, digest, scopes, expires_at, created_at, used_at FROM personal_tokens \
             WHERE digest = ?"
        );
        first(self.session.fetch(find, values![digest]).await?).map(|row| token(&row)).transpose()
    }

    async fn personal_token_of(&mut self, id: TokenId) -> Result<Option<PersonalToken>, StoreError> {
        let find = sql!(
            "SELECT id, user_id, name, digest, scopes, expires_at, created_at, used_at FROM personal_tokens \
             WHERE id = ?"
        );
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| token(&row)).transpose()
    }

    async fn personal_tokens(&mut self, user: UserId) -> Result<Vec<PersonalToken>, StoreError> {
        let list = sql!(
            "SELECT id, user_id, name, digest, scopes, expires_at, created_at, used_at FROM personal_tokens \
             WHERE user_id = ? ORDER BY id"
        );
        self.session.fetch(list, values![user.get()]).await?.iter().map(token).collect()
    }
}

#[async_trait]
impl PersonalTokenRowsMut for Rows {
    async fn personal_token_insert(&mut self, token: &PersonalToken) -> Result<TokenId, StoreError> {
        let insert = sql!(
            "INSERT INTO personal_tokens (user_id, name, digest, scopes, expires_at, created_at, used_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)"
        );
        let parameters = values![
            token.user.get(),
            token.name.as_str(),
            token.digest.as_str(),
            token.scopes.as_str(),
            at_or_never(token.expires_at),
            token.created_at.micros(),
            at_or_never(token.used_at),
        ];
        self.session.execute(insert, parameters).await?;
        let lost = || StoreError::new(StoreErrorKind::Conflict, "making a token");
        Ok(self.personal_token(&token.digest).await?.ok_or_else(lost)?.id)
    }

    async fn personal_token_used(&mut self, id: TokenId, now: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE personal_tokens SET used_at = ? WHERE id = ?");
        self.session.defer(update, values![now.micros(), id.get()]).await
    }

    async fn personal_token_delete(&mut self, user: UserId, id: TokenId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM personal_tokens WHERE user_id = ? AND id = ?");
        Ok(self.session.execute(delete, values![user.get(), id.get()]).await? == 1)
    }
}

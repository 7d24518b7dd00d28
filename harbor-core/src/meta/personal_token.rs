//! Personal access tokens: what a user's programs carry instead of the password.

use async_trait::async_trait;

use super::{RowResult, TokenId, UserId};
use crate::Timestamp;

/// A personal access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalToken {
    /// Its key.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// What its user calls it.
    pub name: String,
    /// The SHA-256 of the token, in hexadecimal digits. The token itself is kept nowhere.
    pub digest: String,
    /// What it is limited to, in the form that its owner wrote.
    pub scopes: String,
    /// When it ends; never without.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// About when it was last used.
    pub used_at: Option<Timestamp>,
}

/// Reads personal access tokens.
#[async_trait]
pub trait PersonalTokenRows {
    /// The token of that digest.
    async fn personal_token(&mut self, digest: &str) -> RowResult<Option<PersonalToken>>;

    /// The token of that key.
    async fn personal_token_of(&mut self, id: TokenId) -> RowResult<Option<PersonalToken>>;

    /// The tokens of a user, by key: there is a limit on their number.
    async fn personal_tokens(&mut self, user: UserId) -> RowResult<Vec<PersonalToken>>;
}

/// Changes personal access tokens.
#[async_trait]
pub trait PersonalTokenRowsMut {
    /// Makes a token; its `id` is of no account. `Conflict` when the user has one of that name.
    async fn personal_token_insert(&mut self, token: &PersonalToken) -> RowResult<TokenId>;

    /// Notes that a token was used.
    async fn personal_token_used(&mut self, id: TokenId, now: Timestamp) -> RowResult<()>;

    /// Deletes a token of a user. False when it was not there.
    async fn personal_token_delete(&mut self, user: UserId, id: TokenId) -> RowResult<bool>;
}

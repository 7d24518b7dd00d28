//! Roles that were made, beside those that are built in.

use async_trait::async_trait;

use super::{RoleId, RowResult};
use crate::Timestamp;

/// A role that was made of permissions in projects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRole {
    /// Its key, above those of the built-in roles.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do: `resource:action`.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Reads roles.
#[async_trait]
pub trait RoleRows {
    /// Every role that was made, by key: they are few.
    async fn roles(&mut self) -> RowResult<Vec<CustomRole>>;
}

/// Changes roles.
#[async_trait]
pub trait RoleRowsMut {
    /// Makes a role; its `id` is of no account. `Conflict` when there is one of that name.
    async fn role_insert(&mut self, role: &CustomRole) -> RowResult<RoleId>;

    /// Stores a role as it is now. False when it was not there; `Conflict` when another has the name.
    async fn role_save(&mut self, role: &CustomRole) -> RowResult<bool>;

    /// Deletes a role. False when it was not there; `Conflict` while a member has it.
    async fn role_delete(&mut self, id: RoleId) -> RowResult<bool>;
}

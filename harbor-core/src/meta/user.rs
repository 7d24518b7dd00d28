//! Users: people whom this registry knows.

use async_trait::async_trait;

use super::{Listed, RowResult, UserId};
use crate::Timestamp;
use crate::access::Secret;
use crate::query::{Query, keys};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its key.
    pub id: UserId,
    /// The name that it logs in with.
    pub name: String,
    /// Its address, unlike that of any other user.
    pub email: Option<String>,
    /// What it is called.
    pub real_name: String,
    /// What was noted.
    pub comment: String,
    /// Whether it administers the whole registry.
    pub administrator: bool,
    /// The hash of its password. Without one it cannot log in with a password here.
    pub password: Option<Secret>,
    /// Its second factor, in the form that its owner wrote.
    pub second_factor: Option<Secret>,
    /// Counted up when its sessions and tokens shall end: they carry the number that they were made at.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of users are filtered and sorted by.
    pub enum UserKey {
        /// `user_id`.
        Id: Int, "user_id", "UserID", filter, sort;
        /// `username`.
        Name: Text, "username", "Username", filter, sort;
        /// `email`.
        Email: Text, "email", "Email", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Reads users.
#[async_trait]
pub trait UserRows {
    /// The user of that key.
    async fn user(&mut self, id: UserId) -> RowResult<Option<User>>;

    /// The user of that name.
    async fn user_named(&mut self, name: &str) -> RowResult<Option<User>>;

    /// A page of the users, by key unless the query has another order.
    async fn users(&mut self, query: &Query<UserKey>) -> RowResult<Listed<User>>;
}

/// Changes users.
#[async_trait]
pub trait UserRowsMut {
    /// Makes a user; its `id` is of no account. `Conflict` when one has the name or the address.
    async fn user_insert(&mut self, user: &User) -> RowResult<UserId>;

    /// The user of that key, locked.
    async fn user_lock(&mut self, id: UserId) -> RowResult<Option<User>>;

    /// Stores a user that the caller has locked as it is now. `Conflict` when another has the name or the address.
    async fn user_save(&mut self, user: &User) -> RowResult<()>;

    /// Deletes a user with its memberships, groups, tokens and sessions. False when it was not there.
    async fn user_delete(&mut self, id: UserId) -> RowResult<bool>;
}

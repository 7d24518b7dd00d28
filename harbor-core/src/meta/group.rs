//! Groups of users, as a directory or an identity provider knows them.

use async_trait::async_trait;

use super::{GroupId, Listed, RowResult, UserId};
use crate::Timestamp;
use crate::query::{Query, keys};

/// Where a group comes from: the numbers of Harbor's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// A directory.
    Ldap,
    /// A proxy that authenticates.
    Http,
    /// An identity provider.
    Oidc,
}

impl GroupKind {
    const ALL: [Self; 3] = [Self::Ldap, Self::Http, Self::Oidc];

    /// Its number in Harbor's API.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            Self::Ldap => 1,
            Self::Http => 2,
            Self::Oidc => 3,
        }
    }

    /// The kind of that number.
    #[must_use]
    pub fn of(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its key.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub kind: GroupKind,
    /// Its distinguished name, in a directory; unlike that of any other group.
    pub dn: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of groups are filtered and sorted by.
    pub enum GroupKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `group_name`.
        Name: Text, "group_name", "GroupName", filter, sort;
        /// `group_type`.
        Kind: Int, "group_type", "GroupType", filter, sort;
        /// `ldap_group_dn`.
        Dn: Text, "ldap_group_dn", "LdapGroupDN", filter, sort;
    }
}

/// Reads groups.
#[async_trait]
pub trait GroupRows {
    /// The group of that key.
    async fn group(&mut self, id: GroupId) -> RowResult<Option<Group>>;

    /// A page of the groups, by name unless the query has another order.
    async fn groups(&mut self, query: &Query<GroupKey>) -> RowResult<Listed<Group>>;

    /// The groups that a user is in.
    async fn groups_of(&mut self, user: UserId) -> RowResult<Vec<GroupId>>;
}

/// Changes groups.
#[async_trait]
pub trait GroupRowsMut {
    /// Makes a group; its `id` is of no account. `Conflict` when there is one of that kind and name, or of that
    /// distinguished name.
    async fn group_insert(&mut self, group: &Group) -> RowResult<GroupId>;

    /// Gives a group another name. False when it was not there; `Conflict` as above.
    async fn group_rename(&mut self, id: GroupId, name: &str, now: Timestamp) -> RowResult<bool>;

    /// Deletes a group with its memberships. False when it was not there.
    async fn group_delete(&mut self, id: GroupId) -> RowResult<bool>;

    /// Puts a user into these groups and out of all others.
    async fn groups_of_replace(&mut self, user: UserId, groups: &[GroupId]) -> RowResult<()>;
}

//! Members: users and groups with a role in a project.

use async_trait::async_trait;

use super::{GroupId, Listed, MemberId, ProjectId, RoleId, RowResult, UserId};
use crate::Timestamp;
use crate::pattern::Pattern;
use crate::query::{Query, keys};

/// Who is a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberEntity {
    /// A user.
    User(UserId),
    /// Everybody in a group.
    Group(GroupId),
}

/// A member of a project.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its key.
    pub id: MemberId,
    /// The project.
    pub project: ProjectId,
    /// Who it is.
    pub entity: MemberEntity,
    /// What the user or the group is called.
    pub name: String,
    /// Its role.
    pub role: RoleId,
    /// The repositories, without the project's name, that its role is limited to; all when there are none.
    pub repositories: Vec<Pattern>,
}

/// A member about to be made.
#[derive(Clone, Debug)]
pub struct NewMember<'a> {
    /// The project.
    pub project: ProjectId,
    /// Who it is.
    pub entity: MemberEntity,
    /// Its role.
    pub role: RoleId,
    /// The repositories that its role is limited to; all when there are none.
    pub repositories: &'a [Pattern],
    /// Now.
    pub now: Timestamp,
}

/// What a user is in a project, by itself or through a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// The project.
    pub project: ProjectId,
    /// The role.
    pub role: RoleId,
    /// The repositories that it is limited to; all when there are none.
    pub repositories: Vec<Pattern>,
}

keys! {
    /// What lists of members are filtered and sorted by.
    pub enum MemberKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `entity_name`.
        Name: Text, "entity_name", "Entityname", filter, sort;
        /// `role_id`.
        Role: Int, "role_id", "Role", filter, sort;
        /// `entity_type`.
        Kind: Text, "entity_type", "EntityType", filter, sort;
    }
}

/// Reads members.
#[async_trait]
pub trait MemberRows {
    /// The member of that key, of that project.
    async fn member(&mut self, project: ProjectId, id: MemberId) -> RowResult<Option<Member>>;

    /// A page of the members of a project, by name unless the query has another order.
    async fn members(&mut self, project: ProjectId, query: &Query<MemberKey>) -> RowResult<Listed<Member>>;

    /// What a user is in every project that it is a member of, by itself and through its groups.
    async fn memberships(&mut self, user: UserId) -> RowResult<Vec<Membership>>;

    /// How many members of a project have each role.
    async fn members_by_role(&mut self, project: ProjectId) -> RowResult<Vec<(RoleId, u64)>>;
}

/// Changes members.
#[async_trait]
pub trait MemberRowsMut {
    /// Makes a member. `Conflict` when the user or the group is one, or does not exist.
    async fn member_insert(&mut self, member: &NewMember<'_>) -> RowResult<MemberId>;

    /// Gives a member of a project another role. False when it was not there.
    async fn member_update(
        &mut self,
        project: ProjectId,
        id: MemberId,
        role: RoleId,
        repositories: &[Pattern],
        now: Timestamp,
    ) -> RowResult<bool>;

    /// Deletes a member of a project. False when it was not there.
    async fn member_delete(&mut self, project: ProjectId, id: MemberId) -> RowResult<bool>;
}

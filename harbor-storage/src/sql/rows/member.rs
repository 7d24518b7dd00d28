use async_trait::async_trait;
use harbor_core::meta::{
    GroupId, Listed, Member, MemberEntity, MemberId, MemberKey, MemberRows, MemberRowsMut, Membership,
    NewMember, ProjectId, RoleId, UserId,
};
use harbor_core::pattern::Pattern;
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first, json_of, of_json};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "m.id, m.project_id, m.user_id, m.group_id, COALESCE(u.name, g.name), m.role_id, m.repositories"
    };
}

macro_rules! from {
    () => {
        "project_members m LEFT JOIN users u ON u.id = m.user_id LEFT JOIN user_groups g ON g.id = m.group_id"
    };
}

fn member(row: &Row) -> Result<Member, StoreError> {
    let entity = match (row.optional_int(2)?, row.optional_int(3)?) {
        (Some(user), None) => MemberEntity::User(UserId::new(user)),
        (None, Some(group)) => MemberEntity::Group(GroupId::new(group)),
        _ => return Err(StoreError::new(StoreErrorKind::Corrupt, "a member is neither a user nor a group")),
    };
    Ok(Member {
        id: MemberId::new(row.int(0)?),
        project: ProjectId::new(row.int(1)?),
        entity,
        name: row.text(4)?,
        role: RoleId::new(row.int(5)?),
        repositories: patterns(row, 6)?,
    })
}

fn patterns(row: &Row, column: usize) -> Result<Vec<Pattern>, StoreError> {
    row.optional_text(column)?.map_or(Ok(Vec::new()), |text| of_json(&text))
}

fn stored(patterns: &[Pattern]) -> Result<Option<String>, StoreError> {
    if patterns.is_empty() { Ok(None) } else { json_of(&patterns).map(Some) }
}

fn column(key: MemberKey) -> &'static str {
    match key {
        MemberKey::Id => "m.id",
        MemberKey::Name => "COALESCE(u.name, g.name)",
        MemberKey::Role => "m.role_id",
        MemberKey::Kind => "CASE WHEN m.user_id IS NULL THEN 'g' ELSE 'u' END",
    }
}

#[async_trait]
impl MemberRows for Rows {
    async fn member(&mut self, project: ProjectId, id: MemberId) -> Result<Option<Member>, StoreError> {
        let find =
            sql!(concat!("SELECT ", columns!(), " FROM ", from!(), " WHERE m.project_id = ? AND m.id = ?"));
        first(self.session.fetch(find, values![project.get(), id.get()]).await?)
            .map(|row| member(&row))
            .transpose()
    }

    async fn members(
        &mut self,
        project: ProjectId,
        query: &Query<MemberKey>,
    ) -> Result<Listed<Member>, StoreError> {
        let listing = Listing::new(columns!(), from!(), "m.id")
            .only("m.project_id = ?", values![project.get()])
            .query(query, column, column(MemberKey::Name));
        self.list(listing, member).await
    }

    async fn memberships(&mut self, user: UserId) -> Result<Vec<Membership>, StoreError> {
        let list = sql!(
            "SELECT project_id, role_id, repositories FROM project_members WHERE user_id = ? \
             UNION ALL SELECT m.project_id, m.role_id, m.repositories FROM user_group_users i \
             JOIN project_members m ON m.group_id = i.group_id WHERE i.user_id = ?"
        );
        let rows = self.session.fetch(list, values![user.get(), user.get()]).await?;
        let membership = |row: &Row| {
            Ok(Membership {
                project: ProjectId::new(row.int(0)?),
                role: RoleId::new(row.int(1)?),
                repositories: patterns(row, 2)?,
            })
        };
        rows.iter().map(membership).collect()
    }

    async fn members_by_role(&mut self, project: ProjectId) -> Result<Vec<(RoleId, u64)>, StoreError> {
        let list = sql!(
            "SELECT role_id, COUNT(*) FROM project_members WHERE project_id = ? GROUP BY role_id ORDER BY role_id"
        );
        let rows = self.session.fetch(list, values![project.get()]).await?;
        rows.iter().map(|row| Ok((RoleId::new(row.int(0)?), row.count(1)?))).collect()
    }
}

#[async_trait]
impl MemberRowsMut for Rows {
    async fn member_insert(&mut self, new: &NewMember<'_>) -> Result<MemberId, StoreError> {
        self.hold_role(new.role).await?;
        let (user, group) = match new.entity {
            MemberEntity::User(user) => (Some(user.get()), None),
            MemberEntity::Group(group) => (None, Some(group.get())),
        };
        let insert = sql!(
            "INSERT INTO project_members (project_id, user_id, group_id, role_id, repositories, created_at, \
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        );
        let now = new.now.micros();
        let repositories = stored(new.repositories)?;
        let parameters = values![new.project.get(), user, group, new.role.get(), repositories, now, now];
        self.session.execute(insert, parameters).await?;
        let find = match new.entity {
            MemberEntity::User(_) => {
                sql!("SELECT id FROM project_members WHERE project_id = ? AND user_id = ?")
            }
            MemberEntity::Group(_) => {
                sql!("SELECT id FROM project_members WHERE project_id = ? AND group_id = ?")
            }
        };
        match first(self.session.fetch(find, values![new.project.get(), user.or(group)]).await?) {
            Some(row) => Ok(MemberId::new(row.int(0)?)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a member")),
        }
    }

    async fn member_update(
        &mut self,
        project: ProjectId,
        id: MemberId,
        role: RoleId,
        repositories: &[Pattern],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.hold_role(role).await?;
        let update = sql!(
            "UPDATE project_members SET role_id = ?, repositories = ?, updated_at = ? \
             WHERE project_id = ? AND id = ?"
        );
        let repositories = stored(repositories)?;
        let parameters = values![role.get(), repositories, now.micros(), project.get(), id.get()];
        self.session.execute(update, parameters).await?;
        Ok(self.member(project, id).await?.is_some())
    }

    async fn member_delete(&mut self, project: ProjectId, id: MemberId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM project_members WHERE project_id = ? AND id = ?");
        Ok(self.session.execute(delete, values![project.get(), id.get()]).await? == 1)
    }
}

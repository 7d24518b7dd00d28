use async_trait::async_trait;
use harbor_core::meta::{Group, GroupId, GroupKey, GroupKind, GroupRows, GroupRowsMut, Listed, UserId};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

fn group(row: &Row) -> Result<Group, StoreError> {
    let kind = row.int(2)?;
    let unknown = || StoreError::new(StoreErrorKind::Corrupt, format!("a group of kind {kind}"));
    Ok(Group {
        id: GroupId::new(row.int(0)?),
        name: row.text(1)?,
        kind: GroupKind::of(kind).ok_or_else(unknown)?,
        dn: row.optional_text(3)?,
        created_at: Timestamp::from_micros(row.int(4)?),
        updated_at: Timestamp::from_micros(row.int(5)?),
    })
}

fn column(key: GroupKey) -> &'static str {
    match key {
        GroupKey::Id => "id",
        GroupKey::Name => "name",
        GroupKey::Kind => "kind",
        GroupKey::Dn => "dn",
    }
}

#[async_trait]
impl GroupRows for Rows {
    async fn group(&mut self, id: GroupId) -> Result<Option<Group>, StoreError> {
        let find = sql!("SELECT id, name, kind, dn, created_at, updated_at FROM user_groups WHERE id = ?");
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| group(&row)).transpose()
    }

    async fn groups(&mut self, query: &Query<GroupKey>) -> Result<Listed<Group>, StoreError> {
        let columns = "id, name, kind, dn, created_at, updated_at";
        let listing = Listing::new(columns, "user_groups", "id").query(query, column, "name");
        self.list(listing, group).await
    }

    async fn groups_of(&mut self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        let list = sql!("SELECT group_id FROM user_group_users WHERE user_id = ? ORDER BY group_id");
        let rows = self.session.fetch(list, values![user.get()]).await?;
        rows.iter().map(|row| row.int(0).map(GroupId::new)).collect()
    }
}

#[async_trait]
impl GroupRowsMut for Rows {
    async fn group_insert(&mut self, group: &Group) -> Result<GroupId, StoreError> {
        let insert =
            sql!("INSERT INTO user_groups (name, kind, dn, created_at, updated_at) VALUES (?, ?, ?, ?, ?)");
        let parameters = values![
            group.name.as_str(),
            group.kind.id(),
            group.dn.clone(),
            group.created_at.micros(),
            group.updated_at.micros(),
        ];
        self.session.execute(insert, parameters).await?;
        let find = sql!("SELECT id FROM user_groups WHERE kind = ? AND name = ?");
        match first(self.session.fetch(find, values![group.kind.id(), group.name.as_str()]).await?) {
            Some(row) => Ok(GroupId::new(row.int(0)?)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a group")),
        }
    }

    async fn group_rename(&mut self, id: GroupId, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        let update = sql!("UPDATE user_groups SET name = ?, updated_at = ? WHERE id = ?");
        self.session.execute(update, values![name, now.micros(), id.get()]).await?;
        // MySQL counts the rows that became other ones.
        Ok(self.group(id).await?.is_some())
    }

    async fn group_delete(&mut self, id: GroupId) -> Result<bool, StoreError> {
        for statement in [
            sql!("DELETE FROM project_members WHERE group_id = ?"),
            sql!("DELETE FROM user_group_users WHERE group_id = ?"),
        ] {
            self.session.defer(statement, values![id.get()]).await?;
        }
        let delete = sql!("DELETE FROM user_groups WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }

    async fn groups_of_replace(&mut self, user: UserId, groups: &[GroupId]) -> Result<(), StoreError> {
        let delete = sql!("DELETE FROM user_group_users WHERE user_id = ?");
        self.session.defer(delete, values![user.get()]).await?;
        let insert = sql!(
            "INSERT INTO user_group_users (user_id, group_id) VALUES (?, ?) \
             ON CONFLICT (user_id, group_id) DO NOTHING"
        );
        for group in groups {
            self.session.defer(insert, values![user.get(), group.get()]).await?;
        }
        Ok(())
    }
}

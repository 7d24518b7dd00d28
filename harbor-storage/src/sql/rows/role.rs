use async_trait::async_trait;
use harbor_core::meta::{CustomRole, RoleId, RoleRows, RoleRowsMut};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first, json_of, of_json};
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

/// The database counts from 1; the numbers below this are the built-in roles'.
const FIRST: i64 = 100;

/// The database's key. Of a number that no role can have it is one that no row has.
fn key(id: RoleId) -> i64 {
    id.get().saturating_sub(FIRST)
}

fn role(row: &Row) -> Result<CustomRole, StoreError> {
    Ok(CustomRole {
        id: RoleId::new(row.int(0)? + FIRST),
        name: row.text(1)?,
        description: row.text(2)?,
        permissions: of_json(&row.text(3)?)?,
        created_at: Timestamp::from_micros(row.int(4)?),
        updated_at: Timestamp::from_micros(row.int(5)?),
    })
}

impl Rows {
    /// Locks a role that was made, so that it is not deleted before somebody who has it is stored.
    pub(super) async fn hold_role(&mut self, role: RoleId) -> Result<(), StoreError> {
        if role.get() < FIRST {
            return Ok(());
        }
        let lock = sql!("SELECT id FROM roles WHERE id = ? FOR UPDATE");
        if self.session.fetch(lock, values![key(role)]).await?.is_empty() {
            return Err(StoreError::new(StoreErrorKind::Conflict, "the role is gone"));
        }
        Ok(())
    }
}

#[async_trait]
impl RoleRows for Rows {
    async fn roles(&mut self) -> Result<Vec<CustomRole>, StoreError> {
        let list =
            sql!("SELECT id, name, description, permissions, created_at, updated_at FROM roles ORDER BY id");
        self.session.fetch(list, values![]).await?.iter().map(role).collect()
    }
}

#[async_trait]
impl RoleRowsMut for Rows {
    async fn role_insert(&mut self, role: &CustomRole) -> Result<RoleId, StoreError> {
        let insert = sql!(
            "INSERT INTO roles (name, description, permissions, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
        );
        let parameters = values![
            role.name.as_str(),
            role.description.as_str(),
            json_of(&role.permissions)?,
            role.created_at.micros(),
            role.updated_at.micros(),
        ];
        self.session.execute(insert, parameters).await?;
        let find = sql!("SELECT id FROM roles WHERE name = ?");
        match first(self.session.fetch(find, values![role.name.as_str()]).await?) {
            Some(row) => Ok(RoleId::new(row.int(0)? + FIRST)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a role")),
        }
    }

    async fn role_save(&mut self, role: &CustomRole) -> Result<bool, StoreError> {
        let id = key(role.id);
        let lock = sql!("SELECT id FROM roles WHERE id = ? FOR UPDATE");
        if self.session.fetch(lock, values![id]).await?.is_empty() {
            return Ok(false);
        }
        let update =
            sql!("UPDATE roles SET name = ?, description = ?, permissions = ?, updated_at = ? WHERE id = ?");
        let parameters = values![
            role.name.as_str(),
            role.description.as_str(),
            json_of(&role.permissions)?,
            role.updated_at.micros(),
            id,
        ];
        self.session.execute(update, parameters).await?;
        Ok(true)
    }

    async fn role_delete(&mut self, id: RoleId) -> Result<bool, StoreError> {
        // Locked as who makes a member of this role has it, so that neither overlooks the other.
        let lock = sql!("SELECT id FROM roles WHERE id = ? FOR UPDATE");
        if self.session.fetch(lock, values![key(id)]).await?.is_empty() {
            return Ok(false);
        }
        let used = sql!("SELECT id FROM project_members WHERE role_id = ? LIMIT 1");
        if !self.session.fetch(used, values![id.get()]).await?.is_empty() {
            return Err(StoreError::new(StoreErrorKind::Conflict, "a member has the role"));
        }
        let delete = sql!("DELETE FROM roles WHERE id = ?");
        Ok(self.session.execute(delete, values![key(id)]).await? == 1)
    }
}

use async_trait::async_trait;
use harbor_core::access::Secret;
use harbor_core::meta::{Listed, User, UserId, UserKey, UserRows, UserRowsMut};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "id, name, email, real_name, note, is_administrator, password, second_factor, epoch, created_at, updated_at"
    };
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId::new(row.int(0)?),
        name: row.text(1)?,
        email: row.optional_text(2)?,
        real_name: row.text(3)?,
        comment: row.text(4)?,
        administrator: row.int(5)? != 0,
        password: row.optional_text(6)?.map(Secret::new),
        second_factor: row.optional_text(7)?.map(Secret::new),
        epoch: row.int(8)?,
        created_at: Timestamp::from_micros(row.int(9)?),
        updated_at: Timestamp::from_micros(row.int(10)?),
    })
}

fn column(key: UserKey) -> &'static str {
    match key {
        UserKey::Id => "id",
        UserKey::Name => "name",
        UserKey::Email => "email",
        UserKey::CreatedAt => "created_at",
        UserKey::UpdatedAt => "updated_at",
    }
}

/// The text of a secret, to be stored.
fn exposed(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

#[async_trait]
impl UserRows for Rows {
    async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM users WHERE id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| user(&row)).transpose()
    }

    async fn user_named(&mut self, name: &str) -> Result<Option<User>, StoreError> {
        if name.contains('\0') {
            return Ok(None);
        }
        let find = sql!(concat!("SELECT ", columns!(), " FROM users WHERE name = ?"));
        let found = first(self.session.fetch(find, values![name]).await?);
        // MySQL takes blanks at the end for nothing.
        Ok(found.map(|row| user(&row)).transpose()?.filter(|found| found.name == name))
    }

    async fn users(&mut self, query: &Query<UserKey>) -> Result<Listed<User>, StoreError> {
        self.list(Listing::new(columns!(), "users", "id").query(query, column, ""), user).await
    }
}

#[async_trait]
impl UserRowsMut for Rows {
    async fn user_insert(&mut self, user: &User) -> Result<UserId, StoreError> {
        let insert = sql!(
            "INSERT INTO users (name, email, real_name, note, is_administrator, password, second_factor, epoch, \
             created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        let parameters = values![
            user.name.as_str(),
            user.email.clone(),
            user.real_name.as_str(),
            user.comment.as_str(),
            i64::from(user.administrator),
            exposed(user.password.as_ref()),
            exposed(user.second_factor.as_ref()),
            user.epoch,
            user.created_at.micros(),
            user.updated_at.micros(),
        ];
        self.session.execute(insert, parameters).await?;
        let lost = || StoreError::new(StoreErrorKind::Conflict, "making a user");
        Ok(self.user_named(&user.name).await?.ok_or_else(lost)?.id)
    }

    async fn user_lock(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM users WHERE id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| user(&row)).transpose()
    }

    async fn user_save(&mut self, user: &User) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE users SET name = ?, email = ?, real_name = ?, note = ?, is_administrator = ?, password = ?, \
             second_factor = ?, epoch = ?, updated_at = ? WHERE id = ?"
        );
        let parameters = values![
            user.name.as_str(),
            user.email.clone(),
            user.real_name.as_str(),
            user.comment.as_str(),
            i64::from(user.administrator),
            exposed(user.password.as_ref()),
            exposed(user.second_factor.as_ref()),
            user.epoch,
            user.updated_at.micros(),
            user.id.get(),
        ];
        // Not deferred: whoever has the name already is told at once.
        self.session.execute(update, parameters).await.map(|_| ())
    }

    async fn user_delete(&mut self, id: UserId) -> Result<bool, StoreError> {
        for statement in [
            sql!("DELETE FROM project_members WHERE user_id = ?"),
            sql!("DELETE FROM user_group_users WHERE user_id = ?"),
            sql!("DELETE FROM personal_tokens WHERE user_id = ?"),
            sql!("DELETE FROM sessions WHERE user_id = ?"),
        ] {
            self.session.defer(statement, values![id.get()]).await?;
        }
        let delete = sql!("DELETE FROM users WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }
}

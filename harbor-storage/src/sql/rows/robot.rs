use async_trait::async_trait;
use harbor_core::access::Secret;
use harbor_core::meta::{Listed, ProjectId, Robot, RobotId, RobotKey, RobotRows, RobotRowsMut};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, at_or_never, first, never_or_at};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "id, name, description, project_id, secret, earlier_secret, earlier_until, duration, expires_at, \
         is_disabled, permissions, creator, epoch, created_at, updated_at"
    };
}

fn robot(row: &Row) -> Result<Robot, StoreError> {
    let earlier = row.optional_text(5)?.map(Secret::new);
    let until = Timestamp::from_micros(row.int(6)?);
    Ok(Robot {
        id: RobotId::new(row.int(0)?),
        name: row.text(1)?,
        description: row.text(2)?,
        project: Some(row.int(3)?).filter(|id| *id != 0).map(ProjectId::new),
        secret: Secret::new(row.text(4)?),
        earlier_secret: earlier.map(|secret| (secret, until)),
        duration: row.int(7)?,
        expires_at: never_or_at(row.int(8)?),
        disabled: row.int(9)? != 0,
        permissions: row.text(10)?,
        creator: row.text(11)?,
        epoch: row.int(12)?,
        created_at: Timestamp::from_micros(row.int(13)?),
        updated_at: Timestamp::from_micros(row.int(14)?),
    })
}

fn column(key: RobotKey) -> &'static str {
    match key {
        RobotKey::Id => "id",
        RobotKey::Name => "name",
        RobotKey::Description => "description",
        RobotKey::Disabled => "is_disabled",
        RobotKey::CreatedAt => "created_at",
        RobotKey::UpdatedAt => "updated_at",
    }
}

fn key_of(project: Option<ProjectId>) -> i64 {
    project.map_or(0, ProjectId::get)
}

fn earlier(robot: &Robot) -> (Option<String>, i64) {
    match &robot.earlier_secret {
        Some((secret, until)) => (Some(secret.expose().to_owned()), until.micros()),
        None => (None, 0),
    }
}

#[async_trait]
impl RobotRows for Rows {
    async fn robot(&mut self, id: RobotId) -> Result<Option<Robot>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM robots WHERE id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| robot(&row)).transpose()
    }

    async fn robot_named(
        &mut self,
        project: Option<ProjectId>,
        name: &str,
    ) -> Result<Option<Robot>, StoreError> {
        if name.contains('\0') {
            return Ok(None);
        }
        let find = sql!(concat!("SELECT ", columns!(), " FROM robots WHERE project_id = ? AND name = ?"));
        let found = first(self.session.fetch(find, values![key_of(project), name]).await?);
        // MySQL takes blanks at the end for nothing.
        Ok(found.map(|row| robot(&row)).transpose()?.filter(|found| found.name == name))
    }

    async fn robots(
        &mut self,
        project: Option<ProjectId>,
        query: &Query<RobotKey>,
    ) -> Result<Listed<Robot>, StoreError> {
        let listing = Listing::new(columns!(), "robots", "id")
            .only("project_id = ?", values![key_of(project)])
            .query(query, column, "");
        self.list(listing, robot).await
    }
}

#[async_trait]
impl RobotRowsMut for Rows {
    async fn robot_insert(&mut self, robot: &Robot) -> Result<RobotId, StoreError> {
        if let Some(project) = robot.project {
            // Locked, so that the project cannot be deleted before this commits.
            let lock = sql!("SELECT id FROM projects WHERE id = ? FOR UPDATE");
            if self.session.fetch(lock, values![project.get()]).await?.is_empty() {
                return Err(StoreError::new(StoreErrorKind::NotFound, "the project is gone"));
            }
        }
        let insert = sql!(
            "INSERT INTO robots (name, description, project_id, secret, earlier_secret, earlier_until, duration, \
             expires_at, is_disabled, permissions, creator, epoch, created_at, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        let (secret, until) = earlier(robot);
        let parameters = values![
            robot.name.as_str(),
            robot.description.as_str(),
            key_of(robot.project),
            robot.secret.expose(),
            secret,
            until,
            robot.duration,
            at_or_never(robot.expires_at),
            i64::from(robot.disabled),
            robot.permissions.as_str(),
            robot.creator.as_str(),
            robot.epoch,
            robot.created_at.micros(),
            robot.updated_at.micros(),
        ];
        self.session.execute(insert, parameters).await?;
        let lost = || StoreError::new(StoreErrorKind::Conflict, "making a robot");
        Ok(self.robot_named(robot.project, &robot.name).await?.ok_or_else(lost)?.id)
    }

    async fn robot_lock(&mut self, id: RobotId) -> Result<Option<Robot>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM robots WHERE id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| robot(&row)).transpose()
    }

    async fn robot_save(&mut self, robot: &Robot) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE robots SET description = ?, secret = ?, earlier_secret = ?, earlier_until = ?, duration = ?, \
             expires_at = ?, is_disabled = ?, permissions = ?, epoch = ?, updated_at = ? WHERE id = ?"
        );
        let (secret, until) = earlier(robot);
        let parameters = values![
            robot.description.as_str(),
            robot.secret.expose(),
            secret,
            until,
            robot.duration,
            at_or_never(robot.expires_at),
            i64::from(robot.disabled),
            robot.permissions.as_str(),
            robot.epoch,
            robot.updated_at.micros(),
            robot.id.get(),
        ];
        self.session.defer(update, parameters).await
    }

    async fn robot_delete(&mut self, id: RobotId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM robots WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }
}

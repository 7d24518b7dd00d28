//! Robots: accounts of programs.

use async_trait::async_trait;

use super::{Listed, ProjectId, RobotId, RowResult};
use crate::Timestamp;
use crate::access::Secret;
use crate::query::{Query, keys};

/// A robot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Robot {
    /// Its key.
    pub id: RobotId,
    /// Its name, without the prefix and without the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The project that it belongs to; none for one of the whole registry.
    pub project: Option<ProjectId>,
    /// The hash of its secret.
    pub secret: Secret,
    /// The hash of an earlier secret that still works, and until when: so that one can be replaced without an outage.
    pub earlier_secret: Option<(Secret, Timestamp)>,
    /// For how many days it was made; -1 for ever.
    pub duration: i64,
    /// When it ends; never without.
    pub expires_at: Option<Timestamp>,
    /// Whether it may not log in.
    pub disabled: bool,
    /// What it may do, in the form that its owner wrote.
    pub permissions: String,
    /// Who made it: [`Actor::principal`](crate::access::Actor::principal).
    pub creator: String,
    /// Counted up when its tokens shall end.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of robots are filtered and sorted by.
    pub enum RobotKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `name`.
        Name: Text, "name", "Name", filter, sort;
        /// `description`.
        Description: Text, "description", "Description", filter, sort;
        /// `disable`.
        Disabled: Bool, "disable", "Disabled", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Reads robots.
#[async_trait]
pub trait RobotRows {
    /// The robot of that key.
    async fn robot(&mut self, id: RobotId) -> RowResult<Option<Robot>>;

    /// The robot of that name, of a project or of the whole registry.
    async fn robot_named(&mut self, project: Option<ProjectId>, name: &str) -> RowResult<Option<Robot>>;

    /// A page of the robots of a project or of the whole registry, by key unless the query has another order.
    async fn robots(
        &mut self,
        project: Option<ProjectId>,
        query: &Query<RobotKey>,
    ) -> RowResult<Listed<Robot>>;
}

/// Changes robots.
#[async_trait]
pub trait RobotRowsMut {
    /// Makes a robot; its `id` is of no account. `Conflict` when there is one of that name.
    async fn robot_insert(&mut self, robot: &Robot) -> RowResult<RobotId>;

    /// The robot of that key, locked.
    async fn robot_lock(&mut self, id: RobotId) -> RowResult<Option<Robot>>;

    /// Stores a robot that the caller has locked as it is now. Its name and its project stay.
    async fn robot_save(&mut self, robot: &Robot) -> RowResult<()>;

    /// Deletes a robot. False when it was not there.
    async fn robot_delete(&mut self, id: RobotId) -> RowResult<bool>;
}

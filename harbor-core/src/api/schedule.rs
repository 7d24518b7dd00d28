use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Timestamp;

/// A schedule, or a run at once; in the body of a request, `id`, `status` and the times are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Schedule {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleObj>,
    /// With which parameters. Those that mean nothing to what is scheduled are not read.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
}

/// When something is set going.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ScheduleObj {
    /// `Hourly`, `Daily`, `Weekly`, `Custom`; `Manual` for at once; `None` for never again. Of a run that has been, `Manual` or
    /// `Schedule`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Six fields: second (0), minute, hour, day of the month, month, day of the week. May be left out but for `Custom`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cron: String,
    /// The time zone of the fields, by its IANA name; that of the server when it is left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// When it is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_scheduled_time: Option<Timestamp>,
}

/// A schedule among all schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleTask {
    /// Its key.
    pub id: i64,
    /// What it sets going.
    pub vendor_type: String,
    /// For what.
    pub vendor_id: i64,
    /// When: six fields.
    pub cron: String,
    /// The time zone of the fields.
    pub time_zone: String,
    /// When it is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_scheduled_time: Option<Timestamp>,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

/// Whether the clock sets anything going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SchedulerStatus {
    /// Whether it does not.
    pub paused: bool,
}

/// A run of something of the whole system, or its schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GCHistory)]
pub struct RunHistory {
    /// Its key.
    pub id: i64,
    /// What runs.
    pub job_name: String,
    /// What set it going: `MANUAL` or `SCHEDULE`; of a schedule, its type.
    pub job_kind: String,
    /// With which parameters, and what came out: a JSON object as text.
    pub job_parameters: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleObj>,
    /// How far it is: `Pending`, `Running`, `Success`, `Error`, `Stopped`; empty for a schedule.
    pub job_status: String,
    /// Always false.
    pub deleted: bool,
    /// When it was set going, or made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

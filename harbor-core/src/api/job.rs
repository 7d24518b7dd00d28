use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Timestamp;

/// A node that runs jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerPool {
    /// Its name.
    pub worker_pool_id: String,
    /// Its process.
    pub pid: u32,
    /// The machine that it runs on.
    pub host: String,
    /// How many jobs it runs at once.
    pub concurrency: u32,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    pub start_at: Timestamp,
    /// When it last said that it is there.
    #[schema(value_type = String, format = DateTime)]
    pub heartbeat_at: Timestamp,
}

/// A worker that is at a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its name.
    pub id: String,
    /// The node that it works for.
    pub pool_id: String,
    /// The kind of its job.
    pub job_name: String,
    /// The job.
    pub job_id: String,
    /// When the job was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Timestamp>,
    /// How far it is.
    pub check_in: String,
    /// When it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checkin_at: Option<Timestamp>,
}

/// The queue of a kind of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobQueue {
    /// The kind.
    pub job_type: String,
    /// How many jobs wait.
    pub count: u64,
    /// For how long the one has waited that waits longest, in seconds.
    pub latency: u64,
    /// Whether none is begun.
    pub paused: bool,
}

/// What shall be done with a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionRequest {
    /// `stop`, `pause` or `resume`.
    pub action: String,
}

/// A job, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The key of its task.
    pub id: i64,
    /// Its name.
    pub job_id: String,
    /// Its kind.
    pub vendor_type: String,
    /// The execution that it belongs to.
    pub execution_id: i64,
    /// How far it is: `Pending`, `Running`, `Success`, `Error`, `Stopped`.
    pub status: String,
    /// What there is to say of its end, or of its last failure.
    pub status_message: String,
    /// How far it is; for people.
    pub check_in: String,
    /// How often it was begun.
    pub run_count: u32,
    /// What belongs to it, and what came out.
    #[schema(value_type = Object)]
    pub extra_attrs: Map<String, Value>,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
    /// When it was first begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_time: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
}

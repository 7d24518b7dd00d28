//! `harborctl job`.

use clap::Subcommand;
use harbor_core::api::ActionRequest;

use crate::failure::Outcome;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/job_id",
    columns: &[
        Column::plain("ID", "/job_id"),
        Column::plain("KIND", "/vendor_type"),
        Column::plain("STATUS", "/status"),
        Column::plain("RUNS", "/run_count"),
        Column::time("CREATED", "/creation_time"),
        Column::time("OVER", "/end_time"),
        Column::plain("PROGRESS", "/check_in").wide(),
        Column::plain("MESSAGE", "/status_message").wide(),
    ],
};

static QUEUE: Shape = Shape {
    name: "/job_type",
    columns: &[
        Column::plain("KIND", "/job_type"),
        Column::plain("WAITING", "/count"),
        Column::plain("LONGEST (S)", "/latency"),
        Column::plain("PAUSED", "/paused"),
    ],
};

static POOL: Shape = Shape {
    name: "/worker_pool_id",
    columns: &[
        Column::plain("POOL", "/worker_pool_id"),
        Column::plain("HOST", "/host"),
        Column::plain("PROCESS", "/pid"),
        Column::plain("JOBS AT ONCE", "/concurrency"),
        Column::time("STARTED", "/start_at"),
        Column::time("HEARD OF", "/heartbeat_at"),
    ],
};

static WORKER: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("WORKER", "/id"),
        Column::plain("KIND", "/job_name"),
        Column::plain("JOB", "/job_id"),
        Column::time("BEGUN", "/start_at"),
        Column::plain("PROGRESS", "/check_in"),
        Column::plain("POOL", "/pool_id").wide(),
    ],
};

/// Work in the background.
#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// Show jobs
    #[command(
        visible_alias = "ls",
        after_help = "Example:\n  harborctl job list --query 'status=Error' --sort -creation_time"
    )]
    List(Listed),
    /// Print the log of a job
    Log { job: String },
    /// Stop a job
    Stop { job: String },
    /// Try a job again that failed or was stopped
    Retry { job: String },
    /// Show the queues, by kind of jobs
    Queues,
    /// Let no job of a kind begin any more; `all` is every kind
    #[command(after_help = "Example:\n  harborctl job pause WEBHOOK")]
    Pause { kind: String },
    /// Let jobs of a kind begin again
    Resume { kind: String },
    /// Stop all jobs of a kind that wait
    Clear { kind: String },
    /// Show the nodes that run jobs
    Pools,
    /// Show what workers are at
    Workers {
        /// Of this pool
        #[arg(default_value = "all")]
        pool: String,
    },
}

impl Job {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => session.list(session.call("listJobs").await?, &listed, &SHAPE).await,
            Self::Log { job } => {
                let call = session.call("actionGetJobLog").await?.at("job_id", job.as_str());
                session.output.text(&call.text().await?)
            }
            Self::Stop { job } => {
                let call = session.call("stopRunningJob").await?.at("job_id", job.as_str());
                session.does(call, &format!("job {job} is told to stop, unless it is over")).await
            }
            Self::Retry { job } => {
                let call = session.call("retryJob").await?.at("job_id", job.as_str());
                session.does(call, &format!("job {job} is tried again")).await
            }
            Self::Queues => session.all(session.call("listJobQueues").await?, &QUEUE).await,
            Self::Pause { kind } => act(session, &kind, "pause", "paused").await,
            Self::Resume { kind } => act(session, &kind, "resume", "resumed").await,
            Self::Clear { kind } => act(session, &kind, "stop", "stopped").await,
            Self::Pools => session.all(session.call("getWorkerPools").await?, &POOL).await,
            Self::Workers { pool } => {
                session.all(session.call("getWorkers").await?.at("pool_id", pool.as_str()), &WORKER).await
            }
        }
    }
}

async fn act(session: &Session, kind: &str, action: &str, what: &str) -> Outcome {
    let call = session.call("actionPendingJobs").await?.at("job_type", kind);
    session.does(call.json(&ActionRequest { action: action.to_owned() }), &format!("{kind}: {what}")).await
}

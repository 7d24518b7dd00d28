//! Jobs whatever their kind: nodes and workers, queues, single jobs, schedules.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{JobserviceMonitorList, JobserviceMonitorRead, JobserviceMonitorStop};
use harbor_core::api::{self, ActionRequest, SchedulerStatus};
use harbor_core::meta::{ScheduleKey, Task, TaskKey};
use harbor_core::query::Query;
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, done, ok, page};
use super::call::Call;
use super::runs;

/// What stands for every node, and for every kind of jobs.
const ALL: &str = "all";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "getWorkerPools" => pools(&call.system().await?, call).await?,
        "getWorkers" => workers(&call.system().await?, call).await?,
        "stopRunningJob" => stop(&call.system().await?, call).await?,
        "actionGetJobLog" => log(&call.system().await?, call).await?,
        "listJobQueues" => queues(&call.system().await?, call).await?,
        "actionPendingJobs" => act(&call.system().await?, call).await?,
        "listSchedules" => schedules(&call.system().await?, call).await?,
        "getSchedulePaused" => paused(call).await?,
        "listJobs" => list(&call.system().await?, call).await?,
        "retryJob" => retry(&call.system().await?, call).await?,
        _ => return Ok(None),
    }))
}

async fn pools(proof: &Authorized<JobserviceMonitorList>, call: &Call<'_>) -> Result<Response<Body>> {
    let pools = call.harbor().jobs().pools(proof).await?;
    let wire = pools.into_iter().map(|pool| api::WorkerPool {
        worker_pool_id: pool.id,
        pid: pool.pid,
        host: pool.host,
        concurrency: pool.workers,
        start_at: pool.started_at,
        heartbeat_at: pool.seen_at,
    });
    ok(&wire.collect::<Vec<_>>())
}

async fn workers(proof: &Authorized<JobserviceMonitorList>, call: &Call<'_>) -> Result<Response<Body>> {
    let pool = Some(call.path("pool_id")).filter(|pool| *pool != ALL);
    let running = call.harbor().jobs().workers(proof, pool).await?;
    let wire = running.into_iter().map(|task| api::Worker {
        id: format!("{}/{}", task.owner, task.id.get()),
        pool_id: task.owner,
        job_name: task.kind,
        job_id: task.job,
        start_at: task.started_at,
        checkin_at: Some(task.updated_at).filter(|_| !task.progress.is_empty()),
        check_in: task.progress,
    });
    ok(&wire.collect::<Vec<_>>())
}

async fn stop(proof: &Authorized<JobserviceMonitorStop>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().jobs().stop(proof, call.path("job_id")).await?;
    Ok(done())
}

async fn retry(proof: &Authorized<JobserviceMonitorStop>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().jobs().retry(proof, call.path("job_id")).await?;
    Ok(done())
}

async fn log(proof: &Authorized<JobserviceMonitorRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let follow = call.flag("follow")?;
    runs::log(call, call.harbor().jobs().log(proof, call.path("job_id"), follow).await?).await
}

async fn queues(proof: &Authorized<JobserviceMonitorList>, call: &Call<'_>) -> Result<Response<Body>> {
    let now = call.harbor().now();
    let queues = call.harbor().jobs().queues(proof).await?;
    let wire = queues.into_iter().map(|(queue, paused)| api::JobQueue {
        job_type: queue.kind,
        count: queue.waiting,
        latency: now.since(queue.oldest).as_secs(),
        paused,
    });
    ok(&wire.collect::<Vec<_>>())
}

async fn act(proof: &Authorized<JobserviceMonitorStop>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: ActionRequest = call.json().await?;
    let (jobs, kind) = (call.harbor().jobs(), call.path("job_type"));
    match body.action.as_str() {
        "pause" => jobs.pause(proof, kind, true).await?,
        "resume" => jobs.pause(proof, kind, false).await?,
        "stop" => jobs.stop_queue(proof, kind).await?,
        other => {
            let known = format!("the action is stop, pause or resume, and not {other:?}");
            return Err(Error::Unprocessable(known));
        }
    }
    Ok(done())
}

async fn schedules(proof: &Authorized<JobserviceMonitorList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<ScheduleKey> = call.pages()?;
    let listed = call.harbor().jobs().schedules(proof, &query).await?;
    page(call, &query, listed, |schedule| api::ScheduleTask {
        id: schedule.id.get(),
        vendor_type: schedule.kind,
        vendor_id: schedule.subject,
        cron: schedule.cron,
        time_zone: schedule.time_zone,
        next_scheduled_time: schedule.next,
        update_time: schedule.updated_at,
    })
}

async fn paused(call: &Call<'_>) -> Result<Response<Body>> {
    let actor = call.login()?;
    if call.path("job_type") != ALL {
        return Err(Error::BadRequest("job_type must be all: one clock is for all schedules".to_owned()));
    }
    ok(&SchedulerStatus { paused: call.harbor().jobs().is_clock_paused(actor).await? })
}

async fn list(proof: &Authorized<JobserviceMonitorList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<TaskKey> = call.list()?;
    page(call, &query, call.harbor().jobs().list(proof, &query).await?, wire)
}

fn wire(task: Task) -> api::Job {
    api::Job {
        id: task.id.get(),
        job_id: task.job,
        vendor_type: task.kind,
        execution_id: task.execution.get(),
        status: task.status.as_str().to_owned(),
        status_message: task.message,
        check_in: task.progress,
        run_count: task.runs,
        extra_attrs: serde_json::from_str(&task.detail).unwrap_or_default(),
        creation_time: task.created_at,
        update_time: task.updated_at,
        start_time: task.started_at,
        end_time: task.ended_at,
    }
}

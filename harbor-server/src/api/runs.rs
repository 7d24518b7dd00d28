//! What garbage collection, and whatever else the whole system does from time to time, have in common: runs, schedules, logs.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use harbor_core::access::Authorized;
use harbor_core::api::{self, RunHistory, ScheduleObj};
use harbor_core::meta::{Execution, ExecutionId, ExecutionKey, ExecutionStatus, Schedule, Trigger};
use harbor_core::query::Query;
use harbor_core::{Error, Result, Rhythm, RunChange, Runs, SystemJob, TaskLog};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::{Answered, created_at, done, ok, page};
use super::call::Call;

/// What a body wants of the schedule.
enum Wanted<T> {
    /// A run, now.
    Now(T),
    /// Runs by the clock.
    Rhythm(Rhythm, T),
    /// No more runs by the clock.
    Never,
}

/// What a body says that shall be done, and with which parameters.
fn wanted<T: DeserializeOwned>(body: api::Schedule) -> Result<Wanted<T>> {
    let schedule = body.schedule.unwrap_or_default();
    let parameters = || {
        let parameters = serde_json::from_value(Value::Object(body.parameters));
        parameters.map_err(|error| Error::BadRequest(format!("the parameters do not read: {error}")))
    };
    Ok(match schedule.kind.as_str() {
        "Manual" => Wanted::Now(parameters()?),
        "None" => Wanted::Never,
        kind => Wanted::Rhythm(Rhythm::named(kind, &schedule.cron, &schedule.time_zone)?, parameters()?),
    })
}

/// What the operations of a kind of jobs are called.
pub(super) struct Operations {
    /// Where runs are, below the base of the API.
    pub(super) base: &'static str,
    /// The parameter of the path that names a run.
    pub(super) parameter: &'static str,
    pub(super) list: &'static str,
    pub(super) get: &'static str,
    pub(super) stop: &'static str,
    pub(super) log: &'static str,
    pub(super) schedule: &'static str,
    pub(super) create: &'static str,
    pub(super) update: &'static str,
}

/// Answers the operations of a kind of jobs.
pub(super) async fn answer<J: SystemJob>(call: &mut Call<'_>, id: &str, operations: &Operations) -> Answered {
    let Operations { base, parameter, .. } = *operations;
    let runs = call.app.harbor.clone();
    let runs = runs.runs::<J>();
    let answered = if id == operations.list {
        let proof = call.system::<J::List>().await?;
        let query: Query<ExecutionKey> = call.list()?;
        page(call, &query, runs.list(&proof, &query).await?, run)?
    } else if id == operations.get {
        let proof = call.system::<J::Read>().await?;
        ok(&run(runs.get(&proof, execution_id(call, parameter)?).await?))?
    } else if id == operations.stop {
        let proof = call.system::<J::Stop>().await?;
        runs.stop(&proof, execution_id(call, parameter)?).await?;
        done()
    } else if id == operations.log {
        let proof = call.system::<J::Read>().await?;
        let (run, follow) = (execution_id(call, parameter)?, call.flag("follow")?);
        log(call, runs.log(&proof, run, follow).await?).await?
    } else if id == operations.schedule {
        let proof = call.system::<J::Read>().await?;
        match runs.scheduled(&proof).await? {
            Some(schedule) => ok(&scheduled(schedule))?,
            None => ok(&serde_json::json!({}))?,
        }
    } else if id == operations.create {
        let proof = call.system::<J::Create>().await?;
        let run = change(runs, &proof, call).await?;
        created_at(&format!("{base}/{run}"))
    } else if id == operations.update {
        let proof = call.system::<J::Update>().await?;
        change(runs, &proof, call).await?;
        done()
    } else {
        return Ok(None);
    };
    Ok(Some(answered))
}

/// Does what the body wants; yields the key of a run, or 0.
async fn change<J: SystemJob, A: RunChange<J>>(
    runs: Runs<'_, J>,
    proof: &Authorized<A>,
    call: &mut Call<'_>,
) -> Result<i64> {
    match wanted(call.json().await?)? {
        Wanted::Now(job) => return Ok(runs.run(proof, &job).await?.get()),
        Wanted::Rhythm(rhythm, job) => runs.schedule(proof, &rhythm, &job).await?,
        Wanted::Never => runs.unschedule(proof).await?,
    }
    Ok(0)
}

/// The execution that the path names.
pub(super) fn execution_id(call: &Call<'_>, parameter: &str) -> Result<ExecutionId> {
    call.id(parameter, "execution").map(ExecutionId::new)
}

/// A run as the API shows it.
fn run(execution: Execution) -> RunHistory {
    let kind = if execution.trigger == Trigger::Schedule { "Schedule" } else { "Manual" };
    RunHistory {
        id: execution.id.get(),
        job_name: execution.kind.clone(),
        job_kind: execution.trigger.as_str().to_owned(),
        job_status: status(&execution).to_owned(),
        job_parameters: execution.detail,
        schedule: Some(ScheduleObj { kind: kind.to_owned(), ..ScheduleObj::default() }),
        deleted: false,
        creation_time: execution.started_at,
        update_time: execution.updated_at,
    }
}

/// How far an execution is: one that no worker has begun yet waits.
pub(super) fn status(execution: &Execution) -> &'static str {
    let tasks = &execution.tasks;
    match execution.status {
        ExecutionStatus::Running if tasks.waiting == tasks.total() => "Pending",
        status => status.as_str(),
    }
}

/// A schedule as the API shows it.
fn scheduled(schedule: Schedule) -> RunHistory {
    let mut parameters: Map<String, Value> = serde_json::from_str(&schedule.payload).unwrap_or_default();
    parameters.remove("v");
    RunHistory {
        id: schedule.id.get(),
        job_name: schedule.kind.clone(),
        job_kind: schedule.rhythm.clone(),
        job_parameters: Value::Object(parameters).to_string(),
        job_status: String::new(),
        deleted: false,
        creation_time: schedule.created_at,
        update_time: schedule.updated_at,
        schedule: Some(obj(schedule)),
    }
}

/// When a schedule sets something going.
pub(super) fn obj(schedule: Schedule) -> ScheduleObj {
    ScheduleObj {
        kind: schedule.rhythm,
        cron: schedule.cron,
        time_zone: schedule.time_zone,
        next_scheduled_time: schedule.next,
    }
}

/// A log as text, piece by piece. `follow=true` in the query waits for more until the job is over.
pub(super) async fn log(call: &Call<'_>, log: TaskLog) -> Result<Response<Body>> {
    let mut log = log.read_by(call.actor.clone());
    // Ahead of the answer: a store that cannot be read is told as such.
    let first = log.next().await?;
    let pieces = try_unfold((first, log), |(piece, mut log)| async move {
        let piece = match piece {
            Some(piece) => Some(piece),
            None => log.next().await?,
        };
        Ok::<_, Error>(piece.map(|piece| (Bytes::from(piece), (None, log))))
    });
    // The server does not wait for a job that somebody follows.
    let leaving = call.app.leaving.clone().cancelled_owned();
    let mut response = Response::new(Body::from_stream(pieces.take_until(Box::pin(leaving))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

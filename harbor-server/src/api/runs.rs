//! What garbage collection, and whatever else the whole system does from time to time, have in common: runs, schedules, logs.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use harbor_core::api::{self, RunHistory, ScheduleObj};
use harbor_core::meta::{Execution, ExecutionId, ExecutionStatus, Schedule, Trigger};
use harbor_core::{Error, Result, Rhythm, TaskLog};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::call::Call;

/// What a body wants of the schedule.
pub(super) enum Wanted {
    /// A run, now.
    Now,
    /// Runs by the clock.
    Rhythm(Rhythm),
    /// No more runs by the clock.
    Never,
}

/// What a body says that shall be done, and with which parameters.
pub(super) fn wanted<T: DeserializeOwned>(body: api::Schedule) -> Result<(Wanted, T)> {
    let schedule = body.schedule.unwrap_or_default();
    let wanted = match schedule.kind.as_str() {
        "Manual" => Wanted::Now,
        "None" => Wanted::Never,
        kind => Wanted::Rhythm(Rhythm::named(kind, &schedule.cron, &schedule.time_zone)?),
    };
    let parameters = serde_json::from_value(Value::Object(body.parameters));
    let parameters =
        parameters.map_err(|error| Error::BadRequest(format!("the parameters do not read: {error}")))?;
    Ok((wanted, parameters))
}

/// The execution that the path names.
pub(super) fn execution_id(call: &Call<'_>, parameter: &str) -> Result<ExecutionId> {
    call.id(parameter, "execution").map(ExecutionId::new)
}

/// A run as the API shows it.
pub(super) fn run(execution: Execution) -> RunHistory {
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
pub(super) fn scheduled(schedule: Schedule) -> RunHistory {
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
pub(super) async fn log(call: &Call<'_>, mut log: TaskLog) -> Result<Response<Body>> {
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

//! Runs of the whole system, and their schedule: of garbage collection, and of purges of the audit log.

use clap::{Args, Subcommand};
use harbor_core::api::{Schedule, ScheduleObj};
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

pub(super) static SHAPE: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("TRIGGER", "/job_kind"),
        Column::plain("STATUS", "/job_status"),
        Column::time("CREATED", "/creation_time"),
        Column::time("CHANGED", "/update_time"),
        Column::plain("PARAMETERS", "/job_parameters").wide(),
    ],
};

static PLAN: Shape = Shape {
    name: "/schedule/type",
    columns: &[
        Column::plain("TYPE", "/schedule/type"),
        Column::plain("CRON", "/schedule/cron"),
        Column::plain("TIME ZONE", "/schedule/time_zone"),
        Column::time("NEXT", "/schedule/next_scheduled_time"),
        Column::plain("PARAMETERS", "/job_parameters"),
    ],
};

/// The operations of such runs.
#[derive(Debug)]
pub(super) struct Operations {
    /// What the place of a run is called in paths.
    pub(super) place: &'static str,
    pub(super) list: &'static str,
    pub(super) get: &'static str,
    pub(super) stop: &'static str,
    pub(super) log: &'static str,
    pub(super) schedule: &'static str,
    pub(super) create: &'static str,
    pub(super) update: &'static str,
}

/// When something is set going.
#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// Show the schedule
    Get,
    /// Set the schedule
    Set(Set),
    /// Take the schedule away
    #[command(visible_alias = "rm")]
    Delete,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// `hourly`, `daily`, `weekly`, or six fields of cron: second (0), minute, hour, day of the month, month, day of the week, such as
    /// `0 30 3 * * 6`
    when: String,
    /// The time zone of the fields, by its IANA name; the server's without
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

impl Operations {
    pub(super) async fn list(&self, session: &Session, listed: &Listed) -> Outcome {
        session.list(session.call(self.list).await?, listed, &SHAPE).await
    }

    pub(super) async fn get(&self, session: &Session, run: i64) -> Outcome {
        session.show(session.call(self.get).await?.at(self.place, run), &SHAPE).await
    }

    pub(super) async fn stop(&self, session: &Session, run: i64) -> Outcome {
        session
            .does(
                session.call(self.stop).await?.at(self.place, run),
                &format!("run {run} is told to stop, unless it is over"),
            )
            .await
    }

    pub(super) async fn log(&self, session: &Session, run: i64) -> Outcome {
        session.output.text(&session.call(self.log).await?.at(self.place, run).text().await?)
    }

    /// Sets a run going, and waits for its end when that is wished.
    pub(super) async fn run(&self, session: &Session, parameters: Map<String, Value>, wait: bool) -> Outcome {
        let schedule = Some(ScheduleObj { kind: "Manual".to_owned(), ..ScheduleObj::default() });
        let call = session.call(self.create).await?.json(&Schedule { schedule, parameters });
        if !wait {
            return session.makes(call, "a run is set going", None).await;
        }
        let made = call.created().await?;
        let run = made.id().ok_or_else(|| Failure::absent("the server does not tell the key of the run"))?;
        let value = wait_for(session, self.get, self.place, run).await?;
        session.output.one(&value, &SHAPE)?;
        ended(&value["job_status"])
    }

    pub(super) async fn plan(
        &self,
        session: &Session,
        plan: Plan,
        parameters: Map<String, Value>,
    ) -> Outcome {
        let known: Value = session.call(self.schedule).await?.one().await?;
        let is_set =
            known.pointer("/schedule/type").and_then(Value::as_str).is_some_and(|kind| kind != "None");
        let (kind, cron, time_zone, what) = match plan {
            Plan::Get => return session.output.one(&known, &PLAN),
            Plan::Delete => {
                ("None".to_owned(), String::new(), String::new(), "there is no schedule any more")
            }
            Plan::Set(set) => {
                let (kind, cron) = when(&set.when)?;
                (kind, cron, set.time_zone.unwrap_or_default(), "schedule set")
            }
        };
        let schedule = Some(ScheduleObj { kind, cron, time_zone, ..ScheduleObj::default() });
        let operation = if is_set { self.update } else { self.create };
        let call = session.call(operation).await?;
        session.does(call.json(&Schedule { schedule, parameters }), what).await
    }
}

/// The type and the fields of what is said.
pub(super) fn when(text: &str) -> Outcome<(String, String)> {
    let known = match text.to_ascii_lowercase().as_str() {
        "hourly" => Some(("Hourly", "0 0 * * * *")),
        "daily" => Some(("Daily", "0 0 0 * * *")),
        "weekly" => Some(("Weekly", "0 0 0 * * 0")),
        _ => None,
    };
    match known {
        Some((kind, cron)) => Ok((kind.to_owned(), cron.to_owned())),
        None if text.split_whitespace().count() == 6 => Ok(("Custom".to_owned(), text.to_owned())),
        None => Err(Failure::usage(format!("{text:?} is no time"))
            .hint("hourly, daily, weekly, or six fields: second (0), minute, hour, day of month, month, day of week")),
    }
}

/// Waits until a run is over.
pub(super) async fn wait_for(session: &Session, operation: &str, place: &str, run: i64) -> Outcome<Value> {
    let mut pause = std::time::Duration::from_millis(50);
    loop {
        let value: Value = session.call(operation).await?.at(place, run).one().await?;
        let status = value["job_status"].as_str().or_else(|| value["status"].as_str()).unwrap_or_default();
        if !matches!(status, "Pending" | "Running" | "Scheduled" | "InProgress") {
            return Ok(value);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(std::time::Duration::from_secs(5));
    }
}

/// What the end of a run is for the exit code.
pub(super) fn ended(status: &Value) -> Outcome {
    match status.as_str() {
        Some("Error" | "Failed") => {
            Err(Failure::new(crate::failure::Kind::Failed, "the run failed").hint("its log tells why"))
        }
        Some("Stopped") => Err(Failure::new(crate::failure::Kind::Failed, "the run was stopped")
            .hint("the same again, which sets another going")),
        _ => Ok(()),
    }
}

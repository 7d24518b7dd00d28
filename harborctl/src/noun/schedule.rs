//! `harborctl schedule`.

use clap::Subcommand;
use harbor_core::api::ActionRequest;

use crate::failure::Outcome;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("KIND", "/vendor_type"),
        Column::plain("FOR", "/vendor_id"),
        Column::plain("CRON", "/cron"),
        Column::plain("TIME ZONE", "/time_zone"),
        Column::time("NEXT", "/next_scheduled_time"),
        Column::time("CHANGED", "/update_time").wide(),
    ],
};

static PAUSED: Shape = Shape { name: "/paused", columns: &[Column::plain("PAUSED", "/paused")] };

/// What Harbor calls the queue of what the clock sets going.
const SCHEDULER: &str = "SCHEDULER";

/// What the clock sets going.
#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Show all schedules
    #[command(visible_alias = "ls")]
    List(Listed),
    /// Show whether the clock sets nothing going
    Paused,
    /// Let the clock set nothing going any more
    Pause,
    /// Let the clock set things going again
    Resume,
}

impl Schedule {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => session.list(session.call("listSchedules").await?, &listed, &SHAPE).await,
            Self::Paused => {
                session.show(session.call("getSchedulePaused").await?.at("job_type", "all"), &PAUSED).await
            }
            Self::Pause => act(session, "pause", "schedules are paused").await,
            Self::Resume => act(session, "resume", "schedules go on").await,
        }
    }
}

async fn act(session: &Session, action: &str, what: &str) -> Outcome {
    let call = session.call("actionPendingJobs").await?.at("job_type", SCHEDULER);
    session.does(call.json(&ActionRequest { action: action.to_owned() }), what).await
}

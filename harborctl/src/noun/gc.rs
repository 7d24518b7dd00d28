//! `harborctl gc`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::run::{Operations, Plan};
use crate::failure::Outcome;
use crate::session::{Listed, Session};

const OPERATIONS: Operations = Operations {
    place: "gc_id",
    list: "getGCHistory",
    get: "getGC",
    stop: "stopGC",
    log: "getGCLog",
    schedule: "getGCSchedule",
    create: "createGCSchedule",
    update: "updateGCSchedule",
};

/// Garbage collection.
#[derive(Debug, Subcommand)]
pub(crate) enum Gc {
    /// Show the runs
    #[command(visible_alias = "ls")]
    List(Listed),
    /// Show one run
    Get { run: i64 },
    /// Set a run going
    #[command(after_help = "Example:\n  harborctl gc run --dry-run --wait -o json")]
    Run {
        #[command(flatten)]
        parameters: Parameters,
        /// Tell what would go, and let it stay
        #[arg(long)]
        dry_run: bool,
        /// Wait until it is over, and fail when it fails
        #[arg(long)]
        wait: bool,
    },
    /// Stop a run
    Stop { run: i64 },
    /// Print the log of a run
    Log { run: i64 },
    /// When it runs
    Schedule {
        #[command(flatten)]
        parameters: Parameters,
        #[command(subcommand)]
        plan: Plan,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Parameters {
    /// Delete artifacts without tags as well
    #[arg(long)]
    delete_untagged: bool,
    /// How many workers delete at once: 1 to 10
    #[arg(long)]
    workers: Option<u8>,
}

impl Parameters {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("delete_untagged".to_owned(), json!(self.delete_untagged));
        if let Some(workers) = self.workers {
            map.insert("workers".to_owned(), json!(workers));
        }
        map
    }
}

impl Gc {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => OPERATIONS.list(session, &listed).await,
            Self::Get { run } => OPERATIONS.get(session, run).await,
            Self::Run { parameters, dry_run, wait } => {
                let mut map = parameters.to_map();
                map.insert("dry_run".to_owned(), json!(dry_run));
                OPERATIONS.run(session, map, wait).await
            }
            Self::Stop { run } => OPERATIONS.stop(session, run).await,
            Self::Log { run } => OPERATIONS.log(session, run).await,
            Self::Schedule { parameters, plan } => OPERATIONS.plan(session, plan, parameters.to_map()).await,
        }
    }
}

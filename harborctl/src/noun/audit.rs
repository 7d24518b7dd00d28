//! `harborctl audit`.

use clap::{Args, Subcommand, ValueEnum};
use harbor_replicate::client::api::Query;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;

use super::run::{Operations, Plan};
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

pub(super) static SHAPE: Shape = Shape {
    name: "/id",
    columns: &[
        Column::time("TIME", "/op_time"),
        Column::plain("USER", "/username"),
        Column::plain("OPERATION", "/operation"),
        Column::plain("TYPE", "/resource_type"),
        Column::plain("RESOURCE", "/resource"),
        Column::plain("DONE", "/operation_result"),
        Column::plain("ID", "/id").wide(),
        Column::plain("ADDRESS", "/client_address").wide(),
        Column::plain("CREDENTIAL", "/credential").wide(),
        Column::plain("REQUEST", "/request_id").wide(),
        Column::plain("DESCRIPTION", "/operation_description").wide(),
    ],
};

pub(super) static OLDER: Shape = Shape {
    name: "/id",
    columns: &[
        Column::time("TIME", "/op_time"),
        Column::plain("USER", "/username"),
        Column::plain("OPERATION", "/operation"),
        Column::plain("TYPE", "/resource_type"),
        Column::plain("RESOURCE", "/resource"),
        Column::plain("ID", "/id").wide(),
    ],
};

static EVENT: Shape = Shape { name: "/event_type", columns: &[Column::plain("EVENT", "/event_type")] };

static VERIFIED: Shape = Shape {
    name: "/intact",
    columns: &[
        Column::plain("INTACT", "/intact"),
        Column::plain("LINES", "/lines"),
        Column::plain("PURGED", "/purged"),
        Column::plain("HEAD", "/head/seq"),
        Column::plain("HASH", "/head/hash"),
        Column::each("FINDINGS", "/findings", "message"),
    ],
};

const PURGE: Operations = Operations {
    place: "purge_id",
    list: "getPurgeHistory",
    get: "getPurgeJob",
    stop: "stopPurge",
    log: "getPurgeJobLog",
    schedule: "getPurgeSchedule",
    create: "createPurgeSchedule",
    update: "updatePurgeSchedule",
};

/// The audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Show who did what, as far as one may see it
    #[command(
        visible_alias = "ls",
        after_help = "Example:\n  harborctl audit list --query 'operation=delete,username=grace' --limit 20"
    )]
    List {
        /// In the older form: of artifacts, tags, repositories and projects
        #[arg(long)]
        older: bool,
        #[command(flatten)]
        listed: Listed,
    },
    /// Print all of it, the oldest first
    #[command(after_help = "Example:\n  harborctl audit export --format csv > audit.csv")]
    Export {
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// The API's filter
        #[arg(long, value_name = "Q")]
        query: Option<String>,
    },
    /// Find out whether it is as it was written; fails when it is not
    #[command(after_help = "Example:\n  harborctl audit verify --head 1024:6f0d…")]
    Verify {
        /// A head that was kept: its number and its hash; may be given several times
        #[arg(long = "head", value_name = "SEQ:HASH")]
        heads: Vec<String>,
    },
    /// Show what may be left out of it
    Events,
    /// Old lines that go
    #[command(subcommand)]
    Purge(Purge),
}

/// In which form it is exported.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// JSON, a line each
    Jsonl,
    /// Values with commas
    Csv,
}

/// Runs that purge the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Purge {
    /// Show the runs
    #[command(visible_alias = "ls")]
    List(Listed),
    /// Show one run
    Get { run: i64 },
    /// Set a run going
    #[command(after_help = "Example:\n  harborctl audit purge run --keep-hours 2160 --dry-run --wait")]
    Run {
        #[command(flatten)]
        parameters: Parameters,
        /// Tell how many would go, and let them stay
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
    /// Lines stay for so many hours
    #[arg(long, default_value_t = 2160, value_name = "HOURS")]
    keep_hours: u32,
    /// Purge these types of events; may be given several times; without, everything
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
}

impl Parameters {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::from_iter([("audit_retention_hour".to_owned(), json!(self.keep_hours))]);
        if !self.events.is_empty() {
            map.insert("include_event_types".to_owned(), json!(self.events.join(",")));
        }
        map
    }
}

impl Audit {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { older, listed } => {
                let (operation, shape) =
                    if older { ("listAuditLogs", &OLDER) } else { ("listAuditLogExts", &SHAPE) };
                session.list(session.call(operation).await?, &listed, shape).await
            }
            Self::Export { format, query } => export(session, format, query).await,
            Self::Verify { heads } => verify(session, &heads).await,
            Self::Events => session.all(session.call("listAuditLogEventTypes").await?, &EVENT).await,
            Self::Purge(purge) => purge.run(session).await,
        }
    }
}

async fn export(session: &Session, format: Format, filter: Option<String>) -> Outcome {
    let format = match format {
        Format::Jsonl => "jsonl",
        Format::Csv => "csv",
    };
    let mut query = Query::new().with("format", format);
    if let Some(filter) = filter {
        query = query.q(filter);
    }
    let mut pieces = session.call("exportAuditLog").await?.query(&query).pieces();
    let mut out = tokio::io::stdout();
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece?).await?;
    }
    Ok(out.flush().await?)
}

async fn verify(session: &Session, heads: &[String]) -> Outcome {
    let query = heads.iter().fold(Query::new(), |query, head| query.with("head", head));
    let found: Value = session.call("verifyAuditLog").await?.query(&query).one().await?;
    session.output.one(&found, &VERIFIED)?;
    if found["intact"] == json!(true) {
        return Ok(());
    }
    Err(Failure::new(Kind::Broken, "the audit log is not as it was written")
        .hint("-o json tells what was found"))
}

impl Purge {
    async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => PURGE.list(session, &listed).await,
            Self::Get { run } => PURGE.get(session, run).await,
            Self::Run { parameters, dry_run, wait } => {
                let mut map = parameters.to_map();
                map.insert("dry_run".to_owned(), json!(dry_run));
                PURGE.run(session, map, wait).await
            }
            Self::Stop { run } => PURGE.stop(session, run).await,
            Self::Log { run } => PURGE.log(session, run).await,
            Self::Schedule { parameters, plan } => PURGE.plan(session, plan, parameters.to_map()).await,
        }
    }
}

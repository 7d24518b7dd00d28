//! `harborctl system` and `harborctl health`.

use clap::{Args, Subcommand};
use harbor_replicate::client::api::Query;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

static INFO: Shape = Shape {
    name: "/harbor_version",
    columns: &[
        Column::plain("VERSION", "/harbor_version"),
        Column::plain("ADDRESS", "/external_url"),
        Column::plain("LOGIN", "/auth_mode"),
        Column::plain("SELF REGISTRATION", "/self_registration"),
        Column::plain("PROJECTS BY", "/project_creation_restriction"),
        Column::plain("STORAGE", "/registry_storage_provider_name"),
        Column::plain("READ ONLY", "/read_only"),
        Column::time("TIME", "/current_time"),
        Column::plain("BANNER", "/banner_message"),
    ],
};

static STATISTICS: Shape = Shape {
    name: "/total_storage_consumption",
    columns: &[
        Column::plain("PRIVATE PROJECTS", "/private_project_count"),
        Column::plain("PRIVATE REPOSITORIES", "/private_repo_count"),
        Column::plain("PUBLIC PROJECTS", "/public_project_count"),
        Column::plain("PUBLIC REPOSITORIES", "/public_repo_count"),
        Column::plain("ALL PROJECTS", "/total_project_count"),
        Column::plain("ALL REPOSITORIES", "/total_repo_count"),
        Column::bytes("STORED", "/total_storage_consumption"),
    ],
};

static VOLUME: Shape =
    Shape { name: "/total", columns: &[Column::bytes("TOTAL", "/total"), Column::bytes("FREE", "/free")] };

static COMPONENT: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("COMPONENT", "/name"),
        Column::plain("STATUS", "/status"),
        Column::plain("ERROR", "/error"),
    ],
};

static FOUND: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("TYPE", "/type"),
        Column::plain("NAME", "/name"),
        Column::plain("PUBLIC", "/public"),
    ],
};

/// The server as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum System {
    /// Show what it is
    Info,
    /// Tell by the exit code whether it answers
    Ping,
    /// Show how much there is
    Statistics,
    /// Show how much room there is
    Volumes,
    /// Print the certificate of its own authority
    #[command(after_help = "Example:\n  harborctl system certificate > ca.pem")]
    Certificate,
    /// Find projects and repositories whose name has a text in it
    Search { text: String },
    /// Have it sign tokens with a new key
    RotateKeys,
    /// Print events as they happen, a line of JSON each
    #[command(after_help = "Example:\n  harborctl system events --project team --kind PUSH_ARTIFACT | jq .")]
    Events(Events),
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Of this kind; may be given several times
    #[arg(long = "kind", value_name = "TYPE")]
    kinds: Vec<String>,
    /// Of this project
    #[arg(long)]
    project: Option<String>,
    /// Those behind this number first
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// For so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl System {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Info => session.show(session.call("getSystemInfo").await?, &INFO).await,
            Self::Ping => session.output.text(&session.call("getPing").await?.text().await?),
            Self::Statistics => session.show(session.call("getStatistic").await?, &STATISTICS).await,
            Self::Volumes => {
                let volumes: Value = session.call("getVolumes").await?.one().await?;
                session.entries(volumes["storage"].as_array().map_or(&[], Vec::as_slice), &VOLUME)
            }
            Self::Certificate => session.output.text(&session.call("getCert").await?.text().await?),
            Self::Search { text } => search(session, &text).await,
            Self::RotateKeys => {
                session.does(session.call("rotateTokenKeys").await?, "tokens have a new key").await
            }
            Self::Events(events) => events.run(session).await,
        }
    }
}

async fn search(session: &Session, text: &str) -> Outcome {
    let found: Value = session.call("search").await?.query(&Query::new().with("q", text)).one().await?;
    let entries = |kind: &str, name: &str, public: &str| {
        let found = found[kind].as_array().cloned().unwrap_or_default();
        let row = |entry: Value| {
            serde_json::json!({
                "type": kind, "name": entry.pointer(name), "public": entry.pointer(public), "found": entry,
            })
        };
        found.into_iter().map(row).collect::<Vec<_>>()
    };
    let mut rows = entries("project", "/name", "/metadata/public");
    rows.extend(entries("repository", "/repository_name", "/project_public"));
    session.entries(&rows, &FOUND)
}

/// Prints how the parts of the server are.
pub(crate) async fn health(session: &Session) -> Outcome {
    let health: Value = session.call("getHealth").await?.one().await?;
    session.entries(health["components"].as_array().map_or(&[], Vec::as_slice), &COMPONENT)?;
    if health["status"] == "healthy" {
        return Ok(());
    }
    Err(Failure::new(Kind::Server, "the server is unhealthy").hint("the log of the server, which tells why"))
}

impl Events {
    async fn run(self, session: &Session) -> Outcome {
        let mut query = self.kinds.iter().fold(Query::new(), |query, kind| query.with("kind", kind));
        if let Some(project) = &self.project {
            query = query.with("project_name", project);
        }
        if let Some(after) = self.after {
            query = query.with("after", after);
        }
        if let Some(seconds) = self.seconds {
            query = query.with("seconds", seconds);
        }
        let mut pieces = session.call("streamEvents").await?.query(&query).pieces();
        let (mut out, mut buffer) = (tokio::io::stdout(), Vec::new());
        while let Some(piece) = pieces.next().await {
            buffer.extend_from_slice(&piece?);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = buffer.drain(..=end).collect();
                // HTML Standard, section 9.2.6: the data of an event, without its number and its name.
                if let Some(data) = line.strip_prefix(b"data:") {
                    out.write_all(data.trim_ascii_start()).await?;
                    out.flush().await?;
                }
            }
        }
        Ok(())
    }
}

//! `harborctl token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use harbor_core::api::PersonalTokenReq;
use serde_json::{Value, json};

use crate::body::from_file;
use crate::failure::Outcome;
use crate::lookup::{absent, key};
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::seconds("EXPIRES", "/expires_at"),
        Column::time("LAST USED", "/last_used"),
        Column::each("WHERE", "/scopes", "namespace"),
        Column::plain("ID", "/id").wide(),
        Column::time("CREATED", "/creation_time").wide(),
    ],
};

/// What is told this once.
static CREATED: Shape = Shape {
    name: "/token",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("TOKEN", "/token"),
        Column::seconds("EXPIRES", "/expires_at"),
        Column::plain("ID", "/id"),
    ],
};

/// One's own personal access tokens, by name or by key. Harbor has none.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Show one's tokens
    #[command(visible_alias = "ls")]
    List,
    /// Make a token, which is shown this once
    #[command(after_help = "\
Examples:
  harborctl token create laptop --days 30
  harborctl token create ci --scopes-file scopes.yaml -o name")]
    Create(Create),
    /// Delete a token, which ends at once
    #[command(visible_alias = "rm")]
    Delete { token: String },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    name: String,
    /// For how many days; -1 for ever
    #[arg(long, default_value_t = 30, allow_hyphen_values = true)]
    days: i64,
    /// What it is limited to: a list as the `permissions` of robots, in JSON or YAML; all that one may do, without
    #[arg(long, value_name = "FILE")]
    scopes_file: Option<PathBuf>,
}

impl Token {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List => session.all(session.call("listPersonalTokens").await?, &SHAPE).await,
            Self::Create(create) => {
                let scopes = create.scopes_file.map(|file| from_file(&file)).transpose()?.unwrap_or_default();
                let body = PersonalTokenReq { name: create.name, duration: create.days, scopes };
                session.show(session.call("createPersonalToken").await?.json(&body), &CREATED).await
            }
            Self::Delete { token } => {
                let id = id(session, &token).await?;
                let call = session.call("deletePersonalToken").await?.at("token_id", id);
                session.does(call, &format!("token {token} deleted")).await
            }
        }
    }
}

async fn id(session: &Session, token: &str) -> Outcome<i64> {
    if let Ok(id) = token.parse() {
        return Ok(id);
    }
    let tokens: Vec<Value> = session.call("listPersonalTokens").await?.one().await?;
    let what = format!("token {token}");
    let found = tokens.iter().find(|found| found["name"] == json!(token));
    key(found.ok_or_else(|| absent(&what, "harborctl token list"))?, "/id", &what)
}

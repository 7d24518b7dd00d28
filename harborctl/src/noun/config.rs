//! `harborctl config`.

use std::collections::BTreeMap;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::body::Body;
use crate::failure::{Failure, Outcome};
use crate::lookup::absent;
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("VALUE", "/value"),
        Column::plain("EDITABLE", "/editable"),
    ],
};

/// How the server is set.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show all values
    #[command(visible_alias = "ls")]
    List,
    /// Print one value
    #[command(after_help = "Example:\n  harborctl config get read_only")]
    Get { name: String },
    /// Set values
    #[command(after_help = "Example:\n  harborctl config set read_only=true banner_message='back at noon'")]
    Set {
        #[arg(required = true, value_name = "NAME=VALUE")]
        values: Vec<String>,
    },
    /// Set values, from a file
    Apply {
        #[command(flatten)]
        body: Body,
    },
}

type Values = BTreeMap<String, Value>;

impl Config {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List => {
                let row = |(name, value): (String, Value)| json!({"name": name, "value": value["value"], "editable": value["editable"]});
                let rows: Vec<_> = values(session).await?.into_iter().map(row).collect();
                session.entries(&rows, &SHAPE)
            }
            Self::Get { name } => {
                let value = values(session).await?.remove(&name);
                let value =
                    value.ok_or_else(|| absent(&format!("value {name:?}"), "harborctl config list"))?;
                match &value["value"] {
                    Value::String(text) => session.output.text(text),
                    value => session.output.text(&value.to_string()),
                }
            }
            Self::Set { values: pairs } => set(session, &pairs).await,
            Self::Apply { body } => {
                let call = session.call("updateConfigurations").await?.json(&body.read::<Values>()?);
                session.does(call, "values set").await
            }
        }
    }
}

async fn values(session: &Session) -> Outcome<Values> {
    Ok(session.call("getConfigurations").await?.one().await?)
}

fn wrong(name: &str, text: &str, before: &Value) -> Failure {
    let failure = Failure::usage(format!("{text:?} is nothing that {name} can be"));
    match before {
        Value::Bool(_) => failure.hint(format!("{name}=true or {name}=false")),
        Value::Number(number) => failure.hint(format!("a number, such as {name}={number}")),
        _ => failure.hint(format!("harborctl config get {name}")),
    }
}

/// A value becomes what the one before it is: text stays text.
async fn set(session: &Session, pairs: &[String]) -> Outcome {
    let known = values(session).await?;
    let mut body = Map::new();
    for pair in pairs {
        let (name, text) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("{pair:?} names no value")).hint("NAME=VALUE"))?;
        // The server ignores names that it does not know, and a script would never learn it.
        let before =
            known.get(name).ok_or_else(|| absent(&format!("value {name:?}"), "harborctl config list"))?;
        let value = match &before["value"] {
            Value::String(_) | Value::Null => json!(text),
            _ => serde_json::from_str(text).map_err(|_| wrong(name, text, &before["value"]))?,
        };
        body.insert(name.to_owned(), value);
    }
    let call = session.call("updateConfigurations").await?.json(&body);
    session.does(call, "values set").await
}

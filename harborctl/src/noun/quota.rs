//! `harborctl quota`.

use std::collections::BTreeMap;

use clap::Subcommand;
use harbor_core::api::QuotaUpdateReq;
use harbor_replicate::client::api::Query;

use crate::failure::Outcome;
use crate::names::bytes;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/ref/name",
    columns: &[
        Column::plain("PROJECT", "/ref/name"),
        Column::bytes("USED", "/used/storage"),
        Column::bytes("LIMIT", "/hard/storage"),
        Column::plain("ID", "/id").wide(),
        Column::time("CHANGED", "/update_time").wide(),
    ],
};

/// What projects may hold, and hold.
#[derive(Debug, Subcommand)]
pub(crate) enum Quota {
    /// Show the quotas of projects
    #[command(
        visible_alias = "ls",
        after_help = "Example:\n  harborctl quota list --sort -used.storage --limit 10"
    )]
    List(Listed),
    /// Show the quota of a project
    Get { project: String },
    /// Set how much a project may hold
    #[command(visible_alias = "update", after_help = "Example:\n  harborctl quota set team 10GiB")]
    Set {
        project: String,
        /// `10GiB`; -1 for no limit
        #[arg(value_parser = bytes, allow_hyphen_values = true)]
        limit: i64,
    },
}

impl Quota {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(listed) => {
                let call =
                    session.call("listQuotas").await?.query(&Query::new().with("reference", "project"));
                session.list(call, &listed, &SHAPE).await
            }
            Self::Get { project } => {
                let id = session.quota_id(&project).await?;
                session.show(session.call("getQuota").await?.at("id", id), &SHAPE).await
            }
            Self::Set { project, limit } => {
                let id = session.quota_id(&project).await?;
                let body = QuotaUpdateReq { hard: BTreeMap::from([("storage".to_owned(), limit)]) };
                let call = session.call("updateQuota").await?.at("id", id).json(&body);
                session.does(call, &format!("quota of {project} set")).await
            }
        }
    }
}

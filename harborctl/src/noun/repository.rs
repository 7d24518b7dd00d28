//! `harborctl repository`.

use clap::Subcommand;
use harbor_core::api::RepositoryUpdate;
use harbor_replicate::client::api::Call;

use crate::failure::Outcome;
use crate::names::RepositoryArg;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};
use crate::terminal::confirmed;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("ARTIFACTS", "/artifact_count"),
        Column::plain("PULLS", "/pull_count"),
        Column::time("CHANGED", "/update_time"),
        Column::time("CREATED", "/creation_time").wide(),
        Column::plain("ID", "/id").wide(),
        Column::plain("DESCRIPTION", "/description").wide(),
    ],
};

/// Repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    /// Show the repositories of a project, or all that may be seen
    #[command(
        visible_alias = "ls",
        after_help = "Example:\n  harborctl repository list team --query 'name=~web'"
    )]
    List {
        project: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one repository
    Get { repository: RepositoryArg },
    /// Change what is written about a repository
    #[command(after_help = "Example:\n  harborctl repository update team/web --description 'The shop'")]
    Update {
        repository: RepositoryArg,
        /// What is written about it
        #[arg(long)]
        description: String,
    },
    /// Delete a repository with its artifacts
    #[command(visible_alias = "rm")]
    Delete {
        repository: RepositoryArg,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

impl Repository {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { project: None, listed } => {
                session.list(session.call("listAllRepositories").await?, &listed, &SHAPE).await
            }
            Self::List { project: Some(project), listed } => {
                let call = session.call("listRepositories").await?.at("project_name", project.as_str());
                session.list(call, &listed, &SHAPE).await
            }
            Self::Get { repository } => {
                session.show(of(session, "getRepository", &repository).await?, &SHAPE).await
            }
            Self::Update { repository, description } => {
                let call = of(session, "updateRepository", &repository).await?;
                let call = call.json(&RepositoryUpdate { description });
                session.does(call, &format!("repository {repository} changed")).await
            }
            Self::Delete { repository, yes } => {
                confirmed(&format!("Delete {repository} with all its artifacts?"), yes).await?;
                let call = of(session, "deleteRepository", &repository).await?;
                session.does(call, &format!("repository {repository} deleted")).await
            }
        }
    }
}

/// A call of an operation in a repository.
pub(super) async fn of(session: &Session, operation: &str, repository: &RepositoryArg) -> Outcome<Call> {
    let call = session.call(operation).await?.at("project_name", repository.project.as_str());
    Ok(call.at("repository_name", repository.name.as_str()))
}

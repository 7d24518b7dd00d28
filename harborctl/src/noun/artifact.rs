//! `harborctl artifact`.

use clap::{Args, Subcommand};
use harbor_core::api;
use harbor_replicate::client::api::{Call, ProjectRef, Query};

use super::repository;
use crate::failure::Outcome;
use crate::names::{ArtifactArg, RepositoryArg};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};
use crate::terminal::confirmed;

static SHAPE: Shape = Shape {
    name: "/digest",
    columns: &[
        Column::digest("DIGEST", "/digest"),
        Column::each("TAGS", "/tags", "name"),
        Column::plain("TYPE", "/type"),
        Column::bytes("SIZE", "/size"),
        Column::time("PUSHED", "/push_time"),
        Column::time("PULLED", "/pull_time").wide(),
        Column::plain("REPOSITORY", "/repository_name").wide(),
        Column::each("LABELS", "/labels", "name").wide(),
        Column::plain("MEDIA TYPE", "/manifest_media_type").wide(),
    ],
};

static ACCESSORY: Shape = Shape {
    name: "/digest",
    columns: &[
        Column::digest("DIGEST", "/digest"),
        Column::plain("TYPE", "/type"),
        Column::bytes("SIZE", "/size"),
        Column::time("CREATED", "/creation_time"),
        Column::digest("SUBJECT", "/subject_artifact_digest").wide(),
    ],
};

static DELETED: Shape = Shape {
    name: "/digest",
    columns: &[
        Column::digest("DIGEST", "/digest"),
        Column::plain("TAGS", "/tags"),
        Column::time("DELETED", "/deletion_time"),
        Column::plain("BY", "/deleted_by"),
        Column::time("RESTORABLE UNTIL", "/restorable_until"),
    ],
};

static RESTORED: Shape = Shape {
    name: "/digest",
    columns: &[
        Column::digest("DIGEST", "/digest"),
        Column::plain("TAGS", "/tags"),
        Column::plain("TAGS TAKEN", "/tags_taken"),
        Column::plain("MANIFESTS", "/manifests"),
    ],
};

/// Artifacts, by `project/repository:tag` or `project/repository@digest`.
#[derive(Debug, Subcommand)]
pub(crate) enum Artifact {
    /// Show the artifacts of a repository, or of a project
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  harborctl artifact list team/web --query 'tags=~v1' --sort -push_time
  harborctl artifact list team --latest"
    )]
    List(List),
    /// Show one artifact
    Get { artifact: ArtifactArg },
    /// Copy an artifact into a repository of the same server
    #[command(after_help = "Example:\n  harborctl artifact copy team/web:1.0 release/web")]
    Copy { from: ArtifactArg, to: RepositoryArg },
    /// Delete an artifact with its tags, and what belongs to it
    #[command(visible_alias = "rm")]
    Delete {
        artifact: ArtifactArg,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Show what belongs to an artifact: signatures, SBOMs
    Accessories {
        artifact: ArtifactArg,
        #[command(flatten)]
        listed: Listed,
    },
    /// Print what can be read out of an artifact
    #[command(after_help = "Example:\n  harborctl artifact addition team/chart:1.0 values.yaml")]
    Addition {
        artifact: ArtifactArg,
        /// `build_history`, `values.yaml`, `readme.md`, `dependencies`
        addition: String,
    },
    /// Put a label on an artifact, or take it off
    #[command(after_help = "Example:\n  harborctl artifact label team/web:1.0 tested")]
    Label {
        artifact: ArtifactArg,
        /// The label of the project, or else of everybody
        label: String,
        /// Take it off
        #[arg(long)]
        remove: bool,
    },
    /// Show artifacts that were deleted and can be put back
    Deleted {
        repository: RepositoryArg,
        #[command(flatten)]
        listed: Listed,
    },
    /// Put a deleted artifact back, with what was deleted along
    #[command(after_help = "Example:\n  harborctl artifact restore team/web@sha256:…")]
    Restore { artifact: ArtifactArg },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The repository, or the project
    #[arg(value_name = "PROJECT[/REPOSITORY]")]
    place: String,
    /// Of a project, the newest of each repository alone
    #[arg(long)]
    latest: bool,
    #[command(flatten)]
    listed: Listed,
}

impl Artifact {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List(list) => list.run(session).await,
            Self::Get { artifact } => {
                let call = of(session, "getArtifact", &artifact).await?.query(&with_all());
                session.show(call, &SHAPE).await
            }
            Self::Copy { from, to } => {
                let query = Query::new().with("from", &from);
                let call = repository::of(session, "CopyArtifact", &to).await?.query(&query);
                session.makes(call, &format!("{from} copied to {to}"), None).await
            }
            Self::Delete { artifact, yes } => {
                confirmed(&format!("Delete {artifact} with all its tags?"), yes).await?;
                let call = of(session, "deleteArtifact", &artifact).await?;
                session.does(call, &format!("{artifact} deleted")).await
            }
            Self::Accessories { artifact, listed } => {
                session.list(of(session, "listAccessories", &artifact).await?, &listed, &ACCESSORY).await
            }
            Self::Addition { artifact, addition } => {
                let call = of(session, "getAddition", &artifact).await?.at("addition", addition.as_str());
                session.output.text(&call.text().await?)
            }
            Self::Label { artifact, label, remove } => relabel(session, &artifact, &label, remove).await,
            Self::Deleted { repository, listed } => {
                let call = repository::of(session, "listDeletedArtifacts", &repository).await?;
                session.list(call, &listed, &DELETED).await
            }
            Self::Restore { artifact } => {
                let call = repository::of(session, "restoreArtifact", &artifact.repository).await?;
                session.show(call.at("digest", artifact.reference.as_str()), &RESTORED).await
            }
        }
    }
}

impl List {
    async fn run(self, session: &Session) -> Outcome {
        let mut query = with_all();
        if self.latest {
            query = query.with("latest_in_repository", true);
        }
        let call = match self.place.split_once('/') {
            Some(_) => {
                let repository = self.place.parse();
                let repository = repository.map_err(|error: crate::names::WrongName| {
                    crate::failure::Failure::usage(format!("{} is no repository: {error}", self.place))
                })?;
                repository::of(session, "listArtifacts", &repository).await?
            }
            None => {
                let call = session.call("listArtifactsOfProject").await?;
                call.at("project_name_or_id", ProjectRef::Name(&self.place))
            }
        };
        session.list(call.query(&query), &self.listed, &SHAPE).await
    }
}

fn with_all() -> Query {
    Query::new().with("with_tag", true).with("with_label", true)
}

async fn relabel(session: &Session, artifact: &ArtifactArg, label: &str, remove: bool) -> Outcome {
    let id = match session.label_id(label, Some(&artifact.repository.project)).await {
        Ok(id) => id,
        Err(_) => session.label_id(label, None).await?,
    };
    if remove {
        let call = of(session, "removeLabel", artifact).await?.at("label_id", id);
        return session.does(call, &format!("{label} taken off {artifact}")).await;
    }
    let call = of(session, "addLabel", artifact).await?.json(&api::Label { id, ..api::Label::default() });
    session.does(call, &format!("{label} put on {artifact}")).await
}

/// A call of an operation on an artifact.
pub(super) async fn of(session: &Session, operation: &str, artifact: &ArtifactArg) -> Outcome<Call> {
    let call = repository::of(session, operation, &artifact.repository).await?;
    Ok(call.at("reference", artifact.reference.as_str()))
}

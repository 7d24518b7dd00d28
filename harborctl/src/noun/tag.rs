//! `harborctl tag`.

use clap::Subcommand;
use harbor_core::api::NewTag;

use super::artifact;
use crate::content::put_tags;
use crate::failure::{Failure, Outcome};
use crate::names::ArtifactArg;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::time("PUSHED", "/push_time"),
        Column::time("PULLED", "/pull_time"),
        Column::plain("IMMUTABLE", "/immutable"),
        Column::plain("PULLS", "/pull_count").wide(),
        Column::plain("ID", "/id").wide(),
    ],
};

/// Tags.
#[derive(Debug, Subcommand)]
pub(crate) enum Tag {
    /// Show the tags of an artifact
    #[command(visible_alias = "ls", after_help = "Example:\n  harborctl tag list team/web:1.0")]
    List {
        artifact: ArtifactArg,
        #[command(flatten)]
        listed: Listed,
    },
    /// Give an artifact another tag
    #[command(after_help = "Example:\n  harborctl tag create team/web:1.0 stable")]
    Create { artifact: ArtifactArg, tag: String },
    /// Give an image of any registry other tags, over the distribution API
    #[command(after_help = "Example:\n  harborctl tag add registry.example/team/web:1.0 stable latest")]
    Add {
        /// The image: `host/repository:tag` or `host/repository@digest`
        image: String,
        #[arg(required = true)]
        tags: Vec<harbor_core::oci::Tag>,
    },
    /// Take a tag away; the artifact stays
    #[command(visible_alias = "rm", after_help = "Example:\n  harborctl tag delete team/web:stable")]
    Delete { artifact: ArtifactArg },
}

impl Tag {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { artifact, listed } => {
                session.list(artifact::of(session, "listTags", &artifact).await?, &listed, &SHAPE).await
            }
            Self::Create { artifact, tag } => {
                let call = artifact::of(session, "createTag", &artifact).await?;
                let call = call.json(&NewTag { name: tag.clone() });
                session.makes(call, &format!("{artifact} is {tag} too"), Some(&tag)).await
            }
            Self::Add { image, tags } => {
                let digest = put_tags(session, &image, &tags).await?;
                let told: Vec<&str> = tags.iter().map(harbor_core::oci::Tag::as_str).collect();
                session.output.done(&format!("{image} is {} too", told.join(", ")), None, Some(&digest))
            }
            Self::Delete { artifact } => {
                if artifact.reference.contains(':') {
                    return Err(Failure::usage("a tag is deleted by its name")
                        .hint("PROJECT/REPOSITORY:TAG, or `harborctl artifact delete`"));
                }
                let call = artifact::of(session, "deleteTag", &artifact).await?;
                let call = call.at("tag_name", artifact.reference.as_str());
                session.does(call, &format!("tag {artifact} deleted")).await
            }
        }
    }
}

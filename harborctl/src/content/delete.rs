//! `harborctl delete`.

use clap::Args;
use harbor_core::oci::Reference;

use super::place::{PlaceArg, reference};
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::terminal::confirmed;

/// Delete a tag, or by its digest a manifest with all of its tags, from any registry.
///
/// It goes over the distribution API, which every registry has; `harborctl artifact delete` goes over this server's own, and takes along
/// what belongs to it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harborctl delete registry.example/team/web:1.0 --yes")]
pub(crate) struct Delete {
    /// The image: `host/repository:tag` or `host/repository@digest`
    image: PlaceArg,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let (repository, image) = self.image.image(session).await?;
        let reference = reference(&image)?;
        confirmed(&format!("Delete {image}?"), self.yes).await?;
        let deleted = repository.manifest_delete(&reference).await;
        deleted.map_err(|error| match (&reference, error.status()) {
            // A registry need not delete tags (end-9), and docker's does not.
            (Reference::Tag(_), Some(400 | 405 | 501)) => Failure::from(error).hint(format!(
                "{}/{}@DIGEST, with all of its tags: this registry may delete no tags",
                image.registry(),
                image.repository()
            )),
            _ => error.into(),
        })?;
        session.output.done(&format!("{image} deleted"), None, None)
    }
}

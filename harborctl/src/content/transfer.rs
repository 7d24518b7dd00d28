//! `harborctl push`, `pull`, `copy`.

use std::num::NonZeroUsize;

use clap::Args;
use harbor_replicate::client::{CopyOptions, Platform, copy};
use serde_json::json;

use super::place::{PLACES, PlaceArg};
use super::progress::progress;
use crate::failure::Outcome;
use crate::output::{bytes, counted};
use crate::session::Session;

/// How blobs are sent.
#[derive(Clone, Debug, Args)]
pub(crate) struct Sending {
    /// How many blobs go at the same time
    #[arg(short, long, default_value = "4", value_name = "COUNT")]
    jobs: NonZeroUsize,
    /// In chunks of so many MiB, for what is on the way and takes no larger requests
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    chunk: Option<u32>,
}

/// How content is moved.
#[derive(Clone, Debug, Args)]
pub(crate) struct Moving {
    /// Of an index, the image for this platform alone: `linux/arm64`, `linux/arm/v7`
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// With what refers to it: signatures, SBOMs, attestations
    #[arg(long)]
    referrers: bool,
    #[command(flatten)]
    sending: Sending,
}

/// Push an image from a layout or an archive to a registry.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLACES}\n\nExample:\n  harborctl push image.tar team/web:1.0"))]
pub(crate) struct Push {
    /// The layout or the archive
    from: PlaceArg,
    /// The image of the registry
    to: PlaceArg,
    #[command(flatten)]
    moving: Moving,
}

/// Pull an image from a registry to a layout or an archive.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLACES}\n\nExamples:\n  harborctl pull team/web:1.0 images/\n  harborctl pull team/web:1.0 --platform linux/amd64 docker-archive:web.tar:web:1.0"))]
pub(crate) struct Pull {
    /// The image of the registry
    from: PlaceArg,
    /// The layout or the archive
    to: PlaceArg,
    #[command(flatten)]
    moving: Moving,
}

/// Copy an image from any place to any other.
///
/// What is there already is not sent again, so a copy that was cut off is gone on with by doing it again. Nothing shows at its new place
/// before all of it is there.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLACES}\n\nExample:\n  harborctl copy docker://debian:12 team/debian:12 --referrers"))]
pub(crate) struct Copy {
    /// What to copy
    from: PlaceArg,
    /// Where to
    to: PlaceArg,
    #[command(flatten)]
    moving: Moving,
}

impl Push {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        self.to.image(session).await?;
        transfer(session, &self.from.as_path(), &self.to, self.moving).await
    }
}

impl Pull {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        self.from.image(session).await?;
        transfer(session, &self.from, &self.to.as_path(), self.moving).await
    }
}

impl Copy {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        transfer(session, &self.from, &self.to, self.moving).await
    }
}

async fn transfer(session: &Session, from: &PlaceArg, to: &PlaceArg, moving: Moving) -> Outcome {
    let mut opened = from.open(session).await?;
    let mut options = moving.options();
    // What is copied, and named, where it is one of several.
    if let Some(platform) = options.platform.take() {
        opened.top = platform.choose(&*opened.source, opened.top).await?;
    }
    to.takes(session, &opened.top.digest)?;
    let (destination, name) = to.create(session, &opened).await?;
    options.progress = progress(session.output);
    let copied = copy(&*opened.source, opened.top.clone(), &*destination, name.as_deref(), &options).await?;
    destination.commit().await?;
    // The bars end before anything is printed.
    drop(options);
    let told = format!(
        "{} is at {}: {} sent ({}), {} linked, {} there already",
        copied.digest,
        destination.told(),
        counted(copied.sent as u64, "blob"),
        bytes(i64::try_from(copied.bytes).unwrap_or(i64::MAX)),
        copied.mounted,
        copied.existed,
    );
    let digest = copied.digest.to_string();
    let value = json!({
        "digest": digest, "from": from.to_string(), "to": destination.told(), "name": name,
        "manifests": copied.manifests, "sent": copied.sent, "mounted": copied.mounted,
        "existed": copied.existed, "bytes": copied.bytes,
    });
    session.output.done(&told, Some(&value), Some(&digest))
}

impl Sending {
    pub(super) fn options(&self) -> CopyOptions {
        let chunk = self.chunk.map(|chunk| u64::from(chunk) * 1024 * 1024);
        CopyOptions::default().jobs(self.jobs).chunk(chunk)
    }
}

impl Moving {
    pub(super) fn options(&self) -> CopyOptions {
        self.sending.options().platform(self.platform.clone()).referrers(self.referrers)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        moving: Moving,
    }

    #[test]
    fn a_chunk_has_a_size() {
        let read = |chunk: &str| Line::try_parse_from(["copy", "--chunk", chunk]);
        assert_eq!(read("2").unwrap().moving.options().chunk, Some(2 << 20));
        for wrong in ["0", "-1", "x", "4294967296"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

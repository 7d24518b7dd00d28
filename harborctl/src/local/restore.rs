//! `harborctl local restore`.

use std::path::PathBuf;

use clap::Args;
use harbor_core::Timestamp;
use harbor_storage::backup::{BackupFolder, RestoreOptions};

use super::backup::{size, tell};
use super::failed;
use super::place::At;
use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

static RESTORED: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("SNAPSHOT", "/id"),
        Column::time("TAKEN", "/created_at"),
        Column::plain("ROWS", "/rows"),
        Column::plain("BLOBS", "/blobs"),
        Column::bytes("SIZE", "/blob_bytes"),
    ],
};

/// Make a registry of a snapshot, in an empty place
///
/// The place may have another database and another blob store than the registry had. Until all of it is there, no server takes the
/// place for a registry. Whoever kills it runs it again, and it goes on where it was.
///
/// A server that is started there goes on with what waited when the snapshot was taken: schedules, jobs, and deliveries of webhooks. For
/// a copy beside the registry itself, start it with `job_workers = 0` in the section `settings` of its configuration file, and pause what
/// is not to go on, or all: `harborctl job pause all`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl local restore /srv/backup --data harbor-data
  harborctl local restore /srv/backup --at 2026-11-22T06:00:00Z --data harbor-data
  HARBOR_DATABASE_URL=postgres://harbor:secret@db/harbor harborctl local restore /srv/backup --blobs s3://registry")]
pub(crate) struct Restore {
    /// The folder of the backup
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Which snapshot, of `harborctl local backup list`; the newest without
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// The newest that was taken at this time or before, as RFC 3339 has it
    #[arg(long, value_name = "TIME", conflicts_with = "snapshot")]
    at: Option<String>,
    #[command(flatten)]
    place: At,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut options = RestoreOptions::default();
        options.snapshot = self.snapshot;
        options.at = self.at.as_deref().map(time).transpose()?;
        let place = self.place.place()?;
        let backup = BackupFolder::open(self.folder).map_err(failed)?;
        let output = session.output;
        if options.snapshot.is_none() {
            let (_, damaged) = backup.snapshots_that_read().map_err(failed)?;
            for (id, why) in damaged {
                output.note(&format!("the snapshot {id} does not read, and is passed over: {why}"));
            }
        }
        let restored = backup.restore(&options, &place, &|step| tell(output, step)).await.map_err(failed)?;
        output.note(&format!(
            "{} of {} blobs were copied, {}; the others were there from an earlier try",
            restored.copied,
            restored.manifest.blobs,
            size(restored.bytes)
        ));
        output.one(&super::backup::entry(&restored.manifest), &RESTORED)
    }
}

fn time(text: &str) -> Outcome<Timestamp> {
    serde_json::from_value(text.into()).map_err(|_| {
        Failure::usage(format!("{text:?} is no time"))
            .hint("2026-11-22T06:00:00Z, or with an offset: …T06:00:00+01:00")
    })
}

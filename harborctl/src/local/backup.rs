//! `harborctl local backup`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use harbor_storage::backup::{BackupFolder, Manifest, Step};
use serde_json::{Value, json};

use super::failed;
use super::place::At;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Output, Shape, counted};
use crate::session::Session;

static SNAPSHOT: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("SNAPSHOT", "/id"),
        Column::time("TAKEN", "/created_at"),
        Column::plain("ROWS", "/rows"),
        Column::plain("BLOBS", "/blobs"),
        Column::bytes("SIZE", "/blob_bytes"),
        Column::plain("DATABASE", "/database").wide(),
        Column::plain("STORE", "/blob_store").wide(),
        Column::plain("SCHEMA", "/schema").wide(),
        Column::plain("PROGRAM", "/program").wide(),
    ],
};

static PROBLEM: Shape = Shape {
    name: "/subject",
    columns: &[
        Column::plain("SNAPSHOT", "/snapshot"),
        Column::plain("WHAT", "/subject"),
        Column::plain("IS WRONG", "/what"),
    ],
};

/// Take a snapshot of a whole registry, while its server runs
///
/// The database as it is at one moment, and every blob that it names, each byte compared with its digest on the way. Blobs that an
/// earlier snapshot has are not copied again. Whoever kills it leaves nothing half-made to be seen: run it again. Uploads in
/// progress are not part of it.
///
/// The folder has the hashes and keys of who may log in: it can be read by its owner alone.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  harborctl local backup --data harbor-data /srv/backup
  harborctl local backup list /srv/backup
  harborctl local backup verify /srv/backup
  harborctl local backup prune /srv/backup --keep 7"
)]
pub(crate) struct Backup {
    /// The folder for the backup; it may have earlier snapshots
    #[arg(required = true, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the snapshots of a backup, the oldest first
    #[command(
        visible_alias = "ls",
        after_help = "Example:\n  harborctl local backup list /srv/backup -o wide"
    )]
    List {
        /// The folder of the backup
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Read every byte of the snapshots and of their blobs, and fail when one is not what was written
    #[command(after_help = "Example:\n  harborctl local backup verify /srv/backup")]
    Verify {
        /// The folder of the backup
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The snapshots; all without
        #[arg(value_name = "SNAPSHOT")]
        snapshots: Vec<String>,
    },
    /// Delete all snapshots but the newest, and the blobs that none of these names
    #[command(after_help = "Example:\n  harborctl local backup prune /srv/backup --keep 7")]
    Prune {
        /// The folder of the backup
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// How many snapshots stay
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        keep: u32,
    },
}

impl Backup {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match (self.command, self.folder) {
            (None, Some(folder)) => take(folder, self.at, session).await,
            (None, None) => Err(Failure::usage("there is no folder for the backup")),
            (Some(Command::List { folder }), _) => list(folder, session),
            (Some(Command::Verify { folder, snapshots }), _) => verify(folder, snapshots, session).await,
            (Some(Command::Prune { folder, keep }), _) => prune(folder, keep, session).await,
        }
    }
}

async fn take(folder: PathBuf, at: At, session: &Session) -> Outcome {
    let place = at.place()?;
    let backup = BackupFolder::create(folder).map_err(failed)?;
    let output = session.output;
    let taken = backup.take(&place, &|step| tell(output, step)).await.map_err(failed)?;
    output.note(&format!(
        "{} of {} blobs were copied, {}; the others were there",
        taken.copied,
        taken.manifest.blobs,
        size(taken.bytes)
    ));
    session.output.one(&entry(&taken.manifest), &SNAPSHOT)
}

fn list(folder: PathBuf, session: &Session) -> Outcome {
    let backup = BackupFolder::open(folder).map_err(failed)?;
    let (snapshots, damaged) = backup.snapshots_that_read().map_err(failed)?;
    for (id, why) in damaged {
        session.output.note(&format!("the snapshot {id} does not read: {why}"));
    }
    let entries: Vec<_> = snapshots.iter().map(entry).collect();
    session.entries(&entries, &SNAPSHOT)
}

async fn verify(folder: PathBuf, snapshots: Vec<String>, session: &Session) -> Outcome {
    let backup = BackupFolder::open(folder).map_err(failed)?;
    let snapshots = if snapshots.is_empty() { backup.ids().map_err(failed)? } else { snapshots };
    let verified = backup.verify(&snapshots).await.map_err(failed)?;
    let problems: Vec<_> = verified
        .problems
        .iter()
        .map(|one| json!({"snapshot": one.snapshot, "subject": one.subject, "what": one.what}))
        .collect();
    let read = format!(
        "{}: {} files and blobs, {}",
        counted(verified.snapshots.len() as u64, "snapshot"),
        verified.files,
        size(verified.bytes)
    );
    if problems.is_empty() {
        session.output.note(&format!("{read}: all is what was written"));
        return Ok(());
    }
    session.entries(&problems, &PROBLEM)?;
    Err(Failure::new(Kind::Broken, format!("{read}: {} are damaged", problems.len()))
        .hint("take another snapshot: it copies the blobs that are not there; damaged files are to be removed first"))
}

async fn prune(folder: PathBuf, keep: u32, session: &Session) -> Outcome {
    let backup = BackupFolder::open(folder).map_err(failed)?;
    let pruned = backup.prune(usize::try_from(keep).unwrap_or(usize::MAX)).await.map_err(failed)?;
    let told = json!({ "snapshots": pruned.snapshots, "blobs": pruned.blobs, "bytes": pruned.bytes });
    let what = format!(
        "{} and {} deleted, {}",
        counted(pruned.snapshots.len() as u64, "snapshot"),
        counted(pruned.blobs, "blob"),
        size(pruned.bytes)
    );
    session.output.done(&what, Some(&told), None)
}

/// A snapshot as it is shown.
pub(super) fn entry(manifest: &Manifest) -> Value {
    json!({
        "id": manifest.id,
        "created_at": manifest.created_at,
        "rows": manifest.tables.iter().map(|table| table.rows).sum::<u64>(),
        "blobs": manifest.blobs,
        "blob_bytes": manifest.blob_bytes,
        "database": manifest.database,
        "blob_store": manifest.blob_store,
        "schema": manifest.schema,
        "program": manifest.program,
    })
}

/// Tells how far it is: not of each blob, for there are many.
pub(super) fn tell(output: Output, step: &Step) {
    match step {
        Step::Table { name, rows } if *rows > 0 => output.note(&format!("{name}: {rows} rows")),
        Step::Again { blobs } => {
            output.note(&format!("{blobs} blobs were collected meanwhile, or are lost: looking again"));
        }
        _ => {}
    }
}

pub(super) fn size(bytes: u64) -> String {
    crate::output::bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
}

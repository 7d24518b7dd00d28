//! What needs no server (feature `local`): it opens the stores itself.

mod backup;
mod check;
mod gc;
mod migrate;
mod place;
mod restore;
mod run;

use clap::Subcommand;
use harbor_core::{StoreError, StoreErrorKind};

use crate::failure::{Failure, Kind, Outcome};
use crate::session::Session;

pub(crate) use run::Run;

/// What needs no server.
#[derive(Debug, Subcommand)]
pub(crate) enum Local {
    Backup(backup::Backup),
    Restore(restore::Restore),
    Check(check::Check),
    Gc(gc::Gc),
    MigrateDatabase(migrate::MigrateDatabase),
}

impl Local {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Backup(command) => command.run(session).await,
            Self::Restore(command) => command.run(session).await,
            Self::Check(command) => command.run(session).await,
            Self::Gc(command) => command.run(session).await,
            Self::MigrateDatabase(command) => command.run(session).await,
        }
    }
}

/// What a store says.
fn failed(error: StoreError) -> Failure {
    let kind = match error.kind() {
        StoreErrorKind::Conflict => Kind::Conflict,
        StoreErrorKind::NotFound => Kind::NotFound,
        StoreErrorKind::Unavailable => Kind::Unreachable,
        StoreErrorKind::Corrupt => Kind::Broken,
        _ => Kind::Failed,
    };
    let what = error.to_string();
    let hint = hint_of(error.kind(), &what);
    let failure = Failure::new(kind, what);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What to try. Folders for backups are told from registries by what is said of them.
fn hint_of(kind: StoreErrorKind, what: &str) -> Option<&'static str> {
    let says = |part: &str| what.contains(part);
    Some(match kind {
        StoreErrorKind::NotFound if says("there is no snapshot ") => "harborctl local backup list FOLDER",
        StoreErrorKind::NotFound if says(" is no folder with backups") => {
            "the folder that `harborctl local backup` was told"
        }
        StoreErrorKind::NotFound => "--data, --database and --blobs, as the server is told",
        StoreErrorKind::Conflict if says(" has something else than backups") => {
            "a new folder, or an empty one"
        }
        StoreErrorKind::Conflict => {
            "the same again when nobody else is at work there, or another place: --data, --database, --blobs"
        }
        StoreErrorKind::Unavailable => {
            "stop the server that has it, or look whether the database and the blob store answer"
        }
        StoreErrorKind::Corrupt => {
            "harborctl local check --content, and of backups harborctl local backup verify FOLDER, which tell all that is damaged"
        }
        StoreErrorKind::Full => "the same again when there is more room",
        StoreErrorKind::Busy => "the same again later",
        StoreErrorKind::TooNew => "the program that wrote it, or a newer one",
        _ => return None,
    })
}

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
    Failure::new(kind, error.to_string())
}

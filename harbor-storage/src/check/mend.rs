//! Mending what was found.
//!
//! Rows first, in one transaction; then what is in the store: who is killed in between leaves files that no row names, which the
//! next check finds.

use std::time::Duration;

use harbor_core::blob::DriverState;
use harbor_core::{Clock, StoreError};

use super::{Checked, Wrong, rows};
use crate::blobs::Shelf;
use crate::sql::asking::upload_of;
use crate::sql::plain::Plain;

/// When garbage collection looks at what it did not know of.
const DUE: Duration = Duration::from_secs(2 * 60 * 60);

/// Mends all of it.
pub(super) async fn all(
    database: &mut Plain,
    store: &dyn Shelf,
    checked: &mut Checked,
    wrong: Vec<Wrong>,
) -> Result<(), StoreError> {
    database.begin().await?;
    let mended = within(database, checked, &wrong).await;
    if mended.is_err() {
        // The fault that is told is the first one.
        let _ = database.roll_back().await;
    }
    mended?;
    database.commit().await?;
    // What is left of an upload goes with its blob, which is put aside first.
    let mut wrong = wrong;
    wrong.sort_by_key(|one| matches!(one, Wrong::Unfinished(..)));
    for one in wrong {
        in_store(store, checked, one).await;
    }
    Ok(())
}

/// Puts aside what is wrong in the store. The rows are mended, and that is told, so what fails now is noted with what it is of.
async fn in_store(store: &dyn Shelf, checked: &mut Checked, wrong: Wrong) {
    match wrong {
        Wrong::Blob(finding, blob) => {
            const TAKEN: &str = "taken from its repositories, to be pushed again";
            let aside = match upload_of(blob.location.as_str()) {
                Some(upload) if store.place(upload) == blob.location => store.set_aside(&blob.location).await,
                // It names nothing that is there.
                _ => Ok(None),
            };
            match aside {
                Ok(Some(aside)) => {
                    checked.mended(finding, format!("{TAKEN}; what there is of it is in {aside}"));
                }
                Ok(None) => checked.mended(finding, TAKEN),
                Err(error) => {
                    checked.note(finding, &format!("{TAKEN}, but not put aside: {error}"));
                }
            }
        }
        Wrong::Orphan(finding, location) => match store.set_aside(&location).await {
            Ok(Some(aside)) => checked.mended(finding, format!("put aside: {aside}")),
            Ok(None) => checked.mended(finding, "it is gone"),
            Err(error) => checked.note(finding, &format!("not put aside: {error}")),
        },
        Wrong::Unfinished(finding, upload) => match store.discard(upload, &DriverState::default()).await {
            Ok(()) => checked.mended(finding, "removed"),
            Err(error) => checked.note(finding, &format!("not removed: {error}")),
        },
        Wrong::Rows(..)
        | Wrong::Dangling(..)
        | Wrong::References(..)
        | Wrong::Row(..)
        | Wrong::Size(..)
        | Wrong::Garbage(..) => {}
    }
}

async fn within(database: &mut Plain, checked: &mut Checked, wrong: &[Wrong]) -> Result<(), StoreError> {
    let mut found = Vec::new();
    for one in wrong {
        match one {
            Wrong::Rows(finding, question) => found.push((*finding, *question)),
            Wrong::Blob(_, blob) => database.lose(blob).await?,
            Wrong::Row(finding, row) => {
                database.correct(row.manifest, row.size, row.subject.clone()).await?;
                checked.mended(*finding, "corrected");
            }
            Wrong::Size(finding, blob) => {
                database.resize(blob).await?;
                checked.mended(*finding, "corrected");
            }
            Wrong::Garbage(finding, garbage) => {
                database.forget(*garbage).await?;
                checked.mended(*finding, "removed");
            }
            Wrong::Dangling(..) | Wrong::References(..) | Wrong::Orphan(..) | Wrong::Unfinished(..) => {}
        }
    }
    let due = Clock::System.now().plus(DUE);
    rows::mend(database, checked, &found, due).await?;
    // Those that led nowhere are gone now. What they led to is missed, and so is what these manifests lack.
    let (mut again, mut left) = (Checked::default(), Vec::new());
    super::manifests::look(database, &mut again, &mut left).await?;
    for one in left {
        if let Wrong::References(_, lacking) = one {
            for digest in &lacking.blobs {
                database.refer(lacking.manifest, digest).await?;
            }
            for digest in &lacking.children {
                database.list_child(lacking.manifest, digest).await?;
            }
        }
    }
    for one in wrong {
        if let Wrong::References(finding, _) = one {
            checked.mended(*finding, "noted");
        }
    }
    // Which manifests are listed, and which blobs are referred to, may be others now.
    rows::mend(database, checked, &[], due).await?;
    rows::still_dangling(database, checked, wrong).await
}

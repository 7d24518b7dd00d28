//! Whether a database and a store look like those of one registry, and the tables of the database like those of one, too.
//!
//! Where they are not, everything in the one is lost and everything in the other an orphan, and mending that would empty both.

use harbor_core::{StoreError, StoreErrorKind};

use super::Wrong;

/// How many may be lost, or orphans, whatever share that is.
const FEW: u64 = 10;

/// One of how many may be.
const SHARE: u64 = 10;

/// What the database names, and what of it the store has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Live blobs of the database.
    pub(super) named: u64,
    /// Those of them that the store has, whole or not.
    pub(super) there: u64,
    /// Blobs in the store.
    pub(super) files: u64,
    /// Those of them that the database knows of.
    pub(super) known: u64,
}

/// Rows that go when they are mended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Going {
    /// Of which table.
    pub(super) table: &'static str,
    /// Why.
    pub(super) what: &'static str,
    /// How many.
    pub(super) found: u64,
    /// Of how many.
    pub(super) of: u64,
}

/// Fails where mending would be more than it is for.
///
/// # Errors
/// `Conflict`, with what to do.
pub(super) fn look(seen: &Seen, wrong: &[Wrong], going: &[Going]) -> Result<(), StoreError> {
    let count = |is: fn(&Wrong) -> bool| wrong.iter().filter(|one| is(one)).count() as u64;
    let lost = count(|one| matches!(one, Wrong::Blob(..)));
    let orphans = count(|one| matches!(one, Wrong::Orphan(..)));
    let many = |some: u64, all: u64| some > FEW && some.saturating_mul(SHARE) > all;
    let Seen { named, there, files, known } = *seen;
    let why = if named > 0 && there == 0 && lost > 0 {
        format!("the blob store has none of the {named} blobs that the database names")
    } else if files > 0 && known == 0 && orphans > 0 {
        format!("the database names none of the {files} files that the blob store has")
    } else if many(lost, named) {
        format!("{lost} of {named} blobs are lost or damaged")
    } else if many(orphans, files) {
        format!("the database does not name {orphans} of the {files} files that the blob store has")
    } else if let Some(Going { table, what, found, of }) = going.iter().find(|one| many(one.found, one.of)) {
        format!("{found} of {of} rows would go from {table}: {what}")
    } else {
        return Ok(());
    };
    let what = format!(
        "nothing was mended: {why}. Look whether these are the database and the blob store of one registry, the newest of each, and \
         whether the store is mounted; `harborctl local check` without --repair tells what it finds. With --force it is mended \
         all the same: such blobs are taken from their repositories, such files put into `quarantine`, and such rows removed"
    );
    Err(StoreError::new(StoreErrorKind::Conflict, what))
}

#[cfg(test)]
mod tests {
    use harbor_core::blob::{Location, UploadId};
    use harbor_core::oci::{Algorithm, Digest};

    use super::*;
    use crate::sql::asking::BlobRow;

    fn wrong(lost: usize, orphans: usize) -> Vec<Wrong> {
        let blob = || BlobRow {
            id: 1,
            digest: Digest::of(Algorithm::Sha256, b""),
            size: 0,
            location: Location::new("x".to_owned()),
        };
        let mut wrong: Vec<_> = (0..lost).map(|number| Wrong::Blob(number, blob())).collect();
        wrong.extend((0..orphans).map(|number| Wrong::Orphan(number, Location::new("x".to_owned()))));
        wrong.push(Wrong::Unfinished(0, UploadId::random()));
        wrong
    }

    #[test]
    fn much_is_not_mended() {
        for (named, there, files, known, lost, orphans, is_well) in [
            (0, 0, 0, 0, 0, 0, true),
            (5, 4, 4, 4, 1, 0, true),
            (1, 0, 0, 0, 1, 0, false),
            (1, 1, 1, 1, 1, 0, true),
            (0, 0, 1, 0, 0, 1, false),
            // They are young.
            (0, 0, 1, 0, 0, 0, true),
            (20, 10, 10, 10, 10, 0, true),
            (109, 98, 98, 98, 11, 0, false),
            (110, 99, 99, 99, 11, 0, true),
            (10, 10, 109, 98, 0, 11, false),
            (10, 10, 110, 99, 0, 11, true),
        ] {
            let seen = Seen { named, there, files, known };
            assert_eq!(look(&seen, &wrong(lost, orphans), &[]).is_ok(), is_well, "{seen:?} {lost} {orphans}");
        }
    }

    #[test]
    fn most_rows_of_a_table_do_not_go() {
        for (found, of, is_well) in [(1, 1, true), (10, 10, true), (11, 109, false), (11, 110, true)] {
            let going = [
                Going { table: "tags", what: "x", found: 1, of: 1 },
                Going { table: "labels", what: "y", found, of },
            ];
            let looked = look(&Seen::default(), &[], &going);
            assert_eq!(looked.is_ok(), is_well, "{found} {of}");
            if let Err(error) = looked {
                assert!(
                    error.to_string().contains(&format!("{found} of {of} rows would go from labels: y")),
                    "{error}"
                );
            }
        }
    }
}

//! Blobs' rows against the store, and the store against the rows.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use harbor_core::blob::Hasher;
use harbor_core::{Clock, StoreError, StoreErrorKind};

use super::guard::Seen;
use super::{CheckOptions, Checked, Wrong};
use crate::blobs::{Shelf, Shelved};
use crate::sql::asking::{BlobRow, KnownBlobs};
use crate::sql::plain::Plain;

/// How many blobs are read at a time.
const AT_ONCE: usize = 8;

/// What the store should have.
pub(super) async fn known(
    database: &mut Plain,
    store: &dyn Shelf,
    checked: &mut Checked,
) -> Result<KnownBlobs, StoreError> {
    let known = database.known_blobs(&|upload| store.place(upload)).await?;
    checked.blobs = (known.blobs.len() + known.misplaced.len()) as u64;
    Ok(known)
}

/// Looks at what the store has; and, when that is asked, at every byte of it.
pub(super) async fn look(
    database: &mut Plain,
    store: &dyn Shelf,
    mut known: KnownBlobs,
    options: &CheckOptions,
    checked: &mut Checked,
    wrong: &mut Vec<Wrong>,
) -> Result<Seen, StoreError> {
    let live = known.blobs.values().filter(|blob| blob.is_live).count()
        + known.misplaced.iter().filter(|blob| blob.is_live).count();
    let mut seen = Seen { named: live as u64, ..Seen::default() };
    let old = Clock::System.now().minus(options.orphans_after);
    let mut sizes = HashMap::new();
    let mut listed = store.list().await?;
    while let Some(shelved) = listed.try_next().await? {
        let Shelved { upload, location, size, modified } = shelved;
        if location.is_some() {
            let row = known.blobs.get(&upload);
            seen.files += 1;
            seen.known += u64::from(row.is_some());
            seen.there += u64::from(row.is_some_and(|blob| blob.is_live));
        }
        match (location, known.blobs.get(&upload)) {
            (Some(_), Some(blob)) => {
                if !blob.is_live || blob.size == size {
                    known.blobs.remove(&upload);
                } else {
                    sizes.insert(blob.id, size);
                }
            }
            // It goes when the blob does.
            (None, Some(_)) => {}
            (_, None) if known.uploads.contains(&upload) => {}
            (_, None) if modified > old => checked.young += 1,
            (Some(location), None) => {
                let what = format!("no row names it, and it has {size} bytes");
                let finding = checked.find("file", location.as_str(), what);
                wrong.push(Wrong::Orphan(finding, location));
            }
            (None, None) => {
                let finding = checked.find("file", upload, "it is left of an upload that is over");
                wrong.push(Wrong::Unfinished(finding, upload));
            }
        }
    }
    // What is left was not found, or not as it should be.
    let live: Vec<_> = known.blobs.iter().filter(|(_, blob)| blob.is_live).collect();
    for (upload, blob) in live {
        // Unless it was collected meanwhile.
        let Some(row) = database.blob_still(blob.id, &store.place(*upload)).await? else { continue };
        let what = match sizes.get(&blob.id) {
            Some(size) => match resized(store, &row, *size).await? {
                Some(right) => {
                    let what =
                        format!("it is noted to have another size than its {size} bytes, which are whole");
                    wrong.push(Wrong::Size(checked.find("blob", row.digest, what), right));
                    continue;
                }
                None => format!("it has {size} bytes, and should have {}", row.size),
            },
            None => "it is not in the store".to_owned(),
        };
        let finding = checked.find("blob", row.digest, what);
        wrong.push(Wrong::Blob(finding, row));
    }
    for garbage in &known.wanted {
        let what = "the bytes that are to be deleted are a blob's";
        wrong.push(Wrong::Garbage(checked.find("garbage", format!("#{garbage}"), what), *garbage));
    }
    misplaced(database, store, &known, checked, wrong).await?;
    if options.content {
        content(database, store, checked, wrong).await?;
    }
    Ok(seen)
}

/// Rows that name no place of this store: what they name is not in it.
async fn misplaced(
    database: &mut Plain,
    store: &dyn Shelf,
    known: &KnownBlobs,
    checked: &mut Checked,
    wrong: &mut Vec<Wrong>,
) -> Result<(), StoreError> {
    for blob in &known.misplaced {
        let what = format!("{:?} is no place in a {} store", blob.location.as_str(), store.name());
        if !blob.is_live {
            wrong.push(Wrong::Garbage(checked.find("garbage", format!("#{}", blob.id), what), blob.id));
        } else if let Some(row) = database.blob_still(blob.id, &blob.location).await? {
            let finding = checked.find("blob", row.digest, format!("it is not in the store: {what}"));
            wrong.push(Wrong::Blob(finding, row));
        }
    }
    Ok(())
}

/// Reads every byte of every blob that was not found wanting.
async fn content(
    database: &mut Plain,
    store: &dyn Shelf,
    checked: &mut Checked,
    wrong: &mut Vec<Wrong>,
) -> Result<(), StoreError> {
    let found: HashSet<i64> = wrong
        .iter()
        .filter_map(|one| match one {
            Wrong::Blob(_, blob) | Wrong::Size(_, blob) => Some(blob.id),
            _ => None,
        })
        .collect();
    let mut after = 0;
    loop {
        let Some((last, page)) = database.blobs_after(after).await? else { return Ok(()) };
        after = last;
        let blobs = page.into_iter().filter(|blob| !found.contains(&blob.id));
        let reads = stream::iter(blobs).map(async |blob| {
            let read = read(store, &blob).await;
            (blob, read)
        });
        let mut reads = reads.buffer_unordered(AT_ONCE);
        while let Some((blob, read)) = reads.next().await {
            let what = match read {
                Ok(None) => {
                    checked.bytes += blob.size;
                    continue;
                }
                Ok(Some(what)) => what,
                Err(error) => match error.kind() {
                    StoreErrorKind::NotFound => "it is not in the store".to_owned(),
                    // It has another size.
                    StoreErrorKind::Corrupt => error.to_string(),
                    // What cannot be read may be whole.
                    _ => return Err(error),
                },
            };
            if let Some(row) = database.blob_still(blob.id, &blob.location).await? {
                let finding = checked.find("blob", row.digest, what);
                wrong.push(Wrong::Blob(finding, row));
            }
        }
    }
}

/// The blob as it should be noted, where its bytes are those of its digest, however many they are said to be.
async fn resized(store: &dyn Shelf, blob: &BlobRow, size: u64) -> Result<Option<BlobRow>, StoreError> {
    let right = BlobRow { size, ..blob.clone() };
    match read(store, &right).await {
        Ok(None) => Ok(Some(right)),
        Ok(Some(_)) => Ok(None),
        Err(error) if matches!(error.kind(), StoreErrorKind::NotFound | StoreErrorKind::Corrupt) => Ok(None),
        // What cannot be read may be whole.
        Err(error) => Err(error),
    }
}

/// What is wrong with the bytes of a blob, if anything is.
async fn read(store: &dyn Shelf, blob: &BlobRow) -> Result<Option<String>, StoreError> {
    let mut body = store.open(&blob.location, 0..blob.size).await?;
    let mut hasher = Hasher::new(blob.digest.algorithm());
    while let Some(piece) = body.try_next().await? {
        hasher = crate::blobs::blocking(move || {
            hasher.update(&piece);
            Ok(hasher)
        })
        .await?;
    }
    let found = hasher.finish();
    Ok((found != blob.digest).then(|| format!("its digest is {found}")))
}

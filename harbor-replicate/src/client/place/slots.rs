//! Where blobs are in a tar that is being written, and in what an earlier run has left of one.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::sync::Arc;

use harbor_core::blob::Hasher;
use harbor_core::oci::{Digest, ManifestView};

use super::files::{PIECE, Region, Within, read_at};
use super::index::Index;
use super::pour::write_at;
use super::tar::{self, BLOCK, Entries, Kind};

/// How many blobs an archive of ours may have.
const ENTRIES: usize = 500_000;

/// The folders that stand at its beginning.
const FOLDERS: [&str; 2] = ["blobs/", "blobs/sha256/"];

/// Where the first blob is.
const FIRST: u64 = BLOCK * FOLDERS.len() as u64;

/// The place of a blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Where its header is.
    pub(super) header: u64,
    /// Where its bytes are.
    pub(super) content: u64,
    pub(super) size: u64,
    /// Whether all of it is there.
    pub(super) is_whole: bool,
}

/// The places of all blobs.
pub(super) type Slots = BTreeMap<Digest, Slot>;

/// All blobs that belong to what an index lists.
pub(super) fn reachable(file: &File, index: &Index, slots: &Slots) -> io::Result<HashSet<Digest>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let (mut ahead, mut seen) = (index.entries().map_err(invalid)?, HashSet::new());
    while let Some(entry) = ahead.pop() {
        let Some(slot) = slots.get(&entry.digest).filter(|_| seen.insert(entry.digest)) else { continue };
        let bytes = read_slot(file, Some(*slot))?;
        let media_type = entry.media_type.parse().ok();
        if let Ok(view) = ManifestView::parse(media_type.as_ref(), &bytes) {
            seen.extend(view.required_blobs().into_keys());
            ahead.extend(view.manifests);
        }
    }
    Ok(seen)
}

/// Behind a blob; nothing when there is no such place.
pub(super) fn room(slot: Slot) -> Option<u64> {
    let padded = slot.size.checked_next_multiple_of(BLOCK)?;
    slot.content.checked_add(padded)
}

/// What an earlier run has left of an archive: where its last blob ends, and its blobs. Without one, the beginning of a new.
pub(super) fn scan(file: &File) -> io::Result<(u64, Slots)> {
    let (mut end, mut slots) = (0, Slots::new());
    let length = file.metadata()?.len();
    if !is_ours(file)? {
        let what =
            "it is there already, and was not left by an earlier run: take it away, or choose another name";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    let mut entries = Entries::new(Within::new(file, length), ENTRIES);
    // Whatever is wrong with it, it ends there.
    while let Ok(Some(entry)) = entries.next() {
        let at = entries.input().at;
        let digest = digest_of(&entry.name).filter(|_| entry.kind == Kind::File);
        match digest {
            Some(digest) => {
                // One stands right behind the other.
                let slot = Slot { header: end, content: at, size: entry.size, is_whole: false };
                let Some(behind) = room(slot).filter(|behind| *behind <= length) else { break };
                let region = Region { file: Arc::new(file.try_clone()?), start: at, size: entry.size };
                let is_whole = region.digest(Hasher::new(digest.algorithm()))? == digest;
                slots.insert(digest, Slot { is_whole, ..slot });
                end = behind;
            }
            None if entry.kind == Kind::Folder && slots.is_empty() => end = at,
            None => break,
        }
    }
    if end < FIRST {
        file.set_len(0)?;
        write_at(file, &beginning()?, 0)?;
        return Ok((FIRST, Slots::new()));
    }
    file.set_len(end)?;
    Ok((end, slots))
}

/// How our archives begin.
fn beginning() -> io::Result<Vec<u8>> {
    let headers = FOLDERS.iter().map(|name| tar::header(name, 0)).collect::<io::Result<Vec<_>>>()?;
    Ok(headers.concat())
}

/// Whether a file begins as ours do, or as much of it as is there.
fn is_ours(file: &File) -> io::Result<bool> {
    let expected = beginning()?;
    let (mut found, mut length) = (vec![0; expected.len()], 0);
    while length < found.len() {
        match read_at(file, &mut found[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(expected.starts_with(&found[..length]))
}

/// The digest that a file of a layout is named by.
pub(super) fn digest_of(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// Moves blobs to the beginning where others were given up in between. Yields where the last one ends.
pub(super) fn compact(file: &File, slots: &mut Slots) -> io::Result<u64> {
    let mut slots: Vec<&mut Slot> = slots.values_mut().collect();
    slots.sort_by_key(|slot| slot.header);
    let mut at = FIRST;
    for slot in slots {
        let end = room(*slot).unwrap_or(slot.header);
        let length = end - slot.header;
        if slot.header != at {
            shift(file, slot.header, at, length)?;
            slot.content = slot.content - slot.header + at;
            slot.header = at;
        }
        at += length;
    }
    file.set_len(at)?;
    Ok(at)
}

fn shift(file: &File, from: u64, to: u64, length: u64) -> io::Result<()> {
    let (mut buffer, mut done) = (vec![0; PIECE], 0);
    while done < length {
        let most = usize::try_from(length - done).unwrap_or(usize::MAX).min(PIECE);
        let read = read_at(file, &mut buffer[..most], from + done)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_at(file, &buffer[..read], to + done)?;
        done += read as u64;
    }
    Ok(())
}

/// A small blob that was written.
pub(super) fn read_slot(file: &File, slot: Option<Slot>) -> io::Result<Vec<u8>> {
    let slot = slot.ok_or(io::ErrorKind::NotFound)?;
    let size = usize::try_from(slot.size).unwrap_or(usize::MAX);
    if size > harbor_core::oci::MANIFEST_LIMIT {
        return Err(io::Error::other("a manifest that is too large"));
    }
    let (mut bytes, mut done) = (vec![0; size], 0);
    while done < size {
        match read_at(file, &mut bytes[done..], slot.content + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(bytes)
}

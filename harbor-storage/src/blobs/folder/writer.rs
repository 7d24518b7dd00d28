//! Writing one upload's file.

use std::fs::File;
use std::io::{IoSlice, Seek, SeekFrom, Write};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use harbor_core::blob::{BlobWriter, DriverState, Location, UploadId};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};
use tokio::task::JoinHandle;

use super::STATE;
use super::root::{Place, Root};
use crate::blobs::lane::Ticket;
use crate::blobs::{blocking, joined};

/// So much is gathered, in bytes, before a thread of the blocking pool is asked to write it. Uploads below it cost one
/// visit to the pool in all.
const GATHER: usize = 32 * 1024;

/// After so many bytes the kernel is told to begin with writing them to the disk, so that little is left at the end.
const WRITE_BACK: u64 = 16 * 1024 * 1024;

/// Gathers pieces and writes them behind the caller's back, so that network, hash and disk work at the same time.
#[derive(Debug)]
pub(super) struct FolderWriter {
    gathered: Vec<Bytes>,
    gathered_size: usize,
    tail: Tail,
}

/// Who has the file at the moment.
#[derive(Debug)]
enum Tail {
    Here(Box<OpenUpload>),
    Busy(JoinHandle<Result<Box<OpenUpload>, StoreError>>),
    Failed,
}

impl FolderWriter {
    pub(super) fn new(root: Arc<Root>, upload: UploadId, offset: u64) -> Self {
        let upload = OpenUpload {
            root,
            place: Place::of(upload),
            ticket: Ticket::take(upload),
            file: None,
            offset,
            unsynced: 0,
            entry_synced: offset > 0,
            write_back: None,
        };
        Self { gathered: Vec::new(), gathered_size: 0, tail: Tail::Here(Box::new(upload)) }
    }

    /// Waits for the disk and takes the file.
    async fn take(&mut self) -> Result<Box<OpenUpload>, StoreError> {
        match std::mem::replace(&mut self.tail, Tail::Failed) {
            Tail::Here(upload) => Ok(upload),
            Tail::Busy(task) => joined(task.await),
            Tail::Failed => {
                Err(StoreError::new(StoreErrorKind::Other, "a writer was used after it had failed"))
            }
        }
    }

    fn gather(&mut self, pieces: Vec<Bytes>) {
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.gathered_size += piece.len();
            self.gathered.push(piece);
        }
    }

    /// Has the gathered pieces written, without waiting for it.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let mut upload = self.take().await?;
        let pieces = std::mem::take(&mut self.gathered);
        self.gathered_size = 0;
        self.tail = Tail::Busy(tokio::task::spawn_blocking(move || {
            upload.write(&pieces)?;
            upload.start_write_back();
            Ok(upload)
        }));
        Ok(())
    }

    /// Writes what is left and waits until all of it is on disk, under its last name when it is `whole`.
    async fn settle(&mut self, whole: bool) -> Result<Place, StoreError> {
        let mut upload = self.take().await?;
        if let Some(write_back) = upload.write_back.take() {
            // Its outcome counts: a fault of the disk is told only once for each open file.
            joined(write_back.await)?;
        }
        let pieces = std::mem::take(&mut self.gathered);
        blocking(move || {
            upload.write(&pieces)?;
            if whole {
                upload.finish()?;
            }
            upload.sync()?;
            Ok(upload.place.clone())
        })
        .await
    }
}

#[async_trait]
impl BlobWriter for FolderWriter {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<Option<DriverState>, StoreError> {
        self.gather(pieces);
        if self.gathered_size >= GATHER {
            self.flush().await?;
        }
        Ok(None)
    }

    async fn park(mut self: Box<Self>) -> Result<DriverState, StoreError> {
        // Nothing came: what was parked before is as durable as it was, and an upload without bytes needs no file.
        let untouched =
            self.gathered.is_empty() && matches!(&self.tail, Tail::Here(upload) if upload.file.is_none());
        if !untouched {
            self.settle(false).await?;
        }
        Ok(DriverState::new(vec![STATE]))
    }

    async fn commit(mut self: Box<Self>, _digest: &Digest) -> Result<Location, StoreError> {
        Ok(self.settle(true).await?.location())
    }
}

/// The file of an upload, on a thread that may block.
#[derive(Debug)]
struct OpenUpload {
    root: Arc<Root>,
    place: Place,
    ticket: Ticket,
    /// Opened by the first write, or by the end when there is none.
    file: Option<Arc<File>>,
    /// Where the next byte goes.
    offset: u64,
    /// Bytes written since the last sync, background ones included.
    unsynced: u64,
    /// Whether the file's name is known to be on disk.
    entry_synced: bool,
    write_back: Option<JoinHandle<Result<(), StoreError>>>,
}

impl OpenUpload {
    /// Appends `pieces`, opening the file first if need be.
    fn write(&mut self, pieces: &[Bytes]) -> Result<(), StoreError> {
        let _turn = self.ticket.hold_blocking()?;
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let (file, changed) = open_at(&self.root, &self.place, self.offset)?;
                self.unsynced += u64::from(changed);
                Arc::clone(self.file.insert(Arc::new(file)))
            }
        };
        let written = write_all(&file, pieces).map_err(|error| self.place.fault("writing", error))?;
        self.offset += written;
        self.unsynced += written;
        Ok(())
    }

    /// Lets the kernel begin with what it has, unless it is still at it.
    fn start_write_back(&mut self) {
        let idle = self.root.lasts() && self.write_back.as_ref().is_none_or(JoinHandle::is_finished);
        let Some(file) = self.file.clone().filter(|_| idle && self.unsynced >= WRITE_BACK) else { return };
        let (before, place) = (self.write_back.take(), self.place.clone());
        // Not zero: the final sync is still to come, for its share and for the file's size.
        self.unsynced = 1;
        self.write_back = Some(tokio::spawn(async move {
            if let Some(before) = before {
                joined(before.await)?;
            }
            blocking(move || file.sync_data().map_err(|error| place.fault("writing back", error))).await
        }));
    }

    /// Renames the file. Ahead of the sync, so that one commit of the journal covers the bytes and the name; a crash in
    /// between leaves a name that no row of the database has, and the upload's row still knows of the file.
    fn finish(&mut self) -> Result<(), StoreError> {
        let _turn = self.ticket.hold_blocking()?;
        self.root.finish(&self.place)?;
        self.entry_synced = false;
        Ok(())
    }

    /// Waits until the bytes and the name are on disk.
    fn sync(&mut self) -> Result<(), StoreError> {
        let _turn = self.ticket.hold_blocking()?;
        if let Some(file) = self.file.as_ref().filter(|_| self.unsynced > 0 || !self.entry_synced) {
            self.root.sync_file(&self.place, file)?;
            self.unsynced = 0;
        }
        if !self.entry_synced {
            self.root.sync_folder(&self.place)?;
            self.entry_synced = true;
        }
        Ok(())
    }
}

/// The file with exactly `offset` bytes, at its end, and whether it had to be cut: what lies beyond the offset was
/// written by somebody who died before it was acknowledged.
fn open_at(root: &Root, place: &Place, offset: u64) -> Result<(File, bool), StoreError> {
    if offset == 0 {
        return Ok((root.create(place)?, false));
    }
    let mut file = root.reopen(place)?;
    let size = file.metadata().map_err(|error| place.fault("looking at", error))?.len();
    if size < offset {
        let context = format!("blobs/{} has {size} bytes, but {offset} were acknowledged", place.path());
        return Err(StoreError::new(StoreErrorKind::Corrupt, context));
    }
    if size > offset {
        file.set_len(offset).map_err(|error| place.fault("cutting", error))?;
    }
    file.seek(SeekFrom::Start(offset)).map_err(|error| place.fault("seeking in", error))?;
    Ok((file, size > offset))
}

/// Writes all pieces at the file's position, in as few calls as the system allows; returns how many bytes that were.
fn write_all(mut file: &File, pieces: &[Bytes]) -> std::io::Result<u64> {
    /// How many pieces one call of the system takes (`IOV_MAX`).
    const AT_ONCE: usize = 1024;
    let mut written = 0;
    for pieces in pieces.chunks(AT_ONCE) {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            match file.write_vectored(slices) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count as u64;
                    IoSlice::advance_slices(&mut slices, count);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use harbor_core::blob::BlobStore;
    use harbor_core::oci::Algorithm;

    use super::*;
    use crate::blobs::FolderBlobs;

    /// What was queued in the blocking pool by a writer that is gone comes too late, and must find the door shut.
    #[tokio::test]
    async fn work_of_an_earlier_writer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderBlobs::open(folder.path()).await.unwrap();
        let upload = UploadId::random();
        let earlier = FolderWriter::new(Arc::clone(&store.root), upload, 0);
        let mut later = store.writer(upload, &DriverState::default(), 0).await.unwrap();
        later.write(vec!["later".into()]).await.unwrap();
        let location = later.commit(&Digest::of(Algorithm::Sha256, b"later")).await.unwrap();

        let Tail::Here(mut queued) = earlier.tail else { panic!("nothing was begun") };
        // The newer writer is gone, but its ticket was the newest of this lane.
        let refused = blocking(move || queued.write(&["earlier".into()])).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Conflict);
        assert_eq!(store.open(&location, 0..5).await.unwrap().bytes().await.unwrap(), "later");
    }
}

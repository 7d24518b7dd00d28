//! Writing one upload's object.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use harbor_core::blob::{BlobWriter, DriverState, Location, UploadId};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::backend::SharedBucket;
use super::keys::Place;
use super::parts;
use super::state::{Remainder, RemainderKey, State};
use crate::blobs::joined;
use crate::blobs::lane::Ticket;

/// Parts on their way at the same time.
const IN_FLIGHT: u64 = 3;

/// Bytes on their way at the same time; one part may exceed it.
const BYTES_IN_FLIGHT: u64 = 64 * 1024 * 1024;

/// Gathers pieces to parts and sends them.
#[derive(Debug)]
pub(super) struct ObjectWriter {
    work: Arc<Work>,
    /// What the upload's row says for certain, or a checkpoint that agrees with it.
    recorded: State,
    /// Whether anything came since.
    touched: bool,
    multipart: Option<String>,
    sent: BTreeMap<usize, String>,
    next_part: usize,
    sending: JoinSet<Result<(usize, String), StoreError>>,
    /// A parked remainder that was not read back yet.
    unread: Option<Remainder>,
    pieces: VecDeque<Bytes>,
    gathered: u64,
}

/// What the tasks of one writer share.
#[derive(Debug)]
struct Work {
    bucket: SharedBucket,
    place: Place,
    ticket: Ticket,
}

impl ObjectWriter {
    pub(super) fn new(bucket: SharedBucket, upload: UploadId, recorded: State) -> Self {
        let work = Work { bucket, place: Place::of(upload), ticket: Ticket::take(upload) };
        Self {
            work: Arc::new(work),
            touched: false,
            multipart: recorded.multipart.clone(),
            sent: recorded.parts.iter().cloned().enumerate().collect(),
            next_part: recorded.parts.len(),
            sending: JoinSet::new(),
            unread: recorded.remainder.clone(),
            recorded,
            pieces: VecDeque::new(),
            gathered: 0,
        }
    }

    /// Reads back what was parked, before anything is put behind it.
    async fn read_back(&mut self) -> Result<(), StoreError> {
        let Some(remainder) = self.unread.take() else { return Ok(()) };
        let (key, tag) = (self.key(remainder.key), remainder.tag.as_deref());
        let pieces = self.work.bucket.get(&key, 0..remainder.size, tag).await.map_err(|error| {
            // What was parked is gone for good: nobody is to wait for it.
            match error.kind() {
                StoreErrorKind::Conflict => StoreError::new(StoreErrorKind::Corrupt, error.to_string()),
                _ => error,
            }
        })?;
        let pieces: Vec<Bytes> = pieces.try_collect().await?;
        self.gather(pieces);
        if self.gathered == remainder.size {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "reading a parked remainder: it ended too early"))
    }

    fn key(&self, key: RemainderKey) -> String {
        match key {
            RemainderKey::First => self.work.place.remainder_key(false),
            RemainderKey::Second => self.work.place.remainder_key(true),
        }
    }

    fn gather(&mut self, pieces: Vec<Bytes>) {
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.gathered += piece.len() as u64;
            self.pieces.push_back(piece);
        }
    }

    /// Takes the next `size` bytes, or what there is.
    fn cut(&mut self, size: u64) -> Vec<Bytes> {
        let mut left = size.min(self.gathered);
        self.gathered -= left;
        let mut part = Vec::new();
        while left > 0
            && let Some(mut piece) = self.pieces.pop_front()
        {
            let taken =
                piece.split_to(usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len())));
            left -= taken.len() as u64;
            part.push(taken);
            if !piece.is_empty() {
                self.pieces.push_front(piece);
            }
        }
        part
    }

    /// Whether there is more than the next part, so that a last part remains for the end.
    fn has_part(&self) -> bool {
        self.gathered > parts::size(self.next_part)
    }

    fn has_room(&self) -> bool {
        let at_once = (BYTES_IN_FLIGHT / parts::size(self.next_part)).clamp(1, IN_FLIGHT);
        (self.sending.len() as u64) < at_once
    }

    /// Begins the multipart upload and returns the checkpoint that tells of it.
    async fn begin(&mut self) -> Result<DriverState, StoreError> {
        let (tell, told) = oneshot::channel();
        let work = Arc::clone(&self.work);
        let beginning = tokio::spawn(async move {
            let multipart = work.bucket.begin(&work.place).await?;
            // Nobody waits for it any more, so nobody would ever know of it.
            if let Err(multipart) = tell.send(multipart) {
                work.bucket.abort(&work.place, &multipart).await?;
            }
            Ok(())
        });
        let Ok(multipart) = told.await else {
            joined(beginning.await)?;
            return Err(StoreError::new(StoreErrorKind::Other, "a multipart upload has no id"));
        };
        self.multipart = Some(multipart);
        self.recorded.multipart.clone_from(&self.multipart);
        self.recorded.store()
    }

    /// Sends the next part behind the caller's back.
    fn send_part(&mut self, multipart: String) {
        let (work, number) = (Arc::clone(&self.work), self.next_part);
        let pieces = self.cut(parts::size(number));
        self.next_part += 1;
        self.sending.spawn(async move {
            let part = work.bucket.put_part(&work.place, &multipart, number, pieces).await?;
            Ok((number, part))
        });
    }

    /// Waits for one part to be sent; `false` when none is on its way.
    async fn part_sent(&mut self) -> Result<bool, StoreError> {
        let Some(outcome) = self.sending.join_next().await else { return Ok(false) };
        let (number, part) = joined(outcome)?;
        self.sent.insert(number, part);
        Ok(true)
    }

    /// Sends parts as long as there are any, never more than a few at once.
    async fn send_parts(&mut self) -> Result<(), StoreError> {
        while let Some(multipart) = self.multipart.clone().filter(|_| self.has_part()) {
            while !self.has_room() {
                self.part_sent().await?;
            }
            self.send_part(multipart);
        }
        Ok(())
    }

    /// Waits until all parts are sent, and yields what the store calls them.
    async fn all_sent(&mut self) -> Result<Vec<String>, StoreError> {
        while self.part_sent().await? {}
        Ok(self.sent.values().cloned().collect())
    }

    async fn park_now(&mut self) -> Result<DriverState, StoreError> {
        if !self.touched {
            return self.recorded.store();
        }
        self.send_parts().await?;
        let parts = self.all_sent().await?;
        let remainder = self.park_remainder().await?;
        State { multipart: self.multipart.clone(), parts, remainder }.store()
    }

    async fn park_remainder(&mut self) -> Result<Option<Remainder>, StoreError> {
        if self.gathered == 0 {
            return Ok(None);
        }
        let size = self.gathered;
        let recorded = self.recorded.remainder.as_ref().map(|remainder| remainder.key);
        // Not over the one that the row speaks of.
        let key = match recorded {
            Some(RemainderKey::First) => RemainderKey::Second,
            _ => RemainderKey::First,
        };
        let pieces = self.cut(size);
        let tag = self.work.bucket.put(&self.key(key), pieces).await?;
        Ok(Some(Remainder { key, size, tag }))
    }

    async fn commit_now(&mut self) -> Result<Location, StoreError> {
        match self.multipart.clone() {
            None => self.put_whole().await,
            Some(multipart) => self.commit_parts(multipart).await,
        }
    }

    async fn put_whole(&mut self) -> Result<Location, StoreError> {
        self.read_back().await?;
        let pieces = self.cut(self.gathered);
        self.work.bucket.put(&self.work.place.key(), pieces).await?;
        Ok(self.work.place.location())
    }

    async fn commit_parts(&mut self, multipart: String) -> Result<Location, StoreError> {
        let remainder = self.recorded.remainder.as_ref().map_or(0, |remainder| remainder.size);
        let recorded = parts::total(self.recorded.parts.len()) + remainder;
        match self.send_rest(multipart).await {
            // Finished before, by somebody who then could not record it. Only what was recorded: of bytes that came since,
            // nobody knows whether they are the same.
            Err(error) if error.kind() == StoreErrorKind::NotFound && !self.touched => {
                self.is_there(recorded).await.then(|| self.work.place.location()).ok_or(error)
            }
            outcome => outcome,
        }
    }

    async fn send_rest(&mut self, multipart: String) -> Result<Location, StoreError> {
        self.read_back().await?;
        self.send_parts().await?;
        let size = parts::total(self.next_part) + self.gathered;
        if self.gathered > 0 {
            self.send_part(multipart.clone());
        }
        let parts = self.all_sent().await?;
        if parts.is_empty() {
            // No store makes an object of no parts.
            self.work.bucket.abort(&self.work.place, &multipart).await?;
            return self.put_whole().await;
        }
        self.complete(&multipart, parts, size).await?;
        Ok(self.work.place.location())
    }

    async fn complete(&self, multipart: &String, parts: Vec<String>, size: u64) -> Result<(), StoreError> {
        let Work { bucket, place, .. } = &*self.work;
        let Err(error) = bucket.complete(place, multipart, parts).await else { return Ok(()) };
        // When the answer of a first attempt was lost, the second finds no such upload any more.
        let done = error.kind() == StoreErrorKind::NotFound && self.is_there(size).await;
        if done { Ok(()) } else { Err(error) }
    }

    /// Whether there is a blob of that size.
    async fn is_there(&self, size: u64) -> bool {
        let Work { bucket, place, .. } = &*self.work;
        bucket.look(&place.key()).await.is_ok_and(|found| found == size)
    }
}

#[async_trait]
impl BlobWriter for ObjectWriter {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<Option<DriverState>, StoreError> {
        if pieces.iter().all(Bytes::is_empty) {
            return Ok(None);
        }
        if !self.touched {
            // Waits for what an earlier writer may still be at.
            drop(self.work.ticket.hold().await?);
            self.read_back().await?;
            self.touched = true;
        }
        self.gather(pieces);
        if self.multipart.is_some() || !self.has_part() {
            return self.send_parts().await.map(|()| None);
        }
        // The checkpoint is returned before anything else can fail.
        self.begin().await.map(Some)
    }

    async fn park(mut self: Box<Self>) -> Result<DriverState, StoreError> {
        // A task of its own: what is sent to the store half-way might still arrive there, after a later writer's.
        let work = Arc::clone(&self.work);
        let parking = tokio::spawn(async move {
            let _turn = work.ticket.hold().await?;
            self.park_now().await
        });
        joined(parking.await)
    }

    async fn commit(mut self: Box<Self>, _digest: &Digest) -> Result<Location, StoreError> {
        let work = Arc::clone(&self.work);
        let committing = tokio::spawn(async move {
            let _turn = work.ticket.hold().await?;
            self.commit_now().await
        });
        joined(committing.await)
    }
}

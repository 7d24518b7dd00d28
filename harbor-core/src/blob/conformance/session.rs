//! An upload as the engine leads it: what it records, and what would be in its row after a crash.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::BlobStoreFixture;
use super::content::odd_writes;
use crate::blob::{BlobStore, BlobWriter, DriverState, Location, UploadId};
use crate::oci::{Algorithm, Digest};

/// The row of an upload, and the bytes that were acknowledged.
pub(super) struct Session<'a> {
    fixture: &'a dyn BlobStoreFixture,
    pub(super) id: UploadId,
    pub(super) state: DriverState,
    acknowledged: BytesMut,
}

impl<'a> Session<'a> {
    pub(super) fn new(fixture: &'a dyn BlobStoreFixture) -> Self {
        let (state, acknowledged) = (DriverState::default(), BytesMut::new());
        Self { fixture, id: UploadId::random(), state, acknowledged }
    }

    /// A writer of a new instance, at the recorded offset.
    pub(super) async fn writer(&self) -> Box<dyn BlobWriter> {
        let store = self.fixture.open().await;
        store.writer(self.id, &self.state, self.acknowledged.len() as u64).await.unwrap()
    }

    /// Writes in odd pieces and records checkpoints, but acknowledges nothing.
    pub(super) async fn feed(&mut self, writer: &mut Box<dyn BlobWriter>, content: &Bytes) {
        for pieces in odd_writes(content) {
            self.checkpoint(writer.write(pieces).await.unwrap());
        }
    }

    /// Records a checkpoint, if it is one.
    pub(super) fn checkpoint(&mut self, state: Option<DriverState>) {
        if let Some(state) = state {
            assert!(!state.is_empty(), "a checkpoint says something");
            self.state = state;
        }
    }

    /// Parks and records it; `content` is what was fed since the last time.
    pub(super) async fn park(&mut self, writer: Box<dyn BlobWriter>, content: &Bytes) {
        self.state = writer.park().await.unwrap();
        assert!(!self.state.is_empty(), "an empty state means an upload that has not begun");
        self.acknowledged.extend_from_slice(content);
    }

    /// Feeds and parks with a writer of its own, as one request does.
    pub(super) async fn append(&mut self, content: &Bytes) {
        let mut writer = self.writer().await;
        self.feed(&mut writer, content).await;
        self.park(writer, content).await;
    }

    /// Feeds a last piece, commits, and yields the whole content with its location.
    pub(super) async fn finish(mut self, last: &Bytes) -> (Bytes, Location) {
        let mut writer = self.writer().await;
        self.feed(&mut writer, last).await;
        self.acknowledged.extend_from_slice(last);
        let content = self.acknowledged.freeze();
        let location = writer.commit(&Digest::of(Algorithm::Sha256, &content)).await.unwrap();
        (content, location)
    }

    /// As [`Self::finish`], and reads the blob back from another instance.
    pub(super) async fn finish_and_compare(self, last: &Bytes) -> Location {
        let fixture = self.fixture;
        let (content, location) = self.finish(last).await;
        assert_holds(&fixture.open().await, &location, &content).await;
        location
    }
}

/// Pushes `content` in one request.
pub(super) async fn push(fixture: &dyn BlobStoreFixture, content: &Bytes) -> Location {
    Session::new(fixture).finish(content).await.1
}

/// Reads all of a blob.
pub(super) async fn read(store: &Arc<dyn BlobStore>, location: &Location, size: usize) -> Bytes {
    store.open(location, 0..size as u64).await.unwrap().bytes().await.unwrap()
}

/// The blob has exactly these bytes and ends there. (Comparing first keeps megabytes out of the message.)
pub(super) async fn assert_holds(store: &Arc<dyn BlobStore>, location: &Location, content: &Bytes) {
    let found = read(store, location, content.len()).await;
    assert_eq!(found.len(), content.len(), "the length of the blob");
    let differs = found.iter().zip(content).position(|(found, expected)| found != expected);
    assert_eq!(differs, None, "the first byte that differs");
    assert!(!reaches(store, location, content.len() as u64).await, "there is something behind the last byte");
}

/// Whether the blob has a byte at `offset`.
async fn reaches(store: &Arc<dyn BlobStore>, location: &Location, offset: u64) -> bool {
    match store.open(location, offset..offset + 1).await {
        Ok(body) => body.bytes().await.is_ok(),
        Err(_) => false,
    }
}

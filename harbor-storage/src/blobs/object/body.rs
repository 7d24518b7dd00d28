//! Reading a blob's object.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream, try_unfold};
use harbor_core::blob::BlobBody;
use harbor_core::{StoreError, StoreErrorKind};

use super::backend::SharedBucket;

/// How long a connection may stay silent in the midst of a body.
const SILENCE: Duration = Duration::from_secs(20);

/// How often reading is taken up again without having got on by a single byte.
const ATTEMPTS: u32 = 3;

/// Opens `range` of an object.
pub(super) async fn open(
    bucket: SharedBucket,
    key: String,
    range: Range<u64>,
) -> Result<BlobBody, StoreError> {
    if range.is_empty() {
        bucket.look(&key).await?;
        return Ok(BlobBody::whole(Bytes::new()));
    }
    let stream = bucket.get(&key, range.clone(), None).await?;
    let length = range.end - range.start;
    Ok(BlobBody::stream(
        length,
        pieces(Reading { bucket, key, left: range, stream: Some(stream), attempts: 0 }),
    ))
}

/// One reader's way through an object.
struct Reading {
    bucket: SharedBucket,
    key: String,
    left: Range<u64>,
    stream: Option<BoxStream<'static, Result<Bytes, StoreError>>>,
    attempts: u32,
}

/// A connection that breaks in the midst of a long body is opened again where it broke: the object never changes.
fn pieces(reading: Reading) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    try_unfold(reading, async |mut reading| {
        while !reading.left.is_empty() {
            match reading.next().await {
                Ok(piece) => {
                    reading.left.start += piece.len() as u64;
                    reading.attempts = 0;
                    return Ok(Some((piece, reading)));
                }
                Err(error) => reading.retry(error).await?,
            }
        }
        Ok(None)
    })
}

impl Reading {
    async fn next(&mut self) -> Result<Bytes, StoreError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(self.bucket.get(&self.key, self.left.clone(), None).await?),
        };
        match tokio::time::timeout(SILENCE, stream.next()).await {
            Ok(Some(piece)) => piece,
            Ok(None) => Err(self.fault("ended too early")),
            Err(_) => Err(self.fault("fell silent")),
        }
    }

    fn fault(&self, what: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, format!("reading {}: the body {what}", self.key))
    }

    /// Makes ready for another attempt, or gives up with `error`.
    async fn retry(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.attempts += 1;
        if self.attempts > ATTEMPTS
            || matches!(error.kind(), StoreErrorKind::NotFound | StoreErrorKind::Corrupt)
        {
            return Err(error);
        }
        tracing::debug!(%error, key = self.key, at = self.left.start, "reading a blob again");
        self.stream = None;
        tokio::time::sleep(Duration::from_millis(100) * self.attempts).await;
        Ok(())
    }
}

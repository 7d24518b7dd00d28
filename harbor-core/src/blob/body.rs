//! Bytes on their way out of a store.

use std::fmt;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, Stream};
use futures_util::{StreamExt, TryStreamExt};

use crate::StoreError;

/// A stream of bytes whose number is known. It ends with an error rather than short.
pub struct BlobBody {
    left: u64,
    source: Source,
    backing: Option<Backing>,
}

/// A file that has the bytes of a body too.
#[derive(Clone, Debug)]
pub struct Backing {
    /// The file, open for reading. It is never changed.
    pub file: Arc<File>,
    /// Where the body begins in it.
    pub start: u64,
}

enum Source {
    Whole(Option<Bytes>),
    Stream(BoxStream<'static, Result<Bytes, StoreError>>),
}

impl BlobBody {
    /// Bytes that are in memory already.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self { left: bytes.len() as u64, source: Source::Whole(Some(bytes)), backing: None }
    }

    /// `length` bytes that `stream` will yield.
    #[must_use]
    pub fn stream(
        length: u64,
        stream: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static,
    ) -> Self {
        Self { left: length, source: Source::Stream(stream.boxed()), backing: None }
    }

    /// The same body, whose bytes are also in a file: a server can then have the kernel send them, without a copy.
    #[must_use]
    pub fn backed_by(self, backing: Backing) -> Self {
        Self { backing: Some(backing), ..self }
    }

    /// The file that has the bytes too. For a body that nothing was read of yet.
    #[must_use]
    pub const fn backing(&self) -> Option<&Backing> {
        self.backing.as_ref()
    }

    /// How many bytes are still to come.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.left
    }

    /// The bytes, when they are in memory as one piece.
    pub fn into_whole(self) -> Result<Bytes, Self> {
        match self.source {
            Source::Whole(bytes) => Ok(bytes.unwrap_or_default()),
            source @ Source::Stream(_) => Err(Self { source, ..self }),
        }
    }

    /// Reads everything into memory: for small content and tests.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn bytes(self) -> Result<Bytes, StoreError> {
        match self.into_whole() {
            Ok(bytes) => Ok(bytes),
            Err(stream) => {
                let all = stream.try_fold(BytesMut::new(), |mut all, piece| async move {
                    all.extend_from_slice(&piece);
                    Ok(all)
                });
                Ok(all.await?.freeze())
            }
        }
    }
}

impl Stream for BlobBody {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = match &mut self.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok)),
            Source::Stream(stream) => stream.poll_next_unpin(context),
        };
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.left = self.left.saturating_sub(bytes.len() as u64);
        }
        polled
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobBody").field("remaining", &self.left).finish_non_exhaustive()
    }
}

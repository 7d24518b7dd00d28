//! Blobs: end-2, end-10.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt as _};
use harbor_core::blob::Hasher;
use harbor_core::oci::{ChunkRange, Digest, Route};
use http::Method;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, RANGE};

use super::Repository;
use super::manifest::mismatch;
use crate::client::answer::{Answer, SLOW};
use crate::client::request::Request;
use crate::client::transport::Want;
use crate::client::{Error, Result};

/// How often a blob may come too slowly until it is given up.
const SLOW_TIMES: u32 = 2;

/// What is known of a blob without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobHead {
    /// How many bytes it has, where the registry says so.
    pub size: Option<u64>,
}

/// A blob as it comes. It ends well only when every byte came and they have the digest that was asked for; the last piece
/// is yielded when that is known.
///
/// A connection that breaks is taken up again where it broke; so is one that brings less than 1 KiB a second for as long as
/// [`ConnectionBuilder::idle_timeout`](crate::client::ConnectionBuilder::idle_timeout), but once.
pub struct BlobStream {
    pieces: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    size: Option<u64>,
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.as_mut().poll_next(context)
    }
}

impl BlobStream {
    /// How many bytes it will yield, where that is known.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next piece; nothing behind the last.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.pieces.next().await
    }

    /// All of it, which may be as large as `limit`, in bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and whatever ends the stream.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes> {
        let too_large = || Error::TooLarge { what: "the blob", limit: limit as u64 };
        if self.size.is_some_and(|size| size > limit as u64) {
            return Err(too_large());
        }
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if piece.len() > limit - all.len() {
                return Err(too_large());
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl Repository {
    /// What is known of a blob; nothing when there is none (end-2, HEAD).
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached.
    pub async fn blob_head(&self, digest: &Digest) -> Result<Option<BlobHead>> {
        self.blob_head_as(digest, &self.pull_scopes()).await
    }

    pub(super) async fn blob_head_as(
        &self,
        digest: &Digest,
        scopes: &crate::client::scope::Scopes,
    ) -> Result<Option<BlobHead>> {
        let request = Request::new(Method::HEAD, self.registry.at(&Route::Blob(self.name.clone(), *digest)));
        let answer = self.registry.call(request, scopes, Want::Head).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.expect(&[200])?;
        Ok(Some(BlobHead { size: answer.number(CONTENT_LENGTH) }))
    }

    /// A blob, as it comes (end-2). Where its size is known beforehand, from a manifest, no byte more is taken.
    ///
    /// ```no_run
    /// # async fn example(app: harbor_replicate::client::Repository) -> Result<(), Box<dyn std::error::Error>> {
    /// # let layer: harbor_core::oci::Descriptor = todo!();
    /// let mut blob = app.blob(&layer.digest, Some(layer.size)).await?;
    /// while let Some(piece) = blob.next().await {
    ///     println!("{} bytes", piece?.len());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 when there is none; [`Error::Size`] when it has another size. The stream ends with
    /// [`Error::Digest`] or [`Error::Truncated`] when what came is not the blob.
    pub async fn blob(&self, digest: &Digest, size: Option<u64>) -> Result<BlobStream> {
        let mut pull = Pull::new(self, digest);
        pull.hasher = Some(Hasher::new(digest.algorithm()));
        pull.end = size;
        pull.start().await
    }

    /// A part of a blob, from the first byte of the range up to the one before its end. A part has no digest, so only its
    /// length is checked.
    ///
    /// # Errors
    /// As [`Repository::blob`]; [`Error::Refused`] with 416 when there is no such part.
    pub async fn blob_range(&self, digest: &Digest, range: Range<u64>) -> Result<BlobStream> {
        let mut pull = Pull::new(self, digest);
        pull.at = range.start;
        pull.end = Some(range.end.max(range.start));
        pull.start().await
    }

    /// Deletes a blob from the repository (end-10).
    ///
    /// # Errors
    /// [`Error::Refused`]: 404 when there is none; 405 where the registry deletes nothing.
    pub async fn blob_delete(&self, digest: &Digest) -> Result<()> {
        self.delete(&Route::Blob(self.name.clone(), *digest)).await
    }
}

/// A pull that is under way.
struct Pull {
    repository: Repository,
    digest: Digest,
    /// What sees every byte; nothing for a part.
    hasher: Option<Hasher>,
    /// Where the next byte for the reader is in the blob.
    at: u64,
    /// Behind which byte it ends, where that is known.
    end: Option<u64>,
    answer: Option<Answer>,
    /// How many bytes come that the reader has already: the registry knows no ranges.
    skip: u64,
    /// How often it broke without any progress.
    failed: u32,
    /// How often it came too slowly: that is progress, and would be for ever.
    slow: u32,
    is_over: bool,
}

impl Pull {
    fn new(repository: &Repository, digest: &Digest) -> Self {
        Self {
            repository: repository.clone(),
            digest: *digest,
            hasher: None,
            at: 0,
            end: None,
            answer: None,
            skip: 0,
            failed: 0,
            slow: 0,
            is_over: false,
        }
    }

    async fn start(mut self) -> Result<BlobStream> {
        let from = self.at;
        if self.hasher.is_none() && self.end == Some(from) {
            return Ok(BlobStream { pieces: stream::empty().boxed(), size: Some(0) });
        }
        self.open().await?;
        let size = self.end.map(|end| end - from);
        let pieces =
            stream::try_unfold(
                self,
                |mut pull| async move { Ok(pull.piece().await?.map(|piece| (piece, pull))) },
            );
        Ok(BlobStream { pieces: pieces.boxed(), size })
    }

    /// Asks for what is missing.
    async fn open(&mut self) -> Result<()> {
        let route = Route::Blob(self.repository.name.clone(), self.digest);
        let request = Request::new(Method::GET, self.repository.registry.at(&route));
        let mut request = request.header(ACCEPT_ENCODING, "identity")?;
        let is_part = self.at > 0 || self.hasher.is_none();
        if is_part {
            let last = self.end.map(|end| end.saturating_sub(1).to_string()).unwrap_or_default();
            request = request.header(RANGE, &format!("bytes={}-{last}", self.at))?;
        }
        let scopes = self.repository.pull_scopes();
        let answer = self.repository.registry.call(request, &scopes, Want::Head).await?;
        let mut answer = answer.expect(if is_part { &[200, 206] } else { &[200] })?;
        answer.keep_pace();
        self.skip = if answer.status == 206 { 0 } else { self.at };
        self.measure(&answer)?;
        self.answer = Some(answer);
        Ok(())
    }

    /// Compares what an answer says of the size with what is known.
    fn measure(&mut self, answer: &Answer) -> Result<()> {
        if answer.status == 206 {
            return self.measure_part(answer);
        }
        let Some(length) = answer.number(CONTENT_LENGTH) else { return Ok(()) };
        match self.end {
            // Of a part, the rest is not read.
            Some(end) if self.hasher.is_none() && length >= end => {}
            Some(end) if length != end => return Err(Error::Size { expected: end, actual: length }),
            _ => self.end = Some(length),
        }
        Ok(())
    }

    fn measure_part(&mut self, answer: &Answer) -> Result<()> {
        let header = answer.header(CONTENT_RANGE).unwrap_or_default();
        let range: ChunkRange = header.parse().map_err(|_| answer.bad("a part of no range"))?;
        if range.first != self.at {
            return Err(answer.bad("another part than was asked for"));
        }
        let whole: Option<u64> = header.rsplit_once('/').and_then(|(_, whole)| whole.trim().parse().ok());
        match (self.end, whole) {
            (Some(end), Some(whole)) if self.hasher.is_some() && whole != end => {
                Err(Error::Size { expected: end, actual: whole })
            }
            // What was read already is more than there is.
            (None, Some(whole)) if whole < self.at => Err(Error::Size { expected: self.at, actual: whole }),
            (None, Some(whole)) => {
                self.end = Some(whole);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The next piece for the reader.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        while !self.is_over {
            let Some(answer) = self.answer.as_mut() else {
                self.open().await?;
                continue;
            };
            match answer.piece().await {
                Ok(Some(piece)) => {
                    if let Some(piece) = self.took(piece)? {
                        return Ok(Some(piece));
                    }
                }
                Ok(None) if self.end.is_some_and(|end| self.at < end) => {
                    self.broke("the connection ended".to_owned()).await?;
                }
                Ok(None) => self.finish()?,
                Err(Error::Unreachable { cause, .. }) => self.broke(cause).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What of a piece is new to the reader.
    fn took(&mut self, mut piece: Bytes) -> Result<Option<Bytes>> {
        let known = self.skip.min(piece.len() as u64);
        self.skip -= known;
        let mut piece = piece.split_off(usize::try_from(known).unwrap_or(usize::MAX).min(piece.len()));
        if piece.is_empty() {
            return Ok(None);
        }
        if let Some(left) =
            self.end.map(|end| end.saturating_sub(self.at)).filter(|left| *left < piece.len() as u64)
        {
            if self.hasher.is_some() {
                let expected = self.at + left;
                return Err(Error::Size { expected, actual: self.at + piece.len() as u64 });
            }
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        self.at += piece.len() as u64;
        self.failed = 0;
        if self.end == Some(self.at) {
            self.finish()?;
        }
        Ok(Some(piece))
    }

    /// All is there: is it what was asked for?
    fn finish(&mut self) -> Result<()> {
        self.is_over = true;
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let actual = hasher.finish();
        if actual == self.digest { Ok(()) } else { Err(mismatch(&self.digest, &actual)) }
    }

    /// The connection broke: the next look goes on from here, unless that was too often.
    async fn broke(&mut self, cause: String) -> Result<()> {
        self.answer = None;
        self.failed += 1;
        self.slow += u32::from(cause == SLOW);
        let retry = self.repository.registry.inner.connection.retry();
        let Some(wait) = retry.wait(self.failed, None).filter(|_| self.slow < SLOW_TIMES) else {
            return Err(Error::Truncated { received: self.at, cause });
        };
        tracing::debug!(digest = %self.digest, at = self.at, cause, "a pull broke off");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

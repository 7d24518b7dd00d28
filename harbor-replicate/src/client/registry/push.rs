//! Pushing blobs: end-4a, end-4b, end-5, end-6, end-11.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use harbor_core::oci::{Digest, RepositoryName, Route};
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};

use super::mount::Mount;
use super::upload::is_over;
use super::{BlobSource, IDLE_BODY, Repository, Upload};
use crate::client::request::{Request, Sent, StreamPayload};
use crate::client::retry::is_passing;
use crate::client::transport::Want;
use crate::client::{Error, Result};

/// Up to which size a blob is sent with the request that begins its upload, in bytes.
const SMALL: u64 = 512 * 1024;

const OCTETS: &str = "application/octet-stream";

/// How a blob is pushed.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PushOptions {
    /// A repository of the same registry that may have the blob, so that it need not be sent.
    pub mount_from: Option<RepositoryName>,
    /// In chunks of so many bytes, for what is on the way and takes no larger requests; larger where the registry wants so
    /// (`OCI-Chunk-Min-Length`). Otherwise, and with 0, all goes in one request.
    pub chunk: Option<u64>,
    /// Is told of bytes as they go out: how many more they are. Bytes that are sent again count again.
    pub sent: Option<Sent>,
}

impl fmt::Debug for PushOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushOptions")
            .field("mount_from", &self.mount_from)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

impl PushOptions {
    /// With a repository that may have the blob.
    #[must_use]
    pub fn mount_from(mut self, from: RepositoryName) -> Self {
        self.mount_from = Some(from);
        self
    }

    /// In chunks of so many bytes, or all in one request.
    #[must_use]
    pub fn chunk(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.chunk = bytes.into();
        self
    }

    /// With somebody who is told of bytes as they go out.
    #[must_use]
    pub fn sent(mut self, sent: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.sent = Some(Arc::new(sent));
        self
    }
}

/// What a push came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The repository had the blob.
    Existed,
    /// It was linked from another repository.
    Mounted,
    /// It was sent.
    Sent,
}

impl Repository {
    /// Pushes a blob, unless the repository has it. A connection that breaks is taken up where the registry says that it has
    /// got to; a session that is lost is begun anew.
    ///
    /// ```no_run
    /// use harbor_core::oci::{Algorithm, Digest};
    /// use harbor_replicate::client::{FileSource, PushOptions};
    ///
    /// # async fn example(app: harbor_replicate::client::Repository) -> harbor_replicate::client::Result<()> {
    /// let digest: Digest = "sha256:…".parse().unwrap();
    /// app.blob_push(&digest, &FileSource::open("layer.tar.gz").await?, &PushOptions::default()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Source`] when the bytes cannot be read; [`Error::Refused`] when the registry does not take them, as when they have not
    /// the digest.
    pub async fn blob_push(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Pushed> {
        if self.blob_head_as(digest, &self.push_scopes()).await?.is_some() {
            return Ok(Pushed::Existed);
        }
        let mut begun = None;
        if let Some(from) = &options.mount_from {
            match self.mount(digest, from).await {
                Ok(Mount::Done) => return Ok(Pushed::Mounted),
                Ok(Mount::Upload(upload)) => begun = Some(upload),
                // Who may not mount may push all the same.
                Err(Error::Refused(_) | Error::Unauthorized { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let whole = &self.registry.inner.takes_whole_blobs;
        if begun.is_none() && source.size() <= SMALL && whole.load(Ordering::Relaxed) {
            begun = match self.push_whole(digest, source, options).await? {
                None => return Ok(Pushed::Sent),
                begun => {
                    whole.store(false, Ordering::Relaxed);
                    begun
                }
            };
        }
        let push = Push { repository: self, digest, source, options, furthest: 0, resumed: false };
        push.run(begun).await
    }

    /// In one request (end-4b). Yields an upload where the registry would have it otherwise.
    async fn push_whole(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Option<Upload>> {
        let bytes = gather(source).await.map_err(Error::Source)?;
        let mut url = self.registry.at(&Route::Uploads(self.name.clone()));
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let length = bytes.len();
        let request = Request::new(Method::POST, url).bytes(bytes).header(CONTENT_TYPE, OCTETS)?;
        let request = request.header(CONTENT_LENGTH, &length.to_string())?;
        let want = Want::Whole("an answer", IDLE_BODY);
        let answer = self.registry.call(request, &self.push_scopes(), want).await?;
        match answer.status {
            202 => Upload::begun(&answer, &self.registry.inner.url).map(Some),
            // Few clients send blobs so, and what never met one may answer anything. What it says of its session counts.
            400 | 404 | 405 | 411 | 413 | 415 | 501 if !answer.refusal().has_code("DIGEST_INVALID") => {
                self.upload_begin().await.map(Some)
            }
            _ => {
                answer.expect(&[201])?;
                if let Some(sent) = &options.sent {
                    sent(length as u64);
                }
                Ok(None)
            }
        }
    }
}

/// All bytes of a source, exactly as many as it says.
async fn gather(source: &dyn BlobSource) -> std::io::Result<Bytes> {
    let size = usize::try_from(source.size()).unwrap_or(usize::MAX);
    let (mut pieces, mut all) = (source.open(0).await?, BytesMut::new());
    while all.len() < size {
        match pieces.next().await {
            Some(piece) => all.extend_from_slice(&piece?),
            None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
    all.truncate(size);
    Ok(all.freeze())
}

/// A push that is under way.
struct Push<'a> {
    repository: &'a Repository,
    digest: &'a Digest,
    source: &'a dyn BlobSource,
    options: &'a PushOptions,
    /// How many bytes were sent at most: more the registry cannot have of them.
    furthest: u64,
    /// Whether something broke in the session that is under way.
    resumed: bool,
}

/// How one session ended.
enum Ended {
    Whole,
    /// It is gone, with what told so.
    Lost(Error),
}

impl Push<'_> {
    /// Session after session, until one ends well.
    async fn run(mut self, mut begun: Option<Upload>) -> Result<Pushed> {
        let mut failed = 0;
        loop {
            let upload = match begun.take() {
                Some(upload) => upload,
                None => self.repository.upload_begin().await?,
            };
            (self.furthest, self.resumed) = (0, false);
            let error = match self.session(upload).await? {
                Ended::Whole => return Ok(Pushed::Sent),
                Ended::Lost(error) => error,
            };
            // What was lost may be the answer only.
            if self.repository.blob_head_as(self.digest, &self.repository.push_scopes()).await?.is_some() {
                return Ok(Pushed::Sent);
            }
            failed += 1;
            let wait = self.wait(failed, &error).ok_or(error)?;
            tracing::debug!(digest = %self.digest, "a push begins anew");
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, failed: u32, error: &Error) -> Option<Duration> {
        let asked = error.refusal().and_then(|refusal| refusal.retry_after);
        self.repository.registry.inner.connection.retry().wait(failed, asked)
    }

    /// One session, from where it is to its end.
    async fn session(&mut self, mut upload: Upload) -> Result<Ended> {
        // What was there before is no progress, or a registry that loses it again and again is never left.
        let (mut failed, mut best) = (0, upload.offset);
        loop {
            let error = match self.part(&upload).await {
                Ok(None) => return Ok(Ended::Whole),
                Ok(Some(next)) => {
                    upload = next;
                    if upload.offset > best {
                        (failed, best) = (0, upload.offset);
                    }
                    continue;
                }
                Err(error) => error,
            };
            if is_over(&error) || self.is_spoilt(&error) {
                return Ok(Ended::Lost(error));
            }
            if !is_broken(&error) {
                // Nobody goes on with it. That it is ended is a courtesy.
                let _ = self.repository.upload_cancel(upload).await;
                return Err(error);
            }
            failed += 1;
            let wait = self.wait(failed, &error);
            let Some(wait) = wait else { return Err(error) };
            tokio::time::sleep(wait).await;
            self.resumed = true;
            upload = match self.standing(&upload, wait).await? {
                // More than was sent is somebody else's.
                Some(now) if now.offset <= self.furthest => now,
                _ => return Ok(Ended::Lost(error)),
            };
            if upload.offset > best {
                (failed, best) = (0, upload.offset);
            }
        }
    }

    /// Where the session stands behind what broke.
    async fn standing(&self, upload: &Upload, wait: Duration) -> Result<Option<Upload>> {
        let now = self.repository.upload_status(upload).await?;
        let unmoved = now.as_ref().is_some_and(|now| now.offset == upload.offset);
        if !unmoved || self.furthest == upload.offset {
            return Ok(now);
        }
        // A registry that has just lost the connection may not have put down yet what came by it.
        tokio::time::sleep(wait).await;
        self.repository.upload_status(upload).await
    }

    /// Sends what is missing, or a chunk of it. Nothing is left when it yields nothing.
    async fn part(&mut self, upload: &Upload) -> Result<Option<Upload>> {
        let size = self.source.size();
        let left =
            size.checked_sub(upload.offset).ok_or(Error::Size { expected: size, actual: upload.offset })?;
        let chunk = self.options.chunk.filter(|chunk| *chunk > 0);
        let chunk = chunk.map(|chunk| chunk.max(upload.chunk_min));
        let length = chunk.map_or(left, |chunk| chunk.min(left));
        let is_last = length == left;
        let request = self.request(upload, length, is_last).await?;
        let progress = request.progress();
        let registry = &self.repository.registry;
        let want = Want::Whole("an answer", IDLE_BODY);
        let answered = registry.call(request, &self.repository.push_scopes(), want).await;
        let sent = progress.map_or(0, |progress| progress.sent());
        self.furthest = self.furthest.max(upload.offset + sent);
        let answer = answered?;
        if is_last {
            return answer.expect(&[200, 201, 204]).map(|_| None);
        }
        let answer = answer.expect(&[202])?;
        let next = upload.moved(&answer, &registry.inner.url, upload.offset + length)?;
        if next.offset > self.furthest {
            return Err(answer.bad("an upload that has more than was sent"));
        }
        if next.offset <= upload.offset {
            return Err(answer.bad("an upload that does not move"));
        }
        Ok(Some(next))
    }

    async fn request(&self, upload: &Upload, length: u64, is_last: bool) -> Result<Request> {
        let mut url = upload.location.clone();
        let method = if is_last { Method::PUT } else { Method::PATCH };
        if is_last {
            url.query_pairs_mut().append_pair("digest", &self.digest.to_string());
        }
        let mut request = Request::new(method, url).header(CONTENT_TYPE, OCTETS)?;
        if length == 0 {
            return request.header(CONTENT_LENGTH, "0");
        }
        // Behind what broke also at the beginning: without a range, what was kept after all would be appended to.
        if upload.offset > 0 || !is_last || self.resumed {
            let range = format!("{}-{}", upload.offset, upload.offset + length - 1);
            request = request.header(CONTENT_RANGE, &range)?;
        }
        let stream = self.source.open(upload.offset).await.map_err(Error::Source)?;
        Ok(request.stream(StreamPayload::new(stream, length, self.options.sent.clone())))
    }

    /// Whether the registry has put together wrongly what came in parts.
    fn is_spoilt(&self, error: &Error) -> bool {
        self.resumed && error.refusal().is_some_and(|refusal| refusal.has_code("DIGEST_INVALID"))
    }
}

/// Whether the session may be well although its last request was not.
fn is_broken(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Unauthorized { refusal: Some(_), .. } => true,
        // 408: it did not wait for the rest; 416: it is elsewhere than was thought.
        Error::Refused(refusal) => is_passing(refusal.status) || matches!(refusal.status, 408 | 416),
        _ => false,
    }
}

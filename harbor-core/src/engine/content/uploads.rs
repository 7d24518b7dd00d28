//! Upload sessions: begun, appended to, finished, cancelled, on any node.

use super::ingest::{self, Checkpoint, Sink, writer_fault};
use super::lease::Lease;
use super::{Content, Incoming, StoredBlob};
use crate::access::Authorized;
use crate::access::permission::RepositoryPush;
use crate::blob::{DriverState, Hasher, Location, UploadId};
use crate::engine::Harbor;
use crate::engine::gate::{Write, contended};
use crate::meta::{Publish, Published, Upload};
use crate::oci::{Algorithm, ChunkRange, Digest};
use crate::{Error, Result};

/// How an upload shall begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadOptions {
    /// The algorithm of the digest that will be stated at the end, when the client says so at the start. With another one
    /// at the end, the content is read once more to hash it.
    pub algorithm: Algorithm,
}

impl UploadOptions {
    /// An upload whose digest will be of `algorithm`.
    #[must_use]
    pub const fn new(algorithm: Algorithm) -> Self {
        Self { algorithm }
    }
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// The session.
    pub id: UploadId,
    /// How many bytes are durable: where the next chunk begins.
    pub offset: u64,
}

/// Runs `work` to its end even when nobody waits for it any more, as when a client's connection breaks: what came before
/// the break is then recorded, and the client can go on from there.
async fn shielded<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| Error::Internal(error.to_string()))?
}

impl Content<'_> {
    /// Begins an upload.
    ///
    /// # Errors
    /// As the metadata store fails.
    pub async fn upload_start(
        &self,
        proof: Authorized<RepositoryPush>,
        options: UploadOptions,
    ) -> Result<UploadStatus> {
        let upload = contended!(self.open_session(&proof, options.algorithm))?;
        Ok(UploadStatus { id: upload.id, offset: 0 })
    }

    /// Appends a chunk. `chunk` is what the client says of its place; without it, the bytes go where the upload stands.
    ///
    /// When the body breaks off, what came before is recorded, and [`Content::upload_status`] tells how far it got.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`], [`Error::ChunkOutOfOrder`], [`Error::SizeInvalid`] for a chunk of another
    /// length than stated, [`Error::TooLarge`], [`Error::QuotaExceeded`], [`Error::BodyInterrupted`], or as the stores fail.
    pub async fn upload_append(
        &self,
        proof: Authorized<RepositoryPush>,
        id: UploadId,
        chunk: Option<ChunkRange>,
        body: Incoming,
    ) -> Result<UploadStatus> {
        let harbor = self.harbor.clone();
        shielded(async move {
            let content = harbor.content();
            let session = content.session(&proof, id).await?;
            let appended = session.append(chunk, body).await;
            session.lease.release(&harbor).await;
            Ok(UploadStatus { id, offset: appended? })
        })
        .await
    }

    /// Appends a last chunk, which may be empty, and makes the upload a blob of the repository.
    ///
    /// # Errors
    /// As [`Content::upload_append`]; and [`Error::DigestMismatch`], after which the session stands where it stood, unless
    /// the digest is of another algorithm than the upload began with: then it is over. And [`Error::QuotaExceeded`], after
    /// which it is over too.
    pub async fn upload_finish(
        &self,
        proof: Authorized<RepositoryPush>,
        id: UploadId,
        chunk: Option<ChunkRange>,
        digest: &Digest,
        body: Incoming,
    ) -> Result<StoredBlob> {
        let (harbor, digest) = (self.harbor.clone(), *digest);
        shielded(async move {
            let content = harbor.content();
            let session = content.session(&proof, id).await?;
            let stored = session.finish(chunk, digest, body).await;
            if let Err(Error::QuotaExceeded { .. }) = stored {
                // The project has no room for it, and its bytes shall not stay for longer than they must.
                session.abandon().await;
            }
            if stored.is_err() {
                session.lease.release(&harbor).await;
            }
            stored
        })
        .await
    }

    /// Stores a blob whose digest is known before its bytes come.
    ///
    /// # Errors
    /// As [`Content::upload_finish`].
    pub async fn blob_put(
        &self,
        proof: Authorized<RepositoryPush>,
        digest: &Digest,
        body: Incoming,
    ) -> Result<StoredBlob> {
        let (harbor, digest) = (self.harbor.clone(), *digest);
        shielded(async move {
            let content = harbor.content();
            // The row comes before the bytes: an orphan is always known to the database.
            let upload = contended!(content.open_session(&proof, digest.algorithm()))?;
            let lease = harbor.lease(upload.id).await?;
            let session = Session { harbor: &harbor, proof: &proof, upload, lease };
            let stored = session.finish(None, digest, body).await;
            if stored.is_err() {
                // Nobody knows the session's name, so nobody can go on with it.
                session.abandon().await;
            }
            stored
        })
        .await
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`].
    pub async fn upload_status(
        &self,
        proof: Authorized<RepositoryPush>,
        id: UploadId,
    ) -> Result<UploadStatus> {
        let upload = self.owned_upload(&proof, id).await?;
        Ok(UploadStatus { id, offset: upload.offset })
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`]; [`Error::UploadBusy`] while somebody writes to it.
    pub async fn upload_cancel(&self, proof: Authorized<RepositoryPush>, id: UploadId) -> Result<()> {
        let session = self.session(&proof, id).await?;
        let ended = self.harbor.cancel_upload(session.upload.id).await;
        if ended.is_err() {
            session.lease.release(self.harbor).await;
        }
        ended
    }

    async fn open_session(&self, proof: &Authorized<RepositoryPush>, algorithm: Algorithm) -> Result<Upload> {
        let target = proof.target();
        // Before the transaction: whoever holds one and waits for another connection can wait for ever.
        let known = self.repository(&target.name).await?;
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let repository = match known {
            Some(repository) if repository.project == target.project.id => repository,
            _ => self.ensure_repository(&mut write, target).await?,
        };
        let upload = Upload {
            id: UploadId::random(),
            repository: repository.id,
            principal: proof.actor().principal(),
            offset: 0,
            hash_state: Hasher::new(algorithm).save(),
            driver_state: DriverState::default(),
        };
        write.rows().upload_insert(&upload, now).await?;
        write.commit().await?;
        // Before anybody else knows its name.
        self.harbor.inner.caches.keep_upload(&upload);
        Ok(upload)
    }

    /// The session, when it belongs to this repository and this principal: to everybody else it does not exist.
    async fn owned_upload(&self, proof: &Authorized<RepositoryPush>, id: UploadId) -> Result<Upload> {
        let repository = self.repository(&proof.target().name).await?.ok_or(Error::UploadUnknown)?;
        let upload = match self.harbor.inner.caches.upload(id) {
            Some(upload) => Upload::clone(&upload),
            None => self.harbor.read().await?.upload(id).await?.ok_or(Error::UploadUnknown)?,
        };
        if upload.repository == repository.id && upload.principal == proof.actor().principal() {
            Ok(upload)
        } else {
            Err(Error::UploadUnknown)
        }
    }

    async fn session<'s>(
        &'s self,
        proof: &'s Authorized<RepositoryPush>,
        id: UploadId,
    ) -> Result<Session<'s>> {
        if !self.harbor.inner.caches.is_exact() {
            // A lease in the database outlasts this request if the node dies: no stranger shall take one.
            self.owned_upload(proof, id).await?;
        }
        let lease = match self.harbor.lease(id).await {
            Err(Error::UploadBusy) => {
                // A stranger must not learn from "busy" that the session exists.
                self.owned_upload(proof, id).await?;
                return Err(Error::UploadBusy);
            }
            lease => lease?,
        };
        match self.owned_upload(proof, id).await {
            Ok(upload) => Ok(Session { harbor: self.harbor, proof, upload, lease }),
            Err(error) => {
                lease.release(self.harbor).await;
                Err(error)
            }
        }
    }
}

/// An upload that this request alone may write to.
struct Session<'a> {
    harbor: &'a Harbor,
    proof: &'a Authorized<RepositoryPush>,
    upload: Upload,
    lease: Lease,
}

impl Checkpoint for Session<'_> {
    async fn record(&self, state: DriverState) -> Result<()> {
        contended!(self.save(&Upload { driver_state: state.clone(), ..self.upload.clone() }, false))
    }
}

impl Session<'_> {
    /// Takes a chunk in and records it, also when it broke off. Yields how far the upload is.
    async fn append(&self, chunk: Option<ChunkRange>, body: Incoming) -> Result<u64> {
        self.check_room(body.length().unwrap_or_default(), None).await?;
        let (sink, broken) = self.take(chunk, body).await?;
        let offset = self.park(sink).await?;
        broken.map_or(Ok(offset), Err)
    }

    /// Refuses what is announced to be more than the project has room for, before it comes.
    async fn check_room(&self, announced: u64, digest: Option<&Digest>) -> Result<()> {
        let size = self.upload.offset.saturating_add(announced);
        self.harbor.check_room(self.proof.target().project.id, size, digest).await
    }

    /// Takes a body in. Yields what broke it off, if something did.
    async fn take(&self, chunk: Option<ChunkRange>, body: Incoming) -> Result<(Sink, Option<Error>)> {
        let begin = self.upload.offset;
        let stated = chunk.map(ChunkRange::length).or(body.length());
        if let Some(chunk) = chunk {
            if chunk.first != begin {
                return Err(Error::ChunkOutOfOrder { offset: begin });
            }
            if let Some(length) = body.length()
                && length != chunk.length()
            {
                return Err(Error::SizeInvalid { expected: chunk.length(), actual: length });
            }
        }
        let limit = self.harbor.settings().blob_limit;
        if let (Some(limit), Some(stated)) = (limit, stated)
            && begin.saturating_add(stated) > limit
        {
            return Err(Error::TooLarge { limit });
        }
        let sink = self.open().await?;
        let left = limit.map(|limit| limit.saturating_sub(begin));
        let taken = ingest::take(sink, body, left, self).await?;
        let actual = taken.sink.offset - begin;
        if let (Some(chunk), None) = (chunk, &taken.broken)
            && actual != chunk.length()
        {
            return Err(Error::SizeInvalid { expected: chunk.length(), actual });
        }
        Ok((taken.sink, taken.broken))
    }

    async fn open(&self) -> Result<Sink> {
        let upload = &self.upload;
        let hasher = Hasher::restore(&upload.hash_state).ok_or_else(|| {
            Error::Internal(format!("the hash state of upload {} does not read", upload.id))
        })?;
        let writer = self.harbor.inner.blobs.writer(upload.id, &upload.driver_state, upload.offset).await;
        Ok(Sink { hasher, writer: writer.map_err(writer_fault)?, offset: upload.offset })
    }

    /// Makes what was taken durable, and then records it. Yields how far the upload is.
    async fn park(&self, sink: Sink) -> Result<u64> {
        let Sink { hasher, writer, offset } = sink;
        if offset == self.upload.offset {
            return Ok(offset);
        }
        let driver_state = writer.park().await.map_err(writer_fault)?;
        let upload = Upload { offset, hash_state: hasher.save(), driver_state, ..self.upload.clone() };
        let saved = contended!(self.save(&upload, true));
        if let Err(Error::UploadBusy | Error::UploadUnknown) = saved {
            self.tidy_if_over(&upload.driver_state).await;
        }
        saved.map(|()| offset)
    }

    /// Removes what this request parked when it had lost its lease and others have ended the upload since: whoever did
    /// could not know of it. While the upload goes on, it is theirs.
    async fn tidy_if_over(&self, state: &DriverState) {
        let Ok(mut read) = self.harbor.read().await else { return };
        let found = read.upload(self.upload.id).await;
        drop(read);
        if matches!(found, Ok(None)) {
            self.tidy(state).await;
        }
    }

    /// Removes what the upload left beside its blob.
    async fn tidy(&self, state: &DriverState) {
        if let Err(error) = self.harbor.inner.blobs.tidy(self.upload.id, state).await {
            tracing::warn!(upload = %self.upload.id, %error, "parked bytes are left until their blob is deleted");
        }
    }

    /// Records how far the upload is; with the `last` thing that this request writes, the lease is given back.
    async fn save(&self, upload: &Upload, last: bool) -> Result<()> {
        if last {
            self.lease.stop_renewal().await;
        }
        self.harbor.inner.caches.drop_upload(upload.id);
        let mut write = self.write().await?;
        let now = write.now();
        if !write.rows().upload_save(upload, now).await? {
            return Err(Error::UploadUnknown);
        }
        match self.lease.holder().filter(|_| last) {
            Some(holder) => {
                write.rows().upload_release(upload.id, holder).await?;
                write.commit().await?;
                self.lease.released();
            }
            None => write.commit().await?,
        }
        self.harbor.inner.caches.keep_upload(upload);
        Ok(())
    }

    /// A transaction in which this request still holds the session.
    async fn write(&self) -> Result<Write<'_>> {
        let mut write = self.harbor.write(self.proof).await?;
        if let Some(holder) = self.lease.holder() {
            let now = write.now();
            let until = now.plus(self.harbor.settings().upload_lease);
            if !write.rows().upload_lease(self.upload.id, holder, now, until).await? {
                return Err(Error::UploadBusy);
            }
        }
        Ok(write)
    }

    async fn finish(
        &self,
        chunk: Option<ChunkRange>,
        expected: Digest,
        body: Incoming,
    ) -> Result<StoredBlob> {
        self.check_room(body.length().unwrap_or_default(), Some(&expected)).await?;
        let (sink, broken) = self.take(chunk, body).await?;
        if let Some(error) = broken {
            self.park(sink).await?;
            return Err(error);
        }
        let Sink { hasher, writer, offset: size } = sink;
        let hashed = hasher.algorithm() == expected.algorithm();
        if hashed {
            agree(expected, hasher.finish())?;
        }
        let location = writer.commit(&expected).await.map_err(writer_fault)?;
        if !hashed {
            self.verify(&location, size, expected).await?;
        }
        if contended!(self.publish(expected, size, &location))? {
            self.tidy(&self.upload.driver_state).await;
        } else {
            // The bytes just written go, and the row that knows of them after them.
            self.abandon().await;
        }
        Ok(StoredBlob { digest: expected, size })
    }

    /// Hashes content again, in the algorithm that the client named only at the end.
    async fn verify(&self, location: &Location, size: u64, expected: Digest) -> Result<()> {
        let actual = rehash(self.harbor, location, size, expected.algorithm()).await?;
        let verdict = agree(expected, actual);
        if verdict.is_err() {
            self.abandon().await;
        }
        verdict
    }

    /// Makes the blob visible in the repository, and ends the session, at once. False when the content was here already, so that the
    /// bytes just committed are of no use.
    async fn publish(&self, digest: Digest, size: u64, location: &Location) -> Result<bool> {
        self.harbor.inner.caches.drop_upload(self.upload.id);
        let mut write = self.write().await?;
        let now = write.now();
        let due = now.plus(self.harbor.settings().gc_grace);
        let (upload, repository) = (self.upload.id, self.upload.repository);
        let publish = Publish { upload, repository, digest: &digest, size, location, due, now };
        let used = match write.rows().publish(&publish).await? {
            Published::Used => true,
            Published::Unused => false,
            Published::Gone => return Err(Error::UploadUnknown),
        };
        write.changed_blob(repository, &digest);
        write.commit().await?;
        Ok(used)
    }

    /// Removes a session that nobody will go on with. What fails here is left to the expiry of uploads.
    async fn abandon(&self) {
        if let Err(error) = self.harbor.end_upload(self.upload.id).await {
            tracing::warn!(upload = %self.upload.id, %error, "a failed upload was left to expire");
        }
    }
}

fn agree(expected: Digest, actual: Digest) -> Result<()> {
    if actual == expected {
        Ok(())
    } else {
        Err(Error::DigestMismatch { expected: Box::new(expected), actual: Box::new(actual) })
    }
}

async fn rehash(harbor: &Harbor, location: &Location, size: u64, algorithm: Algorithm) -> Result<Digest> {
    use futures_util::TryStreamExt;

    let mut body = harbor.inner.blobs.open(location, 0..size).await?;
    let mut hasher = Hasher::new(algorithm);
    while let Some(piece) = body.try_next().await? {
        hasher.update(&piece);
        tokio::task::yield_now().await;
    }
    Ok(hasher.finish())
}

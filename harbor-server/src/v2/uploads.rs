//! `/v2/<name>/blobs/uploads/`.

use axum::body::Body;
use harbor_core::access::permission::RepositoryPush;
use harbor_core::blob::UploadId;
use harbor_core::content::{StoredBlob, UploadOptions, UploadStatus};
use harbor_core::oci::{Algorithm, ChunkRange, Digest, DigestError, RepositoryName, Route};
use harbor_core::{Error, Result};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, LOCATION, RANGE};
use http::{HeaderName, Response, StatusCode};

use super::{Call, respond};
use crate::body::{Unread, announced};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Call<'_> {
    /// end-4a, end-4b, end-11: begins an upload, stores a blob in one request, or mounts one.
    pub(super) async fn upload_start(
        &self,
        name: &RepositoryName,
        body: &mut Unread,
    ) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPush>(name).await?;
        if let Some(mount) = self.parameter("mount") {
            let digest = mount.parse()?;
            // A name that none can have is a repository that is not there: the mount falls back to an upload.
            let from = self.parameter("from").map(|from| from.parse::<RepositoryName>()).transpose();
            if let Ok(from) = from
                && let Some(blob) = self.content().blob_mount(&proof, from.as_ref(), &digest).await?
            {
                return Ok(stored(name, &blob));
            }
        } else if let Some(digest) = self.parameter("digest") {
            let digest = digest.parse()?;
            let body = self.incoming(body)?;
            let blob = self.content().blob_put(proof, &digest, body).await?;
            return Ok(stored(name, &blob));
        }
        let algorithm = match self.parameter("digest-algorithm") {
            Some(algorithm) => algorithm.parse::<Algorithm>()?,
            None => Algorithm::default(),
        };
        let status = self.content().upload_start(proof, UploadOptions::new(algorithm)).await?;
        Ok(under_way(StatusCode::ACCEPTED, name, &status))
    }

    /// end-13.
    pub(super) async fn upload_status(&self, name: &RepositoryName, id: &str) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPush>(name).await?;
        let status = self.content().upload_status(proof, session(id)?).await?;
        Ok(under_way(StatusCode::NO_CONTENT, name, &status))
    }

    /// end-5.
    pub(super) async fn upload_append(
        &self,
        name: &RepositoryName,
        id: &str,
        body: &mut Unread,
    ) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPush>(name).await?;
        let (id, chunk) = (session(id)?, self.chunk()?);
        self.check_nothing(name, id).await?;
        let status = self.content().upload_append(proof, id, chunk, self.incoming(body)?).await?;
        Ok(under_way(StatusCode::ACCEPTED, name, &status))
    }

    /// end-6.
    pub(super) async fn upload_finish(
        &self,
        name: &RepositoryName,
        id: &str,
        body: &mut Unread,
    ) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPush>(name).await?;
        let (id, chunk) = (session(id)?, self.chunk()?);
        let digest = self.parameter("digest").ok_or(Error::DigestInvalid(DigestError::Shape))?;
        let digest: Digest = digest.parse()?;
        let blob = self.content().upload_finish(proof, id, chunk, &digest, self.incoming(body)?).await?;
        Ok(stored(name, &blob))
    }

    /// end-14.
    pub(super) async fn upload_cancel(&self, name: &RepositoryName, id: &str) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPush>(name).await?;
        self.content().upload_cancel(proof, session(id)?).await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// Checks where the client says that a chunk of no bytes belongs. Nothing is written, so that a concurrent request might
    /// move the upload on in between does no harm.
    async fn check_nothing(&self, name: &RepositoryName, id: UploadId) -> Result<()> {
        let Some(range) = self.header(&CONTENT_RANGE) else { return Ok(()) };
        if announced(&self.parts.headers)? != Some(0) {
            return Ok(());
        }
        let first = ChunkRange::beginning(range)?;
        let proof = self.proof::<RepositoryPush>(name).await?;
        let offset = self.content().upload_status(proof, id).await?.offset;
        if first == offset { Ok(()) } else { Err(Error::ChunkOutOfOrder { offset }) }
    }

    /// Where the client says that its chunk belongs. A final request without bytes may state the range of nothing, which
    /// cannot be written, or that of the whole; it is not looked at.
    fn chunk(&self) -> Result<Option<ChunkRange>> {
        if announced(&self.parts.headers)? == Some(0) {
            return Ok(None);
        }
        match self.header(&CONTENT_RANGE) {
            None => Ok(None),
            Some(text) => Ok(Some(text.parse::<ChunkRange>()?)),
        }
    }
}

/// A session's name that was never given out is one that does not exist.
fn session(id: &str) -> Result<UploadId> {
    id.parse().map_err(|_| Error::UploadUnknown)
}

fn under_way(status: StatusCode, name: &RepositoryName, upload: &UploadStatus) -> Response<Body> {
    let mut response = respond::empty(status);
    let headers = response.headers_mut();
    let id = upload.id.to_string();
    headers.insert(LOCATION, respond::value(Route::Upload(name.clone(), id.clone()).path()));
    headers.insert(UPLOAD_UUID, respond::value(id));
    headers.insert(RANGE, respond::received(upload.offset));
    if status == StatusCode::ACCEPTED {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

fn stored(name: &RepositoryName, blob: &StoredBlob) -> Response<Body> {
    let mut response = respond::empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, respond::value(Route::Blob(name.clone(), blob.digest).path()));
    headers.insert(respond::CONTENT_DIGEST, respond::value(blob.digest.to_string()));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

//! `/v2/<name>/blobs/<digest>`.

use axum::body::Body;
use futures_util::Stream;
use harbor_core::access::permission::{ArtifactDelete, RepositoryPull};
use harbor_core::blob::BlobBody;
use harbor_core::content::{BlobSource, StoredBlob};
use harbor_core::oci::{ByteRange, Digest, RangeError, RepositoryName};
use harbor_core::{Error, Result, StoreError};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, IF_RANGE,
    LOCATION, RANGE,
};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Frame, SizeHint};

use super::{Call, respond};
use crate::net::FileQueue;

impl Call<'_> {
    /// end-2, HEAD.
    pub(super) async fn blob_head(&self, name: &RepositoryName, digest: &Digest) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPull>(name).await?;
        let blob = self.content().blob(proof, digest).await?;
        if respond::client_has(&self.parts.headers, digest) {
            return Ok(not_modified(digest));
        }
        let mut response = respond::empty(StatusCode::OK);
        describe(response.headers_mut(), &blob);
        response.headers_mut().insert(CONTENT_LENGTH, blob.size.into());
        Ok(response)
    }

    /// end-2, GET: the whole, or one range.
    pub(super) async fn blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPull>(name).await?;
        let range = self.range(digest);
        if range == Ok(None) && respond::client_has(&self.parts.headers, digest) {
            // Only for a blob that is there and may be seen.
            self.content().blob(proof, digest).await?;
            return Ok(not_modified(digest));
        }
        let read = match range {
            Ok(range) => {
                self.content().blob_read(proof, digest, range).await.map(|read| (read, range.is_some()))
            }
            Err(error) => Err(Error::RangeInvalid(error)),
        };
        match read {
            Ok((read, partial)) => {
                let files = self.parts.extensions.get();
                Ok(serve(&read.blob, read.span, partial, read.source, files))
            }
            Err(error @ Error::RangeInvalid(_)) => self.out_of_range(name, digest, error).await,
            Err(error) => Err(error),
        }
    }

    /// The range that the client asks for, unless it holds another version of the content (RFC 9110, section 13.1.5).
    fn range(&self, digest: &Digest) -> Result<Option<ByteRange>, RangeError> {
        let same = |tag: &str| tag.trim().trim_matches('"') == digest.to_string();
        if self.header(&IF_RANGE).is_some_and(|tag| !same(tag)) {
            return Ok(None);
        }
        self.header(&RANGE).map_or(Ok(None), ByteRange::from_header)
    }

    /// A range that cannot be served is answered with the size that there is.
    async fn out_of_range(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        error: Error,
    ) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPull>(name).await?;
        let blob = self.content().blob(proof, digest).await?;
        let body = serde_json::json!({
            "errors": [{ "code": error.oci_code().as_str(), "message": error.public_message() }]
        });
        let mut response = respond::json(StatusCode::RANGE_NOT_SATISFIABLE, body.to_string());
        response.headers_mut().insert(CONTENT_RANGE, respond::value(format!("bytes */{}", blob.size)));
        Ok(response)
    }

    /// end-10.
    pub(super) async fn blob_delete(&self, name: &RepositoryName, digest: &Digest) -> Result<Response<Body>> {
        let proof = self.proof::<ArtifactDelete>(name).await?;
        self.content().blob_delete(proof, digest).await?;
        Ok(respond::empty(StatusCode::ACCEPTED))
    }
}

fn not_modified(digest: &Digest) -> Response<Body> {
    let mut response = respond::empty(StatusCode::NOT_MODIFIED);
    respond::digest(response.headers_mut(), digest);
    response
}

fn describe(headers: &mut HeaderMap, blob: &StoredBlob) {
    respond::digest(headers, &blob.digest);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Content under a digest never changes; who may read it can.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
}

fn serve(
    blob: &StoredBlob,
    span: std::ops::Range<u64>,
    partial: bool,
    source: BlobSource,
    files: Option<&FileQueue>,
) -> Response<Body> {
    let body = match source {
        BlobSource::Redirect(address) => {
            let mut response = respond::empty(StatusCode::TEMPORARY_REDIRECT);
            response.headers_mut().insert(LOCATION, respond::value(address));
            response.headers_mut().insert(respond::CONTENT_DIGEST, respond::value(blob.digest.to_string()));
            return response;
        }
        BlobSource::Body(body) => body,
    };
    let mut response = respond::empty(if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    let headers = response.headers_mut();
    describe(headers, blob);
    headers.insert(CONTENT_LENGTH, (span.end - span.start).into());
    if partial {
        let range = format!("bytes {}-{}/{}", span.start, span.end.saturating_sub(1), blob.size);
        headers.insert(CONTENT_RANGE, respond::value(range));
    }
    *response.body_mut() = send(body, span.end - span.start, files);
    response
}

/// The body as hyper sends it: from memory, by the kernel where the connection can, or piece by piece.
fn send(body: BlobBody, length: u64, files: Option<&FileQueue>) -> Body {
    if let Some((files, backing)) = files.zip(body.backing())
        && let Some(file) = files.body(backing, length)
    {
        return Body::new(file);
    }
    match body.into_whole() {
        Ok(bytes) => Body::from(bytes),
        Err(stream) => Body::new(Outgoing(stream)),
    }
}

/// A blob as hyper sends it: it knows its length.
struct Outgoing(BlobBody);

impl http_body::Body for Outgoing {
    type Data = bytes::Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = std::pin::Pin::new(&mut self.0).poll_next(context);
        polled.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.remaining())
    }
}

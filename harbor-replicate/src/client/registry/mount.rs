//! Mounts: end-11.

use harbor_core::oci::{Digest, RepositoryName, Route};
use http::Method;
use http::header::CONTENT_LENGTH;

use super::{IDLE_BODY, Repository, Upload};
use crate::client::Result;
use crate::client::request::Request;
use crate::client::scope::Scopes;
use crate::client::transport::Want;

/// What became of a mount.
pub(super) enum Mount {
    /// The blob is there.
    Done,
    /// The registry would have it sent: the specification lets it.
    Upload(Upload),
}

impl Repository {
    /// Links a blob of another repository of the same registry without sending it again (end-11). False where the registry would
    /// have it sent; what it has begun for that is ended.
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached.
    pub async fn blob_mount(&self, digest: &Digest, from: &RepositoryName) -> Result<bool> {
        match self.mount(digest, from).await? {
            Mount::Done => Ok(true),
            Mount::Upload(upload) => {
                self.upload_cancel(upload).await?;
                Ok(false)
            }
        }
    }

    pub(super) async fn mount(&self, digest: &Digest, from: &RepositoryName) -> Result<Mount> {
        let mut url = self.registry.at(&Route::Uploads(self.name.clone()));
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from.as_str());
        let request = Request::new(Method::POST, url).header(CONTENT_LENGTH, "0")?;
        let scopes = self.push_scopes().with(&Scopes::pull(from));
        let answer = self.registry.call(request, &scopes, Want::Whole("an answer", IDLE_BODY)).await?;
        match answer.status {
            202 => Upload::begun(&answer, &self.registry.inner.url).map(Mount::Upload),
            _ => answer.expect(&[201]).map(|_| Mount::Done),
        }
    }
}

//! Manifests: end-3, end-7, end-9.

use bytes::Bytes;
use harbor_core::oci::{
    Algorithm, Digest, MANIFEST_LIMIT, ManifestError, ManifestView, MediaType, Reference, Route,
};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, Method};
use serde::Deserialize;

use super::{IDLE_BODY, Repository};
use crate::client::answer::Answer;
use crate::client::request::{Request, name};
use crate::client::transport::Want;
use crate::client::{Error, Result};

/// Every kind of manifest that is understood, those with the fewest quirks first.
const ACCEPTED: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json, ",
    "application/vnd.oci.artifact.manifest.v1+json, ",
    "*/*;q=0.1",
);

pub(super) const CONTENT_DIGEST: HeaderName = name("docker-content-digest");
const SUBJECT: HeaderName = name("oci-subject");

/// A manifest, byte for byte as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// What it is.
    pub media_type: MediaType,
    /// The digest of its bytes, which was checked.
    pub digest: Digest,
    /// Its bytes: never more than 4 MiB.
    pub bytes: Bytes,
}

impl Manifest {
    /// What it says.
    ///
    /// # Errors
    /// [`ManifestError`] when it is of no kind that is understood, or malformed.
    pub fn view(&self) -> Result<ManifestView, ManifestError> {
        ManifestView::parse(Some(&self.media_type), &self.bytes)
    }
}

/// What is known of a manifest without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestHead {
    /// What it is, where the registry says so.
    pub media_type: Option<MediaType>,
    /// Its digest, where the registry says so.
    pub digest: Option<Digest>,
    /// How many bytes it has, where the registry says so.
    pub size: Option<u64>,
}

/// A manifest that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestPut {
    /// Its digest.
    pub digest: Digest,
    /// The subject that the registry has understood (`OCI-Subject`), so that the manifest is in its list of referrers. Where the
    /// registry does not, the client has put it into the list that is kept by tag.
    pub subject: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    media_type: Option<String>,
}

impl Repository {
    /// The manifest that a tag or a digest names (end-3). Its digest is checked against what was asked for, and against what
    /// the registry says.
    ///
    /// ```no_run
    /// # async fn example(app: harbor_replicate::client::Repository) -> Result<(), Box<dyn std::error::Error>> {
    /// let manifest = app.manifest(&"latest".parse().unwrap()).await?;
    /// println!("{} is {} of {} layers", manifest.digest, manifest.media_type, manifest.view()?.layers.len());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Digest`] when the bytes are not those; [`Error::TooLarge`] for more than 4 MiB; [`Error::Refused`] with 404 when
    /// there is none.
    pub async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let request = self.manifest_request(Method::GET, reference)?;
        let want = Want::Whole("a manifest", MANIFEST_LIMIT);
        let answer = self.registry.call(request, &self.pull_scopes(), want).await?;
        let mut answer = answer.expect(&[200])?;
        let bytes = answer.read("a manifest", MANIFEST_LIMIT).await?;
        let digest = verified(&answer, reference, &bytes)?;
        let media_type =
            media_type(&answer, &bytes).ok_or_else(|| answer.bad("a manifest of no media type"))?;
        Ok(Manifest { media_type, digest, bytes })
    }

    /// What is known of a manifest; nothing when there is none (end-3, HEAD). Nothing of it is checked.
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached.
    pub async fn manifest_head(&self, reference: &Reference) -> Result<Option<ManifestHead>> {
        let request = self.manifest_request(Method::HEAD, reference)?;
        let answer = self.registry.call(request, &self.pull_scopes(), Want::Head).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.expect(&[200])?;
        Ok(Some(ManifestHead {
            media_type: answer.header(CONTENT_TYPE).and_then(|value| MediaType::from_header(value).ok()),
            digest: digest_header(&answer, CONTENT_DIGEST)?,
            size: answer.number(CONTENT_LENGTH),
        }))
    }

    /// Stores a manifest under a tag or its digest (end-7). Where it has a subject and the registry has no list of referrers, it
    /// is put into the list that clients keep by tag.
    ///
    /// # Errors
    /// [`Error::Digest`] when it is not what the digest names, or the registry has stored something else; [`Error::Refused`] with what
    /// the registry says, such as blobs that are missing.
    pub async fn manifest_put(
        &self,
        reference: &Reference,
        media_type: &MediaType,
        bytes: impl Into<Bytes>,
    ) -> Result<ManifestPut> {
        let bytes = bytes.into();
        if bytes.len() > MANIFEST_LIMIT {
            return Err(Error::TooLarge { what: "a manifest", limit: MANIFEST_LIMIT as u64 });
        }
        if let Reference::Digest(expected) = reference {
            check(expected, &bytes)?;
        }
        let route = Route::Manifest(self.name.clone(), reference.clone());
        let request = Request::new(Method::PUT, self.registry.at(&route)).bytes(bytes.clone());
        let request = request.header(CONTENT_TYPE, media_type.as_str())?;
        let want = Want::Whole("an answer", IDLE_BODY);
        let answer =
            self.registry.call(request, &self.push_scopes(), want).await?.expect(&[200, 201, 202])?;
        let digest = match (digest_header(&answer, CONTENT_DIGEST)?, reference) {
            (Some(stored), _) => check(&stored, &bytes)?,
            (None, Reference::Digest(digest)) => *digest,
            (None, Reference::Tag(_)) => Digest::of(Algorithm::Sha256, &bytes),
        };
        let subject = digest_header(&answer, SUBJECT)?;
        if subject.is_none() {
            self.enlist(media_type, digest, &bytes).await?;
        }
        Ok(ManifestPut { digest, subject })
    }

    /// Deletes what a reference names (end-9): a tag alone, or a manifest with all of its tags.
    ///
    /// # Errors
    /// [`Error::Refused`]: 404 when there is none; 405 or 400 where the registry deletes nothing, or no tags.
    pub async fn manifest_delete(&self, reference: &Reference) -> Result<()> {
        self.delete(&Route::Manifest(self.name.clone(), reference.clone())).await
    }

    fn manifest_request(&self, method: Method, reference: &Reference) -> Result<Request> {
        let route = Route::Manifest(self.name.clone(), reference.clone());
        Request::new(method, self.registry.at(&route)).header(ACCEPT, ACCEPTED)
    }
}

/// The digest of what came, which is what was asked for and what the registry says.
fn verified(answer: &Answer, reference: &Reference, bytes: &[u8]) -> Result<Digest> {
    let told = digest_header(answer, CONTENT_DIGEST)?;
    match (reference, told) {
        (Reference::Digest(asked), Some(told)) if told.algorithm() == asked.algorithm() && told != *asked => {
            Err(mismatch(asked, &told))
        }
        (Reference::Digest(asked), _) => check(asked, bytes),
        (Reference::Tag(_), Some(told)) => check(&told, bytes),
        (Reference::Tag(_), None) => Ok(Digest::of(Algorithm::Sha256, bytes)),
    }
}

fn check(expected: &Digest, bytes: &[u8]) -> Result<Digest> {
    let actual = Digest::of(expected.algorithm(), bytes);
    if actual == *expected { Ok(actual) } else { Err(mismatch(expected, &actual)) }
}

pub(super) fn mismatch(expected: &Digest, actual: &Digest) -> Error {
    Error::Digest { expected: Box::new(*expected), actual: Box::new(*actual) }
}

/// A header that is a digest. One that is none cannot be checked, which is not as if there were none.
pub(super) fn digest_header(answer: &Answer, header: HeaderName) -> Result<Option<Digest>> {
    match answer.header(&header).map(str::trim) {
        None | Some("") => Ok(None),
        Some(value) => {
            value.parse().map(Some).map_err(|_| answer.bad(format!("a digest in {header} that is none")))
        }
    }
}

/// By the header, and where that says nothing by what the manifest says of itself.
fn media_type(answer: &Answer, bytes: &[u8]) -> Option<MediaType> {
    let header = answer.header(CONTENT_TYPE).and_then(|value| MediaType::from_header(value).ok());
    let vague = |header: &MediaType| {
        matches!(header.as_str(), "application/json" | "application/octet-stream" | "text/plain")
    };
    let own = || serde_json::from_slice::<Typed>(bytes).ok()?.media_type?.parse().ok();
    match header {
        Some(header) if vague(&header) => own().or(Some(header)),
        Some(header) => Some(header),
        None => own(),
    }
}

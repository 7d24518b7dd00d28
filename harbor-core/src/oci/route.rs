//! The paths of `/v2/`: OCI Distribution Specification 1.1, "Endpoints".
//!
//! Repository names contain slashes, so no path router can match them: this pure function does, for the server and
//! for the client, and is fuzzed.

use std::borrow::Cow;

use super::reference::ReferenceError;
use super::{Digest, DigestError, NameError, Reference, RepositoryName, TagError};

/// A parsed path below `/v2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v2/` (end-1).
    Base,
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/<name>/tags/list` (end-8).
    Tags(RepositoryName),
    /// `/v2/<name>/manifests/<reference>` (end-3, end-7, end-9).
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/blobs/<digest>` (end-2, end-10).
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/` (end-4, end-11).
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<session>` (end-5, end-6, end-13, end-14).
    Upload(RepositoryName, String),
    /// `/v2/<name>/referrers/<digest>` (end-12).
    Referrers(RepositoryName, Digest),
}

/// Why a path is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No endpoint of the specification has this shape.
    #[error("no such endpoint")]
    Unknown,
    /// What stands for an upload session holds characters that none has.
    #[error("no such upload")]
    Session,
    /// The repository's name is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest is wrong.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The tag is wrong.
    #[error(transparent)]
    Tag(#[from] TagError),
}

impl From<ReferenceError> for RouteError {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Digest(error) => Self::Digest(error),
            ReferenceError::Tag(error) => Self::Tag(error),
        }
    }
}

impl Route {
    /// Parses the raw (still percent-encoded) path of a request, without its query.
    ///
    /// Only the last segment may be percent-encoded, and only what decodes to a tag, a digest or a session is taken:
    /// `%2f` never becomes a separator, and `//`, `.` and `..` are not names.
    ///
    /// # Errors
    /// [`RouteError`] names the part that is wrong, so that the answer can carry the specification's code for it.
    ///
    /// ```
    /// use harbor_core::oci::Route;
    /// let route = Route::parse("/v2/library/alpine/manifests/latest").unwrap();
    /// assert!(matches!(route, Route::Manifest(name, _) if name.as_str() == "library/alpine"));
    /// ```
    pub fn parse(path: &str) -> Result<Self, RouteError> {
        let rest = match path {
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            path => path.strip_prefix("/v2/").ok_or(RouteError::Unknown)?,
        };
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
        {
            return Ok(Self::Uploads(name.parse()?));
        }
        let (head, last) = rest.rsplit_once('/').ok_or(RouteError::Unknown)?;
        let (head, noun) = head.rsplit_once('/').ok_or(RouteError::Unknown)?;
        let last = match (percent_decode(last), noun) {
            (Some(last), _) => last,
            (None, "uploads") => return Err(RouteError::Session),
            (None, _) => return Err(RouteError::Unknown),
        };
        match noun {
            "tags" if last == "list" => Ok(Self::Tags(head.parse()?)),
            "manifests" => Ok(Self::Manifest(head.parse()?, Reference::parse(&last)?)),
            "blobs" => Ok(Self::Blob(head.parse()?, last.parse()?)),
            "referrers" => Ok(Self::Referrers(head.parse()?, last.parse()?)),
            // To whoever normalises the path, these lead elsewhere.
            "uploads" if last == "." || last == ".." => Err(RouteError::Session),
            "uploads" => match head.strip_suffix("/blobs") {
                Some(name) => Ok(Self::Upload(name.parse()?, last.into_owned())),
                None => Err(RouteError::Unknown),
            },
            _ => Err(RouteError::Unknown),
        }
    }

    /// The path of this route, as a client requests it.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Base => "/v2/".to_owned(),
            Self::Catalog => "/v2/_catalog".to_owned(),
            Self::Tags(name) => format!("/v2/{name}/tags/list"),
            Self::Manifest(name, reference) => format!("/v2/{name}/manifests/{reference}"),
            Self::Blob(name, digest) => format!("/v2/{name}/blobs/{digest}"),
            Self::Uploads(name) => format!("/v2/{name}/blobs/uploads/"),
            Self::Upload(name, session) => format!("/v2/{name}/blobs/uploads/{session}"),
            Self::Referrers(name, digest) => format!("/v2/{name}/referrers/{digest}"),
        }
    }
}

/// Decodes `%xx`. `None` for a broken escape, or for anything that means something else in a path: no tag, digest or
/// session has such characters.
fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    let harmless = |byte: u8| byte.is_ascii_graphic() && !b"/%?#".contains(&byte);
    if text.bytes().all(harmless) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        };
        if !harmless(byte) {
            return None;
        }
        decoded.push(char::from(byte));
    }
    Some(Cow::Owned(decoded))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn every_endpoint_round_trips() {
        for path in [
            "/v2/",
            "/v2/_catalog",
            "/v2/a/b/tags/list",
            "/v2/a/b/manifests/latest",
            &format!("/v2/a/b/c/manifests/{DIGEST}"),
            &format!("/v2/a/b/blobs/{DIGEST}"),
            "/v2/a/b/blobs/uploads/",
            "/v2/a/b/blobs/uploads/0191",
            &format!("/v2/a/b/referrers/{DIGEST}"),
        ] {
            assert_eq!(Route::parse(path).unwrap().path(), path);
        }
    }

    #[test]
    fn names_may_hold_the_words_of_routes() {
        let Ok(Route::Tags(name)) = Route::parse("/v2/a/manifests/tags/list") else { panic!() };
        assert_eq!(name.as_str(), "a/manifests");
        let Ok(Route::Blob(name, _)) = Route::parse(&format!("/v2/blobs/uploads/blobs/{DIGEST}")) else {
            panic!()
        };
        assert_eq!(name.as_str(), "blobs/uploads");
    }

    #[test]
    fn escapes_are_decoded_once_and_never_separate() {
        let escaped = DIGEST.replace(':', "%3A");
        assert!(matches!(Route::parse(&format!("/v2/a/b/blobs/{escaped}")), Ok(Route::Blob(..))));
        for bad in [
            "/v2/a%2fb/tags/list",
            "/v2/a/b/manifests/%2e%2e%2fsecret",
            "/v2/a/b/manifests/%zz",
            "/v2/a/b/blobs/uploads/a%2fb",
            "/v2/a/b/blobs/uploads/.",
            "/v2/a/b/blobs/uploads/%2e%2e",
            "/v2/a/b/blobs/uploads/\u{e9}",
            "/v2/a//b/tags/list",
            "/v2/../v2/a/tags/list",
            "/v2/a/b/manifests/",
            "/v2//tags/list",
            "/v1/a/tags/list",
            "/v2/a/b/tags/listing",
            "/v2/a/b/uploads/x",
        ] {
            assert!(Route::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_has_one_path(path in "/v2/[a-z%./_:0-9-]{0,60}(/(tags/list|manifests/[a-z:.%0-9]{1,9}|blobs/uploads/[a-z]{0,3}))?") {
            if let Ok(route) = Route::parse(&path) {
                prop_assert_eq!(Route::parse(&route.path()), Ok(route));
            }
        }
    }
}

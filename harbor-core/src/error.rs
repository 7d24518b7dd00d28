//! What can go wrong, and what each fault looks like from outside.
//!
//! Use cases return [`Error`]. Drivers return [`StoreError`], which travels inside as a source: its kind decides the
//! answer, its text goes to the log and never to a client.

use std::fmt;
use std::time::Duration;

use crate::access::AuthError;
use crate::oci::{
    Digest, DigestError, ErrorCode, ManifestError, NameError, RangeError, RouteError, TagError,
};

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The fault of a driver: a kind that the engine acts on, and everything else for the log.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the engine needs to know of a driver's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The thing named does not exist. Never a transient state: a driver that cannot tell must say `Unavailable`.
    NotFound,
    /// It exists already, or a concurrent change won.
    Conflict,
    /// No space left, or a quota of the store is reached.
    Full,
    /// The store cannot be reached or is overloaded; the same call may succeed later.
    Unavailable,
    /// More is asked at the moment than it takes on: who comes again in a moment may be served.
    Busy,
    /// What is stored is not what was written.
    Corrupt,
    /// The store was written by a newer version of this program.
    TooNew,
    /// Anything else; not worth a retry.
    Other,
}

impl StoreError {
    /// A fault of `kind`; `context` says what was being done to what.
    pub fn new(kind: StoreErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The fault of an input or output operation, its kind read from the operating system's code.
    #[must_use]
    pub fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => StoreErrorKind::Full,
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::ConnectionRefused => {
                StoreErrorKind::Unavailable
            }
            _ => StoreErrorKind::Other,
        };
        Self::new(kind, context).with_source(source)
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        let mut source = self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static));
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The fault of a use case. Not `#[non_exhaustive]`: the maps to codes below are matches without `_`, so a new
/// variant cannot be forgotten in them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A repository's or project's name is wrong.
    #[error("invalid name: {0}")]
    NameInvalid(#[from] NameError),
    /// A digest is wrong in form.
    #[error("invalid digest: {0}")]
    DigestInvalid(#[from] DigestError),
    /// The content does not have the digest that the client stated.
    #[error("the content's digest is {actual}, not {expected} as stated; send it again")]
    DigestMismatch {
        /// What the client stated.
        expected: Box<Digest>,
        /// What the content has.
        actual: Box<Digest>,
    },
    /// A tag is wrong in form.
    #[error("invalid tag: {0}")]
    TagInvalid(#[from] TagError),
    /// The content's length is not what the client stated.
    #[error("the content has {actual} bytes, not {expected} as stated; send it again")]
    SizeInvalid {
        /// What the client stated, in bytes.
        expected: u64,
        /// What came, in bytes.
        actual: u64,
    },
    /// A range that cannot be served.
    #[error("invalid range: {0}")]
    RangeInvalid(#[from] RangeError),
    /// A chunk that does not begin where the upload stands.
    #[error("the upload stands at byte {offset}; send the chunk that begins there")]
    ChunkOutOfOrder {
        /// Where the next chunk must begin.
        offset: u64,
    },
    /// A manifest that cannot be taken.
    #[error("invalid manifest: {0}")]
    ManifestInvalid(#[from] ManifestError),
    /// A manifest refers to content that the repository lacks.
    #[error("the manifest refers to {0}, which this repository does not have; push it first")]
    ManifestBlobUnknown(Digest),
    /// A manifest states a size for a blob that the blob does not have.
    #[error("the manifest states {stated} bytes for {digest}, which has {actual}")]
    ManifestSizeInvalid {
        /// The blob.
        digest: Box<Digest>,
        /// What the manifest states, in bytes.
        stated: u64,
        /// What the blob has, in bytes.
        actual: u64,
    },
    /// No such manifest or tag.
    #[error("no such manifest: {0}")]
    ManifestUnknown(String),
    /// No such blob in this repository.
    #[error("no such blob in this repository: {0}")]
    BlobUnknown(Digest),
    /// No such upload session of this repository and principal.
    #[error("no such upload; it was finished, cancelled or expired: start again")]
    UploadUnknown,
    /// Another request writes to the same upload session.
    #[error("another request is writing to this upload; wait for it to end")]
    UploadBusy,
    /// An upload request that makes no sense.
    #[error("{0}")]
    UploadInvalid(&'static str),
    /// No such repository or project, or none that the caller may know of.
    #[error("no such repository or project")]
    NameUnknown,
    /// Something else that there is not, or that the caller may not know of.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A parameter of a request is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// What something is at the moment stands in the way.
    #[error("{0}")]
    Precondition(String),
    /// Something else refers to it, so it cannot go.
    #[error("{0}")]
    Referenced(&'static str),
    /// A tag that a rule holds cannot be moved or deleted. The text is Harbor's, which clients and tests look for.
    #[error("Failed to process request due to '{repository}:{tag}' configured as immutable.")]
    Immutable {
        /// The repository, without the project's name.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// Not done for anybody: there is another way to it, which the client may read.
    #[error("{0}")]
    NotByItself(&'static str),
    /// Allowed to nobody, for a reason that the client may read.
    #[error("{0}")]
    Forbidden(String),
    /// A parameter of a request is of the right form, but has a value that cannot be served.
    #[error("{0}")]
    Unprocessable(String),
    /// A body of a kind that is not taken.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// The number of entries that a page shall have is none.
    #[error("n must be a number of entries, 0 or more")]
    PageSizeInvalid,
    /// It exists already.
    #[error("{0} exists already")]
    Conflict(String),
    /// It cannot be deleted, because something refers to it.
    #[error("{0}")]
    InUse(&'static str),
    /// A concurrent change got in the way each time it was tried.
    #[error("a concurrent change got in the way; try again")]
    Contended,
    /// No or wrong credentials.
    ///
    /// One text for all of it, so that it tells nothing of an account.
    #[error(
        "authentication is required: log in with a name and a password, or with a token; an account with a second factor \
         needs a personal access token in the password's place, and at the login page a code of it, as the field totp"
    )]
    Unauthenticated,
    /// What was shown, such as a token, does not allow it; its holder may be allowed more with something else.
    #[error("what was shown to log in does not allow this; log in as somebody who may")]
    OutOfScope,
    /// Known, but not allowed.
    #[error("requested access to the resource is denied")]
    Denied,
    /// Nothing can be changed at the moment.
    #[error("the system is in read only mode: any modification is prohibited")]
    ReadOnly,
    /// Refused by a policy, whose reason the client may read.
    #[error("refused by policy {policy}: {reason}")]
    PolicyDenied {
        /// The policy's name.
        policy: String,
        /// Its reason.
        reason: String,
    },
    /// Larger than a limit.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// More than a project may hold. The text is Harbor's, which clients and tests look for.
    #[error(
        "adding {} of storage resource, which when updated to current usage of {} will exceed the configured upper \
         limit of {}.",
        Bytes(*adding), Bytes(*used), Bytes(*hard)
    )]
    QuotaExceeded {
        /// What shall be added, in bytes.
        adding: u64,
        /// What the project holds, in bytes.
        used: u64,
        /// What it may hold, in bytes.
        hard: u64,
    },
    /// More than a limit on the rate of requests.
    #[error("too many requests; try again in {} s", whole_seconds(*retry_after))]
    TooManyRequests {
        /// When to try again.
        retry_after: Duration,
    },
    /// Not served by this registry.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The client's body broke off or was too slow; what had come is kept where the use case says so.
    #[error("the request's body broke off: {0}")]
    BodyInterrupted(String),
    /// A driver failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of the registry was not given to the builder.
    #[error("the registry was built without {0}; call the builder's method of that name")]
    MissingPart(&'static str),
    /// A fault of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

/// A time in seconds, rounded up, and one at least.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

/// A number of bytes as Harbor shows it: `1.5 KiB`.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        // How often 1024 goes into it, less one.
        let power = (self.0.ilog2() / 10).saturating_sub(1);
        let unit = UNITS.get(power as usize).copied().unwrap_or('E');
        #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
        let number = self.0 as f64 / (1_u64 << (10 * (power + 1))) as f64;
        write!(f, "{number:.1} {unit}iB")
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::TooMany { retry_after } => Self::TooManyRequests { retry_after },
            AuthError::Store(error) => Self::Store(error),
        }
    }
}

impl From<RouteError> for Error {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::Unknown => Self::Unsupported("no such endpoint"),
            RouteError::Session => Self::UploadUnknown,
            RouteError::Name(error) => Self::NameInvalid(error),
            RouteError::Digest(error) => Self::DigestInvalid(error),
            RouteError::Tag(error) => Self::TagInvalid(error),
        }
    }
}

impl Error {
    /// The HTTP status of an answer that tells this error.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NameInvalid(_)
            | Self::DigestInvalid(_)
            | Self::DigestMismatch { .. }
            | Self::TagInvalid(_)
            | Self::SizeInvalid { .. }
            | Self::ManifestBlobUnknown(_)
            | Self::ManifestSizeInvalid { .. }
            | Self::UploadInvalid(_)
            | Self::BadRequest(_)
            | Self::PageSizeInvalid
            | Self::BodyInterrupted(_) => 400,
            Self::Unauthenticated | Self::OutOfScope => 401,
            Self::Denied
            | Self::ReadOnly
            | Self::Forbidden(_)
            | Self::NotByItself(_)
            | Self::PolicyDenied { .. }
            | Self::QuotaExceeded { .. } => 403,
            Self::Precondition(_) | Self::Referenced(_) | Self::Immutable { .. } => 412,
            Self::UnsupportedMediaType(_) => 415,
            Self::ManifestInvalid(ManifestError::TooLarge) => 413,
            Self::ManifestInvalid(_) => 400,
            Self::ManifestUnknown(_)
            | Self::BlobUnknown(_)
            | Self::UploadUnknown
            | Self::NameUnknown
            | Self::NotFound(_)
            | Self::Unsupported(_) => 404,
            Self::UploadBusy | Self::Conflict(_) | Self::InUse(_) | Self::Contended => 409,
            Self::TooLarge { .. } => 413,
            Self::RangeInvalid(_) | Self::ChunkOutOfOrder { .. } => 416,
            Self::Unprocessable(_) => 422,
            Self::TooManyRequests { .. } => 429,
            Self::Store(error) => match error.kind {
                StoreErrorKind::Busy => 429,
                StoreErrorKind::Unavailable => 503,
                StoreErrorKind::Full => 507,
                StoreErrorKind::NotFound
                | StoreErrorKind::Conflict
                | StoreErrorKind::Corrupt
                | StoreErrorKind::TooNew
                | StoreErrorKind::Other => 500,
            },
            Self::MissingPart(_) | Self::Internal(_) => 500,
        }
    }

    /// The code of the OCI Distribution Specification for this error.
    #[must_use]
    pub const fn oci_code(&self) -> ErrorCode {
        match self {
            Self::NameInvalid(_) => ErrorCode::NameInvalid,
            Self::DigestInvalid(_) | Self::DigestMismatch { .. } => ErrorCode::DigestInvalid,
            Self::TagInvalid(_) => ErrorCode::TagInvalid,
            Self::SizeInvalid { .. } | Self::TooLarge { .. } => ErrorCode::SizeInvalid,
            Self::RangeInvalid(_) => ErrorCode::RangeInvalid,
            Self::ManifestInvalid(ManifestError::TooLarge) => ErrorCode::SizeInvalid,
            Self::ManifestInvalid(_) | Self::ManifestSizeInvalid { .. } => ErrorCode::ManifestInvalid,
            Self::ManifestBlobUnknown(_) => ErrorCode::ManifestBlobUnknown,
            Self::ManifestUnknown(_) => ErrorCode::ManifestUnknown,
            Self::BlobUnknown(_) => ErrorCode::BlobUnknown,
            Self::UploadUnknown => ErrorCode::BlobUploadUnknown,
            Self::UploadBusy
            | Self::UploadInvalid(_)
            | Self::ChunkOutOfOrder { .. }
            | Self::BodyInterrupted(_) => ErrorCode::BlobUploadInvalid,
            Self::NameUnknown | Self::NotFound(_) => ErrorCode::NameUnknown,
            Self::Unauthenticated | Self::OutOfScope => ErrorCode::Unauthorized,
            Self::Denied
            | Self::ReadOnly
            | Self::InUse(_)
            | Self::Forbidden(_)
            | Self::NotByItself(_)
            | Self::PolicyDenied { .. }
            | Self::QuotaExceeded { .. } => ErrorCode::Denied,
            Self::Precondition(_) | Self::Referenced(_) | Self::Immutable { .. } => ErrorCode::Precondition,
            Self::TooManyRequests { .. } | Self::Store(StoreError { kind: StoreErrorKind::Busy, .. }) => {
                ErrorCode::TooManyRequests
            }
            Self::PageSizeInvalid => ErrorCode::PaginationNumberInvalid,
            Self::BadRequest(_)
            | Self::Unprocessable(_)
            | Self::UnsupportedMediaType(_)
            | Self::Unsupported(_) => ErrorCode::Unsupported,
            Self::Conflict(_)
            | Self::Contended
            | Self::Store(_)
            | Self::MissingPart(_)
            | Self::Internal(_) => ErrorCode::Unknown,
        }
    }

    /// What a client may read of this error. A fault of the server says no more than that there was one.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::Store(error) if error.kind == StoreErrorKind::Full => {
                "the registry's storage is full; nothing was lost, try again when there is space".to_owned()
            }
            Self::Store(error) if error.kind == StoreErrorKind::Busy => {
                "more is asked at the moment than this server takes on; try again".to_owned()
            }
            Self::Store(error) if error.kind == StoreErrorKind::Unavailable => {
                "the registry's storage is not available at the moment; try again".to_owned()
            }
            error if error.status() >= 500 => "internal server error".to_owned(),
            error => error.to_string(),
        }
    }

    /// [`Error::retry_after`] in whole seconds, as `Retry-After` has it (RFC 9110, section 10.2.3): who waits for so long has
    /// waited for long enough.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after().map(whole_seconds)
    }

    /// How long a client should wait before it tries again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after } => Some(*retry_after),
            Self::UploadBusy | Self::Contended => Some(Duration::from_secs(1)),
            Self::Store(StoreError { kind: StoreErrorKind::Busy, .. }) => Some(Duration::from_secs(2)),
            Self::Store(StoreError { kind: StoreErrorKind::Unavailable, .. }) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_as_told_has_waited_for_long_enough() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (14 * 60 * 1000 + 1, 841)] {
            let error = Error::TooManyRequests { retry_after: Duration::from_millis(millis) };
            assert_eq!(error.retry_after_seconds(), Some(seconds));
            assert!(error.to_string().ends_with(&format!(" {seconds} s")), "{error}");
        }
    }

    #[test]
    fn sizes_as_harbor_shows_them() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1024.0 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (346_135_757, "330.1 MiB"),
            (300 << 30, "300.0 GiB"),
            (1 << 50, "1.0 PiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }
}

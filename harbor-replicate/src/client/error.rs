//! What can go wrong between this program and a registry.

use std::fmt;
use std::io;
use std::time::Duration;

use harbor_core::access::Secret;
use harbor_core::oci::Digest;

/// What the functions of the client yield.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something did not come about. No variant holds or prints a secret: of addresses, host and path alone are told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection came about, it broke, or nothing came in time; attempts were repeated as [`Retry`](super::Retry) says.
    #[error("{to} cannot be reached: {cause}")]
    Unreachable {
        /// Host and port.
        to: String,
        /// The innermost cause.
        cause: String,
    },
    /// The other side showed a certificate that is not trusted. Nothing was sent to it.
    #[error(
        "{to} shows a certificate that is not trusted: {cause}; if it is its own, add the authority that signed it"
    )]
    Untrusted {
        /// Host and port.
        to: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Nothing is sent there: see [`ConnectionBuilder::only_to`](super::ConnectionBuilder::only_to).
    #[error("{to} is or has {kind}, to which nothing is sent from here")]
    Forbidden {
        /// Host and port.
        to: String,
        /// What kind of address it is.
        kind: &'static str,
    },
    /// The registry said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The registry wants to know who asks, and what it was told is not enough.
    #[error("{to} refuses access: {hint}")]
    Unauthorized {
        /// Host and port of the registry.
        to: String,
        /// What to try.
        hint: &'static str,
        /// What the registry, or its token service, said.
        refusal: Option<Box<Refusal>>,
    },
    /// The bytes that came are not those that were asked for.
    #[error("the content has the digest {actual}, and {expected} was asked for")]
    Digest {
        /// What was asked for.
        expected: Box<Digest>,
        /// What came.
        actual: Box<Digest>,
    },
    /// The content has another size than it should have, in bytes.
    #[error("the content has {actual} bytes, and should have {expected}")]
    Size {
        /// What it should have.
        expected: u64,
        /// What it has, as far as it was looked at.
        actual: u64,
    },
    /// A body ended too early, however often it was taken up again.
    #[error("the content broke off after {received} bytes: {cause}")]
    Truncated {
        /// How many bytes came.
        received: u64,
        /// Why no more came.
        cause: String,
    },
    /// An answer is larger than what is read of its kind.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How much is read, in bytes.
        limit: u64,
    },
    /// An answer that the specification does not allow, or that is not safe to follow.
    #[error("{from} answered what cannot be used: {what}")]
    BadAnswer {
        /// Host and port.
        from: String,
        /// What is wrong with it.
        what: String,
    },
    /// A folder or a file could not be read or written.
    #[error("{place}: {cause}")]
    File {
        /// Its path.
        place: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// A folder or a file that is not what it should be, or tells what cannot be.
    #[error("{place} cannot be used: {what}")]
    Unusable {
        /// Its path.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no such thing in a folder or a file, or no such member in an index.
    #[error("{place} has no {what}")]
    Absent {
        /// Its path, or the repository.
        place: String,
        /// What there is not.
        what: String,
    },
    /// What was to be pushed could not be read.
    #[error("what is to be pushed cannot be read: {0}")]
    Source(#[source] io::Error),
    /// A setting that cannot be used: an address, a certificate, a proxy, a file of credentials.
    #[error("{0}")]
    Configuration(String),
    /// A helper that has credentials did not tell them.
    #[error("{helper} {what}")]
    Helper {
        /// The program.
        helper: String,
        /// What it did instead; never what it printed.
        what: String,
    },
}

impl Error {
    pub(crate) fn bad_answer(from: impl Into<String>, what: impl Into<String>) -> Self {
        Self::BadAnswer { from: from.into(), what: harmless(&what.into()) }
    }

    /// The status that a registry refused with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// What a registry said, when it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Unauthorized { refusal: Some(refusal), .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether there is no such thing: 404, or what it is called in a folder or a file.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. }) || matches!(self, Self::Refused(refusal) if refusal.status == 404)
    }
}

/// One of the errors in the body of a refusal: OCI Distribution Specification, "Error Codes".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalError {
    /// Such as `MANIFEST_UNKNOWN`; what a registry sends that is not of the specification is told as it came.
    pub code: String,
    /// What it means, for people; at most 500 characters, none of them of control.
    pub message: String,
}

/// What a registry said when it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Host and port.
    pub from: String,
    /// The method of the request.
    pub method: String,
    /// The path of the request, without its query.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The errors of the body, when it has the specification's form.
    pub errors: Vec<RefusalError>,
    /// By what the request is found in the registry's log: `X-Request-Id` or what stands for it.
    pub request_id: Option<String>,
    /// When it may be asked again, where it said so.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether one of the errors has this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {} {} with {}", self.from, self.method, self.path, self.status)?;
        for (place, RefusalError { code, message }) in self.errors.iter().enumerate() {
            write!(f, "{} {code}", if place == 0 { ":" } else { ";" })?;
            if !message.is_empty() {
                write!(f, ": {message}")?;
            }
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// How much of a text of somebody else's is told.
const TOLD: usize = 500;

/// A text that came from elsewhere, fit to be told: without secrets that it repeats, and without what moves a terminal.
pub(crate) fn fit(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.expose().is_empty()) {
        text = text.replace(secret.expose(), "*****");
    }
    text.chars().map(still).take(TOLD).collect()
}

/// How much of a list of names of somebody else's is told.
const LISTED: usize = 2000;

/// A text about a file or a place, which may repeat names of it, without what moves a terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(still).take(LISTED).collect()
}

/// A character, unless a terminal does something upon it: controls, also those of one byte above ASCII, what turns the direction of
/// text around, and what ends lines.
fn still(char: char) -> char {
    match char {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        char if char.is_control() => ' ',
        char => char,
    }
}

/// The innermost cause alone: those ahead of it may name the whole address.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    fit(&last.to_string(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_told_without_secrets_and_control() {
        let secret = Secret::new("hunter2");
        assert_eq!(fit("wrong: hunter2\u{1b}[2J\n", std::slice::from_ref(&secret)), "wrong: ***** [2J ");
        assert_eq!(harmless("a\u{9b}2J\u{202e}b\u{2066}c\u{2028}ü"), "a 2J b c ü");
        assert_eq!(fit(&"a".repeat(5000), &[Secret::new("")]).len(), TOLD);
    }

    #[test]
    fn a_refusal_tells_codes_and_the_request() {
        let error = |code: &str, message: &str| RefusalError { code: code.into(), message: message.into() };
        let refusal = Refusal {
            from: "registry:5000".into(),
            method: "GET".into(),
            path: "/v2/a/manifests/b".into(),
            status: 404,
            errors: vec![error("MANIFEST_UNKNOWN", "no such manifest"), error("X", "")],
            request_id: Some("0191".into()),
            retry_after: None,
        };
        let told = "registry:5000 answered GET /v2/a/manifests/b with 404: MANIFEST_UNKNOWN: no such manifest; X \
                    (request 0191)";
        assert_eq!(refusal.to_string(), told);
        assert!(Error::Refused(Box::new(refusal)).is_absent());
    }
}

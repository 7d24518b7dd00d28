//! The port that tells who somebody is.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use super::{Actor, Credential};
use crate::{StoreError, StoreErrorKind};

/// What personal access tokens begin with: a text that begins so is a secret, also where none is expected.
pub const PERSONAL_TOKEN: &str = "hpat_";

/// A text that is never printed: passwords and tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the code that checks it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// What a request carries to prove who sent it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// HTTP Basic authentication (RFC 7617).
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// What a person types into the form of a login page.
    Form {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
        /// A code of the second factor, when one was typed.
        code: Option<Secret>,
    },
    /// A bearer token (RFC 6750).
    Bearer(Secret),
    /// What a browser's cookie holds.
    Session {
        /// The secret.
        secret: Secret,
        /// Whether the session's end is put off.
        renew: bool,
    },
}

/// Somebody's attempt to prove who they are.
///
/// ```
/// use harbor_core::access::{Attempt, Credentials, Secret};
///
/// let shown = Credentials::Bearer(Secret::new("badge-7"));
/// let attempt = Attempt::new(&shown).from_address(Some([192, 0, 2, 1].into()));
/// assert!(attempt.address.is_some());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// What is shown.
    pub credentials: &'a Credentials,
    /// Where it comes from, as far as that is known for sure: for limits, and never to decide who somebody is.
    pub address: Option<IpAddr>,
    /// The id of the request that it comes with: for the audit log.
    pub request_id: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    /// From nobody knows where.
    #[must_use]
    pub const fn new(credentials: &'a Credentials) -> Self {
        Self { credentials, address: None, request_id: None }
    }

    /// The same, from `address`.
    #[must_use]
    pub const fn from_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The same, in the request of that id.
    #[must_use]
    pub const fn in_request(self, id: &'a str) -> Self {
        Self { request_id: Some(id), ..self }
    }
}

impl<'a> From<&'a Credentials> for Attempt<'a> {
    fn from(credentials: &'a Credentials) -> Self {
        Self::new(credentials)
    }
}

/// Why an authenticator does not say whose credentials these are. The request is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Too many attempts failed, or too many wait: nothing was looked at.
    #[error("too many attempts; try again in {} s", retry_after.as_secs())]
    TooMany {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// It cannot tell.
    #[error(transparent)]
    Store(StoreError),
}

/// When somebody may come again whose credentials nobody had time to look at.
const AFTER: Duration = Duration::from_secs(2);

impl From<StoreError> for AuthError {
    /// Who is busy is asked again in a moment.
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Busy => Self::TooMany { retry_after: AFTER },
            _ => Self::Store(error),
        }
    }
}

/// Tells who somebody is.
///
/// # Contract
/// * `Ok(Some(_))` only for credentials that were proved right.
/// * `Ok(None)` for credentials that are wrong or of a kind that this authenticator does not know: the next one is asked.
/// * `Err(_)` when it does not tell; the request is refused, never let through. [`AuthError::TooMany`] when too many ask at
///   once or failed before: the client is told when to come again.
/// * Unknown names cost the same time as wrong passwords.
/// * It is asked on every request: it must remember what it verified, and forget it at once when it is revoked.
///
/// ```
/// use harbor_core::access::{Actor, Attempt, AuthError, Authenticator, Credentials};
///
/// /// Trusts a header that a proxy in front has checked.
/// #[derive(Debug)]
/// struct Badge;
///
/// #[async_trait::async_trait]
/// impl Authenticator for Badge {
///     async fn authenticate(&self, attempt: Attempt<'_>) -> Result<Option<Actor>, AuthError> {
///         Ok(match attempt.credentials {
///             Credentials::Bearer(token) if token.expose() == "badge-7" => Some(Actor::user("seven")),
///             _ => None,
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Whose credentials these are.
    async fn authenticate(&self, attempt: Attempt<'_>) -> Result<Option<Actor>, AuthError>;

    /// Whether `actor`, who was let in some time ago, would be let in as the same one now: there still is such a one, and what was
    /// proved and what it is still holds. Asked before a change for which a request took long, and for a stream that goes on. `true`
    /// for whoever is none of this authenticator's.
    ///
    /// # Errors
    /// When it cannot tell; the change is refused.
    async fn is_still(&self, _actor: &Actor) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// What these credentials are, where how they are shown does not tell: some that last until somebody takes them away. When nobody
    /// knows them, the audit log says so, as of a wrong password. Tokens that end by themselves are shown again and again, and are
    /// none of these.
    fn kind_of(&self, _credentials: &Credentials) -> Option<Credential> {
        None
    }

    /// Called between the commit and the answer to a change of who may do what: what was remembered is old. On other nodes,
    /// the revision [`ACCESS`](crate::meta::revision::ACCESS) tells.
    fn forget(&self) {}
}

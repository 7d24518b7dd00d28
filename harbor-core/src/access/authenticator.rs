//! The port that tells who somebody is.

use std::fmt;

use async_trait::async_trait;

use super::Actor;
use crate::StoreError;

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

/// Tells who somebody is.
///
/// # Contract
/// * `Ok(Some(_))` only for credentials that were proved right.
/// * `Ok(None)` for credentials that are wrong or of a kind that this authenticator does not know: the next one is asked.
/// * `Err(_)` when it cannot tell; the request is refused, never let through. `Busy` when too many ask at once: the client
///   is told to come again in a moment.
/// * Unknown names cost the same time as wrong passwords.
/// * It is asked on every request: it must remember what it verified, and forget it at once when it is revoked.
///
/// ```
/// use harbor_core::access::{Actor, Authenticator, Credentials};
/// use harbor_core::StoreError;
///
/// /// Trusts a header that a proxy in front has checked.
/// #[derive(Debug)]
/// struct Badge;
///
/// #[async_trait::async_trait]
/// impl Authenticator for Badge {
///     async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Actor>, StoreError> {
///         Ok(match credentials {
///             Credentials::Bearer(token) if token.expose() == "badge-7" => Some(Actor::user("seven")),
///             _ => None,
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Whose credentials these are.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Actor>, StoreError>;

    /// Called between the commit and the answer to a change of who may do what: what was remembered is old. On other nodes,
    /// the revision [`ACCESS`](crate::meta::revision::ACCESS) tells.
    fn forget(&self) {}
}

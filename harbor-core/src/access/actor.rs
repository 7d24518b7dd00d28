//! The one who asks.

use std::fmt;
use std::sync::Arc;

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nobody in particular.
    Anonymous,
    /// The system administrator.
    Administrator(Arc<str>),
    /// A person, by name.
    User(Arc<str>),
    /// A worker of the engine itself. Never made from a request.
    System,
}

/// Somebody who asks for something: an identity, proved by an [`Authenticator`](super::Authenticator).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    identity: Identity,
}

impl Actor {
    /// Nobody in particular.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { identity: Identity::Anonymous }
    }

    /// The system administrator, who may do everything.
    #[must_use]
    pub fn administrator(name: &str) -> Self {
        Self { identity: Identity::Administrator(name.into()) }
    }

    /// A person, who may do what the [`Authorizer`](super::Authorizer) says.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self { identity: Identity::User(name.into()) }
    }

    pub(crate) const fn system() -> Self {
        Self { identity: Identity::System }
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it is nobody in particular.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.identity, Identity::Anonymous)
    }

    /// The text that upload sessions and audit rows know this actor by: stable, and different for different actors.
    #[must_use]
    pub fn principal(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Identity::Anonymous => f.write_str("anonymous"),
            Identity::Administrator(name) => write!(f, "admin:{name}"),
            Identity::User(name) => write!(f, "user:{name}"),
            Identity::System => f.write_str("system"),
        }
    }
}

//! The one who asks.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::origin::{Beside, Origin};
use super::{Permission, Restriction, Target};
use crate::meta::{RobotId, TokenId, UserId};

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nobody in particular.
    Anonymous,
    /// A person who administers the whole registry.
    Administrator(Person),
    /// A person.
    User(Person),
    /// A program, with permissions of its own.
    Robot {
        /// Its row.
        id: RobotId,
        /// Its full name, as it logs in.
        name: Arc<str>,
        /// Its epoch when it proved who it is.
        epoch: i64,
    },
    /// A worker of the engine itself. Never made from a request.
    System,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// The row of the user; `None` for somebody whom an authenticator of one's own knows and the database does not.
    pub id: Option<UserId>,
    /// The name.
    pub name: Arc<str>,
    /// The user's epoch when it proved who it is: what is made for it ends with that one.
    pub epoch: i64,
}

/// Somebody who asks for something: an identity, proved by an [`Authenticator`](super::Authenticator), and perhaps a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    identity: Identity,
    restriction: Option<Arc<Restriction>>,
    token: Option<TokenId>,
    origin: Beside<Option<Arc<Origin>>>,
    /// When it proved who it is, where that is known.
    seen: Beside<Option<Instant>>,
}

impl Actor {
    /// Nobody in particular.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self::new(Identity::Anonymous)
    }

    /// Somebody.
    #[must_use]
    pub const fn new(identity: Identity) -> Self {
        Self { identity, restriction: None, token: None, origin: Beside(None), seen: Beside(None) }
    }

    /// An administrator, who may do everything.
    #[must_use]
    pub fn administrator(name: &str) -> Self {
        Self::new(Identity::Administrator(Person { id: None, name: name.into(), epoch: 0 }))
    }

    /// A person, who may do what the [`Authorizer`](super::Authorizer) says.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self::new(Identity::User(Person { id: None, name: name.into(), epoch: 0 }))
    }

    pub(crate) const fn system() -> Self {
        Self::new(Identity::System)
    }

    /// The same, limited to `restriction`. A second limit replaces the first, so who narrows narrows what there is.
    #[must_use]
    pub fn restricted(self, restriction: Arc<Restriction>) -> Self {
        Self { restriction: Some(restriction), ..self }
    }

    /// The same, by a personal access token.
    #[must_use]
    pub fn with_token(self, token: TokenId) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The same, from somewhere: for the audit log. Who it is and what it may do does not depend on it.
    #[must_use]
    pub fn with_origin(self, origin: Arc<Origin>) -> Self {
        Self { origin: Beside(Some(origin)), ..self }
    }

    /// The same, that has proved right now who it is.
    pub(crate) fn seen_now(self) -> Self {
        Self { seen: Beside(Some(Instant::now())), ..self }
    }

    /// Whether it is less than that since it proved who it is.
    pub(crate) fn was_seen_within(&self, time: Duration) -> bool {
        self.seen.0.is_some_and(|seen| seen.elapsed() < time)
    }

    /// Where its request comes from, and with what; `None` where that is not known, and for workers of the engine.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.0.as_deref()
    }

    /// The personal access token that it showed, or showed to get what it shows now.
    #[must_use]
    pub const fn token(&self) -> Option<TokenId> {
        self.token
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it is limited to, if it is.
    #[must_use]
    pub fn restriction(&self) -> Option<&Restriction> {
        self.restriction.as_deref()
    }

    /// Whether its limit, if it has one, has room for this.
    #[must_use]
    pub fn has_room_for(&self, permission: Permission, target: Target<'_>) -> bool {
        self.restriction.as_ref().is_none_or(|restriction| restriction.allows(permission, target))
    }

    /// Whether it is nobody in particular.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.identity, Identity::Anonymous)
    }

    /// Whether it administers the whole registry and is not limited.
    #[must_use]
    pub const fn is_administrator(&self) -> bool {
        matches!(self.identity, Identity::Administrator(_)) && self.restriction.is_none()
    }

    /// The row of the user, for a person who has one.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        match &self.identity {
            Identity::Administrator(person) | Identity::User(person) => person.id,
            Identity::Anonymous | Identity::Robot { .. } | Identity::System => None,
        }
    }

    /// The name that people know it by; empty for nobody.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.identity {
            Identity::Anonymous => "",
            Identity::Administrator(person) | Identity::User(person) => &person.name,
            Identity::Robot { name, .. } => name,
            Identity::System => "system",
        }
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
            Identity::Administrator(person) => write!(f, "admin:{}", person.name),
            Identity::User(person) => write!(f, "user:{}", person.name),
            Identity::Robot { name, .. } => write!(f, "robot:{name}"),
            Identity::System => f.write_str("system"),
        }
    }
}

//! Where a request comes from, and with what: beside who asks.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::{Actor, Attempt, Credentials, Identity};
use crate::meta::TokenId;

/// What somebody showed, by its kind. Never what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// Nothing.
    #[default]
    None,
    /// A name and a password.
    Password,
    /// The cookie of a browser's session.
    Session,
    /// The name and the secret of a robot.
    RobotSecret,
    /// A personal access token, or a token that was got for it.
    PersonalToken(TokenId),
    /// What looks like a personal access token, and is none that is good.
    UnknownPersonalToken,
    /// A token of the token service, or of whoever an authenticator of one's own believes.
    Token,
}

impl Credential {
    /// What `actor` proved who it is by.
    fn of(shown: &Credentials, actor: &Actor) -> Self {
        match (actor.token(), shown) {
            (Some(token), _) => Self::PersonalToken(token),
            (None, Credentials::Session { .. }) => Self::Session,
            (None, Credentials::Bearer(_)) => Self::Token,
            (None, Credentials::Basic { .. } | Credentials::Form { .. }) => match actor.identity() {
                Identity::Robot { .. } => Self::RobotSecret,
                _ => Self::Password,
            },
        }
    }
}

impl fmt::Display for Credential {
    /// A word; that of a personal access token has its key: `personal_access_token:7`. Empty for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Password => f.write_str("password"),
            Self::Session => f.write_str("session"),
            Self::RobotSecret => f.write_str("robot_secret"),
            Self::PersonalToken(token) => write!(f, "personal_access_token:{}", token.get()),
            Self::UnknownPersonalToken => f.write_str("personal_access_token"),
            Self::Token => f.write_str("token"),
        }
    }
}

/// Where a request comes from, and with what: for the audit log, and never to decide who somebody is or what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client, as far as that is known for sure.
    pub address: Option<IpAddr>,
    /// What was shown.
    pub credential: Credential,
    /// The id of the request; empty for none.
    pub request_id: String,
}

impl Origin {
    /// That of an attempt which proved that it is `actor`'s.
    pub(crate) fn of(attempt: Attempt<'_>, actor: &Actor) -> Self {
        Self {
            address: attempt.address,
            credential: Credential::of(attempt.credentials, actor),
            request_id: attempt.request_id.unwrap_or_default().to_owned(),
        }
    }
}

/// What makes no difference: an actor is the same wherever and whenever it asks, and what is kept for it serves all its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside<T>(pub(super) T);

impl<T> PartialEq for Beside<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Beside<T> {}

impl<T> Hash for Beside<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::access::Secret;

    #[test]
    fn what_was_shown_is_told_by_its_kind() {
        let basic = Credentials::Basic { username: "x".to_owned(), password: Secret::new("hidden") };
        let bearer = Credentials::Bearer(Secret::new("hidden"));
        let session = Credentials::Session { secret: Secret::new("hidden"), renew: false };
        let robot = Actor::new(Identity::Robot {
            id: crate::meta::RobotId::new(1),
            name: "robot$ci".into(),
            epoch: 0,
        });
        let grace = Actor::user("grace");
        for (shown, actor, word) in [
            (&basic, &grace, "password"),
            (&basic, &robot, "robot_secret"),
            (&session, &grace, "session"),
            (&bearer, &grace, "token"),
            (&basic, &grace.clone().with_token(TokenId::new(7)), "personal_access_token:7"),
            (&bearer, &grace.clone().with_token(TokenId::new(7)), "personal_access_token:7"),
        ] {
            assert_eq!(Origin::of(Attempt::new(shown), actor).credential.to_string(), word);
        }
    }

    #[test]
    fn whoever_asks_from_elsewhere_is_the_same() {
        let origin = Origin { request_id: "1".to_owned(), ..Origin::default() };
        let here = Actor::user("grace").with_origin(Arc::new(origin));
        assert_eq!(here, Actor::user("grace"));
        assert_eq!(HashSet::from([here, Actor::user("grace")]).len(), 1);
        let now = Actor::user("grace").seen_now();
        assert_eq!(now, Actor::user("grace"));
        assert!(now.was_seen_within(Duration::from_secs(60)) && !now.was_seen_within(Duration::ZERO));
        assert!(!Actor::user("grace").was_seen_within(Duration::MAX), "nobody knows when");
    }
}

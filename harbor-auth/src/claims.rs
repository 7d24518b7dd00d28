//! What a token of the token service says.

use std::time::Duration;

use harbor_core::{StoreError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::opaque;

/// Who issues: Harbor's name for it.
pub(crate) const ISSUER: &str = "harbor-token-issuer";

/// The longest that a token may work. A key that was replaced is kept for as long.
pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far the clocks of two nodes may be apart, in seconds: a token that one has just issued works at the other.
const SKEW: i64 = 10;

/// The claims of a token (RFC 7519, section 4, and the `access` of the distribution project's token specification). Persisted
/// in the hands of clients for as long as a token works.
///
/// A claim that is not known here is refused: it may be one that narrows what the token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    /// Who issued it: [`ISSUER`].
    pub(crate) iss: String,
    /// The user's name, for those who read tokens; empty for nobody. Nothing is decided by it.
    pub(crate) sub: String,
    /// The service that it is for.
    pub(crate) aud: String,
    /// When it ends, in seconds since the epoch.
    pub(crate) exp: i64,
    /// When it begins, in seconds since the epoch.
    pub(crate) nbf: i64,
    /// When it was issued, in seconds since the epoch.
    pub(crate) iat: i64,
    /// A name of its own.
    pub(crate) jti: String,
    /// What it allows.
    pub(crate) access: Vec<Access>,
    /// Whose it is.
    pub(crate) holder: Holder,
}

/// What a token allows on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    /// The kind of resource: `repository` or `registry`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The resource's name.
    pub(crate) name: String,
    /// What may be done: `pull`, `push`, `delete` and so on.
    pub(crate) actions: Vec<String>,
    /// The incarnation of the project that was meant: one of the same name that is made later is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<i64>,
}

/// Whose a token is. An account's epoch is counted on to end its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Holder {
    /// Nobody in particular.
    #[serde(rename = "a")]
    Anonymous,
    /// A person.
    #[serde(rename = "u")]
    User {
        /// The account.
        id: i64,
        /// The account's epoch when the token was issued.
        epoch: i64,
    },
    /// A person who showed a personal access token, with which this one ends.
    #[serde(rename = "p")]
    Personal {
        /// The account.
        id: i64,
        /// The account's epoch when the token was issued.
        epoch: i64,
        /// The personal access token.
        token: i64,
    },
    /// A robot.
    #[serde(rename = "r")]
    Robot {
        /// The account.
        id: i64,
        /// The account's epoch when the token was issued.
        epoch: i64,
    },
}

impl Claims {
    /// Claims that begin `now` and end `valid_for` later, at most [`LONGEST_LIFE`].
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn new(
        audience: &str,
        holder: Holder,
        name: &str,
        access: Vec<Access>,
        now: Timestamp,
        valid_for: Duration,
    ) -> Result<Self, StoreError> {
        let begin = seconds(now);
        Ok(Self {
            iss: ISSUER.to_owned(),
            sub: name.to_owned(),
            aud: audience.to_owned(),
            exp: seconds(now.plus(valid_for.min(LONGEST_LIFE))),
            nbf: begin,
            iat: begin,
            jti: opaque::characters(22)?,
            access,
            holder,
        })
    }

    /// Whether they hold `now` and for `audience`. The signature is another matter.
    pub(crate) fn hold(&self, audience: &str, now: Timestamp) -> bool {
        let now = seconds(now);
        self.iss == ISSUER
            && self.aud == audience
            && now < self.exp
            && self.nbf <= now.saturating_add(SKEW)
            && self.iat <= now.saturating_add(SKEW)
            && self.lives_no_longer_than_allowed()
    }

    /// Whether they ended before `now`.
    pub(crate) fn ended(&self, now: Timestamp) -> bool {
        self.exp <= seconds(now)
    }

    /// Whether no more than [`LONGEST_LIFE`] is between issue and end.
    pub(crate) fn lives_no_longer_than_allowed(&self) -> bool {
        let life = self.exp.checked_sub(self.iat).and_then(|life| u64::try_from(life).ok());
        life.is_some_and(|life| life <= LONGEST_LIFE.as_secs())
    }
}

/// Seconds since the epoch, rounded down.
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first format that was ever written. Tokens in it are in the hands of clients: this text never changes.
    const FIRST: &str = r#"{"iss":"harbor-token-issuer","sub":"grace","aud":"harbor-registry","exp":1700001800,
        "nbf":1700000000,"iat":1700000000,"jti":"4nUmBeR0123456789abcde","access":[
        {"type":"repository","name":"library/nginx","actions":["pull","push"],"project":7},
        {"type":"registry","name":"catalog","actions":["*"]}],"holder":{"u":{"id":3,"epoch":2}}}"#;

    fn first() -> Claims {
        let access = |kind: &str, name: &str, actions: &[&str], project| Access {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            project,
        };
        Claims {
            iss: ISSUER.to_owned(),
            sub: "grace".to_owned(),
            aud: "harbor-registry".to_owned(),
            exp: 1_700_001_800,
            nbf: 1_700_000_000,
            iat: 1_700_000_000,
            jti: "4nUmBeR0123456789abcde".to_owned(),
            access: vec![
                access("repository", "library/nginx", &["pull", "push"], Some(7)),
                access("registry", "catalog", &["*"], None),
            ],
            holder: Holder::User { id: 3, epoch: 2 },
        }
    }

    #[test]
    fn the_first_format_is_read_and_written() {
        assert_eq!(serde_json::from_str::<Claims>(FIRST).unwrap(), first());
        let written = serde_json::to_string(&first()).unwrap();
        assert_eq!(written, FIRST.replace("\n        ", ""));
        for (holder, text) in [
            (Holder::Anonymous, r#""a""#),
            (Holder::Robot { id: 5, epoch: 0 }, r#"{"r":{"id":5,"epoch":0}}"#),
        ] {
            assert_eq!(serde_json::to_string(&holder).unwrap(), text);
            assert_eq!(serde_json::from_str::<Holder>(text).unwrap(), holder);
        }
    }

    #[test]
    fn what_is_not_known_or_said_twice_is_refused() {
        let refused = |from: &str, to: &str| {
            assert!(FIRST.contains(from));
            serde_json::from_str::<Claims>(&FIRST.replacen(from, to, 1)).unwrap_err();
        };
        refused("{\"iss\"", "{\"only\":\"tuesdays\",\"iss\"");
        refused("\"sub\":", "\"sub\":\"admin\",\"sub\":");
        refused("\"id\":3", "\"id\":1,\"id\":3");
        refused("{\"u\":{", "{\"r\":{\"id\":1,\"epoch\":1},\"u\":{");
        refused("\"project\":7", "\"project\":7,\"project\":8");
        refused("\"project\":7", "\"read_only\":true");
        refused("\"aud\":\"harbor-registry\"", "\"aud\":[\"harbor-registry\",\"other\"]");
        refused("\"exp\":1700001800", "\"exp\":1700001800.5");
        refused("\"exp\":1700001800", "\"exp\":\"1700001800\"");
    }

    #[test]
    fn claims_hold_for_a_time_and_a_service() {
        let claims = first();
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let hold = |claims: &Claims, seconds| claims.hold("harbor-registry", at(seconds));
        assert!(hold(&claims, claims.iat) && hold(&claims, claims.exp - 1));
        assert!(hold(&claims, claims.iat - SKEW), "the clocks of two nodes differ");
        assert!(!hold(&claims, claims.iat - SKEW - 1) && !hold(&claims, claims.exp));
        assert!(!claims.hold("harbor", at(claims.iat)) && !claims.hold("", at(claims.iat)));
        assert!(!hold(&Claims { iss: "somebody".to_owned(), ..first() }, claims.iat));
        assert!(!hold(&Claims { exp: i64::MAX, ..first() }, claims.iat), "longer than any token may live");
        assert!(!hold(&Claims { exp: i64::MAX, iat: i64::MIN, ..first() }, claims.iat));
        assert!(!hold(&Claims { iat: claims.iat + 100, ..first() }, claims.iat), "issued later than now");
    }

    #[test]
    fn new_claims_hold() {
        let now = harbor_core::Clock::System.now();
        let made = |valid_for| Claims::new("s", Holder::Anonymous, "", Vec::new(), now, valid_for).unwrap();
        let (short, long) = (made(Duration::from_secs(60)), made(Duration::MAX));
        assert!(short.hold("s", now) && long.hold("s", now));
        assert_ne!(short.jti, long.jti);
        assert!(
            short.ended(now.plus(Duration::from_secs(60))) && !short.ended(now.plus(Duration::from_secs(58)))
        );
        assert!(long.ended(now.plus(LONGEST_LIFE)));
    }
}

//! Webhooks as values: which events somebody wants to be told of, where, and in which form.
//!
//! Policies with these are rows ([`WebhookPolicy`](crate::meta::WebhookPolicy)); who tells whom is the engine's.

mod event_type;
mod payload;
mod signature;
mod target;

pub use event_type::EventType;
pub use payload::{Around, Notice};
pub use signature::sign;
pub use target::{Format, Target, TargetKind};

use serde::{Deserialize, Serialize};

use self::target::Stored;
use crate::{Error, Result, StoreError, StoreErrorKind};

/// What stands for a secret in whatever is shown: as Harbor masks those of its registries.
pub const MASK: &str = "*****";

/// The version that is written.
const VERSION: u8 = 1;

/// How many targets one policy may have.
const TARGETS: usize = 10;

/// What a policy says: of which events whom to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// Of which.
    pub event_types: Vec<EventType>,
    /// Whom.
    pub targets: Vec<Target>,
    /// The highest key that a target ever had: none is given again, for deliveries to one that is gone may wait.
    last: u32,
}

/// The same as it is stored.
#[derive(Serialize, Deserialize)]
struct Versioned {
    v: u8,
    event_types: Vec<EventType>,
    targets: Vec<Stored>,
    #[serde(default, skip_serializing_if = "is_none_yet")]
    last: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_none_yet(last: &u32) -> bool {
    *last == 0
}

impl Webhook {
    /// Tells these targets of these events.
    #[must_use]
    pub const fn new(event_types: Vec<EventType>, targets: Vec<Target>) -> Self {
        Self { event_types, targets, last: 0 }
    }

    /// Whether events of a type are told of.
    #[must_use]
    pub fn wants(&self, event_type: EventType) -> bool {
        self.event_types.contains(&event_type)
    }

    /// The target of that key.
    #[must_use]
    pub fn target(&self, id: u32) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == id)
    }

    /// Whether this can be a policy.
    ///
    /// # Errors
    /// [`Error::BadRequest`] says what is wrong. No text of a secret is in it.
    pub fn check(&self) -> Result<()> {
        if self.event_types.is_empty() {
            return Err(Error::BadRequest("empty event type: name one event at least".to_owned()));
        }
        if self.targets.is_empty() {
            return Err(Error::BadRequest("empty notification target: name one target at least".to_owned()));
        }
        if self.targets.len() > TARGETS {
            let why = format!("a policy has at most {TARGETS} targets: make another policy for the others");
            return Err(Error::BadRequest(why));
        }
        self.targets.iter().try_for_each(Target::check)
    }

    /// Takes over from what there was before what a client was not shown and did not give anew: for a target of the same address,
    /// and for no other. A secret must not go to somewhere else because somebody changed an address.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when one would be lost with its address, which nobody said: they are given anew, or empty.
    pub fn keep_secrets_of(&mut self, before: &Self) -> Result<()> {
        let mut left: Vec<&Target> = before.targets.iter().collect();
        let mut next = before.targets.iter().map(|target| target.id).fold(before.last, u32::max);
        let mut unsigned = None;
        for target in &mut self.targets {
            let same = left.iter().position(|old| old.kind == target.kind && old.address == target.address);
            // In their order: of two that have an address in common, each keeps its own.
            match same.map(|place| left.remove(place)) {
                Some(old) => target.keep_secrets_of(old),
                None => {
                    next += 1;
                    if target.begin(next)? {
                        unsigned = Some(target.not_kept());
                    }
                }
            }
        }
        self.last = next;
        match unsigned.filter(|_| left.iter().any(|old| !old.secrets.is_empty())) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The text to store.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn write(&self) -> std::result::Result<String, StoreError> {
        let stored = Versioned {
            v: VERSION,
            event_types: self.event_types.clone(),
            targets: self.targets.iter().map(Stored::from).collect(),
            last: self.last,
        };
        serde_json::to_string(&stored)
            .map_err(|error| StoreError::new(StoreErrorKind::Other, "storing a webhook").with_source(error))
    }

    /// What a stored text says.
    ///
    /// # Errors
    /// `Corrupt` when it does not read, `TooNew` when a newer program wrote it.
    pub fn read(stored: &str) -> std::result::Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            v: u8,
        }
        // Without its source, which may quote what is stored.
        let unread = |_| StoreError::new(StoreErrorKind::Corrupt, "a webhook was stored that does not read");
        let Version { v } = serde_json::from_str(stored).map_err(unread)?;
        if v != VERSION {
            let what = format!("a webhook was stored in version {v} by a newer program");
            return Err(StoreError::new(StoreErrorKind::TooNew, what));
        }
        let Versioned { event_types, targets, last, .. } = serde_json::from_str(stored).map_err(unread)?;
        Ok(Self { event_types, targets: targets.into_iter().map(Target::from).collect(), last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Secret;

    fn target(address: &str) -> Target {
        Target::new(TargetKind::Http, address)
    }

    /// What earlier versions stored. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        let stored = r#"{"v":1,"event_types":["PUSH_ARTIFACT"],"targets":[{"id":3,"type":"http","address":"https://a","auth_header":"Bearer x","skip_cert_verify":true,"payload_format":"CloudEvents","secrets":["0123456789abcdef"]},{"id":4,"type":"slack","address":"https://b","skip_cert_verify":false,"payload_format":"Default"}]}"#;
        let webhook = Webhook::read(stored).unwrap();
        assert_eq!(webhook.write().unwrap(), stored);
        let later = stored.replace("}]}", r#"}],"last":7}"#);
        assert_eq!(Webhook::read(&later).unwrap().write().unwrap(), later);
        assert_eq!(webhook.target(4).unwrap().kind, TargetKind::Slack);
        assert!(!format!("{webhook:?}").contains("0123456789abcdef"));
        for (wrong, kind) in
            [("{}", StoreErrorKind::Corrupt), (r#"{"v":2,"targets":"canary"}"#, StoreErrorKind::TooNew)]
        {
            let error = Webhook::read(wrong).unwrap_err();
            assert!(error.kind() == kind && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn secrets_stay_with_their_address() {
        let secret = |text: &str| Secret::new(text);
        let mut old = target("https://a/x");
        (old.id, old.auth_header) = (7, Some(secret("Bearer old")));
        old.secrets = vec![secret("one one one one"), secret("two two two two")];
        let before = Webhook::new(vec![EventType::PushArtifact], vec![old.clone()]);
        let changed = |address: &str, change: &dyn Fn(&mut Target)| {
            let mut shown = target(address);
            (shown.auth_header, shown.secrets) = (Some(secret(MASK)), vec![secret(MASK); 2]);
            change(&mut shown);
            let mut after = Webhook::new(vec![EventType::PushArtifact], vec![shown]);
            after.keep_secrets_of(&before).map(|()| after.targets.remove(0))
        };
        let kept = |change: &dyn Fn(&mut Target)| changed("https://a/x", change).unwrap();
        assert_eq!(kept(&|_| ()), old);
        // The second alone, and a new one: the first was rotated out.
        let rotated = kept(&|shown| shown.secrets = vec![secret("new new new new!")]);
        assert_eq!(rotated.secrets, [secret("new new new new!")]);
        let none = kept(&|shown| (shown.auth_header, shown.secrets) = (None, Vec::new()));
        assert_eq!((none.auth_header, none.secrets.len()), (None, 0));
        for elsewhere in ["https://b/x", "https://a/y", "http://a/x"] {
            // None of them goes there, and none is lost without a word.
            for (header, secrets) in [(Some(MASK), 2), (Some(MASK), 0), (None, 2)] {
                let error = changed(elsewhere, &|shown| {
                    shown.auth_header = header.map(secret);
                    shown.secrets.truncate(secrets);
                });
                assert!(error.unwrap_err().to_string().contains("anew"), "{elsewhere}");
            }
            let bare = changed(elsewhere, &|shown| (shown.auth_header, shown.secrets) = (None, Vec::new()));
            assert_eq!(bare.unwrap().id, 8, "{elsewhere}");
        }
        changed("https://a/x", &|shown| shown.kind = TargetKind::Slack).unwrap_err();
        // Whoever knows nothing of secrets may add a target, and make one.
        let mut more = before.clone();
        more.targets.push(target("https://b/x"));
        more.targets[1].secrets = vec![secret(MASK); 2];
        more.keep_secrets_of(&before).unwrap();
        assert_eq!((&more.targets[0], more.targets[1].secrets.len()), (&old, 0));
    }

    /// One address in two forms, signed with a secret each.
    #[test]
    fn targets_of_one_address_keep_their_own() {
        let mut targets = vec![target("https://first"), target("https://a"), target("https://a")];
        for (number, target) in (1..).zip(&mut targets) {
            (target.id, target.secrets) = (number, vec![Secret::new(format!("secret number {number}"))]);
        }
        let before = Webhook::new(vec![EventType::PushArtifact], targets);
        let mut after = before.clone();
        for target in &mut after.targets {
            (target.id, target.secrets) = (0, vec![Secret::new(MASK)]);
        }
        after.keep_secrets_of(&before).unwrap();
        assert_eq!(after.targets, before.targets);
    }

    /// What waits for one that is gone must not go to one that came later.
    #[test]
    fn no_key_is_given_again() {
        let with = |addresses: &[&str], before: &Webhook| {
            let targets = addresses.iter().map(|address| target(address)).collect();
            let mut after = Webhook::new(vec![EventType::PushArtifact], targets);
            after.keep_secrets_of(before).unwrap();
            Webhook::read(&after.write().unwrap()).unwrap()
        };
        let both = with(&["https://a", "https://b"], &Webhook::default());
        let one = with(&["https://a"], &both);
        let later = with(&["https://a", "https://c"], &one);
        assert_eq!(later.targets.iter().map(|target| target.id).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn what_is_no_policy() {
        let with = |change: &dyn Fn(&mut Target)| {
            let mut wrong = target("https://example.org/hook?x=1");
            change(&mut wrong);
            Webhook::new(vec![EventType::PushArtifact], vec![wrong]).check()
        };
        with(&|_| ()).unwrap();
        for address in
            ["", "example.org", "ftp://example.org/", "https://u:p@example.org/", "https:///", "https://a/#x"]
        {
            assert!(with(&|wrong| address.clone_into(&mut wrong.address)).is_err(), "{address}");
        }
        for header in ["a\r\nX: y", "ü", "\0"] {
            let error = with(&|wrong| wrong.auth_header = Some(Secret::new(header))).unwrap_err();
            assert!(!error.to_string().contains(header), "{error}");
        }
        for secrets in [vec!["short"], vec!["0123456789abcdef"; 3]] {
            let secrets: Vec<Secret> = secrets.into_iter().map(Secret::new).collect();
            assert!(with(&|wrong| wrong.secrets.clone_from(&secrets)).is_err());
        }
        assert!(
            with(&|wrong| (wrong.kind, wrong.format) = (TargetKind::Slack, Format::CloudEvents)).is_err()
        );
        assert!(Webhook::new(Vec::new(), vec![target("https://a")]).check().is_err());
        assert!(Webhook::new(vec![EventType::PushArtifact], Vec::new()).check().is_err());
        assert!(Webhook::new(vec![EventType::PushArtifact], vec![target("https://a"); 11]).check().is_err());
    }
}

use serde::{Deserialize, Serialize};

use super::MASK;
use crate::access::Secret;
use crate::{Error, Result};

/// The longest address, in bytes.
const LONGEST_ADDRESS: usize = 2048;

/// The longest value of `Authorization`, in bytes.
const LONGEST_HEADER: usize = 4096;

/// How long a secret that signs may be, in bytes.
const SECRET: std::ops::RangeInclusive<usize> = 16..=256;

/// How many secrets sign at once: the old one and the new one while one takes the place of the other.
const SECRETS: usize = 2;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TargetKind {
    /// An endpoint of somebody's own.
    Http,
    /// An incoming webhook of Slack.
    Slack,
}

impl TargetKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Http, Self::Slack];

    /// As Harbor calls it: `http`, `slack`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Slack => "slack",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// In which form a target is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// Harbor's own.
    #[default]
    Default,
    /// CloudEvents 1.0, structured, as JSON.
    CloudEvents,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Default, Self::CloudEvents];

    /// As Harbor calls it: `Default`, `CloudEvents`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::CloudEvents => "CloudEvents",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// Where somebody is told, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// Its key within the policy, which it keeps for as long as its address stays.
    pub id: u32,
    /// What it is.
    pub kind: TargetKind,
    /// Its address: of `http` or `https`.
    pub address: String,
    /// What is sent as `Authorization`, as it stands.
    pub auth_header: Option<Secret>,
    /// Whether any certificate will do.
    pub skip_cert_verify: bool,
    /// In which form it is told.
    pub format: Format,
    /// What deliveries are signed with: each of them signs.
    pub secrets: Vec<Secret>,
}

/// The same as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    id: u32,
    #[serde(rename = "type")]
    kind: TargetKind,
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_header: Option<String>,
    skip_cert_verify: bool,
    payload_format: Format,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
}

impl From<&Target> for Stored {
    fn from(target: &Target) -> Self {
        let text = |secret: &Secret| secret.expose().to_owned();
        Self {
            id: target.id,
            kind: target.kind,
            address: target.address.clone(),
            auth_header: target.auth_header.as_ref().map(text),
            skip_cert_verify: target.skip_cert_verify,
            payload_format: target.format,
            secrets: target.secrets.iter().map(text).collect(),
        }
    }
}

impl From<Stored> for Target {
    fn from(stored: Stored) -> Self {
        Self {
            id: stored.id,
            kind: stored.kind,
            address: stored.address,
            auth_header: stored.auth_header.map(Secret::new),
            skip_cert_verify: stored.skip_cert_verify,
            format: stored.payload_format,
            secrets: stored.secrets.into_iter().map(Secret::new).collect(),
        }
    }
}

impl Target {
    /// A target of an address, with nothing beside.
    #[must_use]
    pub fn new(kind: TargetKind, address: impl Into<String>) -> Self {
        Self {
            id: 0,
            kind,
            address: address.into(),
            auth_header: None,
            skip_cert_verify: false,
            format: Format::Default,
            secrets: Vec::new(),
        }
    }

    /// What may be told of where it is: without the path and the query, which may say who one is.
    #[must_use]
    pub fn origin(&self) -> String {
        url::Url::parse(&self.address).map_or_else(
            |_| "an address that does not read".to_owned(),
            |address| address.origin().ascii_serialization(),
        )
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |why: String| Err(Error::BadRequest(why));
        if self.address.len() > LONGEST_ADDRESS {
            return wrong(format!("the address of a target has at most {LONGEST_ADDRESS} bytes"));
        }
        let address = match url::Url::parse(&self.address) {
            Ok(address) if ["http", "https"].contains(&address.scheme()) && address.has_host() => address,
            _ => {
                let why = "the address of a target is a URL of http or https, as https://example.org/hook";
                return wrong(why.to_owned());
            }
        };
        if !address.username().is_empty() || address.password().is_some() {
            let why = "the address of a target has no user and no password: send them as its auth_header";
            return wrong(why.to_owned());
        }
        if address.fragment().is_some() {
            return wrong("the address of a target has no part behind a #".to_owned());
        }
        if self.kind == TargetKind::Slack && self.format != Format::Default {
            return wrong("set payload format is not allowed for slack".to_owned());
        }
        self.check_secrets()
    }

    fn check_secrets(&self) -> Result<()> {
        let wrong = |why: String| Err(Error::BadRequest(why));
        let printable = |secret: &Secret| secret.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if self.auth_header.iter().any(|header| header.expose().len() > LONGEST_HEADER || !printable(header))
        {
            return wrong(format!(
                "the auth_header of a target is printable ASCII of at most {LONGEST_HEADER} characters"
            ));
        }
        if self.secrets.len() > SECRETS {
            return wrong(format!("a target has at most {SECRETS} secrets: the old one and the new one"));
        }
        let fits = |secret: &Secret| SECRET.contains(&secret.expose().len()) && printable(secret);
        if self.secrets.iter().any(|secret| !is_mask(secret) && !fits(secret)) {
            return wrong(format!(
                "a secret of a target is printable ASCII of {} to {} characters",
                SECRET.start(),
                SECRET.end()
            ));
        }
        Ok(())
    }

    /// Takes over from what there was before of the same address what stands as the mask here.
    pub(super) fn keep_secrets_of(&mut self, before: &Self) {
        self.id = before.id;
        if self.auth_header.as_ref().is_some_and(is_mask) {
            self.auth_header.clone_from(&before.auth_header);
        }
        let given = std::mem::take(&mut self.secrets);
        let kept = given.into_iter().enumerate().filter_map(|(place, secret)| match is_mask(&secret) {
            true => before.secrets.get(place).cloned(),
            false => Some(secret),
        });
        self.secrets = kept.collect();
    }

    /// Begins anew, without anything that was kept elsewhere; yields whether secrets were to be kept. Of these alone that says little:
    /// whoever knows nothing of them asks for it always.
    pub(super) fn begin(&mut self, id: u32) -> Result<bool> {
        self.id = id;
        if self.auth_header.as_ref().is_some_and(is_mask) {
            return Err(self.not_kept());
        }
        let given = self.secrets.len();
        self.secrets.retain(|secret| !is_mask(secret));
        Ok(self.secrets.len() < given)
    }

    /// Why what stands as the mask cannot be kept.
    pub(super) fn not_kept(&self) -> Error {
        Error::BadRequest(format!(
            "a secret stays as {MASK} with the address and the type that it was given for alone: give the auth_header and the secrets \
             of the target at {} anew, or empty for none",
            self.origin()
        ))
    }
}

fn is_mask(secret: &Secret) -> bool {
    secret.expose() == MASK
}

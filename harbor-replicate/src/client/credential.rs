//! What a registry is told of who asks.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harbor_core::access::Secret;

use super::Result;

/// Who somebody is for one registry. No part of it is ever printed but the user's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A name and a password, an access token, or a robot's secret.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// What a token service exchanges for tokens: docker's `identitytoken`, OAuth 2's refresh token.
    Identity(Secret),
    /// A token that is shown to the registry as it is: docker's `registrytoken`.
    Bearer(Secret),
}

impl Credential {
    /// A name and a password.
    pub fn password(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Password { username: username.into(), password: password.into() }
    }

    /// The value of `Authorization` for Basic authentication (RFC 7617).
    pub(crate) fn basic(&self) -> Option<Secret> {
        match self {
            Self::Password { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
            }
            _ => None,
        }
    }

    /// What must not be told when somebody repeats it.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Anonymous => Vec::new(),
            Self::Password { password, .. } => {
                let encoded =
                    self.basic().map(|basic| Secret::new(basic.expose().trim_start_matches("Basic ")));
                std::iter::once(password.clone()).chain(encoded).collect()
            }
            Self::Identity(secret) | Self::Bearer(secret) => vec![secret.clone()],
        }
    }
}

/// Where credentials come from. It is asked for a registry when that wants to know who asks, and again when what it told
/// was refused.
///
/// ```
/// use harbor_replicate::client::{Credential, CredentialSource, Result};
///
/// /// Reads a token that somebody else keeps fresh.
/// #[derive(Debug)]
/// struct TokenFile(std::path::PathBuf);
///
/// #[async_trait::async_trait]
/// impl CredentialSource for TokenFile {
///     async fn credential(&self, _host: &str) -> Result<Credential> {
///         let token = std::fs::read_to_string(&self.0).unwrap_or_default();
///         Ok(Credential::password("oauth2", token.trim()))
///     }
/// }
/// ```
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Who asks the registry at `host`: a name, with its port unless that is the scheme's; `docker.io` for Docker Hub.
    ///
    /// # Errors
    /// When it cannot be told. That there are none is [`Credential::Anonymous`].
    async fn credential(&self, host: &str) -> Result<Credential>;
}

/// These, whichever registry asks.
#[async_trait]
impl CredentialSource for Credential {
    async fn credential(&self, _host: &str) -> Result<Credential> {
        Ok(self.clone())
    }
}

#[async_trait]
impl<T: CredentialSource> CredentialSource for Arc<T> {
    async fn credential(&self, host: &str) -> Result<Credential> {
        self.as_ref().credential(host).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_what_the_standard_says() {
        // RFC 7617, section 2.
        let aladdin = Credential::password("Aladdin", "open sesame");
        assert_eq!(aladdin.basic().unwrap().expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{aladdin:?}").contains("sesame"));
        assert_eq!(aladdin.secrets().len(), 2);
        assert_eq!(Credential::Identity(Secret::new("x")).basic(), None);
    }
}

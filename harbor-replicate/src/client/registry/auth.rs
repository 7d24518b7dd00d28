//! Showing who asks, as the registry wants to have it shown.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use harbor_core::access::Secret;
use http::Method;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use tokio::sync::Mutex;
use url::Url;

use crate::client::answer::{Answer, host};
use crate::client::challenge::Challenge;
use crate::client::request::Request;
use crate::client::scope::Scopes;
use crate::client::tokens::{Issued, Token, Tokens, good};
use crate::client::transport::{Want, is_safe};
use crate::client::{Connection, Credential, CredentialSource, Error, Result};

/// How often a request is sent with something else to show.
const ROUNDS: u32 = 4;

/// How much of a token service's answer is read, in bytes.
const TOKEN_LIMIT: usize = 1024 * 1024;

/// What a token service is told of who asks.
const CLIENT_ID: &str = "harbor";

const NONE_KNOWN: &str = "it wants to know who asks, and no credentials are known for it; log in";
const REFUSED: &str = "the credentials for it are wrong or have expired; log in anew";
const NOT_ALLOWED: &str = "who asks may not do this there";
const NOT_UNDERSTOOD: &str = "it asks for a proof of who asks that is neither Basic nor Bearer";

/// Who asks one registry, and what it wants to be shown.
pub(super) struct Authority {
    url: Url,
    /// By what the source knows the registry.
    key: String,
    connection: Connection,
    source: Arc<dyn CredentialSource>,
    /// What the source told.
    credential: Mutex<Option<Credential>>,
    scheme: RwLock<Scheme>,
    tokens: Tokens,
}

/// What a registry asks for, as far as it did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme {
    Unknown,
    Basic,
    Bearer(Service),
}

/// A token service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    realm: Url,
    name: Option<String>,
}

/// What is shown with a request.
#[derive(Default)]
struct Shown {
    value: Option<Secret>,
    secrets: Vec<Secret>,
    /// Whether it was got for this request, and is not one that may have ended.
    fresh: bool,
}

impl Authority {
    pub(super) fn new(
        url: Url,
        key: String,
        connection: Connection,
        source: Arc<dyn CredentialSource>,
    ) -> Self {
        let (credential, scheme) = (Mutex::default(), RwLock::new(Scheme::Unknown));
        Self { url, key, connection, source, credential, scheme, tokens: Tokens::default() }
    }

    /// Sends a request of the registry with what it wants to be shown for these scopes.
    pub(super) async fn call(&self, mut request: Request, scopes: &Scopes, want: Want) -> Result<Answer> {
        let (mut wanted, mut shown) = (scopes.clone(), self.show(scopes).await?);
        for _ in 0..ROUNDS {
            request.authorize(shown.value.clone(), &shown.secrets);
            let answer = self.connection.send(&request, want).await?;
            // What another host asks for is not for the registry to show.
            if answer.status != 401 || answer.elsewhere {
                return Ok(answer);
            }
            let more = wanted.clone().with(&self.learn(&answer)?);
            let refused = shown.value.take();
            if let Some(refused) = &refused {
                self.forget(refused).await;
                if shown.fresh && more == wanted {
                    let is_token = refused.expose().starts_with("Bearer ");
                    let hint = if is_token { NOT_ALLOWED } else { REFUSED };
                    return Err(self.unauthorized(hint, Some(&answer)));
                }
            }
            if !request.is_replayable() {
                return Err(self.unauthorized(REFUSED, Some(&answer)));
            }
            wanted = more;
            shown = self.show(&wanted).await?;
            match (&shown.value, refused) {
                (None, _) => return Err(self.unauthorized(NONE_KNOWN, Some(&answer))),
                (Some(value), Some(refused)) if *value == refused => {
                    return Err(self.unauthorized(REFUSED, Some(&answer)));
                }
                _ => {}
            }
        }
        Err(Error::bad_answer(host(&self.url), "it asks again and again who asks"))
    }

    /// What to show for these scopes.
    async fn show(&self, scopes: &Scopes) -> Result<Shown> {
        let scheme = self.scheme.read().unwrap_or_else(PoisonError::into_inner).clone();
        match scheme {
            Scheme::Unknown => Ok(Shown::default()),
            Scheme::Basic => {
                let (credential, fresh) = self.credential().await?;
                Ok(Shown { value: credential.basic(), secrets: credential.secrets(), fresh })
            }
            Scheme::Bearer(service) => self.bearer(&service, scopes).await,
        }
    }

    async fn bearer(&self, service: &Service, scopes: &Scopes) -> Result<Shown> {
        if let (Credential::Bearer(token), fresh) = self.credential().await? {
            return Ok(shown(&token, fresh));
        }
        let slot = self.tokens.slot(scopes);
        let mut held = slot.lock().await;
        if let Some(token) = good(&held) {
            return Ok(shown(&token.value, false));
        }
        let token = self.token(service, scopes).await?;
        let shown = shown(&token.value, true);
        *held = Some(token);
        Ok(shown)
    }

    /// What a 401 asks for; yields the scopes that it names.
    fn learn(&self, answer: &Answer) -> Result<Scopes> {
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges = Challenge::read(headers);
        let bearer = challenges.iter().find(|challenge| challenge.is("bearer"));
        let (scheme, scopes) = match bearer {
            Some(bearer) => {
                let scopes = bearer.parameter("scope").map(Scopes::read).unwrap_or_default();
                (Scheme::Bearer(self.service(bearer)?), scopes)
            }
            None if challenges.iter().any(|challenge| challenge.is("basic")) => {
                (Scheme::Basic, Scopes::none())
            }
            None => return Err(self.unauthorized(NOT_UNDERSTOOD, Some(answer))),
        };
        *self.scheme.write().unwrap_or_else(PoisonError::into_inner) = scheme;
        Ok(scopes)
    }

    /// The token service of a challenge. One that is not safe to go to is an error: nothing weaker is shown instead.
    fn service(&self, challenge: &Challenge) -> Result<Service> {
        let bad =
            |what: &str| Error::bad_answer(host(&self.url), format!("it sends who asks for a token {what}"));
        let realm = challenge.parameter("realm").ok_or_else(|| bad("to nowhere"))?;
        let realm = Url::parse(realm).map_err(|_| bad("to what is no address"))?;
        is_safe(&self.url, &realm).map_err(bad)?;
        Ok(Service { realm, name: challenge.parameter("service").map(ToOwned::to_owned) })
    }

    /// The credential, and whether it was asked for just now.
    async fn credential(&self) -> Result<(Credential, bool)> {
        let mut known = self.credential.lock().await;
        if let Some(known) = &*known {
            return Ok((known.clone(), false));
        }
        let told = self.source.credential(&self.key).await?;
        *known = Some(told.clone());
        Ok((told, true))
    }

    /// Shows something no more.
    async fn forget(&self, value: &Secret) {
        let mut known = self.credential.lock().await;
        let token = value.expose().strip_prefix("Bearer ").map(Secret::new);
        let is_it = match &*known {
            Some(Credential::Bearer(bearer)) => token.as_ref() == Some(bearer),
            Some(credential) => credential.basic().as_ref() == Some(value),
            None => false,
        };
        if is_it {
            *known = None;
        }
        drop(known);
        if let Some(token) = token {
            self.tokens.forget(&token).await;
        }
    }

    /// A new token. Credentials that are refused and may have ended are asked for once more.
    async fn token(&self, service: &Service, scopes: &Scopes) -> Result<Token> {
        let (credential, fresh) = self.credential().await?;
        match self.exchange(service, scopes, &credential).await {
            Err(Error::Unauthorized { .. }) if !fresh && credential != Credential::Anonymous => {
                *self.credential.lock().await = None;
                let (credential, _) = self.credential().await?;
                self.exchange(service, scopes, &credential).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(&self, service: &Service, scopes: &Scopes, credential: &Credential) -> Result<Token> {
        let request = match credential {
            Credential::Identity(secret) => refresh(service, scopes, secret)?,
            _ => ask(service, scopes, credential),
        };
        let mut answer = self.connection.send(&request, Want::Whole("a token", TOKEN_LIMIT)).await?;
        if answer.elsewhere {
            return Err(answer.bad("it sends who asks for a token to another host"));
        }
        if matches!(answer.status, 401 | 403) {
            let hint = if *credential == Credential::Anonymous { NONE_KNOWN } else { REFUSED };
            return Err(self.unauthorized(hint, Some(&answer)));
        }
        if answer.status != 200 {
            return Err(answer.into_error());
        }
        // What does not read is not told: it may have a token in it.
        let body = answer.read("a token", TOKEN_LIMIT).await?;
        let issued = serde_json::from_slice::<Issued>(&body).ok().and_then(Issued::into_token);
        issued.ok_or_else(|| answer.bad("it issues a token that does not read"))
    }

    fn unauthorized(&self, hint: &'static str, answer: Option<&Answer>) -> Error {
        let refusal = answer.map(|answer| Box::new(answer.refusal()));
        Error::Unauthorized { to: host(&self.url), hint, refusal }
    }
}

fn shown(token: &Secret, fresh: bool) -> Shown {
    let value = Secret::new(format!("Bearer {}", token.expose()));
    Shown { value: Some(value), secrets: vec![token.clone()], fresh }
}

/// GET, as the Distribution project has it: with a name and a password, or as nobody in particular.
fn ask(service: &Service, scopes: &Scopes, credential: &Credential) -> Request {
    let mut url = service.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Credential::Password { username, .. } = credential {
            query.append_pair("account", username);
        }
        if let Some(name) = &service.name {
            query.append_pair("service", name);
        }
        for scope in scopes.texts() {
            query.append_pair("scope", &scope);
        }
    }
    let mut request = Request::new(Method::GET, url);
    request.authorize(credential.basic(), &credential.secrets());
    request
}

/// POST, as OAuth 2 has it: with an identity token.
fn refresh(service: &Service, scopes: &Scopes, secret: &Secret) -> Result<Request> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT_ID);
    if let Some(name) = &service.name {
        form.append_pair("service", name);
    }
    let scopes: Vec<_> = scopes.texts().collect();
    form.append_pair("scope", &scopes.join(" ")).append_pair("refresh_token", secret.expose());
    let mut request = Request::new(Method::POST, service.realm.clone()).bytes(Bytes::from(form.finish()));
    request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded")?;
    request.authorize(None, std::slice::from_ref(secret));
    Ok(request)
}

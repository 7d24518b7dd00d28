//! A call of an operation, taken apart: who calls, with which parameters, and the proofs that its use case needs.

use std::borrow::Cow;
use std::sync::Arc;

use harbor_auth::Accounts;
use harbor_core::access::{Action, Actor, Authorized, InProject, InRepository, InSystem, InUser, ProjectRef};
use harbor_core::meta::{ProjectId, UserId};
use harbor_core::oci::{ProjectName, Reference, RepositoryName};
use harbor_core::operation::Match;
use harbor_core::query::{Key, Query};
use harbor_core::{Error, Harbor, Result};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::json;
use crate::app::App;
use crate::body::Unread;

/// The largest body taken, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Says that a project is named by its name although that is a number.
const IS_NAME: &str = "x-is-resource-name";

/// A call.
pub(super) struct Call<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) parts: &'a Parts,
    pub(super) actor: Actor,
    pub(super) found: Match,
    pub(super) body: &'a mut Unread,
}

impl Call<'_> {
    pub(super) fn harbor(&self) -> &Harbor {
        &self.app.harbor
    }

    /// The accounts, where this server has some of its own.
    pub(super) fn accounts(&self) -> Result<&Accounts> {
        self.app.options.accounts.as_ref().ok_or(Error::Unsupported("this server has no accounts of its own"))
    }

    /// A parameter of the path.
    pub(super) fn path(&self, name: &str) -> &str {
        self.found.parameter(name).unwrap_or_default()
    }

    /// A parameter of the path that is a key. One that is no number is none of a thing that there is.
    pub(super) fn id(&self, name: &str, of: &'static str) -> Result<i64> {
        match self.path(name).parse() {
            Ok(id) => Ok(id),
            Err(_) if self.path(name).bytes().all(|byte| byte.is_ascii_digit()) => Err(Error::NotFound(of)),
            Err(_) => Err(Error::Unprocessable(format!("{name} must be a number"))),
        }
    }

    /// Every parameter of the query, decoded.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes())
    }

    /// The first parameter of that name that is not empty.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = self.parameters();
        let found = parameters.find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.into_owned())
    }

    /// A parameter that is yes or no; no without it.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.parameter(name).as_deref() {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
            Some(_) => Err(Error::Unprocessable(format!("{name} must be true or false"))),
        }
    }

    /// `q`, `sort`, `page` and `page_size`.
    pub(super) fn list<K: Key>(&self) -> Result<Query<K>> {
        let parameter = |name: &str| self.parameter(name);
        let (q, sort) = (parameter("q"), parameter("sort"));
        let (page, size) = (parameter("page"), parameter("page_size"));
        Ok(Query::parse(q.as_deref(), sort.as_deref(), page.as_deref(), size.as_deref())?)
    }

    /// `page` and `page_size` alone.
    pub(super) fn pages<K: Key>(&self) -> Result<Query<K>> {
        let (page, size) = (self.parameter("page"), self.parameter("page_size"));
        Ok(Query::parse(None, None, page.as_deref(), size.as_deref())?)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a header says `true`.
    pub(super) fn says(&self, name: &str) -> bool {
        self.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Somebody in particular.
    pub(super) fn login(&self) -> Result<&Actor> {
        if self.actor.is_anonymous() { Err(Error::Unauthenticated) } else { Ok(&self.actor) }
    }

    /// The proof of a permission on the whole registry.
    pub(super) async fn system<A: Action<Scope = InSystem>>(&self) -> Result<Authorized<A>> {
        self.seen(self.harbor().authorize::<A>(&self.actor, ()).await)
    }

    /// The proof of a permission in the project that the path names.
    pub(super) async fn project<A: Action<Scope = InProject>>(&self) -> Result<Authorized<A>> {
        match self.found.parameter("project_name_or_id") {
            Some(named) => self.project_named(named, !self.says(IS_NAME)).await,
            None => self.project_named(self.path("project_name"), false).await,
        }
    }

    /// The proof of a permission in a project that is named otherwise; a number is its key, where that may be.
    pub(super) async fn project_named<A: Action<Scope = InProject>>(
        &self,
        named: &str,
        or_id: bool,
    ) -> Result<Authorized<A>> {
        if or_id && let Ok(id) = named.parse() {
            return self.project_of(ProjectId::new(id)).await;
        }
        let Ok(name) = named.parse::<ProjectName>() else {
            // There is none of such a name, and nobody is told more than that.
            return self.seen(Err(if self.actor.is_anonymous() {
                Error::Unauthenticated
            } else {
                Error::NameUnknown
            }));
        };
        self.seen(self.harbor().authorize::<A>(&self.actor, &name).await)
    }

    /// The proof of a permission in the project of that key.
    pub(super) async fn project_of<A: Action<Scope = InProject>>(
        &self,
        id: ProjectId,
    ) -> Result<Authorized<A>> {
        self.seen(self.harbor().authorize::<A>(&self.actor, ProjectRef::Id(id)).await)
    }

    /// The proof of a permission on the repository that the path names.
    pub(super) async fn repository<A: Action<Scope = InRepository>>(&self) -> Result<Authorized<A>> {
        let name = format!("{}/{}", self.path("project_name"), self.path("repository_name"));
        match name.parse::<RepositoryName>() {
            Ok(name) => self.seen(self.harbor().authorize::<A>(&self.actor, &name).await),
            // There is none of such a name, and nobody is told more than that.
            Err(_) if self.actor.is_anonymous() => Err(Error::Unauthenticated),
            Err(_) if self.actor.is_administrator() => Err(Error::NotFound("repository")),
            Err(_) => Err(Error::Denied),
        }
    }

    /// The tag or the digest that the path names. One that can be neither is none of an artifact that there is.
    pub(super) fn reference(&self) -> Result<Reference> {
        self.path("reference").parse().map_err(|_| Error::NotFound("artifact"))
    }

    /// The proof of a permission on the user that the path names.
    pub(super) async fn user<A: Action<Scope = InUser>>(&self) -> Result<Authorized<A>> {
        let id = UserId::new(self.id("user_id", "user")?);
        self.seen(self.harbor().authorize::<A>(&self.actor, id).await)
    }

    /// A refusal as Harbor has it: whoever is somebody gets 403 for what there is not as for what they may not know of, and only
    /// who may see everything is told that there is no such thing (conventions, section 11).
    pub(super) fn seen<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| match error {
            Error::NameUnknown if self.actor.is_administrator() => Error::NotFound("project"),
            Error::NameUnknown => Error::Denied,
            error => error,
        })
    }

    /// The body, read as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let headers = &self.parts.headers;
        // A page of somebody else cannot make a browser send this without asking first.
        let json = self.header(CONTENT_TYPE.as_str()).is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        });
        if !json {
            return Err(Error::UnsupportedMediaType("send the body as Content-Type: application/json"));
        }
        let too_large = || Error::TooLarge { limit: LARGEST as u64 };
        let body = self.body.whole(headers, self.app.options.body_pause, LARGEST, too_large).await?;
        json::read(&body)
            .map_err(|error| Error::BadRequest(format!("the body does not read: {}", fault(&error))))
    }
}

/// What is wrong with a body, without the value that is: that may be a secret.
fn fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let told = ["invalid type: ", "invalid value: "].into_iter().find_map(|kind| {
        let (found, expected) = text.strip_prefix(kind)?.rsplit_once(", expected ")?;
        let found = found.split(['`', '"']).next().unwrap_or_default().trim_end();
        Some(format!("{kind}{found}, expected {expected}"))
    });
    told.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_no_value() {
        for (body, told) in [
            ("47110815", "invalid type: integer, expected a string"),
            ("4711.0815", "invalid type: floating point, expected a string"),
            ("[4711]", "invalid type: sequence, expected a string"),
        ] {
            assert_eq!(fault(&json::read::<String>(body.as_bytes()).unwrap_err()), told);
        }
        let text = r#""a \" 4711, expected 4711""#;
        let told = fault(&json::read::<u64>(text.as_bytes()).unwrap_err());
        assert!(told.starts_with("invalid type: string, expected u64") && !told.contains("4711"), "{told}");
        assert!(fault(&json::read::<String>(b"{}").unwrap_err()).starts_with("invalid type: map"));
        assert!(fault(&json::read::<String>(b"").unwrap_err()).starts_with("EOF while parsing"));
        let text = r#"{"project_name":"a","storage_limit":"4711"}"#;
        let told = fault(&json::read::<harbor_core::api::ProjectReq>(text.as_bytes()).unwrap_err());
        assert!(told.starts_with("invalid type: string, expected i64") && !told.contains("4711"), "{told}");
    }
}

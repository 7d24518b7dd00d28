//! `/v2/`: the OCI Distribution Specification over the engine.
//!
//! One pure [`Route::parse`], one match, and a handler per endpoint. A handler asks the gate for its proof before it looks at
//! the body.

mod auth;
mod blobs;
mod error;
mod manifests;
mod query;
mod respond;
mod tags;
mod uploads;

use std::sync::Arc;

use axum::body::Body;
use harbor_core::access::{Action, Actor, Authorized, InRepository};
use harbor_core::oci::{Reference, RepositoryName, Route};
use harbor_core::{Error, Result};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

pub(crate) use auth::{address, credentials};
pub(crate) use error::refuse;

use crate::api::refused_for;
use crate::app::App;
use crate::body::Unread;

/// A request, taken apart.
pub(super) struct Call<'a> {
    app: &'a Arc<App>,
    parts: &'a Parts,
    actor: Actor,
}

/// The permission that a route needs: for the challenge that a refusal carries.
#[derive(Clone, Debug)]
pub(crate) struct Needed {
    repository: Option<RepositoryName>,
    actions: &'static str,
}

/// Answers a request whose path begins with `/v2`.
pub(crate) async fn answer(app: &Arc<App>, parts: &Parts, body: Body, id: &HeaderValue) -> Response<Body> {
    let mut needed = None;
    let mut body = Unread::new(body);
    match dispatch(app, parts, &mut body, &mut needed).await {
        Ok(response) => response,
        Err(error) => {
            body.drain(&parts.headers).await;
            let mut response = refuse(app, parts, &error, id, needed.as_ref());
            if parts.method == Method::HEAD {
                *response.body_mut() = Body::empty();
            }
            response
        }
    }
}

async fn dispatch(
    app: &Arc<App>,
    parts: &Parts,
    body: &mut Unread,
    needed: &mut Option<Needed>,
) -> Result<Response<Body>> {
    let route = Route::parse(parts.uri.path());
    *needed = route.as_ref().ok().map(|route| need(route, &parts.method));
    let credentials = credentials(&parts.headers)?;
    let known = credentials.is_some();
    let actor = app.authenticate(parts, credentials.as_ref()).await?;
    let call = Call { app, parts, actor };
    let answered = handled(&call, route?, body, known).await;
    answered.inspect_err(|error| told(&call, error))
}

async fn handled(call: &Call<'_>, route: Route, body: &mut Unread, known: bool) -> Result<Response<Body>> {
    let method = &call.parts.method;
    let read = matches!(*method, Method::GET | Method::HEAD);
    match (route, method.as_str()) {
        (Route::Base, _) if read => call.base(known),
        (Route::Catalog, "GET") => call.catalog().await,
        (Route::Tags(name), "GET") => call.tags(&name).await,
        (Route::Referrers(name, digest), "GET") => call.referrers(&name, &digest).await,
        (Route::Manifest(name, reference), _) if read => call.manifest(&name, &reference).await,
        (Route::Manifest(name, reference), "PUT") => call.manifest_put(&name, reference, body).await,
        (Route::Manifest(name, reference), "DELETE") => call.manifest_delete(&name, &reference).await,
        (Route::Blob(name, digest), "HEAD") => call.blob_head(&name, &digest).await,
        (Route::Blob(name, digest), "GET") => call.blob(&name, &digest).await,
        (Route::Blob(name, digest), "DELETE") => call.blob_delete(&name, &digest).await,
        (Route::Uploads(name), "POST") => call.upload_start(&name, body).await,
        (Route::Upload(name, id), _) if read => call.upload_status(&name, &id).await,
        (Route::Upload(name, id), "PATCH") => call.upload_append(&name, &id, body).await,
        (Route::Upload(name, id), "PUT") => call.upload_finish(&name, &id, body).await,
        (Route::Upload(name, id), "DELETE") => call.upload_cancel(&name, &id).await,
        (route, _) => Ok(error::wrong_method(&route)),
    }
}

/// Tells the audit log of a refusal for which the gate was not asked.
fn told(call: &Call<'_>, error: &Error) {
    let Some(why) = refused_for(error) else { return };
    let what = match call.parts.method {
        Method::GET | Method::HEAD => "pull",
        Method::DELETE => "delete",
        _ => "create",
    };
    let resource = match Route::parse(call.parts.uri.path()) {
        Ok(Route::Manifest(name, Reference::Tag(tag))) => format!("{name}:{tag}"),
        Ok(Route::Manifest(name, Reference::Digest(digest)) | Route::Blob(name, digest)) => {
            format!("{name}@{digest}")
        }
        Ok(Route::Uploads(name) | Route::Upload(name, _)) => name.to_string(),
        _ => String::new(),
    };
    call.app.harbor.tell_refusal(&call.actor, (what, "artifact"), &resource, &why);
}

fn need(route: &Route, method: &Method) -> Needed {
    let repository = match route {
        Route::Base | Route::Catalog => None,
        Route::Tags(name)
        | Route::Manifest(name, _)
        | Route::Blob(name, _)
        | Route::Uploads(name)
        | Route::Upload(name, _)
        | Route::Referrers(name, _) => Some(name.clone()),
    };
    let upload = matches!(route, Route::Uploads(_) | Route::Upload(..));
    let actions = match *method {
        Method::DELETE if !upload => "delete",
        Method::GET | Method::HEAD if !upload => "pull",
        _ => "pull,push",
    };
    Needed { repository, actions }
}

impl Call<'_> {
    /// Asks the gate.
    async fn proof<A: Action<Scope = InRepository>>(&self, name: &RepositoryName) -> Result<Authorized<A>> {
        self.app.harbor.authorize::<A>(&self.actor, name).await
    }

    fn content(&self) -> harbor_core::content::Content<'_> {
        self.app.harbor.content()
    }

    /// The body as the engine takes it.
    fn incoming(&self, body: &mut Unread) -> Result<harbor_core::content::Incoming> {
        body.incoming(&self.parts.headers, self.app.options.body_pause)
    }

    fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// end-1: whether this is a registry, and whether the client's credentials are good here. Who shows none is told how to
    /// get some: that is how `docker` learns what to do.
    fn base(&self, known: bool) -> Result<Response<Body>> {
        if !known {
            return Err(Error::Unauthenticated);
        }
        Ok(respond::json(StatusCode::OK, "{}".to_owned()))
    }
}

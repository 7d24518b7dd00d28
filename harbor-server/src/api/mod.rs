//! `/api/v2.0`: Harbor's API over the engine.
//!
//! One table of operations ([`harbor_core::operation`]) finds what a request asks for; a file a noun answers it. A handler asks
//! for its proof before it reads the body, and the proof is of the type that the use case takes. Where the body says what it is about
//! (a robot, a label, a policy of retention), whoever is nobody is refused before it is read.

mod additions;
mod answer;
mod artifacts;
mod audit;
mod audit_check;
mod audit_export;
mod call;
mod configuration;
mod error;
mod events;
mod gc;
mod groups;
mod immutable;
mod jobs;
mod json;
mod labels;
mod members;
mod metadata;
mod openapi;
mod permissions;
mod personal_tokens;
mod projects;
mod purge;
mod quotas;
mod repositories;
mod retention;
mod robots;
mod robots_v1;
mod roles;
mod runs;
mod search;
mod system;
mod totp;
mod users;
mod webhooks;

use std::sync::Arc;

use axum::body::Body;
use harbor_core::access::{Actor, Secret};
use harbor_core::operation::{self, Lookup, Match, Need, Operation};
use harbor_core::{Error, audit as audit_log};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, Response};

pub(crate) use answer::{json, not_found, wrong_method};
pub(crate) use error::{refuse, refused_for};
pub(crate) use openapi::text as openapi;
pub(crate) use system::{health, ping, version};

use self::answer::Answered;
use self::call::Call;
use crate::app::{App, origin};
use crate::body::Unread;
use crate::session;
use crate::v2::credentials;

/// Answers a request whose path begins with `/api/v2.0/`.
pub(crate) async fn answer(app: &Arc<App>, parts: &Parts, body: Body, id: &HeaderValue) -> Response<Body> {
    let path = parts.uri.path().strip_prefix(operation::BASE);
    let Some((path, method)) = path.zip(operation::Method::named(parts.method.as_str())) else {
        return not_found();
    };
    if let Some(document) = openapi::answer(path, method) {
        return document;
    }
    match operation::find(method, path) {
        Lookup::Found(found) => called(app, parts, body, found, id).await,
        Lookup::OtherMethod(methods) => {
            let allowed: Vec<_> = methods.into_iter().map(operation::Method::as_str).collect();
            wrong_method(&allowed.join(", "))
        }
        Lookup::Unknown => not_found(),
    }
}

async fn called(app: &Arc<App>, parts: &Parts, body: Body, found: Match, id: &HeaderValue) -> Response<Body> {
    // Answered whoever asks, and whatever the stores do.
    match found.operation.id {
        "getPing" => return ping(&parts.method),
        "getHealth" => return health(app, parts, id).await,
        _ => {}
    }
    let mut body = Unread::new(body);
    // Of no account where there is an Authorization beside it.
    let browser = match session::cookie(parts) {
        Err(error) if !parts.headers.contains_key(AUTHORIZATION) => {
            body.drain(&parts.headers).await;
            return refuse(parts, &error, id);
        }
        cookie => cookie.unwrap_or_default(),
    };
    let mut response = match dispatch(app, parts, &mut body, found, browser.as_ref()).await {
        Ok(response) => response,
        Err(error) => {
            body.drain(&parts.headers).await;
            refuse(parts, &error, id)
        }
    };
    if let Some(secret) = &browser {
        session::show_token(app, secret, &mut response);
    }
    if parts.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn dispatch(
    app: &Arc<App>,
    parts: &Parts,
    body: &mut Unread,
    found: Match,
    browser: Option<&Secret>,
) -> harbor_core::Result<Response<Body>> {
    let operation = found.operation;
    if let Err(error) = session::check_own(parts) {
        // A page of somebody else says who it is as little as a browser that sends what it remembers.
        return Err(told(app, parts, &Actor::anonymous().with_origin(origin(parts)), operation, error));
    }
    let credentials = credentials(&parts.headers)?;
    let actor = match (&credentials, browser) {
        (None, Some(secret)) => session::actor(app, parts, secret).await?,
        _ => app.authenticate(parts, credentials.as_ref()).await?,
    };
    if let (None, Some(secret)) = (&credentials, browser) {
        let own = session::check_token(app, parts, secret, &actor);
        own.map_err(|error| told(app, parts, &actor, operation, error))?;
    }
    let mut call = Call { app, parts, actor, found, body };
    let answered = handled(&mut call, operation).await;
    let answered = answered.map_err(|error| match error {
        // Whoever shows a token for something else is somebody, and asked for no other one.
        Error::OutOfScope => Error::Denied,
        error => error,
    });
    let answered = answered.map_err(|error| told(app, parts, &call.actor, operation, error))?;
    Ok(answered.unwrap_or_else(|| error::not_yet(operation.id)))
}

/// Tells the audit log of a refusal for which the gate was not asked; yields it.
fn told(app: &App, parts: &Parts, actor: &Actor, operation: &Operation, error: Error) -> Error {
    if let Some(why) = refused_for(&error) {
        let path = parts.uri.path();
        let resource = path.strip_prefix(operation::BASE).unwrap_or(path);
        app.harbor.tell_refusal(actor, called_in_log(operation), resource, &why);
    }
    error
}

/// What the audit log calls an operation, and what it is done to.
fn called_in_log(operation: &Operation) -> (&'static str, &'static str) {
    if let Need::Permission(permission) | Need::Own(permission) | Need::Registers(permission) = operation.need
    {
        return audit_log::named(permission);
    }
    let done = match operation.method {
        operation::Method::Post => "create",
        operation::Method::Put | operation::Method::Patch => "update",
        operation::Method::Delete => "delete",
        operation::Method::Get | operation::Method::Head => "read",
    };
    (done, operation.tag)
}

async fn handled(call: &mut Call<'_>, operation: &Operation) -> Answered {
    Ok(match operation.tag {
        "project" if operation.id == "listArtifactsOfProject" => {
            artifacts::answer(call, operation.id).await?
        }
        "project" if ["getLogs", "getLogExts"].contains(&operation.id) => {
            audit::answer(call, operation.id).await?
        }
        "auditlog" => audit::answer(call, operation.id).await?,
        "project" => projects::answer(call, operation.id).await?,
        "repository" => repositories::answer(call, operation.id).await?,
        "artifact" => artifacts::answer(call, operation.id).await?,
        "immutable" => immutable::answer(call, operation.id).await?,
        "label" => labels::answer(call, operation.id).await?,
        "search" | "statistic" => search::answer(call, operation.id).await?,
        "projectMetadata" => metadata::answer(call, operation.id).await?,
        "member" => members::answer(call, operation.id).await?,
        "user" => users::answer(call, operation.id).await?,
        "usergroup" => groups::answer(call, operation.id).await?,
        "robot" => robots::answer(call, operation.id).await?,
        "robotv1" => robots_v1::answer(call, operation.id).await?,
        "role" => roles::answer(call, operation.id).await?,
        "token" => personal_tokens::answer(call, operation.id).await?,
        "totp" => totp::answer(call, operation.id).await?,
        "configure" => configuration::answer(call, operation.id).await?,
        "event" => events::answer(call, operation.id).await?,
        "gc" => gc::answer(call, operation.id).await?,
        "purge" => purge::answer(call, operation.id).await?,
        "jobservice" | "schedule" => jobs::answer(call, operation.id).await?,
        "Retention" => retention::answer(call, operation.id).await?,
        "quota" => quotas::answer(call, operation.id).await?,
        "webhook" | "webhookjob" => webhooks::answer(call, operation.id).await?,
        "permissions" => permissions::answer(call, operation.id).await?,
        "systeminfo" => system::answer(call, operation.id).await?,
        _ => None,
    })
}

//! `/c/login` and `/c/log_out`, and the sessions of browsers in the API: a cookie `sid`, and with each request that changes
//! something the token against cross-site requests (conventions, section 2).

use std::sync::Arc;

use axum::body::Body;
use harbor_core::access::{Actor, Credentials, Secret};
use harbor_core::{Error, Result};
use http::header::{CACHE_CONTROL, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response};
use url::form_urlencoded;

use crate::api;
use crate::app::{App, origin};
use crate::body::Unread;
use crate::v2::address;

/// The cookie.
pub(crate) const SID: &str = "sid";

/// The cookie of a page that nobody has logged in from yet, as Harbor calls it.
const PAGE: &str = "_gorilla_csrf";

/// The header that carries the token, both ways.
const CSRF: HeaderName = HeaderName::from_static("x-harbor-csrf-token");

/// The header of a request that is not the user's own doing, and keeps no session alive.
const NO_RENEWAL: &str = "x-harbor-no-session-renewal";

/// What browsers say of where a request comes from (Fetch Metadata Request Headers).
const SITE: &str = "sec-fetch-site";

/// The largest form taken, in bytes.
const LARGEST: usize = 16 * 1024;

/// How many cookies of that name are looked at: a browser has one, or some of neighbouring names.
const COOKIES: usize = 8;

/// How long a page keeps its cookie, as with Harbor: half a day, in seconds.
const PAGE_LASTS: u32 = 12 * 60 * 60;

/// What the cookies of that name of a request hold, each once.
fn cookies(parts: &Parts, wanted: &str) -> Vec<Secret> {
    let cookies = parts.headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = Vec::new();
    for (_, value) in pairs.filter(|(name, _)| *name == wanted).take(COOKIES) {
        let secret = Secret::new(value);
        if !found.contains(&secret) {
            found.push(secret);
        }
    }
    found
}

/// What the cookie of a request holds.
///
/// # Errors
/// [`Error::BadRequest`] for several that differ: one of them may be somebody else's, from a server of a neighbouring name, and
/// which one the browser sends first is theirs to choose.
pub(crate) fn cookie(parts: &Parts) -> Result<Option<Secret>> {
    let mut found = cookies(parts, SID);
    if found.len() > 1 {
        let what = format!(
            "there are several cookies {SID}, and whose is meant cannot be told: delete them and log in again"
        );
        return Err(Error::BadRequest(what));
    }
    Ok(found.pop())
}

/// Whose session a cookie stands for; nobody's, when it has ended.
///
/// # Errors
/// As [`App::authenticate`].
pub(crate) async fn actor(app: &App, parts: &Parts, secret: &Secret) -> Result<Actor> {
    let renew = !parts.headers.contains_key(NO_RENEWAL);
    let credentials = Credentials::Session { secret: secret.clone(), renew };
    match app.authenticate(parts, Some(&credentials)).await {
        Err(Error::Unauthenticated) => Ok(Actor::anonymous()),
        actor => actor,
    }
}

/// Whether a request of a session may change something.
///
/// # Errors
/// [`Error::Forbidden`] for a request that would change something and does not prove that the page of this server sends it.
pub(crate) fn check_token(app: &App, parts: &Parts, secret: &Secret, actor: &Actor) -> Result<()> {
    if !actor.is_anonymous() && !is_safe(&parts.method) {
        let token = parts.headers.get(&CSRF).and_then(|token| token.to_str().ok()).unwrap_or_default();
        let known = app.options.accounts.as_ref().is_some_and(|accounts| {
            let pages = cookies(parts, PAGE);
            let mut pages = pages.iter().filter(|page| accounts.is_csrf_page(page));
            accounts.csrf_verify(secret, token) || pages.any(|page| accounts.csrf_verify(page, token))
        });
        if !known {
            return Err(Error::Forbidden(format!(
                "CSRF token invalid: send back the header {CSRF} of an answer"
            )));
        }
    }
    Ok(())
}

/// Whether a method changes nothing (RFC 9110, section 9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses a request that would change something and that a browser sends for a page of somebody else: it sends a password that
/// it remembers as well as a cookie.
///
/// # Errors
/// [`Error::Forbidden`].
pub(crate) fn check_own(parts: &Parts) -> Result<()> {
    if is_safe(&parts.method) || is_own(parts) {
        return Ok(());
    }
    Err(Error::Forbidden(
        "this is for pages of this server and for programs, and not for other pages".to_owned(),
    ))
}

/// Whether a browser says that a request comes from a page of this server, or says nothing.
fn is_own(parts: &Parts) -> bool {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = header(SITE) {
        return site == "same-origin" || site == "none";
    }
    match header(ORIGIN.as_str()) {
        None => true,
        Some(origin) => {
            let authority = parts.uri.authority().map(http::uri::Authority::as_str);
            let host = authority.or_else(|| header(HOST.as_str()));
            origin.split_once("://").map(|(_, origin)| origin) == host
        }
    }
}

/// Tells the page the token of its session.
pub(crate) fn show_token(app: &App, secret: &Secret, response: &mut Response<Body>) {
    if let Some(accounts) = &app.options.accounts
        && let Ok(token) = HeaderValue::try_from(accounts.csrf_token(secret))
    {
        response.headers_mut().insert(CSRF, token);
        // It is for who asked, and for no cache.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Shows a page that nobody has logged in from a token, and gives it the cookie that belongs to it: clients of Harbor fetch them ahead
/// of the login (conventions, section 2).
fn greet(app: &App, parts: &Parts, response: &mut Response<Body>) -> Result<()> {
    let Some(accounts) = &app.options.accounts else { return Ok(()) };
    // Where there are several, a server of a neighbouring name may have made one of them.
    let mut known = cookies(parts, PAGE);
    known.retain(|page| accounts.is_csrf_page(page));
    let known = known.pop().filter(|_| known.is_empty());
    let page = known.map_or_else(|| accounts.csrf_page(), Ok)?;
    // Also where it is known: it may have been set for one path, or by a server of a neighbouring name.
    Cookie::page(page.expose()).set(app, parts, response);
    show_token(app, &page, response);
    Ok(())
}

/// Answers a request whose path is `/c/login` or `/c/log_out`.
pub(crate) async fn answer(app: &Arc<App>, parts: &Parts, body: Body, id: &HeaderValue) -> Response<Body> {
    let mut body = Unread::new(body);
    let answered = match (parts.uri.path(), &parts.method) {
        ("/c/login", &Method::POST) => log_in(app, parts, &mut body).await,
        ("/c/login", method) => {
            let mut response = api::wrong_method("POST");
            let greeted = if is_safe(method) { greet(app, parts, &mut response) } else { Ok(()) };
            greeted.map(|()| response)
        }
        (_, &Method::GET) => log_out(app, parts).await,
        _ => return api::wrong_method("GET"),
    };
    match answered {
        Ok(response) => response,
        Err(error) => {
            if let Error::Forbidden(why) = &error {
                let nobody = Actor::anonymous().with_origin(origin(parts));
                app.harbor.tell_refusal(&nobody, ("login", "user"), "", why);
            }
            body.drain(&parts.headers).await;
            api::refuse(parts, &error, id)
        }
    }
}

async fn log_in(app: &App, parts: &Parts, body: &mut Unread) -> Result<Response<Body>> {
    let none = || Error::Unsupported("this server has no accounts of its own");
    let accounts = app.options.accounts.as_ref().ok_or_else(none)?;
    // Nobody is logged in by a page of somebody else.
    if !is_own(parts) {
        return Err(Error::Forbidden("log in from a page of this server".to_owned()));
    }
    let too_large = || Error::TooLarge { limit: LARGEST as u64 };
    let form = body.whole(&parts.headers, app.options.body_pause, LARGEST, too_large).await?;
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(&form);
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let code = Some(field("totp")).filter(|code| !code.is_empty()).map(Secret::new);
    let credentials =
        Credentials::Form { username: field("principal"), password: Secret::new(field("password")), code };
    let actor = app.authenticate(parts, Some(&credentials)).await?;
    let secret = accounts.session_begin(&actor).await?;
    for earlier in cookies(parts, SID) {
        // The new one has begun, and its cookie is sent whatever becomes of another.
        if let Err(error) = accounts.session_end(&earlier, origin(parts)).await {
            tracing::warn!(%error, "an earlier session of a browser was not ended by its login");
        }
    }
    let mut response = Response::new(Body::empty());
    Cookie::session(secret.expose()).set(app, parts, &mut response);
    show_token(app, &secret, &mut response);
    Ok(response)
}

async fn log_out(app: &App, parts: &Parts) -> Result<Response<Body>> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A link on somebody else's page ends nothing.
    let Some(accounts) = app.options.accounts.as_ref().filter(|_| is_own(parts)) else { return Ok(response) };
    let mut outcome = Ok(());
    for secret in cookies(parts, SID) {
        outcome = outcome.and(accounts.session_end(&secret, origin(parts)).await);
    }
    outcome?;
    for ended in [Cookie::session("").ended(), Cookie::page("").ended()] {
        if !cookies(parts, ended.name).is_empty() {
            ended.set(app, parts, &mut response);
        }
    }
    Ok(response)
}

/// A cookie that pages of this server have, and their scripts cannot read.
struct Cookie<'a> {
    name: &'static str,
    value: &'a str,
    /// With which requests of other sites it is sent.
    same_site: &'static str,
    /// In seconds; as long as the browser runs where it does not say.
    lasts: Option<u32>,
}

impl<'a> Cookie<'a> {
    const fn session(value: &'a str) -> Self {
        Self { name: SID, value, same_site: "Lax", lasts: None }
    }

    const fn page(value: &'a str) -> Self {
        Self { name: PAGE, value, same_site: "Strict", lasts: Some(PAGE_LASTS) }
    }

    const fn ended(self) -> Self {
        Self { value: "", lasts: Some(0), ..self }
    }

    /// Sets it, and keeps the answer out of caches.
    fn set(&self, app: &App, parts: &Parts, response: &mut Response<Body>) {
        let Self { name, value, same_site, lasts } = self;
        let mut text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}");
        if let Some(lasts) = lasts {
            text += &format!("; Max-Age={lasts}");
        }
        if address(app, parts).starts_with("https:") {
            text += "; Secure";
        }
        if let Ok(cookie) = HeaderValue::try_from(text) {
            response.headers_mut().append(SET_COOKIE, cookie);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

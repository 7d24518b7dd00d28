//! What there is to know of this server.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::SystemVolumesRead;
use harbor_core::api::{ComponentHealthStatus, GeneralInfo, OverallHealthStatus, Storage, SystemInfo};
use harbor_core::{ConfigKey, Error, Result};
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};

use super::answer::{Answered, done, json, ok, wrong_method};
use super::call::Call;
use super::error::refuse;
use crate::app::App;
use crate::v2::address;

/// The methods of what is read and nothing else.
const READ: &str = "GET, HEAD";

/// The release of Harbor whose API this is, as its clients read versions.
const VERSION: &str = concat!("v2.16.0-rust.", env!("CARGO_PKG_VERSION"));

pub(super) async fn answer(call: &Call<'_>, id: &str) -> Answered {
    match id {
        "getSystemInfo" => general(call).await.map(Some),
        "getVolumes" => volumes(&call.system().await?, call).await.map(Some),
        // As with Harbor where it has none: this server makes no certificates of its own.
        "getCert" => Err(Error::NotFound("certificate")),
        "rotateTokenKeys" => {
            let proof = call.system().await?;
            call.accounts()?.rotate_keys(call.harbor(), proof).await?;
            Ok(Some(done()))
        }
        _ => Ok(None),
    }
}

async fn volumes(proof: &Authorized<SystemVolumesRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let space = call.harbor().volumes(proof).await?;
    let (total, free) = space.map_or((0, 0), |space| (space.total, space.free));
    ok(&SystemInfo { storage: vec![Storage { total, free }] })
}

async fn general(call: &Call<'_>) -> Result<Response<Body>> {
    let configuration = call.harbor().configuration().await?;
    let banner = configuration.text(ConfigKey::BannerMessage);
    let mut info = GeneralInfo {
        auth_mode: "db_auth".to_owned(),
        self_registration: configuration.flag(ConfigKey::SelfRegistration),
        banner_message: Some(banner).filter(|banner| !banner.is_empty()),
        ..GeneralInfo::default()
    };
    if !call.actor.is_anonymous() {
        let url = address(call.app, call.parts);
        info.registry_url = url.split_once("://").map(|(_, host)| host.to_owned());
        info.external_url = Some(url);
        info.current_time = Some(call.harbor().now());
        info.project_creation_restriction = Some(configuration.text(ConfigKey::ProjectCreationRestriction));
        info.has_ca_root = Some(false);
        info.harbor_version = Some(VERSION.to_owned());
        info.registry_storage_provider_name = Some(call.harbor().blob_store_name().to_owned());
        info.read_only = Some(configuration.flag(ConfigKey::ReadOnly));
        info.notification_enable = Some(configuration.flag(ConfigKey::NotificationEnable));
    }
    ok(&info)
}

/// `getPing`: answers as long as the process does, whatever the stores do.
pub(crate) fn ping(method: &Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return wrong_method(READ);
    }
    let mut response = Response::new(Body::from("Pong"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// `/api/version`: the version of the API, for clients that look for it before they know where the rest is.
pub(crate) fn version(method: &Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return wrong_method(READ);
    }
    json(StatusCode::OK, r#"{"version":"v2.0"}"#.to_owned())
}

/// `getHealth`: the state of each part. As with Harbor the status is 200 and the body tells; the reason of a fault goes to
/// the log, for it may name hosts.
pub(crate) async fn health(app: &App, request: &http::request::Parts, id: &HeaderValue) -> Response<Body> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return wrong_method(READ);
    }
    let health = app.harbor.health().await;
    let word = |healthy: bool| if healthy { "healthy" } else { "unhealthy" }.to_owned();
    let part = |name: &str, state: &Result<(), harbor_core::StoreError>| {
        if let Err(error) = state {
            tracing::warn!(component = name, %error, "a part of the registry is unhealthy");
        }
        let error = state.is_err().then(|| "see the log of the server".to_owned());
        ComponentHealthStatus { name: name.to_owned(), status: word(state.is_ok()), error }
    };
    let components =
        vec![part("core", &Ok(())), part("database", &health.metadata.1), part("registry", &health.blobs.1)];
    let status = OverallHealthStatus { status: word(health.is_healthy()), components };
    ok(&status).unwrap_or_else(|error| refuse(request, &error, id))
}

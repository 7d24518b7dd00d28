//! What can be read out of an artifact.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::ArtifactAdditionRead;
use harbor_core::api::AdditionLink;
use harbor_core::operation::BASE;
use harbor_core::{AdditionKind, Error, Found, Result};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};

use super::call::Call;

pub(super) async fn get(proof: &Authorized<ArtifactAdditionRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let kind = AdditionKind::named(call.path("addition")).ok_or(Error::NotFound("addition"))?;
    let addition = call.harbor().artifacts().addition(proof, &call.reference()?, kind).await?;
    let mut response = Response::new(Body::from(addition.content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(addition.content_type));
    // Whoever pushed the artifact wrote it: no browser shall make more of it than text.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Where each of the additions of an artifact is, by name.
pub(super) fn links(found: &Found) -> impl Iterator<Item = (String, AdditionLink)> {
    let (project, repository) = found.artifact.repository_name.as_str().split_once('/').unwrap_or_default();
    // As Harbor has it: the slashes of the name are encoded twice.
    let artifact = format!("{BASE}/projects/{project}/repositories/{}", repository.replace('/', "%252F"));
    let digest = found.artifact.digest;
    found.additions().map(move |kind| {
        let href = format!("{artifact}/artifacts/{digest}/additions/{}", kind.name());
        (kind.name().to_owned(), AdditionLink { href, absolute: false })
    })
}

//! `/v2/<name>/manifests/<reference>` and `/v2/<name>/referrers/<digest>`.

use axum::body::Body;
use harbor_core::access::permission::{ArtifactDelete, RepositoryPull, RepositoryPush, TagDelete};
use harbor_core::content::ManifestPush;
use harbor_core::meta::ManifestId;
use harbor_core::oci::{
    Digest, MANIFEST_LIMIT, ManifestError, MediaType, Reference, RepositoryName, Route, Tag,
};
use harbor_core::{Error, Result};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LINK, LOCATION, USER_AGENT};
use http::{HeaderName, Method, Response, StatusCode};
use serde_json::json;

use super::{Call, query, respond};
use crate::app::address;
use crate::body::Unread;

/// What the replication of Harbor calls itself: as with Harbor, what it copies is not counted as pulled.
const REPLICATION: &str = "harbor-registry-client";

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// How many tags one push may set: the specification asks for at least ten.
const TAGS: usize = 100;

impl Call<'_> {
    /// end-3.
    pub(super) async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPull>(name).await?;
        let (from, now) = (address(self.parts), self.app.harbor.now());
        let left = match self.parts.method {
            Method::HEAD => self.app.counts.pulls.look(&self.actor, from, now),
            _ => self.app.counts.pulls.take(&self.actor, from, now)?,
        };
        let project = proof.target().project.id;
        let manifest = self.content().manifest(proof, reference).await?;
        if respond::client_has(&self.parts.headers, &manifest.digest) {
            let mut response = respond::empty(StatusCode::NOT_MODIFIED);
            left.show(response.headers_mut());
            respond::digest(response.headers_mut(), &manifest.digest);
            return Ok(response);
        }
        let mut response = respond::empty(StatusCode::OK);
        let headers = response.headers_mut();
        left.show(headers);
        respond::digest(headers, &manifest.digest);
        headers.insert(CONTENT_TYPE, respond::value(manifest.media_type.as_str()));
        headers.insert(CONTENT_LENGTH, manifest.payload.len().into());
        if self.parts.method != Method::HEAD {
            // Whatever the client calls itself.
            self.content().tell_pull(&self.actor, (project, name), &manifest, reference);
            if self.header(&USER_AGENT) != Some(REPLICATION) {
                self.content().count_pull(&self.actor, name, &manifest, reference);
            }
            *response.body_mut() = Body::from(manifest.payload.clone());
        }
        Ok(response)
    }

    /// end-7.
    pub(super) async fn manifest_put(
        &self,
        name: &RepositoryName,
        reference: Reference,
        body: &mut Unread,
    ) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPush>(name).await?;
        let now = self.app.harbor.now();
        let left = self.app.counts.pushes.take(&self.actor, address(self.parts), now)?;
        let media_type = self.header(&CONTENT_TYPE).map(MediaType::from_header).transpose();
        let media_type = media_type.map_err(|_| ManifestError::Member("the Content-Type"))?;
        let tags = self.tags_parameter(&reference)?;
        let too_large = || Error::ManifestInvalid(ManifestError::TooLarge);
        let payload =
            body.whole(&self.parts.headers, self.app.options.body_pause, MANIFEST_LIMIT, too_large).await?;
        let tagged = !tags.is_empty();
        let push = ManifestPush { reference, tags, media_type, payload };
        let pushed = self.content().manifest_put(proof, push).await?;
        let mut response = respond::empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        left.show(headers);
        let location = Route::Manifest(name.clone(), Reference::Digest(pushed.digest)).path();
        headers.insert(LOCATION, respond::value(location));
        headers.insert(respond::CONTENT_DIGEST, respond::value(pushed.digest.to_string()));
        if let Some(subject) = pushed.subject {
            headers.insert(SUBJECT, respond::value(subject.to_string()));
        }
        if tagged {
            for tag in &pushed.tags {
                headers.append(TAG, respond::value(tag.as_str()));
            }
        }
        Ok(response)
    }

    /// `?tag=a&tag=b`, which goes with a digest.
    fn tags_parameter(&self, reference: &Reference) -> Result<Vec<Tag>> {
        let tags = self.parameters().filter(|(key, _)| key == "tag").map(|(_, tag)| tag.parse::<Tag>());
        let tags = tags.collect::<Result<Vec<_>, _>>()?;
        if tags.len() > TAGS {
            return Err(Error::BadRequest(format!("at most {TAGS} tags can be set at once")));
        }
        match reference {
            Reference::Tag(_) if !tags.is_empty() => {
                Err(Error::BadRequest("the tag parameter goes with a digest in the path".to_owned()))
            }
            _ => Ok(tags),
        }
    }

    /// end-9: a digest deletes the manifest with its tags, a tag only itself.
    pub(super) async fn manifest_delete(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Response<Body>> {
        match reference {
            Reference::Digest(digest) => {
                let proof = self.proof::<ArtifactDelete>(name).await?;
                self.content().manifest_delete(proof, digest).await?;
            }
            Reference::Tag(tag) => {
                let proof = self.proof::<TagDelete>(name).await?;
                self.content().tag_delete(proof, tag).await?;
            }
        }
        Ok(respond::empty(StatusCode::ACCEPTED))
    }

    /// end-12.
    pub(super) async fn referrers(&self, name: &RepositoryName, subject: &Digest) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPull>(name).await?;
        let wanted = self.parameter("artifactType").filter(|wanted| !wanted.is_empty());
        let after = self.parameter("after").map(|after| after.parse().map(ManifestId::new)).transpose();
        let after = after
            .map_err(|_| Error::BadRequest("after must come from a Link of this registry".to_owned()))?;
        let page = self.content().referrers(proof, subject, wanted.as_deref(), after).await?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX,
            "manifests": page.manifests,
        });
        let mut response = respond::json(StatusCode::OK, index.to_string());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MediaType::OCI_INDEX));
        if wanted.is_some() {
            headers.insert(FILTERS, HeaderValue::from_static("artifactType"));
        }
        if let Some(next) = page.next {
            let after = next.get().to_string();
            let mut parameters = vec![("after", after.as_str())];
            parameters.extend(wanted.as_deref().map(|wanted| ("artifactType", wanted)));
            headers.insert(LINK, respond::value(query::next_link(self.parts.uri.path(), &parameters)));
        }
        Ok(response)
    }
}

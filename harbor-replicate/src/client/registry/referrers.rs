//! Referrers: end-12, and the lists that clients keep by tag where a registry has none.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use harbor_core::oci::{Descriptor, Digest, MANIFEST_LIMIT, ManifestView, MediaType, Reference, Route, Tag};
use http::header::ACCEPT;
use http::{HeaderName, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Repository;
use super::names::{Listing, Pages};
use crate::client::answer::Answer;
use crate::client::request::{Request, name};
use crate::client::transport::Want;
use crate::client::{Error, Result};

const FILTERS_APPLIED: HeaderName = name("oci-filters-applied");

/// What registries answer that know no referrers.
const UNKNOWN: [u16; 3] = [404, 405, 501];

#[derive(Deserialize)]
struct Index {
    manifests: Option<Vec<Descriptor>>,
}

impl Repository {
    /// What refers to a manifest, which need not be there (end-12): signatures, SBOMs, attestations. With a type, only those of it.
    /// Where the registry has no such list, the one that clients keep by tag is read.
    ///
    /// ```no_run
    /// # async fn example(app: harbor_replicate::client::Repository) -> harbor_replicate::client::Result<()> {
    /// let image = app.manifest(&"latest".parse().unwrap()).await?;
    /// for referrer in app.referrers(&image.digest, None).all().await? {
    ///     println!("{} {:?}", referrer.digest, referrer.artifact_type);
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Listing<Descriptor> {
        let (repository, subject) = (self.clone(), *subject);
        let artifact_type = artifact_type.map(ToOwned::to_owned);
        let listed = async move { repository.referrers_listed(&subject, artifact_type).await };
        Listing::new(stream::once(listed).try_flatten())
    }

    async fn referrers_listed(
        &self,
        subject: &Digest,
        artifact_type: Option<String>,
    ) -> Result<Listing<Descriptor>> {
        let url = self.referrers_url(subject, artifact_type.as_deref());
        let request = Request::new(Method::GET, url.clone()).header(ACCEPT, MediaType::OCI_INDEX)?;
        let want = Want::Whole("a list of referrers", MANIFEST_LIMIT);
        let answer = self.registry.call(request, &self.pull_scopes(), want).await?;
        if UNKNOWN.contains(&answer.status) {
            let listed = self.referrers_tagged(subject).await?;
            return Ok(Listing::new(stream::iter(listed.filtered(artifact_type.as_deref(), false)).map(Ok)));
        }
        let filter = artifact_type;
        let read = move |answer: &Answer, body: &[u8]| {
            let index: Index = serde_json::from_slice(body)
                .map_err(|error| answer.bad(format!("a list of referrers that does not read: {error}")))?;
            Ok(index.filtered(filter.as_deref(), is_filtered(answer)))
        };
        let mut pages = Pages::new(self.registry.clone(), self.pull_scopes(), url.clone(), read);
        let first = pages.took(url, answer.expect(&[200])?).await?;
        Ok(Listing::new(stream::iter(first).map(Ok).chain(pages.listing())))
    }

    fn referrers_url(&self, subject: &Digest, artifact_type: Option<&str>) -> Url {
        let mut url = self.registry.at(&Route::Referrers(self.name.clone(), *subject));
        if let Some(artifact_type) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        url
    }

    /// The list that clients keep by tag; an empty one where there is none.
    async fn referrers_tagged(&self, subject: &Digest) -> Result<Index> {
        match self.manifest(&Reference::Tag(Tag::of_referrers(subject))).await {
            Err(error) if error.is_absent() => Ok(Index { manifests: None }),
            Err(error) => Err(error),
            Ok(manifest) => serde_json::from_slice(&manifest.bytes).map_err(|error| {
                Error::bad_answer(
                    self.registry.host(),
                    format!("a list of referrers that does not read: {error}"),
                )
            }),
        }
    }

    /// Puts a pushed manifest into the list of its subject that clients keep by tag ("Referrers Tag Schema"), where it has one. Of two
    /// clients who do this at once one may be lost: the specification has nothing against it.
    pub(super) async fn enlist(&self, media_type: &MediaType, digest: Digest, bytes: &[u8]) -> Result<()> {
        let view = ManifestView::parse(Some(media_type), bytes).ok();
        let Some((view, subject)) =
            view.and_then(|view| view.subject.clone().map(|subject| (view, subject.digest)))
        else {
            return Ok(());
        };
        let tag = Reference::Tag(Tag::of_referrers(&subject));
        let mut index = match self.manifest(&tag).await {
            Ok(manifest) => serde_json::from_slice::<Value>(&manifest.bytes).unwrap_or_default(),
            Err(error) if error.is_absent() => Value::Null,
            Err(error) => return Err(error),
        };
        if !index["manifests"].is_array() {
            index = json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [] });
        }
        let entry = json!({
            "mediaType": media_type.as_str(), "digest": digest, "size": bytes.len(),
            "artifactType": view.artifact_type, "annotations": view.annotations,
        });
        let Some(listed) = index["manifests"].as_array_mut() else { return Ok(()) };
        if listed.iter().any(|known| known["digest"] == entry["digest"]) {
            return Ok(());
        }
        listed.push(entry);
        let index_type = media_type_of_index()?;
        // The list has no subject itself, so this ends here.
        Box::pin(self.manifest_put(&tag, &index_type, index.to_string())).await.map(|_| ())
    }
}

fn media_type_of_index() -> Result<MediaType> {
    let wrong = |_| Error::Configuration("the media type of an index does not read".to_owned());
    MediaType::OCI_INDEX.parse().map_err(wrong)
}

impl Index {
    /// Those of a type. What a registry says that it has left out is not looked for again: it knows types that descriptors do
    /// not tell.
    fn filtered(self, artifact_type: Option<&str>, done: bool) -> Vec<Descriptor> {
        let mut manifests = self.manifests.unwrap_or_default();
        if let Some(artifact_type) = artifact_type.filter(|_| !done) {
            manifests.retain(|entry| entry.artifact_type.as_deref() == Some(artifact_type));
        }
        manifests
    }
}

fn is_filtered(answer: &Answer) -> bool {
    let applied = answer.header(FILTERS_APPLIED).unwrap_or_default();
    applied.split(',').any(|filter| filter.trim() == "artifactType")
}

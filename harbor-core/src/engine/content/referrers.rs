//! Referrers: OCI Distribution Specification 1.1, "Listing Referrers".

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Content;
use crate::Result;
use crate::access::Authorized;
use crate::access::permission::RepositoryPull;
use crate::meta::{ManifestId, Referrer, Repository};
use crate::oci::{Descriptor, Digest, MediaType, Tag};

/// The most referrers on one page. Annotations are the client's: the page is cut by bytes too.
const LONGEST: u32 = 256;

/// How large the descriptors of one page may grow, in bytes: clients read indexes of up to 4 MiB.
const LARGEST: usize = 2 * 1024 * 1024;

/// A page of manifests that refer to a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrersPage {
    /// Their descriptors.
    pub manifests: Vec<Descriptor>,
    /// Where the next page begins, when there is one.
    pub next: Option<ManifestId>,
}

impl Content<'_> {
    /// The manifests that refer to `subject`, of `artifact_type` when one is given. None is no error: nothing may refer to a
    /// manifest, and referrers may be pushed before their subject.
    ///
    /// The last page ends with what clients listed under the referrers tag (for registries without this endpoint), where
    /// the manifest is here and does not itself name the subject.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn referrers(
        &self,
        proof: Authorized<RepositoryPull>,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<ManifestId>,
    ) -> Result<ReferrersPage> {
        let none = ReferrersPage { manifests: Vec::new(), next: None };
        let Some(repository) = self.repository(&proof.target().name).await? else { return Ok(none) };
        if repository.project != proof.target().project.id {
            return Ok(none);
        }
        let mut rows = self.harbor.read().await?;
        // Stored types are media types; not every database can be asked for what is none.
        let possible = artifact_type.is_none_or(|wanted| wanted.parse::<MediaType>().is_ok());
        let found = match possible {
            true => rows.referrers(repository.id, subject, artifact_type, after, LONGEST + 1).await?,
            false => Vec::new(),
        };
        drop(rows);
        let mut page = cut(found);
        if page.next.is_none() {
            let tagged = self.tagged_referrers(&repository, subject, artifact_type).await?;
            page.manifests.extend(tagged);
        }
        Ok(page)
    }

    async fn tagged_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        #[derive(Deserialize)]
        struct Index {
            #[serde(default)]
            manifests: Vec<Descriptor>,
        }
        let index = self.manifest_by_tag(repository, &Tag::of_referrers(subject)).await?;
        let listed = index
            .and_then(|index| serde_json::from_slice::<Index>(&index.payload).ok())
            .map_or_else(Vec::new, |index| index.manifests);
        let mut tagged = BTreeMap::new();
        for descriptor in listed {
            let wanted =
                artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted));
            if wanted
                && let Some(manifest) = self.manifest_by_digest(repository, &descriptor.digest).await?
                && manifest.subject != Some(*subject)
            {
                tagged.insert(descriptor.digest, descriptor);
            }
        }
        Ok(tagged.into_values().collect())
    }
}

fn cut(found: Vec<Referrer>) -> ReferrersPage {
    let mut page = ReferrersPage { manifests: Vec::new(), next: None };
    let mut bytes = 0;
    let mut last = None;
    for referrer in found {
        bytes +=
            512 + referrer.annotations.iter().map(|(key, value)| key.len() + value.len() + 8).sum::<usize>();
        let full = page.manifests.len() >= LONGEST as usize || bytes > LARGEST;
        if full && last.is_some() {
            page.next = last;
            break;
        }
        last = Some(referrer.id);
        page.manifests.push(describe(referrer));
    }
    page
}

fn describe(referrer: Referrer) -> Descriptor {
    Descriptor {
        media_type: referrer.media_type.to_string(),
        digest: referrer.digest,
        size: referrer.size,
        artifact_type: referrer.artifact_type,
        annotations: referrer.annotations,
        urls: Vec::new(),
    }
}

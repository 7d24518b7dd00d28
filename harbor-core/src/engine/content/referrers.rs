//! Referrers: OCI Distribution Specification 1.1, "Listing Referrers".

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Content;
use crate::Result;
use crate::access::Authorized;
use crate::access::permission::RepositoryPull;
use crate::meta::{ManifestId, Referrer, Repository};
use crate::oci::{Descriptor, Digest, MediaType, Tag};

/// The most referrers on one page. Annotations are the client's: the page is cut by their bytes too.
const LONGEST: u32 = 256;

/// How many bytes of annotations one page may have, unless one manifest has more: clients read indexes of up to 4 MiB.
const LARGEST: u64 = 2 * 1024 * 1024;

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
        let (found, more) = match possible {
            true => rows.referrers(repository.id, subject, artifact_type, after, LONGEST, LARGEST).await?,
            false => (Vec::new(), false),
        };
        drop(rows);
        let next = found.last().filter(|_| more).map(|last| last.id);
        let mut page = ReferrersPage { manifests: found.into_iter().map(describe).collect(), next };
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
        let wanted = |descriptor: &Descriptor| {
            artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted))
        };
        let listed = listed.into_iter().filter(wanted);
        let mut tagged: BTreeMap<Digest, Descriptor> =
            listed.map(|descriptor| (descriptor.digest, descriptor)).collect();
        if tagged.is_empty() {
            return Ok(Vec::new());
        }
        // Many at a time, and no payloads: an index may list thousands.
        let digests: Vec<Digest> = tagged.keys().copied().collect();
        let present = self.harbor.read().await?.manifests_present(repository.id, &digests).await?;
        let others = present.into_iter().filter(|(_, of)| *of != Some(*subject));
        Ok(others.filter_map(|(digest, _)| tagged.remove(&digest)).collect())
    }
}

fn describe(referrer: Referrer) -> Descriptor {
    Descriptor {
        media_type: referrer.media_type.to_string(),
        digest: referrer.digest,
        size: referrer.size,
        artifact_type: referrer.artifact_type,
        annotations: referrer.annotations,
        urls: Vec::new(),
        platform: None,
    }
}

//! The use cases of artifacts: manifests as people see them, with their tags, labels and accessories.

mod additions;
mod copy;
mod delete;
mod describe;
mod earlier;
mod labels;
mod restore;
mod tags;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use additions::{Addition, AdditionKind};
pub(super) use delete::{Deleted, tags_of};
pub(super) use describe::{attributes, describe, has_attributes};
pub use restore::Restored;
pub(super) use trial::Trial;

use super::Harbor;
use super::content::Content;
use crate::access::permission::{AccessoryList, ArtifactList, ArtifactRead, ProjectArtifactList, TagList};
use crate::access::{Authorized, RepositoryTarget};
use crate::meta::{
    Accessory, AccessoryKey, Artifact, ArtifactQuery, ArtifactReference, ArtifactScope, ArtifactTag,
    ImmutableRule, Label, Listed, ManifestId, ProjectId, Reads, Repository, TagKey,
};
use crate::oci::Reference;
use crate::query::Query;
use crate::{Error, Result};

/// Use cases of artifacts: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Artifacts<'a> {
    harbor: &'a Harbor,
}

/// What shall be found beside an artifact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct With {
    /// Its tags.
    pub tags: bool,
    /// Which of its tags are immutable.
    pub immutable: bool,
    /// Its labels.
    pub labels: bool,
    /// Its accessories.
    pub accessories: bool,
    /// The accessories of the indexes that list it.
    pub inherited: bool,
}

/// An artifact, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The artifact.
    pub artifact: Artifact,
    /// What it lists, when it is an index.
    pub references: Vec<ArtifactReference>,
    /// Its tags, where they were asked for.
    pub tags: Vec<FoundTag>,
    /// Its labels, where they were asked for.
    pub labels: Vec<Label>,
    /// Its accessories, where they were asked for.
    pub accessories: Vec<Accessory>,
    /// The accessories of the indexes that list it, where they were asked for: as many as an equal share of what a page may have.
    pub inherited: Vec<Arc<Accessory>>,
}

/// A tag of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTag {
    /// The tag.
    pub tag: ArtifactTag,
    /// Whether it can be neither moved nor deleted, where that was asked for.
    pub immutable: bool,
}

impl<'a> Artifacts<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    const fn content(&self) -> Content<'a> {
        Content::new(self.harbor)
    }

    /// The repository that a proof is for.
    async fn existing(&self, target: &RepositoryTarget) -> Result<Repository> {
        self.content().existing(target).await.map_err(|error| match error {
            Error::NameUnknown => Error::NotFound("repository"),
            error => error,
        })
    }

    /// The artifact that a reference names at the moment.
    async fn read_named(&self, repository: &Repository, reference: &Reference) -> Result<Artifact> {
        let mut rows = self.harbor.read().await?;
        self.named(&mut *rows, repository, reference).await
    }

    /// The artifact that `reference` names.
    async fn named(
        &self,
        rows: &mut dyn Reads,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Artifact> {
        let found = match reference {
            Reference::Tag(tag) => rows.artifact_by_tag(repository.id, tag).await?,
            Reference::Digest(digest) => rows.artifact(repository.id, digest).await?,
        };
        found.ok_or(Error::NotFound("artifact"))
    }

    /// A page of the artifacts of a repository; none where there is no such repository.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(
        &self,
        proof: &Authorized<ArtifactList>,
        query: &ArtifactQuery,
        with: With,
    ) -> Result<Listed<Found>> {
        let repository = match self.content().existing(proof.target()).await {
            Err(Error::NameUnknown) => return Ok(Listed { entries: Vec::new(), total: 0 }),
            repository => repository?,
        };
        self.page(ArtifactScope::Repository(repository.id), query, with).await
    }

    /// A page of the artifacts of those repositories of a project that the caller may list; `latest`: of each repository, only
    /// what was pushed last.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list_of_project(
        &self,
        proof: &Authorized<ProjectArtifactList>,
        latest: bool,
        query: &ArtifactQuery,
        with: With,
    ) -> Result<Listed<Found>> {
        let project = proof.target();
        let filter = self.harbor.visible_of::<ProjectArtifactList>(proof.actor(), project).await?;
        let id = project.id;
        let scope = if latest { ArtifactScope::Latest(id) } else { ArtifactScope::Project(id) };
        if filter.has_project(id, project.public) {
            return self.page(scope, query, with).await;
        }
        let mut repositories = self.harbor.matched(proof.actor(), filter).await?.repositories;
        repositories.sort_unstable();
        self.page(scope, &ArtifactQuery { repositories: Some(repositories), ..query.clone() }, with).await
    }

    async fn page(&self, scope: ArtifactScope, query: &ArtifactQuery, with: With) -> Result<Listed<Found>> {
        let mut rows = self.harbor.read().await?;
        let Listed { entries, total } = rows.artifacts(scope, query).await?;
        Ok(Listed { entries: surrounded(&mut *rows, entries, with).await?, total })
    }

    /// An artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(
        &self,
        proof: &Authorized<ArtifactRead>,
        reference: &Reference,
        with: With,
    ) -> Result<Found> {
        let repository = self.existing(proof.target()).await?;
        let mut rows = self.harbor.read().await?;
        let artifact = self.named(&mut *rows, &repository, reference).await?;
        let found = surrounded(&mut *rows, vec![artifact], with).await?;
        found.into_iter().next().ok_or(Error::NotFound("artifact"))
    }

    /// A page of the tags of an artifact; `immutable`: with whether each can be moved and deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn tags(
        &self,
        proof: &Authorized<TagList>,
        reference: &Reference,
        query: &Query<TagKey>,
        immutable: bool,
    ) -> Result<Listed<FoundTag>> {
        let repository = self.existing(proof.target()).await?;
        let mut rows = self.harbor.read().await?;
        let artifact = self.named(&mut *rows, &repository, reference).await?;
        let Listed { entries, total } = rows.artifact_tags(artifact.id, query).await?;
        let rules = rules(&mut *rows, immutable.then_some(artifact.project)).await?;
        let about = about(&rules, &artifact);
        let entries = entries.into_iter().map(|tag| found_tag(tag, &about)).collect();
        Ok(Listed { entries, total })
    }

    /// A page of the accessories of an artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn accessories(
        &self,
        proof: &Authorized<AccessoryList>,
        reference: &Reference,
        query: &Query<AccessoryKey>,
    ) -> Result<Listed<Accessory>> {
        let repository = self.existing(proof.target()).await?;
        let mut rows = self.harbor.read().await?;
        let artifact = self.named(&mut *rows, &repository, reference).await?;
        Ok(rows.accessories(artifact.id, query).await?)
    }
}

/// How many indexes that list what is on a page are looked at, and how many of their accessories are on the page.
const PARENTS: usize = 4096;
const INHERITED: usize = 16_384;

/// Of how many indexes accessories are looked for at a time.
const PARENTS_AT_ONCE: usize = 16;

/// Accessories of the indexes that list manifests, by those.
type Inherited = BTreeMap<ManifestId, Vec<Arc<Accessory>>>;

/// Finds what belongs to the artifacts of a page: each kind of thing for all of them at once.
async fn surrounded(rows: &mut dyn Reads, artifacts: Vec<Artifact>, with: With) -> Result<Vec<Found>> {
    let ids: Vec<ManifestId> = artifacts.iter().map(|artifact| artifact.id).collect();
    let mut around =
        Around { references: by(rows.references_of(&ids).await?, |entry| entry.parent), ..Around::default() };
    if with.tags {
        around.tags = by(rows.tags_of(&ids).await?, |tag| tag.manifest);
        // All on a page are of one project.
        let project = artifacts.first().filter(|_| with.immutable).map(|artifact| artifact.project);
        around.rules = rules(rows, project).await?;
    }
    if with.labels {
        around.labels = by(rows.labels_of(&ids).await?, |(of, _)| *of);
    }
    if with.accessories {
        around.accessories = by(rows.accessories_of(&ids).await?, |accessory| accessory.subject);
    }
    if with.inherited {
        around.inherited = inherited(rows, &ids).await?;
    }
    let mut found = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        found.push(around.found(artifact));
        if !around.rules.is_empty() {
            // Many tags and many patterns take a while: others have their turn in between.
            tokio::task::yield_now().await;
        }
    }
    Ok(found)
}

/// The rules of immutable tags of a project, where they are asked for.
async fn rules(rows: &mut dyn Reads, project: Option<ProjectId>) -> Result<Vec<ImmutableRule>> {
    match project {
        Some(project) => Ok(rows.immutable_rules_of(project).await?),
        None => Ok(Vec::new()),
    }
}

/// Those of some rules that are about the repository of an artifact.
fn about<'r>(rules: &'r [ImmutableRule], of: &Artifact) -> Vec<&'r ImmutableRule> {
    rules.iter().filter(|rule| rule.is_about(&of.repository_name)).collect()
}

fn found_tag(tag: ArtifactTag, rules: &[&ImmutableRule]) -> FoundTag {
    let immutable = rules.iter().any(|rule| rule.selects(&tag.name));
    FoundTag { tag, immutable }
}

/// The accessories of the indexes that list these. Each of these has an equal share of [`PARENTS`] and [`INHERITED`], for an index
/// may list thousands, each be listed by thousands of indexes, and each of those have thousands of accessories.
async fn inherited(rows: &mut dyn Reads, ids: &[ManifestId]) -> Result<Inherited> {
    let mut parents_of = by(rows.parents_of(ids).await?, |(child, _)| *child);
    for parents in parents_of.values_mut() {
        parents.truncate(PARENTS / ids.len().max(1));
    }
    let parents: BTreeSet<ManifestId> = parents_of.values().flatten().map(|(_, parent)| *parent).collect();
    let parents: Vec<ManifestId> = parents.into_iter().collect();
    let mut theirs = BTreeMap::new();
    let mut room = INHERITED;
    for some in parents.chunks(PARENTS_AT_ONCE) {
        let found = rows.accessories_of(some).await?;
        let found: Vec<_> = found.into_iter().take(room).map(Arc::new).collect();
        room -= found.len();
        theirs.append(&mut by(found, |accessory| accessory.subject));
        if room == 0 {
            break;
        }
    }
    Ok(handed_down(&parents_of, &theirs, INHERITED / ids.len().max(1)))
}

/// Gives each child up to so many of the accessories of its parents.
fn handed_down(
    parents_of: &BTreeMap<ManifestId, Vec<(ManifestId, ManifestId)>>,
    theirs: &Inherited,
    share: usize,
) -> Inherited {
    let of = |pairs: &[(ManifestId, ManifestId)]| {
        let all = pairs.iter().flat_map(|(_, parent)| theirs.get(parent).into_iter().flatten());
        all.take(share).cloned().collect()
    };
    parents_of.iter().map(|(child, pairs)| (*child, of(pairs))).collect()
}

/// What belongs to the artifacts of a page.
#[derive(Default)]
struct Around {
    references: BTreeMap<ManifestId, Vec<ArtifactReference>>,
    tags: BTreeMap<ManifestId, Vec<ArtifactTag>>,
    rules: Vec<ImmutableRule>,
    labels: BTreeMap<ManifestId, Vec<(ManifestId, Label)>>,
    accessories: BTreeMap<ManifestId, Vec<Accessory>>,
    inherited: Inherited,
}

impl Around {
    fn found(&mut self, artifact: Artifact) -> Found {
        let id = artifact.id;
        let labels = self.labels.remove(&id).unwrap_or_default();
        let tags = self.tags.remove(&id).unwrap_or_default();
        let about = about(&self.rules, &artifact);
        Found {
            tags: tags.into_iter().map(|tag| found_tag(tag, &about)).collect(),
            artifact,
            references: self.references.remove(&id).unwrap_or_default(),
            labels: labels.into_iter().map(|(_, label)| label).collect(),
            accessories: self.accessories.remove(&id).unwrap_or_default(),
            inherited: self.inherited.remove(&id).unwrap_or_default(),
        }
    }
}

/// Sorts things by what they belong to.
fn by<T>(things: Vec<T>, of: impl Fn(&T) -> ManifestId) -> BTreeMap<ManifestId, Vec<T>> {
    let mut sorted: BTreeMap<ManifestId, Vec<T>> = BTreeMap::new();
    for thing in things {
        sorted.entry(of(&thing)).or_default().push(thing);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::meta::AccessoryKind;
    use crate::oci::{Algorithm, Digest};

    #[test]
    fn what_is_inherited_has_a_bound() {
        let of = |subject: ManifestId, id| {
            Arc::new(Accessory {
                id: ManifestId::new(id),
                kind: AccessoryKind::Cosign,
                digest: Digest::of(Algorithm::Sha256, b""),
                size: 1,
                pushed_at: Timestamp::from_micros(1),
                subject,
                subject_digest: Digest::of(Algorithm::Sha256, b""),
                repository: "one/two".parse().unwrap(),
            })
        };
        let [child, other, index, second] = [1, 2, 3, 4].map(ManifestId::new);
        let pairs = [(child, vec![(child, index), (child, second)]), (other, vec![(other, second)])];
        let all = [of(index, 5), of(index, 6), of(second, 7), of(second, 8)];
        let theirs = by(all.to_vec(), |accessory| accessory.subject);
        let found = handed_down(&BTreeMap::from(pairs), &theirs, 3);
        assert_eq!(found[&child], all[..3]);
        assert_eq!(found[&other], all[2..]);
    }
}

//! The use cases of artifacts: manifests as people see them, with their tags, labels and accessories.

mod additions;
mod copy;
mod delete;
mod describe;
mod earlier;
mod labels;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

pub use additions::{Addition, AdditionKind};
pub(super) use describe::{attributes, describe, has_attributes};

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
    /// The accessories of the indexes that list it, where they were asked for.
    pub inherited: Vec<Accessory>,
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
        let repositories = self.harbor.read().await?.repository_ids(&filter).await?;
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
        let entries = entries.into_iter().map(|tag| found_tag(tag, &artifact, &rules)).collect();
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

fn found_tag(tag: ArtifactTag, of: &Artifact, rules: &[ImmutableRule]) -> FoundTag {
    let immutable = rules.iter().any(|rule| rule.holds(&of.repository_name, &tag.name));
    FoundTag { tag, immutable }
}

/// The accessories of the indexes that list these.
async fn inherited(rows: &mut dyn Reads, ids: &[ManifestId]) -> Result<BTreeMap<ManifestId, Vec<Accessory>>> {
    let pairs = rows.parents_of(ids).await?;
    let parents: BTreeSet<ManifestId> = pairs.iter().map(|(_, parent)| *parent).collect();
    let parents: Vec<ManifestId> = parents.into_iter().collect();
    let theirs = by(rows.accessories_of(&parents).await?, |accessory| accessory.subject);
    let mut inherited: BTreeMap<ManifestId, Vec<Accessory>> = BTreeMap::new();
    for (child, parent) in pairs {
        inherited.entry(child).or_default().extend(theirs.get(&parent).into_iter().flatten().cloned());
    }
    Ok(inherited)
}

/// What belongs to the artifacts of a page.
#[derive(Default)]
struct Around {
    references: BTreeMap<ManifestId, Vec<ArtifactReference>>,
    tags: BTreeMap<ManifestId, Vec<ArtifactTag>>,
    rules: Vec<ImmutableRule>,
    labels: BTreeMap<ManifestId, Vec<(ManifestId, Label)>>,
    accessories: BTreeMap<ManifestId, Vec<Accessory>>,
    inherited: BTreeMap<ManifestId, Vec<Accessory>>,
}

impl Around {
    fn found(&mut self, artifact: Artifact) -> Found {
        let id = artifact.id;
        let labels = self.labels.remove(&id).unwrap_or_default();
        let tags = self.tags.remove(&id).unwrap_or_default();
        Found {
            tags: tags.into_iter().map(|tag| found_tag(tag, &artifact, &self.rules)).collect(),
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

//! Artifacts: manifests as lists show them, without their bytes.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    AccessoryKind, LabelId, Listed, Manifest, ManifestId, ProjectId, RepositoryId, RowResult, TagId,
};
use crate::Timestamp;
use crate::oci::{Digest, MediaType, RepositoryName, Tag};
use crate::query::{Query, QueryError, RawFilter, RawTest, keys, parse_raw};

/// How many bytes lists have of what a client wrote, of each manifest: of its annotations, of what an index says of what it lists,
/// and of attributes; each as JSON. What has more is left out of lists, and stays in the manifest.
pub const LISTED: usize = 64 * 1024;

/// What a manifest is, found out once, when it is pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Harbor's type: `IMAGE`, `CHART`, …
    pub kind: String,
    /// What Harbor calls its media type: that of its config, or its own when it has none.
    pub config_type: String,
    /// Its size and that of all that it refers to, in bytes.
    pub size: u64,
    /// What it is to which other manifest, when it is an accessory.
    pub accessory: Option<(AccessoryKind, Digest)>,
    /// What is read from its config, as JSON. At most [`LISTED`].
    pub attributes: Option<String>,
    /// What it says, as an index, of each manifest that it lists. At most [`LISTED`] together.
    pub references: BTreeMap<Digest, Says>,
}

/// What an index says of a manifest, beside its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Says {
    /// The platform that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<serde_json::Value>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Other places that have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// An artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its key.
    pub id: ManifestId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// The repository that it is in.
    pub repository: RepositoryId,
    /// The full name of that.
    pub repository_name: RepositoryName,
    /// Its digest.
    pub digest: Digest,
    /// The media type of the manifest.
    pub media_type: MediaType,
    /// Its artifact type, or the media type of its config.
    pub artifact_type: Option<String>,
    /// Annotations of the manifest; none when they have more than [`LISTED`].
    pub annotations: BTreeMap<String, String>,
    /// Harbor's type. Empty in rows of earlier versions that no worker has looked at yet.
    pub kind: String,
    /// What Harbor calls its media type.
    pub config_type: String,
    /// Its size and that of all that it refers to, in bytes.
    pub size: u64,
    /// What it is to which other manifest, when it is an accessory.
    pub accessory: Option<(AccessoryKind, Digest)>,
    /// What was read from its config, as JSON.
    pub attributes: Option<String>,
    /// When it was pushed first.
    pub pushed_at: Timestamp,
    /// When it was pulled last.
    pub pulled_at: Option<Timestamp>,
    /// How often it was pulled.
    pub pulls: u64,
}

/// A tag, as a list of the tags of an artifact shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactTag {
    /// Its key.
    pub id: TagId,
    /// The repository.
    pub repository: RepositoryId,
    /// The manifest that it names.
    pub manifest: ManifestId,
    /// The tag.
    pub name: Tag,
    /// When it was set last.
    pub pushed_at: Timestamp,
    /// When the manifest was last pulled by it.
    pub pulled_at: Option<Timestamp>,
    /// How often something was pulled by it, whatever it named.
    pub pulls: u64,
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactReference {
    /// The index.
    pub parent: ManifestId,
    /// The manifest that is listed, when the repository has it.
    pub child: Option<ManifestId>,
    /// The digest of that.
    pub digest: Digest,
    /// What the index says of it.
    pub says: Says,
}

keys! {
    /// What lists of artifacts are filtered and sorted by.
    pub enum ArtifactKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `type`.
        Kind: Text, "type", "Type", filter, sort;
        /// `media_type`.
        ConfigType: Text, "media_type", "MediaType", filter, sort;
        /// `manifest_media_type`.
        MediaType: Text, "manifest_media_type", "ManifestMediaType", filter, sort;
        /// `artifact_type`.
        ArtifactType: Text, "artifact_type", "ArtifactType", filter, sort;
        /// `repository_name`.
        Repository: Text, "repository_name", "RepositoryName", filter, sort;
        /// `repository_id`.
        RepositoryId: Int, "repository_id", "RepositoryID", filter, sort;
        /// `digest`.
        Digest: Text, "digest", "Digest", filter, sort;
        /// `size`.
        Size: Int, "size", "Size", filter, sort;
        /// `push_time`.
        PushedAt: Time, "push_time", "PushTime", filter, sort;
        /// `pull_time`.
        PulledAt: Time, "pull_time", "PullTime", filter, sort;
    }
}

keys! {
    /// What lists of tags are filtered and sorted by.
    pub enum TagKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `name`.
        Name: Text, "name", "Name", filter, sort;
        /// `push_time`.
        PushedAt: Time, "push_time", "PushTime", filter, sort;
        /// `pull_time`.
        PulledAt: Time, "pull_time", "PullTime", filter, sort;
    }
}

/// What must hold of the tags of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagTest {
    /// `tags=*`: it has some.
    Some,
    /// `tags=nil`: it has none.
    None,
    /// `tags=x`: one of them is one of these.
    AnyOf(Vec<String>),
    /// `tags=~x`: one of them has that in it.
    Like(String),
    /// Nothing can match.
    Nothing,
}

/// What a list of artifacts is asked for: beside what their own columns have, their tags, their labels, and whether what is
/// usually hidden is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactQuery {
    /// Filters, order and page.
    pub query: Query<ArtifactKey>,
    /// What must hold of its tags.
    pub tags: Option<TagTest>,
    /// Labels, all of which it must have. `None` in place of what can be no label.
    pub labels: Vec<Option<LabelId>>,
    /// Accessories, and untagged manifests that an index lists, are in the list too.
    pub hidden: bool,
    /// The repositories that they are of: of others of the scope, none is in the list. `None` for all of the scope.
    pub repositories: Option<Vec<RepositoryId>>,
}

impl ArtifactQuery {
    /// Reads the parameters of a request, as [`Query::parse`] does.
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse(
        q: Option<&str>,
        sort: Option<&str>,
        page: Option<&str>,
        page_size: Option<&str>,
    ) -> Result<Self, QueryError> {
        let mut parsed = Self { query: Query::parse(q, sort, page, page_size)?, ..Self::default() };
        for RawFilter { name, test } in parse_raw(q)? {
            match (name.to_ascii_lowercase().as_str(), test) {
                ("tags", test) => parsed.tags = Some(tag_test(test)),
                ("labels", RawTest::AllOf(ids) | RawTest::AnyOf(ids)) => parsed.labels = labels(&ids),
                ("labels", RawTest::Is(id)) => parsed.labels = labels(&[id]),
                ("base", RawTest::Is(all)) if all == "*" => parsed.hidden = true,
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Whether it asks for all that is not hidden, in whatever order: how many that are is known without looking.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        self.query.filters().is_empty()
            && self.tags.is_none()
            && self.labels.is_empty()
            && !self.hidden
            && self.repositories.is_none()
    }
}

fn tag_test(test: RawTest) -> TagTest {
    match test {
        RawTest::Is(tag) if tag == "*" => TagTest::Some,
        RawTest::Is(tag) if tag == "nil" => TagTest::None,
        RawTest::Is(tag) => any_of(vec![tag]),
        RawTest::AnyOf(tags) => any_of(tags),
        // Tags are of ASCII, and not every database is asked for what is not.
        RawTest::Like(text) if text.is_ascii() && !text.contains('\0') => TagTest::Like(text),
        RawTest::Like(_) | RawTest::Between(..) | RawTest::AllOf(_) => TagTest::Nothing,
    }
}

/// What cannot be a tag is none of an artifact's.
fn any_of(tags: Vec<String>) -> TagTest {
    let tags: Vec<String> = tags.into_iter().filter(|tag| tag.parse::<Tag>().is_ok()).collect();
    if tags.is_empty() { TagTest::Nothing } else { TagTest::AnyOf(tags) }
}

fn labels(ids: &[String]) -> Vec<Option<LabelId>> {
    ids.iter().map(|id| id.parse().ok().map(LabelId::new)).collect()
}

/// Which artifacts a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactScope {
    /// Those of a repository.
    Repository(RepositoryId),
    /// Those of a project.
    Project(ProjectId),
    /// Of each repository of a project, the one that was pushed last.
    Latest(ProjectId),
}

/// Pulls of a manifest since they were last written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The manifest.
    pub manifest: ManifestId,
    /// How often.
    pub count: u64,
    /// When last.
    pub at: Timestamp,
    /// By which tags, each with how often of these, and when last.
    pub tags: Vec<(Tag, u64, Timestamp)>,
}

/// Reads artifacts.
#[async_trait]
pub trait ArtifactRows {
    /// The artifact of that digest.
    async fn artifact(&mut self, repository: RepositoryId, digest: &Digest) -> RowResult<Option<Artifact>>;

    /// The artifact that the tag names.
    async fn artifact_by_tag(&mut self, repository: RepositoryId, tag: &Tag) -> RowResult<Option<Artifact>>;

    /// A page of artifacts, those that were pushed last first unless the query has another order.
    async fn artifacts(&mut self, scope: ArtifactScope, query: &ArtifactQuery)
    -> RowResult<Listed<Artifact>>;

    /// A page of the tags of an artifact, those that were set last first unless the query has another order.
    async fn artifact_tags(
        &mut self,
        manifest: ManifestId,
        query: &Query<TagKey>,
    ) -> RowResult<Listed<ArtifactTag>>;

    /// The tags of these artifacts, those of each by key. Of what is asked for of several artifacts at once, here and below, there
    /// is a limit: where they have too many together, each has a share of it.
    async fn tags_of(&mut self, manifests: &[ManifestId]) -> RowResult<Vec<ArtifactTag>>;

    /// The entries of these, where they are indexes, those of each in the order of digests.
    async fn references_of(&mut self, manifests: &[ManifestId]) -> RowResult<Vec<ArtifactReference>>;

    /// The sizes of those of these manifests that the repository has, each with all that it refers to.
    async fn artifact_sizes(
        &mut self,
        repository: RepositoryId,
        digests: &[Digest],
    ) -> RowResult<Vec<(Digest, u64)>>;

    /// Up to `limit` manifests with keys above `after` of which nobody has found out what they are, by key. Fewer when they have
    /// more than `bytes` together; but at least one, when there is one.
    async fn artifacts_undescribed(
        &mut self,
        after: ManifestId,
        limit: u32,
        bytes: u64,
    ) -> RowResult<Vec<(RepositoryId, Manifest)>>;
}

/// Changes artifacts.
#[async_trait]
pub trait ArtifactRowsMut {
    /// Notes what a manifest is that was stored without.
    async fn artifact_describe(&mut self, manifest: ManifestId, described: &Described) -> RowResult<()>;

    /// Whether a tag names the manifest, and whether an index of its repository lists it. The manifest is locked by the caller.
    async fn artifact_is_held(&mut self, manifest: ManifestId) -> RowResult<(bool, bool)>;

    /// Counts pulls. What is gone since is left out.
    async fn pulls_add(&mut self, pulled: &[Pulled]) -> RowResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(q: &str) -> ArtifactQuery {
        ArtifactQuery::parse(Some(q), None, None, None).unwrap()
    }

    #[test]
    fn what_is_no_column() {
        assert_eq!(parsed("tags=*").tags, Some(TagTest::Some));
        assert_eq!(parsed("tags=nil").tags, Some(TagTest::None));
        assert_eq!(parsed("tags=v1").tags, Some(TagTest::AnyOf(vec!["v1".to_owned()])));
        assert_eq!(parsed("Tags=~v").tags, Some(TagTest::Like("v".to_owned())));
        assert_eq!(
            parsed("tags={v1 v2 é}").tags,
            Some(TagTest::AnyOf(vec!["v1".to_owned(), "v2".to_owned()]))
        );
        for never in ["tags=a b", "tags=[a~b]", "tags=~é", "tags={}"] {
            assert_eq!(parsed(never).tags, Some(TagTest::Nothing), "{never}");
        }
        assert_eq!(parsed("labels=(1 2 x)").labels, [Some(LabelId::new(1)), Some(LabelId::new(2)), None]);
        assert!(parsed("base=*").hidden && !parsed("base=1").hidden);
    }

    #[test]
    fn the_rest_are_columns() {
        let all = parsed("tags=*,type=IMAGE,unknown=1");
        assert_eq!(all.query.filters().len(), 1);
        assert_eq!(all.query.filters()[0].key(), ArtifactKey::Kind);
        assert!(
            !all.is_unfiltered() && !parsed("base=*").is_unfiltered() && !parsed("labels=1").is_unfiltered()
        );
        assert!(parsed("unknown=1").is_unfiltered() && ArtifactQuery::default().is_unfiltered());
    }
}

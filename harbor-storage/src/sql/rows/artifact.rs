use std::slice;

use async_trait::async_trait;
use harbor_core::meta::{
    AccessoryKind, Artifact, ArtifactKey, ArtifactQuery, ArtifactReference, ArtifactRows, ArtifactRowsMut,
    ArtifactScope, ArtifactTag, Described, LISTED, Listed, Manifest, ManifestId, ProjectId, Pulled,
    RepositoryId, Says, TagId, TagKey, TagTest,
};
use harbor_core::oci::{Digest, Tag};
use harbor_core::query::Query;
use harbor_core::{StoreError, Timestamp};

use super::filter::any_of;
use super::{PIECE, Rows, first, json_of, never_or_at, of_json, piece, pieces, rows_of};
use crate::sql::listing::{Listing, anywhere};
use crate::sql::session::{Row, size};
use crate::sql::statement::{Statement, Value, sql, values};

/// How many tags, references, accessories or labels a piece of a page has at most: clients make as many as they like.
const MOST: u32 = 16_384;

// `LISTED`, for annotations: what else is in here has bounds of its own.
const _: () = assert!(LISTED == 65_536);

macro_rules! columns {
    () => {
        "m.id, m.project_id, m.repository_id, r.name, m.digest, m.media_type, m.artifact_type, \
         CASE WHEN OCTET_LENGTH(m.annotations) <= 65536 THEN m.annotations ELSE '{}' END, m.kind, \
         m.config_type, m.content_size, m.accessory, m.accessory_subject, m.attributes, m.pushed_at, m.pulled_at, \
         m.pull_count"
    };
}

macro_rules! from {
    () => {
        "manifests m JOIN repositories r ON r.id = m.repository_id"
    };
}

/// Of each repository, the artifact that was pushed last.
const LATEST: &str = "repositories r JOIN manifests m ON m.id = (SELECT x.id FROM manifests x \
                      WHERE x.repository_id = r.id AND x.hidden = 0 ORDER BY x.pushed_at DESC, x.id DESC LIMIT 1)";

fn artifact(row: &Row) -> Result<Artifact, StoreError> {
    let kind: Option<AccessoryKind> = row.optional_parsed(11)?;
    Ok(Artifact {
        id: ManifestId::new(row.int(0)?),
        project: ProjectId::new(row.int(1)?),
        repository: RepositoryId::new(row.int(2)?),
        repository_name: row.parsed(3)?,
        digest: row.parsed(4)?,
        media_type: row.parsed(5)?,
        artifact_type: row.optional_text(6)?,
        annotations: of_json(&row.text(7)?)?,
        kind: row.text(8)?,
        config_type: row.text(9)?,
        size: row.count(10)?,
        accessory: kind.zip(row.optional_parsed(12)?),
        attributes: row.optional_text(13)?,
        pushed_at: Timestamp::from_micros(row.int(14)?),
        pulled_at: never_or_at(row.int(15)?),
        pulls: row.count(16)?,
    })
}

pub(super) fn tag(row: &Row) -> Result<ArtifactTag, StoreError> {
    Ok(ArtifactTag {
        id: TagId::new(row.int(0)?),
        repository: RepositoryId::new(row.int(1)?),
        manifest: ManifestId::new(row.int(2)?),
        name: row.parsed(3)?,
        pushed_at: Timestamp::from_micros(row.int(4)?),
        pulled_at: never_or_at(row.int(5)?),
        pulls: row.count(6)?,
    })
}

fn reference(row: &Row) -> Result<ArtifactReference, StoreError> {
    let says = row.optional_text(3)?.map(|says| of_json::<Says>(&says)).transpose()?;
    Ok(ArtifactReference {
        parent: ManifestId::new(row.int(0)?),
        child: row.optional_int(1)?.map(ManifestId::new),
        digest: row.parsed(2)?,
        says: says.unwrap_or_default(),
    })
}

fn column(key: ArtifactKey) -> &'static str {
    match key {
        ArtifactKey::Id => "m.id",
        ArtifactKey::Kind => "m.kind",
        ArtifactKey::ConfigType => "m.config_type",
        ArtifactKey::MediaType => "m.media_type",
        ArtifactKey::ArtifactType => "m.artifact_type",
        ArtifactKey::Repository => "r.name",
        ArtifactKey::RepositoryId => "m.repository_id",
        ArtifactKey::Digest => "m.digest",
        ArtifactKey::Size => "m.content_size",
        ArtifactKey::PushedAt => "m.pushed_at",
        ArtifactKey::PulledAt => "m.pulled_at",
    }
}

fn tag_column(key: TagKey) -> &'static str {
    match key {
        TagKey::Id => "t.id",
        TagKey::Name => "t.name",
        TagKey::PushedAt => "t.pushed_at",
        TagKey::PulledAt => "t.pulled_at",
    }
}

const TAG_COLUMNS: &str =
    "t.id, t.repository_id, t.manifest_id, t.name, t.pushed_at, t.pulled_at, t.pull_count";

/// The list of what a query asks for.
fn listing(scope: ArtifactScope, query: &ArtifactQuery) -> Listing {
    let (from, own, condition, of) = match scope {
        ArtifactScope::Repository(id) => (from!(), "m.pushed_at DESC", "m.repository_id = ?", id.get()),
        ArtifactScope::Project(id) => (from!(), "m.pushed_at DESC", "m.project_id = ?", id.get()),
        ArtifactScope::Latest(id) => (LATEST, "m.pushed_at DESC", "r.project_id = ?", id.get()),
    };
    let mut listing = Listing::new(columns!(), from, "m.id");
    listing = match &query.tags {
        // A sum has no index: the manifests are found by their keys, which come of the tags.
        Some(TagTest::AnyOf(_)) => listing.only(&condition.replace(" =", " + 0 ="), values![of]),
        _ => listing.only(condition, values![of]),
    };
    if !query.hidden {
        listing = listing.only("m.hidden = 0", values![]);
    }
    if let Some(test) = &query.tags {
        listing = tagged(listing, scope, test);
    }
    for label in &query.labels {
        let has = "EXISTS (SELECT 1 FROM artifact_labels l WHERE l.manifest_id = m.id AND l.label_id = ?)";
        // No label has the key 0.
        listing = listing.only(has, values![label.map_or(0, |label| label.get())]);
    }
    if let Some(repositories) = &query.repositories {
        listing = listing.only(&any_of("m.repository_id", repositories.iter().map(|id| id.get())), values![]);
    }
    let listing = listing.query(&query.query, column, own);
    match (scope, query.is_unfiltered()) {
        (ArtifactScope::Repository(id), true) => {
            let count = "SELECT COALESCE(CAST(SUM(number) AS BIGINT), 0) FROM artifact_counts WHERE repository_id = ?";
            listing.counted(count, values![id.get()])
        }
        (ArtifactScope::Project(id), true) => {
            let count = "SELECT COALESCE(CAST(SUM(n.number) AS BIGINT), 0) FROM repositories r \
                         JOIN artifact_counts n ON n.repository_id = r.id WHERE r.project_id = ?";
            listing.counted(count, values![id.get()])
        }
        _ => listing,
    }
}

fn tagged(listing: Listing, scope: ArtifactScope, test: &TagTest) -> Listing {
    let any = "SELECT 1 FROM tags t WHERE t.manifest_id = m.id";
    match test {
        TagTest::Some => listing.only(&format!("EXISTS ({any})"), values![]),
        TagTest::None => listing.only(&format!("NOT EXISTS ({any})"), values![]),
        TagTest::AnyOf(tags) => {
            // Found by the tags, which are few, and not by the manifests, which are many.
            let (within, of) = match scope {
                ArtifactScope::Repository(id) => ("= ?", id.get()),
                ArtifactScope::Project(id) | ArtifactScope::Latest(id) => {
                    ("IN (SELECT o.id FROM repositories o WHERE o.project_id = ?)", id.get())
                }
            };
            let marks = vec!["?"; tags.len()].join(", ");
            let named = format!(
                "m.id IN (SELECT t.manifest_id FROM tags t WHERE t.repository_id {within} AND t.name IN ({marks}))"
            );
            let names = tags.iter().map(|tag| Value::from(tag.as_str()));
            listing.only(&named, values![of].into_iter().chain(names).collect())
        }
        TagTest::Like(text) => {
            let like = format!("EXISTS ({any} AND LOWER(t.name) LIKE ? ESCAPE '!')");
            listing.only(&like, values![anywhere(&text.to_ascii_lowercase())])
        }
        TagTest::Nothing => listing.only("1 = 0", values![]),
    }
}

#[async_trait]
impl ArtifactRows for Rows {
    async fn artifact(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<Option<Artifact>, StoreError> {
        let find = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM ",
            from!(),
            " WHERE m.repository_id = ? AND m.digest = ?"
        ));
        let rows = self.session.fetch(find, values![repository.get(), digest.to_string()]).await?;
        first(rows).map(|row| artifact(&row)).transpose()
    }

    async fn artifact_by_tag(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
    ) -> Result<Option<Artifact>, StoreError> {
        let find = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM tags t JOIN manifests m ON m.id = t.manifest_id JOIN repositories r ON r.id = m.repository_id \
             WHERE t.repository_id = ? AND t.name = ?"
        ));
        let rows = self.session.fetch(find, values![repository.get(), tag.as_str()]).await?;
        first(rows).map(|row| artifact(&row)).transpose()
    }

    async fn artifacts(
        &mut self,
        scope: ArtifactScope,
        query: &ArtifactQuery,
    ) -> Result<Listed<Artifact>, StoreError> {
        self.list(listing(scope, query), artifact).await
    }

    async fn artifact_tags(
        &mut self,
        manifest: ManifestId,
        query: &Query<TagKey>,
    ) -> Result<Listed<ArtifactTag>, StoreError> {
        let listing = Listing::new(TAG_COLUMNS, "tags t", "t.id")
            .only("t.manifest_id = ?", values![manifest.get()])
            .query(query, tag_column, "t.pushed_at DESC");
        self.list(listing, tag).await
    }

    async fn tags_of(&mut self, manifests: &[ManifestId]) -> Result<Vec<ArtifactTag>, StoreError> {
        let list = sql!(concat!(
            "SELECT t.id, t.repository_id, t.manifest_id, t.name, t.pushed_at, t.pulled_at, t.pull_count FROM tags t \
             WHERE t.manifest_id IN (",
            piece!(),
            ") ORDER BY t.id LIMIT ?"
        ));
        self.around(list, manifests).await?.iter().map(tag).collect()
    }

    async fn references_of(
        &mut self,
        manifests: &[ManifestId],
    ) -> Result<Vec<ArtifactReference>, StoreError> {
        let list = sql!(concat!(
            "SELECT c.manifest_id, m.id, c.digest, CASE WHEN OCTET_LENGTH(c.says) <= 65536 THEN c.says END \
             FROM manifest_children c \
             LEFT JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.digest \
             WHERE c.manifest_id IN (",
            piece!(),
            ") ORDER BY c.manifest_id, c.digest LIMIT ?"
        ));
        self.around(list, manifests).await?.iter().map(reference).collect()
    }

    async fn artifact_sizes(
        &mut self,
        repository: RepositoryId,
        digests: &[Digest],
    ) -> Result<Vec<(Digest, u64)>, StoreError> {
        let find = sql!(concat!(
            "SELECT digest, content_size FROM manifests WHERE repository_id = ? AND digest IN (",
            piece!(),
            ")"
        ));
        let mut sizes = Vec::new();
        for piece in pieces(digests) {
            let parameters = values![repository.get()].into_iter().chain(piece).collect();
            for row in self.session.fetch(find, parameters).await? {
                sizes.push((row.parsed(0)?, row.count(1)?));
            }
        }
        Ok(sizes)
    }

    async fn artifacts_undescribed(
        &mut self,
        after: ManifestId,
        limit: u32,
        bytes: u64,
    ) -> Result<Vec<(RepositoryId, Manifest)>, StoreError> {
        let sizes = sql!("SELECT id, size FROM manifests WHERE id > ? AND kind = '' ORDER BY id LIMIT ?");
        let sizes = self.session.fetch(sizes, values![after.get(), limit]).await?;
        let Some((last, _)) = super::manifest::fitting(&sizes, limit, bytes)? else { return Ok(Vec::new()) };
        let list = sql!(
            "SELECT id, digest, media_type, subject, payload, repository_id FROM manifests \
             WHERE id > ? AND kind = '' AND id <= ? ORDER BY id"
        );
        let rows = self.session.fetch(list, values![after.get(), last]).await?;
        rows.iter().map(|row| Ok((RepositoryId::new(row.int(5)?), super::manifest::manifest(row)?))).collect()
    }
}

#[async_trait]
impl ArtifactRowsMut for Rows {
    async fn artifact_describe(&mut self, id: ManifestId, described: &Described) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE manifests SET kind = ?, config_type = ?, content_size = ?, attributes = ? WHERE id = ?"
        );
        let parameters = values![
            described.kind.as_str(),
            described.config_type.as_str(),
            size(described.size)?,
            described.attributes.clone(),
            id.get(),
        ];
        self.session.defer(update, parameters).await?;
        let says = sql!("UPDATE manifest_children SET says = ? WHERE manifest_id = ? AND digest = ?");
        for (digest, says_of) in &described.references {
            self.session.defer(says, values![json_of(says_of)?, id.get(), digest.to_string()]).await?;
        }
        let Some(accessory) = &described.accessory else { return Ok(()) };
        let repository = sql!("SELECT repository_id FROM manifests WHERE id = ?");
        match first(self.session.fetch(repository, values![id.get()]).await?) {
            Some(row) => self.put_accessory(row.int(0)?, id, accessory).await,
            None => Ok(()),
        }
    }

    async fn artifact_is_held(&mut self, id: ManifestId) -> Result<(bool, bool), StoreError> {
        let tagged = sql!("SELECT id FROM tags WHERE manifest_id = ? LIMIT 1");
        let tagged = !self.session.fetch(tagged, values![id.get()]).await?.is_empty();
        let listed = sql!(
            "SELECT c.manifest_id FROM manifests m JOIN manifest_children c ON c.repository_id = m.repository_id \
             AND c.digest = m.digest WHERE m.id = ? LIMIT 1"
        );
        let listed = !self.session.fetch(listed, values![id.get()]).await?.is_empty();
        Ok((tagged, listed))
    }

    async fn pulls_add(&mut self, pulled: &[Pulled]) -> Result<(), StoreError> {
        let repositories = self.repositories_of(pulled).await?;
        // In the order in which a push locks these: manifests, then the repository, then tags; each in the order of keys.
        let manifest = sql!(
            "UPDATE manifests SET pull_count = pull_count + ?, \
             pulled_at = CASE WHEN pulled_at < ? THEN ? ELSE pulled_at END WHERE id = ?"
        );
        let mut pulled: Vec<&Pulled> = pulled.iter().collect();
        pulled.sort_unstable_by_key(|pulled| pulled.manifest);
        let tells = |count: u64, at: Timestamp| count > 0 || at > Timestamp::default();
        for pulled in pulled.iter().filter(|pulled| tells(pulled.count, pulled.at)) {
            let (count, at) = (size(pulled.count)?, pulled.at.micros());
            self.session.defer(manifest, values![count, at, at, pulled.manifest.get()]).await?;
        }
        let count = sql!("UPDATE repositories SET pull_count = pull_count + ? WHERE id = ?");
        for (repository, pulls) in repositories {
            self.session.defer(count, values![pulls, repository]).await?;
        }
        let tag = sql!(
            "UPDATE tags SET pull_count = pull_count + ?, \
             pulled_at = CASE WHEN pulled_at < ? THEN ? ELSE pulled_at END WHERE manifest_id = ? AND name = ?"
        );
        for pulled in pulled {
            for (name, count, at) in pulled.tags.iter().filter(|(_, count, at)| tells(*count, *at)) {
                let (count, at) = (size(*count)?, at.micros());
                let parameters = values![count, at, at, pulled.manifest.get(), name.as_str()];
                self.session.defer(tag, parameters).await?;
            }
        }
        Ok(())
    }
}

impl Rows {
    /// What there is around manifests. The statement takes a piece of keys and how many rows it shall find at most. Where a piece
    /// has too much, each of its manifests has an equal share of what a piece may have: none is left without for the sake of
    /// another.
    pub(super) async fn around(
        &mut self,
        list: &'static Statement,
        manifests: &[ManifestId],
    ) -> Result<Vec<Row>, StoreError> {
        let mut all = Vec::new();
        for chunk in manifests.chunks(PIECE) {
            let found = self.some_around(list, chunk, MOST + 1).await?;
            if found.len() as u64 <= u64::from(MOST) {
                all.extend(found);
                continue;
            }
            drop(found);
            let share = MOST / u32::try_from(chunk.len()).unwrap_or(MOST);
            for id in chunk {
                all.extend(self.some_around(list, slice::from_ref(id), share).await?);
            }
        }
        Ok(all)
    }

    async fn some_around(
        &mut self,
        list: &'static Statement,
        chunk: &[ManifestId],
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let mut parameters: Vec<Value> =
            rows_of(chunk, |id| [Value::from(id.get())]).next().unwrap_or_default();
        parameters.push(limit.into());
        self.session.fetch(list, parameters).await
    }

    /// How often each repository was pulled from.
    async fn repositories_of(
        &mut self,
        pulled: &[Pulled],
    ) -> Result<std::collections::BTreeMap<i64, i64>, StoreError> {
        let find =
            sql!(concat!("SELECT id, repository_id FROM manifests WHERE id IN (", piece!(), ") ORDER BY id"));
        let counts: std::collections::BTreeMap<i64, u64> =
            pulled.iter().map(|pulled| (pulled.manifest.get(), pulled.count)).collect();
        let mut repositories = std::collections::BTreeMap::new();
        for piece in rows_of(pulled, |pulled| [Value::from(pulled.manifest.get())]) {
            for row in self.session.fetch(find, piece).await? {
                let count = counts.get(&row.int(0)?).copied().unwrap_or_default();
                *repositories.entry(row.int(1)?).or_insert(0) += size(count)?;
            }
        }
        Ok(repositories)
    }
}

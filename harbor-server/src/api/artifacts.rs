//! Artifacts.

use std::sync::Arc;

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{
    AccessoryList, ArtifactCreate, ArtifactDelete, ArtifactLabelCreate, ArtifactLabelDelete, ArtifactList,
    ArtifactRead, ProjectArtifactList, RepositoryPull, TagCreate, TagDelete, TagList,
};
use harbor_core::api::{self, NewTag};
use harbor_core::meta::{
    Accessory, AccessoryKey, ArtifactQuery, ArtifactReference, LabelId, TagKey, TrashKey, Trashed,
};
use harbor_core::oci::{Digest, Reference, RepositoryName, Tag};
use harbor_core::query::Query;
use harbor_core::{Error, Found, FoundTag, Result, Timestamp, With};
use http::{Response, StatusCode};

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;
use super::{additions, labels};

/// What Harbor shows in place of a time that never was: the beginning of the year 1.
const NEVER: Timestamp = Timestamp::from_micros(-62_135_596_800_000_000);

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listArtifacts" => list(&call.repository().await?, call).await?,
        "listArtifactsOfProject" => list_of_project(&call.project().await?, call).await?,
        "getArtifact" => get(&call.repository().await?, call).await?,
        "deleteArtifact" => delete(call.repository().await?, call).await?,
        "CopyArtifact" => copy(call.repository().await?, call).await?,
        "listDeletedArtifacts" => list_deleted(&call.repository().await?, call).await?,
        "restoreArtifact" => restore(call.repository().await?, call).await?,
        "createTag" => create_tag(call.repository().await?, call).await?,
        "listTags" => list_tags(&call.repository().await?, call).await?,
        "deleteTag" => delete_tag(call.repository().await?, call).await?,
        "listAccessories" => list_accessories(&call.repository().await?, call).await?,
        "addLabel" => add_label(call.repository().await?, call).await?,
        "removeLabel" => remove_label(call.repository().await?, call).await?,
        "getAddition" => additions::get(&call.repository().await?, call).await?,
        _ => return Ok(None),
    }))
}

/// What shall be found beside artifacts; as Harbor has it, tags unless they are not wanted.
fn with(call: &Call<'_>) -> Result<With> {
    let tags = call.parameter("with_tag").is_none() || call.flag("with_tag")?;
    // What scans find out is not told yet; that they read is checked all the same.
    for flag in ["with_scan_overview", "with_sbom_overview", "with_signature"] {
        call.flag(flag)?;
    }
    Ok(With {
        tags,
        immutable: call.flag("with_immutable_status")?,
        labels: call.flag("with_label")?,
        accessories: call.flag("with_accessory")?,
        inherited: call.flag("with_inherited_accessory")?,
    })
}

fn query(call: &Call<'_>) -> Result<ArtifactQuery> {
    let parameter = |name: &str| call.parameter(name);
    let (q, sort) = (parameter("q"), parameter("sort"));
    let (page, size) = (parameter("page"), parameter("page_size"));
    Ok(ArtifactQuery::parse(q.as_deref(), sort.as_deref(), page.as_deref(), size.as_deref())?)
}

async fn list(proof: &Authorized<ArtifactList>, call: &Call<'_>) -> Result<Response<Body>> {
    let (query, with) = (query(call)?, with(call)?);
    let listed = call.harbor().artifacts().list(proof, &query, with).await?;
    page(call, &query.query, listed, wire)
}

async fn list_of_project(proof: &Authorized<ProjectArtifactList>, call: &Call<'_>) -> Result<Response<Body>> {
    let (query, with) = (query(call)?, with(call)?);
    let latest = call.flag("latest_in_repository")?;
    let listed = call.harbor().artifacts().list_of_project(proof, latest, &query, with).await?;
    page(call, &query.query, listed, wire)
}

async fn get(proof: &Authorized<ArtifactRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let found = call.harbor().artifacts().get(proof, &call.reference()?, with(call)?).await?;
    ok(&wire(found))
}

async fn delete(proof: Authorized<ArtifactDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().artifacts().delete(proof, &call.reference()?).await?;
    Ok(done())
}

async fn copy(proof: Authorized<ArtifactCreate>, call: &Call<'_>) -> Result<Response<Body>> {
    let from = call.parameter("from").ok_or_else(|| Error::Unprocessable("from is needed".to_owned()))?;
    let (source, reference) = source(&from)?;
    let read = call.seen(call.harbor().authorize::<ArtifactRead>(&call.actor, &source).await)?;
    let pulls = call.seen(call.harbor().authorize::<RepositoryPull>(&call.actor, &source).await)?;
    call.harbor().artifacts().copy(proof, read, pulls, &reference).await?;
    Ok(created(call, &reference.to_string()))
}

async fn list_deleted(proof: &Authorized<ArtifactList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<TrashKey> = call.list()?;
    page(call, &query, call.harbor().artifacts().trash(proof, &query).await?, wire_deleted)
}

fn wire_deleted(deleted: Trashed) -> api::DeletedArtifact {
    api::DeletedArtifact {
        digest: deleted.digest.to_string(),
        manifest_media_type: deleted.media_type.to_string(),
        artifact_type: deleted.artifact_type,
        subject: deleted.subject.map(|subject| subject.to_string()),
        tags: deleted.tags.iter().map(Tag::to_string).collect(),
        push_time: deleted.pushed_at,
        deletion_time: deleted.deleted_at,
        deleted_by: deleted.deleted_by,
        restorable_until: deleted.until,
    }
}

async fn restore(proof: Authorized<ArtifactCreate>, call: &Call<'_>) -> Result<Response<Body>> {
    let digest: Digest = call.path("digest").parse().map_err(|_| Error::NotFound("deleted artifact"))?;
    let restored = call.harbor().artifacts().restore(proof, &digest).await?;
    let names = |tags: &[Tag]| tags.iter().map(Tag::to_string).collect();
    ok(&api::RestoredArtifact {
        digest: digest.to_string(),
        tags: names(&restored.tags),
        tags_taken: names(&restored.taken),
        manifests: restored.manifests,
    })
}

/// `project/repository:tag` or `project/repository@digest`.
fn source(from: &str) -> Result<(RepositoryName, Reference)> {
    let wrong = || Error::BadRequest(format!("from={from:?} is no repository:tag or repository@digest"));
    let (name, reference) = match from.split_once('@') {
        // A tag beside the digest says nothing more.
        Some((name, digest)) => (name.split_once(':').map_or(name, |(name, _)| name), digest),
        None => from.split_once(':').ok_or_else(wrong)?,
    };
    let name: RepositoryName = name.parse().map_err(|_| wrong())?;
    name.project().map_err(|_| wrong())?;
    Ok((name, reference.parse().map_err(|_| wrong())?))
}

async fn create_tag(proof: Authorized<TagCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: NewTag = call.json().await?;
    let tag: Tag = body.name.parse()?;
    call.harbor().artifacts().tag_create(proof, &call.reference()?, &tag).await?;
    // As Harbor has it: there is no address of one tag.
    let mut response = done();
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

async fn list_tags(proof: &Authorized<TagList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<TagKey> = call.list()?;
    let immutable = call.flag("with_immutable_status")?;
    let listed = call.harbor().artifacts().tags(proof, &call.reference()?, &query, immutable).await?;
    page(call, &query, listed, tag)
}

async fn delete_tag(proof: Authorized<TagDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    let tag: Tag = call.path("tag_name").parse().map_err(|_| Error::NotFound("tag"))?;
    call.harbor().artifacts().tag_delete(proof, &call.reference()?, &tag).await?;
    Ok(done())
}

async fn list_accessories(proof: &Authorized<AccessoryList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<AccessoryKey> = call.list()?;
    let listed = call.harbor().artifacts().accessories(proof, &call.reference()?, &query).await?;
    page(call, &query, listed, accessory)
}

async fn add_label(proof: Authorized<ArtifactLabelCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: api::Label = call.json().await?;
    call.harbor().artifacts().label_add(proof, &call.reference()?, LabelId::new(body.id)).await?;
    Ok(done())
}

async fn remove_label(proof: Authorized<ArtifactLabelDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    let label = LabelId::new(call.id("label_id", "label")?);
    call.harbor().artifacts().label_remove(proof, &call.reference()?, label).await?;
    Ok(done())
}

/// An artifact as the API shows it.
fn wire(found: Found) -> api::Artifact {
    let addition_links = additions::links(&found).collect();
    let artifact = found.artifact;
    let kind = if artifact.kind.is_empty() { "UNKNOWN".to_owned() } else { artifact.kind };
    api::Artifact {
        id: artifact.id.get(),
        kind,
        media_type: artifact.config_type,
        manifest_media_type: artifact.media_type.to_string(),
        artifact_type: artifact.artifact_type,
        project_id: artifact.project.get(),
        repository_id: artifact.repository.get(),
        repository_name: artifact.repository_name.to_string(),
        digest: artifact.digest.to_string(),
        size: artifact.size,
        push_time: artifact.pushed_at,
        pull_time: artifact.pulled_at.unwrap_or(NEVER),
        pull_count: artifact.pulls,
        extra_attrs: artifact.attributes.and_then(|text| serde_json::from_str(&text).ok()),
        annotations: artifact.annotations,
        references: found.references.into_iter().map(reference).collect(),
        tags: found.tags.into_iter().map(tag).collect(),
        addition_links,
        labels: found.labels.into_iter().map(labels::wire).collect(),
        accessories: found.accessories.into_iter().map(accessory).collect(),
        inherited_accessories: found.inherited.into_iter().map(Arc::unwrap_or_clone).map(accessory).collect(),
    }
}

fn reference(entry: ArtifactReference) -> api::Reference {
    api::Reference {
        parent_id: entry.parent.get(),
        child_id: entry.child.map(|child| child.get()),
        child_digest: entry.digest.to_string(),
        platform: platform(entry.says.platform),
        annotations: entry.says.annotations,
        urls: entry.says.urls,
    }
}

/// A platform that is none was written by whoever pushed the index.
fn platform(platform: Option<serde_json::Value>) -> Option<api::Platform> {
    let platform = platform.filter(serde_json::Value::is_object)?;
    serde_json::from_value(platform).ok()
}

fn tag(found: FoundTag) -> api::Tag {
    let FoundTag { tag, immutable } = found;
    api::Tag {
        id: tag.id.get(),
        repository_id: tag.repository.get(),
        artifact_id: tag.manifest.get(),
        name: tag.name.to_string(),
        push_time: tag.pushed_at,
        pull_time: tag.pulled_at.unwrap_or(NEVER),
        pull_count: tag.pulls,
        immutable,
    }
}

fn accessory(accessory: Accessory) -> api::Accessory {
    api::Accessory {
        id: accessory.id.get(),
        artifact_id: accessory.id.get(),
        subject_artifact_id: accessory.subject.get(),
        subject_artifact_digest: accessory.subject_digest.to_string(),
        subject_artifact_repo: accessory.repository.to_string(),
        size: accessory.size,
        digest: accessory.digest.to_string(),
        kind: accessory.kind.to_string(),
        icon: String::new(),
        creation_time: accessory.pushed_at,
    }
}

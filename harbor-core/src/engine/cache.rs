//! What was read and may be read again without asking the database.
//!
//! Immutable things (a manifest's bytes by digest, a small blob by location) are cached everywhere. Things that change
//! (projects, tags, links) are cached only when this process alone has the store, and are invalidated exactly: a commit
//! first counts the generation on and then removes what it changed; a reader notes the generation before it reads the
//! database and stores what it read only if the generation still stands. Who saw the answer to a change never reads from
//! before it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::configuration::Configuration;
use super::lists::Lists;
use super::page::{Page, PageRequest};
use crate::Timestamp;
use crate::access::ProjectFilter;
use crate::blob::{Location, UploadId};
use crate::meta::{LinkedBlob, Manifest, Project, ProjectId, Repository, RepositoryId, Sharing, Upload};
use crate::oci::{Digest, ProjectName, RepositoryName, Tag};

/// How many small rows of each kind are kept.
const ROWS: usize = 8 * 1024;

/// Blobs up to this size are kept in memory: image configs, SBOMs, signatures. In bytes.
pub(super) const SMALL_BLOB: u64 = 64 * 1024;

/// For how long a node of many relies on a configuration that another may have changed.
const STALE: Duration = Duration::from_secs(1);

/// A change that makes cached rows wrong.
#[derive(Debug)]
pub(super) enum Change {
    Project(ProjectName),
    Repository(RepositoryName),
    Tag(RepositoryId, Tag),
    Manifest(RepositoryId, Digest),
    Blob(RepositoryId, Digest),
    /// The links of a repository to several blobs, or their reviews.
    Blobs(RepositoryId),
    /// A repository got its first manifest, or lost one.
    Catalog,
    Configuration,
}

/// The state of the cache before a read, for [`Caches::keep`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Generation(u64);

#[derive(Clone)]
struct ManifestWeight;

impl Weighter<(RepositoryId, Digest), Arc<Manifest>> for ManifestWeight {
    fn weight(&self, _: &(RepositoryId, Digest), manifest: &Arc<Manifest>) -> u64 {
        manifest.payload.len() as u64 + 512
    }
}

#[derive(Clone)]
struct BytesWeight;

impl Weighter<Location, Bytes> for BytesWeight {
    fn weight(&self, location: &Location, bytes: &Bytes) -> u64 {
        (location.as_str().len() + bytes.len()) as u64 + 64
    }
}

/// All caches of one registry.
pub(super) struct Caches {
    /// `None` when other nodes may change the rows.
    rows: Option<Rows>,
    manifests: Cache<(RepositoryId, Digest), Arc<Manifest>, ManifestWeight>,
    content: Cache<Location, Bytes, BytesWeight>,
    /// With the time at which it was read: on a shared store it is true for a moment only.
    configuration: Mutex<Option<(Arc<Configuration>, Timestamp)>>,
    generation: RwLock<u64>,
}

struct Rows {
    projects: Cache<ProjectName, Arc<Project>>,
    projects_by_id: Cache<ProjectId, Arc<Project>>,
    repositories: Cache<RepositoryName, Repository>,
    tags: Cache<(RepositoryId, Tag), Digest>,
    blobs: Cache<(RepositoryId, Digest), Arc<LinkedBlob>>,
    uploads: Cache<UploadId, Arc<Upload>>,
    tag_lists: Lists<RepositoryId, PageRequest, Tag>,
    catalogs: Lists<(), (ProjectFilter, PageRequest), RepositoryName>,
}

/// One thing that can be cached, with its key.
pub(super) enum Entry {
    Project(Arc<Project>),
    Repository(Repository),
    Tag(RepositoryId, Tag, Digest),
    Blob(RepositoryId, Arc<LinkedBlob>),
    Manifest(RepositoryId, Arc<Manifest>),
    TagList(RepositoryId, PageRequest, Arc<Page<Tag>>),
    Catalog(ProjectFilter, PageRequest, Arc<Page<RepositoryName>>),
    Configuration(Arc<Configuration>, Timestamp),
}

impl Caches {
    pub(super) fn new(sharing: Sharing, bytes: u64) -> Self {
        let rows = || Rows {
            projects: Cache::new(ROWS / 16),
            projects_by_id: Cache::new(ROWS / 16),
            repositories: Cache::new(ROWS),
            tags: Cache::new(ROWS),
            blobs: Cache::new(ROWS),
            uploads: Cache::new(ROWS / 8),
            tag_lists: Lists::new(bytes / 8),
            catalogs: Lists::new(bytes / 8),
        };
        Self {
            rows: (sharing == Sharing::Exclusive).then(rows),
            manifests: Cache::with_weighter(1024, bytes / 2, ManifestWeight),
            content: Cache::with_weighter(1024, bytes / 4, BytesWeight),
            configuration: Mutex::new(None),
            generation: RwLock::new(0),
        }
    }

    pub(super) fn project(&self, name: &str) -> Option<Arc<Project>> {
        self.rows.as_ref()?.projects.get(name)
    }

    /// The configuration. On a shared store it may be another node's of a second ago, so that not every change that is made
    /// asks for it first.
    pub(super) fn configuration(&self, now: Timestamp) -> Option<Arc<Configuration>> {
        let kept = self.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (configuration, read_at) = kept?;
        (self.is_exact() || now.since(read_at) < STALE).then_some(configuration)
    }

    pub(super) fn project_of(&self, id: ProjectId) -> Option<Arc<Project>> {
        self.rows.as_ref()?.projects_by_id.get(&id)
    }

    pub(super) fn repository(&self, name: &RepositoryName) -> Option<Repository> {
        self.rows.as_ref()?.repositories.get(name)
    }

    pub(super) fn tag(&self, repository: RepositoryId, tag: &Tag) -> Option<Digest> {
        self.rows.as_ref()?.tags.get(&(repository, tag.clone()))
    }

    pub(super) fn blob(&self, repository: RepositoryId, digest: &Digest) -> Option<Arc<LinkedBlob>> {
        self.rows.as_ref()?.blobs.get(&(repository, *digest))
    }

    pub(super) fn tag_list(&self, repository: RepositoryId, page: &PageRequest) -> Option<Arc<Page<Tag>>> {
        self.rows.as_ref()?.tag_lists.get(&repository, page)
    }

    pub(super) fn catalog(&self, asked: &(ProjectFilter, PageRequest)) -> Option<Arc<Page<RepositoryName>>> {
        self.rows.as_ref()?.catalogs.get(&(), asked)
    }

    /// A manifest that was there when it was cached: on a shared store the caller checks that it still is.
    pub(super) fn manifest(&self, repository: RepositoryId, digest: &Digest) -> Option<Arc<Manifest>> {
        self.manifests.get(&(repository, *digest))
    }

    /// Whether cached rows are true without asking the database.
    pub(super) const fn is_exact(&self) -> bool {
        self.rows.is_some()
    }

    pub(super) fn small_blob(&self, location: &Location) -> Option<Bytes> {
        self.content.get(location)
    }

    pub(super) fn keep_small_blob(&self, location: Location, bytes: Bytes) {
        self.content.insert(location, bytes);
    }

    pub(super) fn drop_small_blob(&self, location: &Location) {
        self.content.remove(location);
    }

    pub(super) fn upload(&self, id: UploadId) -> Option<Arc<Upload>> {
        self.rows.as_ref()?.uploads.get(&id)
    }

    /// Keeps the row of an upload as it was just committed. Needs no generation: only who has its lease, or has just made it,
    /// changes the row, and that is who calls this.
    pub(super) fn keep_upload(&self, upload: &Upload) {
        if let Some(rows) = &self.rows {
            rows.uploads.insert(upload.id, Arc::new(upload.clone()));
        }
    }

    /// To be called by who has the lease of an upload, before it changes the row.
    pub(super) fn drop_upload(&self, id: UploadId) {
        if let Some(rows) = &self.rows {
            rows.uploads.remove(&id);
        }
    }

    /// To be called before the database is read.
    pub(super) fn generation(&self) -> Generation {
        Generation(*self.generation.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what was read, unless something changed since `before`.
    pub(super) fn keep(&self, before: Generation, entry: Entry) {
        let now = self.generation.read().unwrap_or_else(PoisonError::into_inner);
        if *now != before.0 {
            return;
        }
        match (entry, &self.rows) {
            (Entry::Manifest(repository, manifest), _) => {
                self.manifests.insert((repository, manifest.digest), manifest);
            }
            (Entry::Project(project), Some(rows)) => {
                rows.projects_by_id.insert(project.id, Arc::clone(&project));
                rows.projects.insert(project.name.clone(), project);
            }
            (Entry::Repository(repository), Some(rows)) => {
                rows.repositories.insert(repository.name.clone(), repository);
            }
            (Entry::Tag(repository, tag, digest), Some(rows)) => rows.tags.insert((repository, tag), digest),
            (Entry::TagList(repository, asked, page), Some(rows)) => {
                rows.tag_lists.keep(repository, asked, page)
            }
            (Entry::Catalog(filter, asked, page), Some(rows)) => {
                rows.catalogs.keep((), (filter, asked), page)
            }
            (Entry::Blob(repository, blob), Some(rows)) => {
                rows.blobs.insert((repository, blob.digest), blob);
            }
            (Entry::Configuration(configuration, read_at), _) => {
                let kept = Some((configuration, read_at));
                *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = kept;
            }
            (_, None) => {}
        }
    }

    /// Forgets what a commit changed.
    pub(super) fn invalidate(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut generation = self.generation.write().unwrap_or_else(PoisonError::into_inner);
        *generation += 1;
        for change in changes {
            match (change, &self.rows) {
                (Change::Manifest(repository, digest), _) => {
                    self.manifests.remove(&(*repository, *digest));
                }
                (Change::Project(name), Some(rows)) => {
                    rows.projects.remove(name);
                    // Rare, and the rows are few: they are looked through.
                    rows.projects_by_id.retain(|_, project| project.name != *name);
                    rows.catalogs.forget(&());
                }
                (Change::Repository(name), Some(rows)) => {
                    rows.repositories.remove(name);
                    rows.catalogs.forget(&());
                }
                (Change::Tag(repository, tag), Some(rows)) => {
                    rows.tags.remove(&(*repository, tag.clone()));
                    rows.tag_lists.forget(repository);
                }
                // Rare, and the rows are few: they are looked through.
                (Change::Blobs(repository), Some(rows)) => rows.blobs.retain(|(of, _), _| of != repository),
                (Change::Configuration, _) => {
                    *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                (Change::Catalog, Some(rows)) => rows.catalogs.forget(&()),
                (Change::Blob(repository, digest), Some(rows)) => {
                    rows.blobs.remove(&(*repository, *digest));
                }
                (_, None) => {}
            }
        }
    }
}

//! What belongs to what is copied: members of indexes, blobs, and what refers to any of them.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt as _};
use harbor_core::oci::{Descriptor, Digest, ManifestKind, ManifestView, Tag};

use super::CopyOptions;
use crate::client::place::Source;
use crate::client::{Error, Manifest, Platform, Result};

/// How many manifests a copy may take along.
const MANIFESTS: usize = 5_000;

/// How many bytes they may have altogether: they are kept until the blobs are there.
const MANIFEST_BYTES: usize = 64 * 1024 * 1024;

/// Behind what cosign keeps signatures, attestations and SBOMs by tag: `sha256-….sig`.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// What belongs to what is copied.
#[derive(Default)]
pub(super) struct Found {
    /// Each behind those that it lists.
    pub(super) manifests: Vec<Manifest>,
    /// Blobs with their sizes.
    pub(super) blobs: BTreeMap<Digest, u64>,
    /// What nothing of the rest lists: it refers to something, by a tag or by itself.
    pub(super) roots: Vec<(Manifest, Option<Tag>)>,
    seen: HashSet<Digest>,
    /// What refers to something, for when all of that is known: it may list what is still to come.
    referrers: Vec<Referrer>,
    /// How many manifests were got, and how many bytes they have.
    kept: usize,
    bytes: usize,
}

enum Referrer {
    Listed(Descriptor),
    Tagged(Tag, Manifest),
}

/// What is to be done next.
enum Step {
    /// Look at a manifest.
    Look(Manifest),
    /// Store one: all that it lists is ahead of it.
    Store(Manifest),
}

impl Found {
    /// A manifest of `from` and all that belongs to it. Nothing of a manifest decides how deep this goes but the memory that
    /// is allowed for it.
    pub(super) async fn add(
        &mut self,
        from: &dyn Source,
        top: Manifest,
        options: &CopyOptions,
    ) -> Result<()> {
        let mut steps = vec![Step::Look(top)];
        loop {
            match steps.pop() {
                Some(Step::Store(manifest)) => self.manifests.push(manifest),
                Some(Step::Look(manifest)) => {
                    if self.seen.insert(manifest.digest) {
                        self.look(from, manifest, options, &mut steps).await?;
                    }
                }
                None => match self.referrers.pop() {
                    Some(referrer) => steps.extend(self.referrer(from, referrer).await?),
                    None => return Ok(()),
                },
            }
        }
    }

    /// What refers to something. Lists that clients keep may have what is there no more.
    async fn referrer(&mut self, from: &dyn Source, referrer: Referrer) -> Result<Option<Step>> {
        match referrer {
            Referrer::Tagged(tag, manifest) => {
                self.roots.push((manifest.clone(), Some(tag)));
                Ok((!self.seen.contains(&manifest.digest)).then_some(Step::Look(manifest)))
            }
            Referrer::Listed(entry) if self.seen.contains(&entry.digest) => Ok(None),
            Referrer::Listed(entry) => match from.read_manifest(&entry).await {
                Err(error) if error.is_absent() => Ok(None),
                got => {
                    let manifest = got?;
                    self.account(&manifest)?;
                    self.roots.push((manifest.clone(), None));
                    Ok(Some(Step::Look(manifest)))
                }
            },
        }
    }

    async fn look(
        &mut self,
        from: &dyn Source,
        manifest: Manifest,
        options: &CopyOptions,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let view = view(from, &manifest)?;
        if options.referrers {
            self.list_referrers(from, &manifest.digest).await?;
            self.list_tagged(from, &manifest.digest).await?;
        }
        // The last is done first: members, then the manifest that lists them.
        steps.push(Step::Store(manifest));
        self.blobs.extend(view.required_blobs());
        let members = view.manifests.into_iter().map(|entry| (entry.digest, entry));
        let members: BTreeMap<_, _> = members.filter(|(digest, _)| !self.seen.contains(digest)).collect();
        let members =
            stream::iter(members.into_values()).map(|entry| async move { from.read_manifest(&entry).await });
        let mut members = members.buffer_unordered(options.jobs.get());
        while let Some(member) = members.next().await {
            let member = member?;
            self.account(&member)?;
            steps.push(Step::Look(member));
        }
        Ok(())
    }

    async fn list_referrers(&mut self, from: &dyn Source, subject: &Digest) -> Result<()> {
        let mut listed = from.list_referrers(subject);
        while let Some(entry) = listed.next().await {
            self.referrers.push(Referrer::Listed(entry?));
            if self.referrers.len() > MANIFESTS {
                return Err(too_large());
            }
        }
        Ok(())
    }

    /// What cosign keeps by tag, and that no list of referrers has.
    async fn list_tagged(&mut self, from: &dyn Source, subject: &Digest) -> Result<()> {
        for tag in cosign_tags(subject) {
            if let Some(manifest) = from.read_tag(&tag).await? {
                self.account(&manifest)?;
                self.referrers.push(Referrer::Tagged(tag, manifest));
            }
        }
        Ok(())
    }

    /// Counts what is kept.
    fn account(&mut self, manifest: &Manifest) -> Result<()> {
        self.kept += 1;
        self.bytes += manifest.bytes.len();
        if self.kept > MANIFESTS || self.bytes > MANIFEST_BYTES { Err(too_large()) } else { Ok(()) }
    }
}

/// The tags under which cosign keeps what belongs to a manifest: its signature, its attestations, its SBOM.
pub fn cosign_tags(subject: &Digest) -> impl Iterator<Item = Tag> {
    let stem = format!("{}-{}", subject.algorithm(), subject.hex());
    COSIGN.into_iter().filter_map(move |kind| format!("{stem}.{kind}").parse().ok())
}

fn too_large() -> Error {
    Error::TooLarge { what: "what belongs to the image", limit: MANIFEST_BYTES as u64 }
}

fn view(from: &dyn Source, manifest: &Manifest) -> Result<ManifestView> {
    manifest
        .view()
        .map_err(|error| Error::bad_answer(from.told(), format!("the manifest {}: {error}", manifest.digest)))
}

impl Platform {
    /// The manifest that an index has for this platform; the manifest itself, where it is no index.
    ///
    /// # Errors
    /// [`Error::Absent`] when the index has none; what reading one ends with.
    pub async fn choose(&self, from: &dyn Source, top: Manifest) -> Result<Manifest> {
        let mut manifest = top;
        // Indexes in indexes are few, and never deep.
        for _ in 0..8 {
            let view = view(from, &manifest)?;
            if view.kind != ManifestKind::Index {
                return Ok(manifest);
            }
            let Some(entry) = view.manifests.iter().find(|entry| self.is_of(entry)) else {
                let known = view.manifests.iter().filter_map(told).collect::<Vec<_>>().join(", ");
                let what = format!("image for {self}, but for {known}");
                return Err(Error::Absent { place: from.told(), what });
            };
            manifest = from.read_manifest(entry).await?;
        }
        Err(Error::bad_answer(from.told(), "an index within too many others"))
    }
}

/// The platform of a member of an index, for people.
fn told(entry: &Descriptor) -> Option<String> {
    let platform = entry.platform.as_ref()?;
    let part = |key: &str| platform[key].as_str().filter(|part| !part.is_empty());
    let parts: Vec<&str> = ["os", "architecture", "variant"].into_iter().filter_map(part).collect();
    Some(crate::client::error::fit(&parts.join("/"), &[]))
}

//! What deletions would come to: found out by reading alone, so that nobody waits for a trial.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::delete::{Deleted, accessories_of, tags_of};
use crate::Result;
use crate::engine::Harbor;
use crate::engine::immutable::{Fate, Held};
use crate::meta::{ManifestId, Reads, Repository};
use crate::oci::Tag;

/// Deletions of artifacts of one repository, one after the other, none of which happens: each is tried on what those before it would
/// have left. What goes along, and what is refused, is as with
/// [`Artifacts::delete_deeply`](super::Artifacts::delete_deeply).
pub(in crate::engine) struct Trial<'a> {
    harbor: &'a Harbor,
    repository: &'a Repository,
    held: Held,
    gone: BTreeSet<ManifestId>,
    /// The indexes that list a manifest, those that were not looked at lately first: many may list the same.
    parents: BTreeMap<ManifestId, Vec<ManifestId>>,
}

impl<'a> Trial<'a> {
    /// Of a repository from which nothing went yet.
    pub(in crate::engine) async fn of(harbor: &'a Harbor, repository: &'a Repository) -> Result<Self> {
        let mut rows = harbor.read().await?;
        let held = Held::of(&mut *rows, repository.project, &repository.name, Fate::Deleted).await?;
        Ok(Self { harbor, repository, held, gone: BTreeSet::new(), parents: BTreeMap::new() })
    }

    /// Whether a manifest would be gone by now.
    pub(in crate::engine) fn is_gone(&self, id: ManifestId) -> bool {
        self.gone.contains(&id)
    }

    /// Whether an index that would still be there lists a manifest.
    pub(in crate::engine) async fn is_listed(&mut self, id: ManifestId) -> Result<bool> {
        self.listed(&mut *self.harbor.read().await?, id, &BTreeSet::new()).await
    }

    /// Deletes a manifest that nothing holds, and then what nothing holds any more. What is refused leaves no trace.
    ///
    /// # Errors
    /// [`Error::Immutable`](crate::Error::Immutable) for a tag of what would go; as the stores fail.
    pub(in crate::engine) async fn delete(&mut self, id: ManifestId) -> Result<Deleted> {
        let mut rows = self.harbor.read().await?;
        let (mut going, mut deleted) = (BTreeSet::new(), Deleted::default());
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if self.is_gone(id) || !going.insert(id) {
                continue;
            }
            let tags: Vec<Tag> = tags_of(&mut *rows, id).await?.into_keys().collect();
            self.held.refuse(&self.repository.name, &tags).await?;
            deleted.manifests += 1;
            deleted.bytes = deleted.bytes.saturating_add(rows.manifest_size(id).await?);
            for accessory in accessories_of(&mut *rows, id).await? {
                // Its tag is a name for what it is, so it does not keep it.
                if !self.listed(&mut *rows, accessory.id, &going).await? {
                    waiting.push(accessory.id);
                }
            }
            for child in rows.references_of(&[id]).await?.into_iter().filter_map(|entry| entry.child) {
                let tagged = !rows.tags_of(&[child]).await?.is_empty();
                if !tagged && !self.listed(&mut *rows, child, &going).await? {
                    waiting.push(child);
                }
            }
        }
        self.gone.extend(going);
        Ok(deleted)
    }

    /// Whether an index lists a manifest that neither went nor is about to.
    async fn listed(
        &mut self,
        rows: &mut dyn Reads,
        id: ManifestId,
        going: &BTreeSet<ManifestId>,
    ) -> Result<bool> {
        let parents = match self.parents.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let parents = rows.parents_of(&[id]).await?;
                // They go in the order of keys, so the next to go is the last of these.
                place.insert(parents.into_iter().rev().map(|(_, parent)| parent).collect())
            }
        };
        while parents.last().is_some_and(|parent| self.gone.contains(parent)) {
            parents.pop();
        }
        Ok(parents.iter().rev().any(|parent| !self.gone.contains(parent) && !going.contains(parent)))
    }
}

//! What was pulled: counted in memory, and written down now and then, so that a pull writes nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Harbor;
use super::configuration::ConfigKey;
use super::gate::contended;
use crate::meta::{ManifestId, Pulled};
use crate::oci::{Reference, Tag};
use crate::{Result, Timestamp};

/// In how many parts pulls are counted, so that those who pull at once rarely meet.
const SHARDS: usize = 16;

/// How many manifests and tags one part counts at most until it is written down. Beyond that, only pulls of those that are
/// counted already are counted on.
const LARGEST: usize = 4096;

/// How many manifests are written down in one transaction.
const BATCH: usize = 256;

/// A manifest, by the tag that it was asked for by, if it was.
type Asked = (ManifestId, Option<Tag>);

/// Pulls that are not written down yet.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    shards: [Mutex<BTreeMap<Asked, (u64, Timestamp)>>; SHARDS],
    /// How many pulls were not counted, for too many were.
    beyond: AtomicU64,
    /// Held by who writes them down, so that whoever asks for it is told when all of them are.
    writing: tokio::sync::Mutex<()>,
}

impl Pulls {
    /// Counts pulls of a manifest.
    fn add(&self, asked: Asked, count: u64, at: Timestamp) {
        let shard = usize::try_from(asked.0.get().unsigned_abs() % SHARDS as u64).unwrap_or_default();
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let full = shard.len() >= LARGEST;
        match shard.get_mut(&asked) {
            Some((counted, last)) => (*counted, *last) = (counted.saturating_add(count), at.max(*last)),
            None if full => {
                self.beyond.fetch_add(count, Ordering::Relaxed);
            }
            None => {
                shard.insert(asked, (count, at));
            }
        }
    }

    /// Everything that was counted, which is counted no more.
    fn take(&self) -> Vec<Pulled> {
        let mut taken: BTreeMap<ManifestId, Pulled> = BTreeMap::new();
        for shard in &self.shards {
            let shard = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for ((manifest, tag), (count, at)) in shard {
                let none = Pulled { manifest, count: 0, at, tags: Vec::new() };
                let pulled = taken.entry(manifest).or_insert(none);
                pulled.count = pulled.count.saturating_add(count);
                pulled.at = pulled.at.max(at);
                pulled.tags.extend(tag.map(|tag| (tag, count, at)));
            }
        }
        taken.into_values().collect()
    }

    /// Counts what could not be written down again.
    fn put_back(&self, pulled: &[Pulled]) {
        for pulled in pulled {
            let mut by_digest = pulled.count;
            for (tag, count, at) in &pulled.tags {
                by_digest = by_digest.saturating_sub(*count);
                self.add((pulled.manifest, Some(tag.clone())), *count, *at);
            }
            self.add((pulled.manifest, None), by_digest, pulled.at);
        }
    }
}

impl Harbor {
    /// Counts a pull of a manifest. It is written down later.
    pub(super) fn count_pull(&self, manifest: ManifestId, reference: &Reference) {
        let tag = match reference {
            Reference::Tag(tag) => Some(tag.clone()),
            Reference::Digest(_) => None,
        };
        self.inner.pulls.add((manifest, tag), 1, self.now());
    }

    /// Writes down what was pulled since this was done last. A worker does it every ten seconds, and
    /// [`Harbor::shutdown`] once more.
    ///
    /// # Errors
    /// As the metadata store fails: then what was not written down is written down the next time.
    pub async fn write_pulls(&self) -> Result<()> {
        let configuration = self.configuration().await?;
        let _turn = self.inner.pulls.writing.lock().await;
        let mut pulled = self.inner.pulls.take();
        let beyond = self.inner.pulls.beyond.swap(0, Ordering::Relaxed);
        if beyond > 0 {
            tracing::warn!(
                pulls = beyond,
                "more was pulled than is counted at once; these pulls are not counted"
            );
        }
        for pulled in &mut pulled {
            if configuration.flag(ConfigKey::PullCountUpdateDisable) {
                pulled.count = 0;
                pulled.tags.iter_mut().for_each(|(_, count, _)| *count = 0);
            }
            if configuration.flag(ConfigKey::PullTimeUpdateDisable) {
                // Before any other time.
                pulled.at = Timestamp::default();
                pulled.tags.iter_mut().for_each(|(.., at)| *at = Timestamp::default());
            }
        }
        for (number, batch) in pulled.chunks(BATCH).enumerate() {
            if let Err(error) = contended!(self.try_write_pulls(batch)) {
                self.inner.pulls.put_back(&pulled[number * BATCH..]);
                return Err(error);
            }
        }
        self.write_pulled().await
    }

    async fn try_write_pulls(&self, pulled: &[Pulled]) -> Result<()> {
        let mut write = self.write_as_system().await?;
        write.rows().pulls_add(pulled).await?;
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn pulls_are_counted_together() {
        let pulls = Pulls::default();
        let (one, tag): (_, Tag) = (ManifestId::new(1), "latest".parse().unwrap());
        pulls.add((one, Some(tag.clone())), 1, at(5));
        pulls.add((one, Some(tag.clone())), 1, at(4));
        pulls.add((one, None), 1, at(9));
        pulls.add((ManifestId::new(17), None), 1, at(1));
        let taken = pulls.take();
        let first = Pulled { manifest: one, count: 3, at: at(9), tags: vec![(tag, 2, at(5))] };
        assert_eq!(taken[0], first);
        assert_eq!((taken.len(), taken[1].count), (2, 1));
        assert!(pulls.take().is_empty());
        pulls.put_back(&taken);
        pulls.add((one, None), 1, at(20));
        let again = pulls.take();
        assert_eq!(again[0], Pulled { count: 4, at: at(20), ..first });
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let pulls = Pulls::default();
        for id in 0..200_000 {
            pulls.add((ManifestId::new(id), None), 1, at(id));
        }
        pulls.add((ManifestId::new(0), None), 1, at(7));
        let taken = pulls.take();
        assert_eq!(taken.len(), SHARDS * LARGEST);
        assert_eq!(taken[0].count, 2);
        // The rest is told of.
        assert_eq!(pulls.beyond.load(Ordering::Relaxed), 200_000 - (SHARDS * LARGEST) as u64);
    }
}

//! Pulls that somebody wants to be told of: noted in memory, and written as events with the figures of pulls.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use crate::Result;
use crate::access::Actor;
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::event::{Event, EventKind};
use crate::meta::{ProjectId, Sharing};
use crate::oci::{Digest, Reference, RepositoryName};
use crate::webhook::EventType;

/// How many pulls are noted at most until they are written: what is beyond is told to nobody.
const LARGEST: usize = 4096;

/// How many are written as soon as there are so many, and not only when it is time.
const MANY: usize = LARGEST / 2;

/// How many are written in one transaction.
const BATCH: usize = 128;

/// Who wants to be told, and what there is to tell.
#[derive(Debug, Default)]
pub(super) struct Pulled {
    /// Whether it was looked who wants to be told.
    looked: AtomicBool,
    wanted: RwLock<Wanted>,
    waiting: Mutex<Vec<(RepositoryName, Event)>>,
    /// Held while it is looked: what was read first must not come to count last.
    looking: tokio::sync::Mutex<()>,
    /// How many pulls nobody will be told of, for too many were noted.
    beyond: AtomicU64,
}

/// In which projects pulls are told of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    everywhere: bool,
    /// The names of single ones.
    projects: BTreeSet<String>,
}

impl Pulled {
    /// Notes a pull, if there is room. Whether they are to be written now, for there are many.
    fn note(&self, name: &RepositoryName, event: Event) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= LARGEST {
            self.beyond.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        waiting.push((name.clone(), event));
        waiting.len() == MANY
    }
}

impl Harbor {
    /// Whether somebody wants to be told of pulls from a project. It is answered from memory: on a shared store, what another node
    /// changed counts within ten seconds.
    #[must_use]
    pub fn wants_pulls(&self, project: &str) -> bool {
        let wanted = self.inner.hooks.pulled.wanted.read().unwrap_or_else(PoisonError::into_inner);
        wanted.everywhere || wanted.projects.contains(project)
    }

    /// Notes a pull, if somebody wants to be told of it. It is told when pulls are written down.
    pub(in crate::engine) fn note_pull(
        &self,
        actor: &Actor,
        name: &RepositoryName,
        digest: &Digest,
        reference: &Reference,
    ) {
        if !name.project().is_ok_and(|project| self.wants_pulls(project)) {
            return;
        }
        let tag = match reference {
            Reference::Tag(tag) => Some(tag.to_string()),
            Reference::Digest(_) => None,
        };
        let kind = EventKind::ArtifactPulled { repository: name.to_string(), digest: *digest, tag };
        let at = self.now().micros();
        let event = Event { id: 0, at, actor: actor.principal(), project_id: None, kind };
        if self.inner.hooks.pulled.note(name, event) {
            self.inner.workers.wake_pulls();
        }
    }

    /// Finds out who wants to be told of pulls.
    pub(super) async fn look_who_wants_pulls(&self) -> Result<()> {
        let pulled = &self.inner.hooks.pulled;
        // Ahead of everything that may fail: then it is looked again when pulls are written.
        let _looking = pulled.looking.lock().await;
        pulled.looked.store(false, Ordering::Release);
        let mut wanted = Wanted::default();
        let mut rows = self.read().await?;
        for policy in rows.webhooks_enabled().await? {
            if !policy.webhook.wants(EventType::PullArtifact) {
                continue;
            }
            match policy.project {
                None => wanted.everywhere = true,
                Some(project) => {
                    let project = rows.project_of(project).await?;
                    wanted.projects.extend(project.map(|project| project.name.to_string()));
                }
            }
        }
        *pulled.wanted.write().unwrap_or_else(PoisonError::into_inner) = wanted;
        pulled.looked.store(true, Ordering::Release);
        Ok(())
    }

    /// Writes the pulls that were noted as events, in the order in which they were.
    pub(in crate::engine) async fn write_pulled(&self) -> Result<()> {
        let pulled = &self.inner.hooks.pulled;
        let shared = self.inner.metadata.sharing() == Sharing::Shared;
        if shared || !pulled.looked.load(Ordering::Acquire) {
            self.look_who_wants_pulls().await?;
        }
        let beyond = pulled.beyond.swap(0, Ordering::Relaxed);
        if beyond > 0 {
            tracing::warn!(
                pulls = beyond,
                "more pulls came than are noted at once; webhooks tell nobody of these"
            );
        }
        let noted = std::mem::take(&mut *pulled.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, batch) in noted.chunks(BATCH).enumerate() {
            if let Err(error) = contended!(self.try_write_pulled(batch)) {
                let mut waiting = pulled.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let later = std::mem::take(&mut *waiting);
                waiting.extend(noted[number * BATCH..].iter().cloned().chain(later).take(LARGEST));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn try_write_pulled(&self, noted: &[(RepositoryName, Event)]) -> Result<()> {
        let mut write = self.write_as_system().await?;
        for (name, event) in noted {
            let project = write.rows().project(&name.project()?.parse()?).await?;
            let project_id = project.map(|project| ProjectId::get(project.id));
            write.event_of(Event { project_id, ..event.clone() });
        }
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn many_pulls_are_written_early_and_too_many_are_counted() {
        let (pulled, name) = (Pulled::default(), "p/app".parse::<RepositoryName>().unwrap());
        let digest = Digest::of(Algorithm::Sha256, b"");
        let kind = EventKind::ArtifactPulled { repository: name.to_string(), digest, tag: None };
        let event = Event { id: 0, at: 0, actor: "system".to_owned(), project_id: None, kind };
        let woken = (1..=LARGEST + 3).filter(|_| pulled.note(&name, event.clone()));
        assert_eq!(woken.collect::<Vec<_>>(), [LARGEST / 2]);
        assert_eq!(pulled.waiting.lock().unwrap().len(), LARGEST);
        assert_eq!(pulled.beyond.load(Ordering::Relaxed), 3);
    }
}

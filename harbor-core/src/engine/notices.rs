//! What is told of quotas: noted in memory where it is seen, and written as events by a worker, for nobody who pushes shall wait
//! for it, and what was refused has no transaction that it could be written in.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Harbor;
use super::gate::contended;
use crate::event::EventKind;
use crate::meta::ProjectId;
use crate::{Result, Timestamp};

/// From how much of its limit on, in hundredths, a project is told of.
const WARNED: u64 = 85;

/// For how long the same is not told of a project again: who pushes all day is not told all day.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// What is told of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Exceeded,
    Nearly,
}

/// What there was to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Notice {
    hard: i64,
    used: u64,
    added: u64,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Timestamp,
    /// What is not written yet.
    waits: Option<Notice>,
}

/// What is to be told, and what was not long ago: no more than two entries for each project with a quota.
#[derive(Debug, Default)]
pub(super) struct Notices {
    told: Mutex<BTreeMap<(ProjectId, Kind), Told>>,
}

impl Notices {
    /// Notes it, unless it was told not long ago. Yields whether there is something to write.
    fn note(&self, project: ProjectId, kind: Kind, notice: Notice, now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = told.get(&(project, kind)).is_some_and(|told| now.since(told.at) < QUIET);
        if !recent {
            told.retain(|_, told| told.waits.is_some() || now.since(told.at) < QUIET);
            told.insert((project, kind), Told { at: now, waits: Some(notice) });
        }
        !recent
    }

    fn next(&self) -> Option<(ProjectId, Kind, Notice)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().find_map(|((project, kind), told)| Some((*project, *kind, told.waits?)))
    }

    fn written(&self, project: ProjectId, kind: Kind) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = told.get_mut(&(project, kind)) {
            told.waits = None;
        }
    }
}

impl Harbor {
    /// Something was refused, for the project would hold more than it may.
    pub(super) fn note_exceeded(&self, project: ProjectId, hard: i64, used: u64, added: u64) {
        self.note(project, Kind::Exceeded, Notice { hard, used, added });
    }

    /// So much is in the project now. It is told of when that is nearly what it may hold.
    pub(super) fn note_usage(&self, project: ProjectId, hard: i64, used: u64) {
        if is_nearly(hard, used) {
            self.note(project, Kind::Nearly, Notice { hard, used, added: 0 });
        }
    }

    fn note(&self, project: ProjectId, kind: Kind, notice: Notice) {
        if self.inner.notices.note(project, kind, notice, self.now()) {
            self.inner.workers.wake_notices();
        }
    }

    /// Writes what was noted.
    pub(super) async fn write_notices(&self) -> Result<()> {
        while let Some((project, kind, notice)) = self.inner.notices.next() {
            // Of a project that is gone there is nothing to tell.
            if let Some(found) = self.project_of(project).await? {
                let name = found.name.to_string();
                contended!(self.try_write_notice(project, event(name.clone(), kind, notice)))?;
            }
            self.inner.notices.written(project, kind);
        }
        Ok(())
    }

    async fn try_write_notice(&self, project: ProjectId, event: EventKind) -> Result<()> {
        let mut write = self.write_as_system().await?;
        write.within(project);
        write.event(event);
        write.commit().await
    }
}

fn event(project: String, kind: Kind, Notice { hard, used, added }: Notice) -> EventKind {
    match kind {
        Kind::Exceeded => EventKind::QuotaExceeded { project, hard, used, added },
        Kind::Nearly => EventKind::QuotaWarning { project, hard, used },
    }
}

/// Whether that is nearly what a project may hold.
fn is_nearly(hard: i64, used: u64) -> bool {
    u128::try_from(hard).is_ok_and(|hard| u128::from(used) * 100 > hard * u128::from(WARNED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly() {
        for (hard, used, warned) in [
            (100, 85, false),
            (100, 86, true),
            (-1, u64::MAX, false),
            (i64::MAX, u64::MAX, true),
            (1, 0, false),
        ] {
            assert_eq!(is_nearly(hard, used), warned, "{hard} {used}");
        }
    }

    #[test]
    fn the_same_is_told_once_in_an_hour() {
        let (notices, one) = (Notices::default(), ProjectId::new(1));
        let notice = Notice { hard: 10, used: 9, added: 5 };
        let at = |minutes: u64| Timestamp::from_micros(0).plus(Duration::from_secs(60 * minutes));
        assert!(notices.note(one, Kind::Exceeded, notice, at(0)));
        assert!(!notices.note(one, Kind::Exceeded, notice, at(59)));
        assert!(notices.note(one, Kind::Nearly, notice, at(59)));
        assert!(notices.note(ProjectId::new(2), Kind::Exceeded, notice, at(59)));
        assert_eq!(notices.next(), Some((one, Kind::Exceeded, notice)));
        notices.written(one, Kind::Exceeded);
        assert_eq!(notices.next(), Some((one, Kind::Nearly, notice)));
        assert!(notices.note(one, Kind::Exceeded, notice, at(60)), "after an hour");
    }
}

//! Purges of the audit log: lines that are old enough go.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chain::{Group, PURGED, SEALING, told};
use super::{AuditSigner, is_purge, line_of};
use crate::access::Actor;
use crate::access::permission::{
    PurgeAuditCreate, PurgeAuditList, PurgeAuditRead, PurgeAuditStop, PurgeAuditUpdate,
};
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::engine::runs::{RunChange, SystemJob};
use crate::job::{Done, Job, Rules, Running};
use crate::meta::{AUDIT_EVENT_TYPES, AuditId, AuditLine, AuditRow, Transaction};
use crate::{Error, Result, Timestamp};

/// How many lines are read, and at most deleted, in one transaction.
const BATCH: u32 = 500;

/// How much older lines must be that stand behind one that stays for its youth. Lines are written a moment after what they tell
/// of, so they stand nearly in the order of their times; whoever waits for the next run leaves no holes, and the chain can be cut.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// The longest that lines are kept by this, in hours, as Harbor has it: some 27 years.
const LONGEST: u32 = 240_000;

/// What stands for every type of events that has no name of its own.
const OTHER: &str = "other";

/// A purge of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeAudit {
    /// For how many hours lines are kept.
    pub audit_retention_hour: u32,
    /// The types of events whose lines go, with commas between them: those of [`AUDIT_EVENT_TYPES`], and `other` for all
    /// others. None: nothing goes.
    #[serde(default)]
    pub include_event_types: String,
    /// Whether nothing is deleted, and only told what would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came out of a purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Purged {
    /// How many lines went, or would have gone.
    pub purged: u64,
    /// How many lines were looked at.
    pub seen: u64,
}

impl Job for PurgeAudit {
    const KIND: &'static str = "PURGE_AUDIT_LOG";

    fn rules() -> Rules {
        Rules::default().attempts(1).at_once(1).kept(10)
    }
}

impl RunChange<PurgeAudit> for PurgeAuditCreate {}
impl RunChange<PurgeAudit> for PurgeAuditUpdate {}

impl SystemJob for PurgeAudit {
    type Create = PurgeAuditCreate;
    type Update = PurgeAuditUpdate;
    type List = PurgeAuditList;
    type Read = PurgeAuditRead;
    type Stop = PurgeAuditStop;

    const CALLED: &'static str = "purge of the audit log";

    fn check(&self) -> Result<()> {
        if self.audit_retention_hour > LONGEST {
            let what = format!("audit_retention_hour must be 0 to {LONGEST}");
            return Err(Error::BadRequest(what));
        }
        match self.types().find(|name| *name != OTHER && !AUDIT_EVENT_TYPES.contains(name)) {
            None => Ok(()),
            Some(unknown) => Err(Error::BadRequest(format!(
                "include_event_types has {unknown:?}, and may have {}, {OTHER}",
                AUDIT_EVENT_TYPES.join(", ")
            ))),
        }
    }
}

impl PurgeAudit {
    fn types(&self) -> impl Iterator<Item = &str> {
        self.include_event_types.split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// Whether lines of this kind go.
    fn includes(&self, line: &AuditLine) -> bool {
        let name = format!("{}_{}", line.operation, line.resource_type);
        let named = if AUDIT_EVENT_TYPES.contains(&name.as_str()) { name.as_str() } else { OTHER };
        self.types().any(|wanted| wanted == named)
    }

    pub(in crate::engine) async fn run(self, running: Running) -> Result<Done> {
        running.log(format!(
            "purge of the audit log: audit_retention_hour={}, include_event_types={}, dry_run={}",
            self.audit_retention_hour, self.include_event_types, self.dry_run
        ));
        if self.types().next().is_none() {
            running.log("no types of events are named, so nothing goes");
            return Done::with(&Purged::default());
        }
        let purged = self.purge(&running).await?;
        let went = if self.dry_run { "would be deleted" } else { "deleted" };
        running.log(format!("{went}: {} of {} lines", purged.purged, purged.seen));
        Done::with(&purged)
    }

    async fn purge(&self, running: &Running) -> Result<Purged> {
        let harbor = running.harbor();
        // What is not sealed yet would stay.
        harbor.seal_audit().await?;
        let hours = Duration::from_secs(u64::from(self.audit_retention_hour) * 60 * 60);
        let before = harbor.now().minus(hours);
        let unsent = harbor.unsent_after().await?;
        if let Some(last) = unsent {
            running.log(format!("what stands behind line {} stays: it was not forwarded yet", last.get()));
        }
        // What went when somebody was at it before was seen as well.
        let mut purged: Purged = running.counted().await?;
        purged.seen = purged.purged;
        let (mut after, mut behind) = (AuditId::new(0), false);
        loop {
            let lines = harbor.read().await?.audit_after(after, BATCH).await?;
            let Some(last) = lines.last().map(|row| row.id) else { return Ok(purged) };
            let young = lines.iter().all(|row| row.line.at >= before);
            purged.seen += lines.len() as u64;
            let goes = |row: &AuditRow| {
                behind |= row.line.at >= before;
                let before = if behind { before.minus(SLACK) } else { before };
                if unsent.is_some_and(|last| row.id > last) {
                    return false;
                }
                // What tells of a purge goes with what that deleted, or stays.
                row.line.at < before && (is_purge(row) || self.includes(&row.line))
            };
            let old: Vec<AuditRow> = lines.into_iter().filter(goes).collect();
            purged.purged += match self.dry_run {
                false => harbor.purge(&old, Some(running)).await?,
                true => old.iter().filter(|row| !is_purge(row)).count() as u64,
            };
            running.progress(format!("{} of {} lines", purged.purged, purged.seen));
            // Lines stand about in the order of their times: behind so many young ones there is no old one.
            if young {
                return Ok(purged);
            }
            after = last;
        }
    }
}

impl Harbor {
    /// Deletes lines of the audit log, as far as they are sealed; yields how many. The beginning of the chain goes with them, and a
    /// signed base stands for it. Behind that, their links stay, and another line tells of the purge: by that, it is told from a
    /// deletion by hand. What tells of a purge goes with the beginning only. Of a run's beginnings a line tells, too, and they are counted
    /// with it.
    pub(super) async fn purge(&self, lines: &[AuditRow], running: Option<&Running>) -> Result<u64> {
        if lines.is_empty() {
            return Ok(0);
        }
        let going: HashSet<AuditId> = lines.iter().map(|row| row.id).collect();
        let told = self.told_purges(&going).await?;
        contended!(self.try_purge(lines, &told, running))
    }

    async fn try_purge(
        &self,
        lines: &[AuditRow],
        told: &HashSet<String>,
        running: Option<&Running>,
    ) -> Result<u64> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let rows = write.rows();
        rows.setting_put(SEALING, &now.to_string()).await?;
        let cut = self.cut(rows, lines, told, now).await?;
        let cut_off: HashSet<AuditId> = cut.iter().flat_map(|cut| cut.lines.iter().copied()).collect();
        let others = lines.iter().filter(|row| !is_purge(row));
        let (gone, rest): (Vec<AuditId>, Vec<AuditId>) =
            others.map(|row| row.id).partition(|id| cut_off.contains(id));
        let gone = gone.len() as u64;
        if let Some(cut) = cut.as_ref().filter(|_| running.is_some() && gone > 0) {
            let description = format!("purged {gone} lines, the last of those up to link {}", cut.base.seq);
            told_in(rows, cut.base.name(), description, now).await?;
        }
        let marked = mark(rows, &rest, self.inner.audit_signer.as_deref(), now).await?;
        if cut.is_some() || marked > 0 {
            if let Some(running) = running {
                let count = |purged: &mut Purged| purged.purged += gone + marked;
                running.count(&mut write, count).await?;
            }
            write.commit().await?;
            self.inner.workers.wake_seal();
        }
        Ok(gone + marked)
    }
}

/// Deletes lines, as far as they are sealed, leaves their links, and tells of it; yields how many.
async fn mark(
    rows: &mut dyn Transaction,
    lines: &[AuditId],
    signer: Option<&dyn AuditSigner>,
    now: Timestamp,
) -> Result<u64> {
    let links = rows.audit_links_of(lines).await?;
    let (Some(first), Some(last)) = (links.first(), links.last()) else { return Ok(0) };
    let mut group = Group::default();
    links.iter().for_each(|link| group.add(link));
    let name = group.name();
    let count = links.len();
    let description = format!("purged {count} lines, of the links {} to {}", first.seq, last.seq);
    told_in(rows, name.clone(), told(description, &name, signer).await?, now).await?;
    let gone: Vec<AuditId> = links.iter().map(|link| link.line).collect();
    let seqs: Vec<i64> = links.iter().map(|link| link.seq).collect();
    rows.audit_links_purge(&seqs, &name).await?;
    rows.audit_delete(&gone).await?;
    Ok(count as u64)
}

/// Writes the line that tells of a purge.
async fn told_in(
    rows: &mut dyn Transaction,
    name: String,
    description: String,
    now: Timestamp,
) -> Result<()> {
    let (operation, kind) = PURGED;
    let line = line_of(&Actor::system(), operation, kind, name, now);
    Ok(rows.audit_insert(&AuditLine { description, ..line }).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(types: &str) -> PurgeAudit {
        PurgeAudit { audit_retention_hour: 1, include_event_types: types.to_owned(), dry_run: false }
    }

    #[test]
    fn types_are_chosen_by_name() {
        let is = |types: &str, operation: &str, kind: &str| {
            let at = Timestamp::from_micros(0);
            job(types).includes(&line_of(&Actor::user("grace"), operation, kind, String::new(), at))
        };
        assert!(is("create_artifact, delete_artifact", "delete", "artifact"));
        assert!(!is("create_artifact", "delete", "artifact") && !is("", "delete", "artifact"));
        assert!(is("other", "create", "label") && !is("other", "create", "artifact"));
    }

    #[test]
    fn what_cannot_be_purged_is_refused() {
        job("create_artifact,other").check().unwrap();
        job("create_artefact").check().unwrap_err();
        PurgeAudit { audit_retention_hour: LONGEST + 1, ..job("") }.check().unwrap_err();
    }

    /// A text that an earlier version wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        let read = |text: &str| serde_json::from_str::<PurgeAudit>(text).unwrap();
        assert_eq!(read(r#"{"audit_retention_hour":1}"#), job(""));
        assert_eq!(
            read(r#"{"audit_retention_hour":1,"include_event_types":"other","dry_run":true}"#),
            PurgeAudit { dry_run: true, ..job("other") }
        );
    }
}

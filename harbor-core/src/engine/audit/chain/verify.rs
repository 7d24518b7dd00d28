//! Verifying the log: each line against its link, each link against the one before it, and all against signed heads.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::told::tells;
use super::{AuditSigner, Base, Group, NOTHING, content, hex, is_signed, linked, unhex};
use crate::access::Authorized;
use crate::access::permission::AuditLogList;
use crate::engine::audit::{Audit, is_purge};
use crate::meta::{AuditHead, AuditId, AuditLink, AuditRow, MetadataStore, SettingRows};
use crate::{Error, Result, StoreErrorKind};

/// How many links and lines are read at a time.
const BATCH: u32 = 500;

/// How many findings are told.
const FINDINGS: usize = 100;

/// A head that somebody kept elsewhere: what the registry said that its log was at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedHead {
    /// Its number.
    pub seq: i64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// Something that is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditFinding {
    /// A line says something else than when it was sealed.
    Changed(AuditId),
    /// A line is gone, and no purge tells of it.
    Deleted(AuditId),
    /// A line stands between those that were sealed, and never was; or one that was purged is there again.
    Inserted(AuditId),
    /// A link does not follow from the one before it: links were changed, exchanged or taken out.
    Broken(i64),
    /// Links are gone: none has this number.
    Missing(i64),
    /// Links stand in another order than their lines.
    Reordered(i64),
    /// The end of the chain is gone: what there was up to this number was signed, or is known to whoever asks.
    Truncated(i64),
    /// The end of the chain, behind this number, is signed by nobody.
    Unsigned(i64),
    /// A head is not signed by a key of this registry, or the chain has another hash there.
    Head(i64),
    /// What stands for the beginning of the chain, which was purged, up to the link of this number, is not signed by a key of this
    /// registry.
    Base(i64),
    /// What a purge says that it deleted is not what is gone, or this registry did not sign that it took place: the line that tells of
    /// the purge.
    Purge(AuditId),
    /// Lines are marked as purged, and no purge tells of them; the number of the last of their links.
    Unpurged(i64),
}

impl AuditFinding {
    /// A word for it: `changed`, `deleted`, `inserted`, `broken`, `missing`, `reordered`, `truncated`, `unsigned`, `head`,
    /// `base`, `purge`, `unpurged`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Changed(_) => "changed",
            Self::Deleted(_) => "deleted",
            Self::Inserted(_) => "inserted",
            Self::Broken(_) => "broken",
            Self::Missing(_) => "missing",
            Self::Reordered(_) => "reordered",
            Self::Truncated(_) => "truncated",
            Self::Unsigned(_) => "unsigned",
            Self::Head(_) => "head",
            Self::Base(_) => "base",
            Self::Purge(_) => "purge",
            Self::Unpurged(_) => "unpurged",
        }
    }

    /// The line that it is about, if it is about one.
    #[must_use]
    pub const fn line(&self) -> Option<AuditId> {
        match self {
            Self::Changed(line) | Self::Deleted(line) | Self::Inserted(line) | Self::Purge(line) => {
                Some(*line)
            }
            _ => None,
        }
    }

    /// The number of the link that it is about, if it is about one.
    #[must_use]
    pub const fn seq(&self) -> Option<i64> {
        match self {
            Self::Broken(seq)
            | Self::Missing(seq)
            | Self::Reordered(seq)
            | Self::Truncated(seq)
            | Self::Unsigned(seq)
            | Self::Head(seq)
            | Self::Base(seq)
            | Self::Unpurged(seq) => Some(*seq),
            _ => None,
        }
    }
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(line) => write!(f, "line {} was changed", line.get()),
            Self::Deleted(line) => write!(f, "line {} was deleted, and no purge tells of it", line.get()),
            Self::Inserted(line) => write!(f, "line {} was put in later", line.get()),
            Self::Broken(seq) => write!(f, "link {seq} does not follow from the one before it"),
            Self::Missing(seq) => write!(f, "link {seq} is gone"),
            Self::Reordered(seq) => write!(f, "link {seq} stands out of its order"),
            Self::Truncated(seq) => write!(f, "the log went up to link {seq}, and its end is gone"),
            Self::Unsigned(seq) => write!(f, "what follows on link {seq} is not signed"),
            Self::Head(seq) => write!(f, "the head at link {seq} does not verify"),
            Self::Base(seq) => write!(f, "the base that stands for the links up to {seq} does not verify"),
            Self::Purge(line) => write!(f, "no purge took what line {} says was purged", line.get()),
            Self::Unpurged(seq) => {
                write!(f, "lines up to link {seq} are marked as purged, and no purge tells of them")
            }
        }
    }
}

/// What came out of verifying the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditReport {
    /// How many lines are as they were sealed.
    pub lines: u64,
    /// How many were purged.
    pub purged: u64,
    /// What stands for the beginning of the chain, if all of that was purged: heads of it that somebody kept are not compared.
    pub base: Option<AuditHead>,
    /// What is not as it was sealed: nothing, when all is well. At most a hundred are told.
    pub findings: Vec<AuditFinding>,
    /// The last head: to be kept elsewhere, and shown again when the log is verified the next time.
    pub head: Option<AuditHead>,
}

impl Audit<'_> {
    /// Verifies the log up to its last head: piece by piece, without a transaction that holds up anybody. What is written
    /// meanwhile is left for the next time. `saved`: heads that the caller kept.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn verify(
        &self,
        _proof: &Authorized<AuditLogList>,
        saved: &[SavedHead],
    ) -> Result<AuditReport> {
        let inner = &self.harbor.inner;
        verify_audit(&*inner.metadata, inner.audit_signer.as_deref(), saved).await
    }
}

/// Verifies the log that is in a store, without an engine: for who has the store, and perhaps no server. As [`Audit::verify`]; without
/// somebody who knows the keys, no signature is verified.
///
/// # Errors
/// As the store fails.
pub async fn verify_audit(
    metadata: &dyn MetadataStore,
    signer: Option<&dyn AuditSigner>,
    saved: &[SavedHead],
) -> Result<AuditReport> {
    Walk::begin(metadata, signer, saved).await?.walk().await
}

/// The base, if it reads.
async fn stored<R: SettingRows + ?Sized>(rows: &mut R) -> Result<Option<Base>> {
    match Base::read(rows).await {
        Err(Error::Store(error)) if error.kind() == StoreErrorKind::Corrupt => Ok(None),
        base => base.map(Some),
    }
}

/// Going through the chain.
struct Walk<'a> {
    metadata: &'a dyn MetadataStore,
    signer: Option<&'a dyn AuditSigner>,
    /// The last number that is looked at.
    to: i64,
    /// Where the chain begins.
    base: Base,
    seq: i64,
    before: super::Hash,
    line: AuditId,
    /// Lines that were read ahead, and the key up to which they were.
    ahead: VecDeque<AuditRow>,
    /// Heads that are still to come: signed ones, and those that the caller kept.
    heads: VecDeque<AuditHead>,
    more_heads: bool,
    saved: VecDeque<SavedHead>,
    /// Purges of which links were seen, and of which the line that tells of them was not.
    purges: BTreeMap<String, (Group, i64)>,
    report: AuditReport,
}

impl<'a> Walk<'a> {
    async fn begin(
        metadata: &'a dyn MetadataStore,
        signer: Option<&'a dyn AuditSigner>,
        saved: &[SavedHead],
    ) -> Result<Self> {
        let mut rows = metadata.read().await?;
        let stored = stored(&mut *rows).await?;
        let (base, reads) = (stored.clone().unwrap_or_default(), stored.is_some());
        let last = rows.audit_last_link().await?.map_or(base.seq, |link| link.seq);
        // Read after the link: whoever seals meanwhile signs beyond it.
        let head = rows.audit_last_head().await?;
        let signed = head.as_ref().map_or(0, |head| head.seq);
        let mut saved: Vec<SavedHead> = saved.to_vec();
        saved.sort_by_key(|head| head.seq);
        let mut walk = Self {
            metadata,
            signer,
            to: signed.max(last),
            seq: 0,
            before: NOTHING,
            line: AuditId::new(0),
            ahead: VecDeque::new(),
            heads: VecDeque::new(),
            more_heads: true,
            saved: saved.into(),
            purges: BTreeMap::new(),
            report: AuditReport { head, ..AuditReport::default() },
            base: Base::default(),
        };
        drop(rows);
        if !reads || !walk.adopt(base).await? {
            walk.find(AuditFinding::Base(walk.seq));
        }
        walk.begun().await?;
        if signer.is_some() && signed < last {
            walk.find(AuditFinding::Unsigned(signed));
        }
        Ok(walk)
    }

    /// Goes on from a base; false, and nothing, when it does not verify.
    async fn adopt(&mut self, base: Base) -> Result<bool> {
        if let Some(signer) = self.signer
            && !base.verifies(signer).await?
        {
            return Ok(false);
        }
        (self.seq, self.before, self.line) = (base.seq, base.hash, base.line);
        // What stands behind it is compared; of what it stands for, nothing is left.
        self.purges.clear();
        self.ahead.retain(|row| row.id > base.line);
        self.heads.retain(|head| head.seq > base.seq);
        if self.saved.iter().any(|saved| saved.seq == base.seq && saved.hash != hex(&base.hash)) {
            self.find(AuditFinding::Head(base.seq));
        }
        self.saved.retain(|saved| saved.seq > base.seq);
        self.report.purged = base.lines;
        self.report.base = base.shown();
        self.base = base;
        Ok(true)
    }

    /// Goes on from a base that was made meanwhile, if one was.
    async fn follow(&mut self) -> Result<bool> {
        let base = stored(&mut *self.metadata.read().await?).await?.unwrap_or_default();
        Ok(base.seq > self.base.seq && base.seq > self.seq && self.adopt(base).await?)
    }

    /// Looks at what stands where nothing should: lines ahead of the first link's, and another head of where the chain was cut.
    async fn begun(&mut self) -> Result<()> {
        if let Some(head) = &self.report.head
            && head.seq == self.base.seq
            && head.hash != hex(&self.base.hash)
        {
            self.find(AuditFinding::Head(self.base.seq));
        }
        // Ahead of all keys that the database makes.
        let mut after = AuditId::new(i64::MIN);
        while self.report.findings.len() < FINDINGS {
            let lines = self.metadata.read().await?.audit_between(after, self.base.line, BATCH).await?;
            let Some(last) = lines.last().map(|row| row.id) else { break };
            after = last;
            lines.iter().for_each(|row| self.find(AuditFinding::Inserted(row.id)));
        }
        Ok(())
    }

    fn find(&mut self, finding: AuditFinding) {
        if self.report.findings.len() < FINDINGS {
            self.report.findings.push(finding);
        }
    }

    async fn walk(mut self) -> Result<AuditReport> {
        while self.seq < self.to {
            let links = self.metadata.read().await?.audit_links(self.seq, BATCH).await?;
            if links.first().is_none_or(|link| link.seq > self.to) {
                if self.follow().await? {
                    continue;
                }
                break;
            }
            for link in links {
                if link.seq > self.to {
                    break;
                }
                self.link(link).await?;
            }
            // Lets others have their turn.
            tokio::task::yield_now().await;
        }
        self.newer_purges().await?;
        self.end();
        Ok(self.report)
    }

    /// Leaves out purges that were cut off meanwhile, and those that are told by a line behind all that is looked at: they took place meanwhile.
    async fn newer_purges(&mut self) -> Result<()> {
        let mut after = self.line;
        let begins = stored(&mut *self.metadata.read().await?).await?.unwrap_or_default().seq;
        self.purges.retain(|_, (_, last)| *last > begins);
        while !self.purges.is_empty() {
            let lines = self.metadata.read().await?.audit_after(after, BATCH).await?;
            let Some(last) = lines.last().map(|row| row.id) else { break };
            after = last;
            for row in &lines {
                if tells(row, self.signer).await? {
                    self.purges.remove(&row.line.resource);
                }
            }
        }
        Ok(())
    }

    async fn link(&mut self, link: AuditLink) -> Result<()> {
        if link.seq != self.seq + 1 {
            self.follow().await?;
        }
        if link.seq <= self.base.seq {
            // Cut off since it was read.
            return Ok(());
        }
        if link.seq != self.seq + 1 {
            self.find(AuditFinding::Missing(self.seq + 1));
        }
        self.seq = link.seq;
        let known = unhex(&link.content).zip(unhex(&link.hash));
        match known {
            Some((content, hash)) if linked(&self.before, &content) == hash => self.before = hash,
            known => {
                self.find(AuditFinding::Broken(link.seq));
                // Goes on from what it says, so that one change is told once.
                self.before = known.map_or(NOTHING, |(_, hash)| hash);
            }
        }
        if link.line <= self.line {
            self.find(AuditFinding::Reordered(link.seq));
        } else {
            self.line_of(&link).await?;
        }
        self.heads_at(&link).await
    }

    /// Compares a link with its line.
    async fn line_of(&mut self, link: &AuditLink) -> Result<()> {
        loop {
            if self.ahead.is_empty() {
                let lines = self.metadata.read().await?.audit_between(self.line, link.line, BATCH).await?;
                self.ahead = lines.into();
            }
            let Some(row) = self.ahead.pop_front() else { break };
            if row.id > link.line {
                self.ahead.push_front(row);
                break;
            }
            self.line = row.id;
            if row.id == link.line {
                return self.compare(link, &row).await;
            }
            self.find(AuditFinding::Inserted(row.id));
        }
        self.line = link.line;
        self.gone(link).await
    }

    async fn compare(&mut self, link: &AuditLink, row: &AuditRow) -> Result<()> {
        if hex(&content(row)) != link.content {
            self.find(AuditFinding::Changed(row.id));
        } else if !link.purged.is_empty() {
            self.find(AuditFinding::Inserted(row.id));
        } else {
            self.report.lines += 1;
        }
        if is_purge(row)
            && let Some((group, _)) = self.purges.remove(&row.line.resource)
            && (group.name() != row.line.resource || !tells(row, self.signer).await?)
        {
            self.find(AuditFinding::Purge(row.id));
        }
        Ok(())
    }

    /// A line that is not there.
    async fn gone(&mut self, link: &AuditLink) -> Result<()> {
        if link.purged.is_empty() {
            // It may have been purged since the link was read; then the line that tells of it comes behind all that is looked at.
            let now = self.metadata.read().await?.audit_links(link.seq - 1, 1).await?;
            let stays = now.first().is_none_or(|now| now.seq != link.seq || now.purged.is_empty());
            // Or it was cut off, and the next link tells so.
            let begins = stored(&mut *self.metadata.read().await?).await?.unwrap_or_default().seq;
            if stays && begins < link.seq {
                self.find(AuditFinding::Deleted(link.line));
            }
            return Ok(());
        }
        self.report.purged += 1;
        let (group, last) = self.purges.entry(link.purged.clone()).or_default();
        group.add(link);
        *last = link.seq;
        Ok(())
    }

    /// Compares a link with what was signed of it.
    async fn heads_at(&mut self, link: &AuditLink) -> Result<()> {
        while let Some(saved) = self.saved.front().filter(|saved| saved.seq <= link.seq) {
            if saved.seq != link.seq || saved.hash != link.hash {
                self.find(AuditFinding::Head(saved.seq));
            }
            self.saved.pop_front();
        }
        let Some(signer) = self.signer else { return Ok(()) };
        if self.heads.is_empty() && self.more_heads {
            self.heads = self.metadata.read().await?.audit_heads(link.seq - 1, BATCH).await?.into();
            self.more_heads = self.heads.len() == BATCH as usize;
        }
        let Some(signed) = self.heads.front().filter(|head| head.seq <= link.seq).cloned() else {
            return Ok(());
        };
        self.heads.pop_front();
        let verified = is_signed(&signed, signer).await?;
        if !verified || signed.seq != link.seq || signed.hash != link.hash {
            self.find(AuditFinding::Head(signed.seq));
        }
        Ok(())
    }

    fn end(&mut self) {
        let saved = self.saved.iter().map(|saved| saved.seq).max().unwrap_or(0);
        let known = self.to.max(saved);
        if self.seq < known {
            self.find(AuditFinding::Truncated(known));
        }
        for (_, (_, last)) in std::mem::take(&mut self.purges) {
            self.find(AuditFinding::Unpurged(last));
        }
    }
}

//! Cutting the beginning off the chain, once all its lines are purged: a signed base then stands for those links.

use std::collections::{BTreeMap, HashSet};

use super::told::tells;
use super::{Base, Group, Hash, end, linked, unhex};
use crate::engine::Harbor;
use crate::meta::{AuditChainRows, AuditId, AuditKey, AuditLink, AuditRow, AuditScope, Transaction};
use crate::query::{Query, Test, Value};
use crate::{Result, Timestamp};

/// How many links are read at a time.
const BATCH: u32 = 500;

/// How many times so many are looked at for one cut.
const PIECES: usize = 8;

/// For how many earlier purges it is looked whether lines tell of them, for one cut.
const PURGES: usize = 8;

/// What was cut off.
#[derive(Debug)]
pub(in crate::engine::audit) struct Gone {
    /// What stands for it.
    pub(in crate::engine::audit) base: Base,
    /// The lines that went with it now.
    pub(in crate::engine::audit) lines: Vec<AuditId>,
}

/// How far the beginning of the chain can go: as far as each link follows from the one before it, and has a line that goes now or
/// that a purge took which a line tells of. What was tampered with stays, for whoever verifies.
struct Cut<'a> {
    going: &'a HashSet<AuditId>,
    /// Purges that lines tell of; `None` while that is still to be found out.
    told: Option<&'a HashSet<String>>,
    seq: i64,
    hash: Hash,
    /// Purges that took more lines than were seen yet.
    open: BTreeMap<String, Group>,
    /// Purges all of whose links were seen, in their order.
    whole: Vec<String>,
    /// The lines that go, up to here.
    lines: Vec<AuditId>,
    /// What would stand for the links up to here, and how many of the lines go with them.
    best: Option<(Base, usize)>,
    before: Base,
}

impl<'a> Cut<'a> {
    fn new(before: Base, going: &'a HashSet<AuditId>, told: Option<&'a HashSet<String>>) -> Self {
        let (seq, hash) = (before.seq, before.hash);
        let (open, whole) = (BTreeMap::new(), Vec::new());
        Self { going, told, seq, hash, open, whole, lines: Vec::new(), best: None, before }
    }

    /// Goes through the links behind the base, as far as they can go.
    async fn walk<R: AuditChainRows + ?Sized>(mut self, rows: &mut R, now: Timestamp) -> Result<Self> {
        for _ in 0..PIECES {
            let links = rows.audit_links(self.seq, BATCH).await?;
            if !links.iter().all(|link| self.add(link, now)) || links.len() < BATCH as usize {
                break;
            }
        }
        Ok(self)
    }

    /// False for a link that stays.
    fn add(&mut self, link: &AuditLink, now: Timestamp) -> bool {
        let known = unhex(&link.content).zip(unhex(&link.hash));
        let follows = known.filter(|(content, hash)| linked(&self.hash, content) == *hash);
        let Some((_, hash)) = follows.filter(|_| link.seq == self.seq + 1) else { return false };
        if link.purged.is_empty() {
            if !self.going.contains(&link.line) {
                return false;
            }
            self.lines.push(link.line);
        } else if !self.add_purged(link) {
            return false;
        }
        (self.seq, self.hash) = (link.seq, hash);
        if self.open.is_empty() {
            let lines = self.before.lines + u64::try_from(link.seq - self.before.seq).unwrap_or_default();
            let base = Base { seq: link.seq, hash, line: link.line, lines, at: now, signature: None };
            self.best = Some((base, self.lines.len()));
        }
        true
    }

    fn add_purged(&mut self, link: &AuditLink) -> bool {
        let group = self.open.entry(link.purged.clone()).or_default();
        group.add(link);
        if group.name() != link.purged {
            return true;
        }
        self.open.remove(&link.purged);
        self.whole.push(link.purged.clone());
        self.told.is_none_or(|told| told.contains(&link.purged))
    }
}

impl Harbor {
    /// The purges at the beginning of the chain that lines tell of, were these lines to go. Read ahead of the transaction that cuts:
    /// no index finds such lines.
    pub(in crate::engine::audit) async fn told_purges(
        &self,
        going: &HashSet<AuditId>,
    ) -> Result<HashSet<String>> {
        let mut rows = self.read().await?;
        let base = Base::read(&mut *rows).await?;
        let cut = Cut::new(base, going, None).walk(&mut *rows, self.now()).await?;
        let mut told = HashSet::new();
        for name in cut.whole.into_iter().take(PURGES) {
            let (_, kind) = super::PURGED;
            let named = Query::default()
                .page(1, 1)
                .filter(AuditKey::ResourceType, Test::Is(Value::Text(kind.to_owned())))
                .filter(AuditKey::Resource, Test::Is(Value::Text(name.clone())));
            let found = rows.audit_lines(&AuditScope::Registry, &named).await?;
            if let Some(row) = found.first()
                && tells(row, self.inner.audit_signer.as_deref()).await?
            {
                told.insert(name);
            }
        }
        Ok(told)
    }

    /// Cuts off the beginning of the chain as far as it can go, were these lines to go; yields what went.
    /// Whoever calls it has the chain locked. Without somebody who signs, nothing is cut off, and nothing of a chain that does not end as
    /// it was signed: a base would make it good.
    pub(in crate::engine::audit) async fn cut(
        &self,
        rows: &mut dyn Transaction,
        lines: &[AuditRow],
        told: &HashSet<String>,
        now: Timestamp,
    ) -> Result<Option<Gone>> {
        let Some(signer) = &self.inner.audit_signer else { return Ok(None) };
        let going: HashSet<AuditId> = lines.iter().map(|row| row.id).collect();
        let base = Base::read(rows).await?;
        let (seq, _, hash) = end(rows).await?;
        if !base.verifies(&**signer).await? || !self.ends_as_signed(rows, &**signer, (seq, hash)).await? {
            return Ok(None);
        }
        let Cut { best, mut lines, .. } = Cut::new(base, &going, Some(told)).walk(rows, now).await?;
        let Some((base, gone)) = best else { return Ok(None) };
        lines.truncate(gone);
        rows.audit_delete(&lines).await?;
        rows.audit_links_cut(base.seq).await?;
        base.write(rows, &**signer).await?;
        Ok(Some(Gone { base, lines }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NOTHING, hex};
    use super::*;

    fn chain(marks: &[&str]) -> Vec<AuditLink> {
        let mut before = NOTHING;
        let link = |(place, mark): (usize, &&str)| {
            let seq = i64::try_from(place).unwrap() + 1;
            let content = [u8::try_from(seq).unwrap(); 32];
            before = linked(&before, &content);
            let (content, hash, purged) = (hex(&content), hex(&before), (*mark).to_owned());
            AuditLink { seq, line: AuditId::new(10 * seq), content, hash, purged }
        };
        marks.iter().enumerate().map(link).collect()
    }

    /// Up to which link the beginning is cut off, and how many lines go with it.
    fn cut(links: &[AuditLink], going: &[i64], told: &[String]) -> Option<(i64, usize)> {
        let going = going.iter().map(|seq| AuditId::new(10 * seq)).collect();
        let told = told.iter().cloned().collect();
        let mut cut = Cut::new(Base::default(), &going, Some(&told));
        let _ = links.iter().all(|link| cut.add(link, Timestamp::default()));
        cut.best.map(|(base, lines)| {
            assert_eq!(base.lines, u64::try_from(base.seq).unwrap());
            (base.seq, lines)
        })
    }

    #[test]
    fn the_beginning_goes_as_far_as_nothing_stays() {
        let links = chain(&[""; 5]);
        assert_eq!(cut(&links, &[1, 2, 4], &[]), Some((2, 2)));
        assert_eq!(cut(&links, &[2, 3], &[]), None);
        assert_eq!(cut(&links, &[1, 2, 3, 4, 5], &[]), Some((5, 5)));
        assert_eq!(cut(&links[1..], &[2, 3], &[]), None, "what is missing is no purge");
        let mut broken = links.clone();
        broken[2].hash = hex(&NOTHING);
        assert_eq!(cut(&broken, &[1, 2, 3, 4, 5], &[]), Some((2, 2)));
    }

    #[test]
    fn an_earlier_purge_goes_whole_and_told() {
        let name = {
            let mut group = Group::default();
            let links = chain(&[""; 5]);
            [&links[1], &links[3]].into_iter().for_each(|link| group.add(link));
            group.name()
        };
        let links = chain(&["", &name, "", &name, ""]);
        let told = std::slice::from_ref(&name);
        assert_eq!(cut(&links, &[1, 3], told), Some((4, 2)));
        assert_eq!(cut(&links, &[1], told), Some((1, 1)), "half a purge cannot be verified");
        assert_eq!(cut(&links, &[1, 3], &[]), Some((1, 1)), "no line tells of it");
    }
}

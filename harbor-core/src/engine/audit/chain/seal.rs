//! The sealer: gives lines their place in the chain.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{AuditSignature, AuditSigner, Base, Hash, SEALING, content, end, head, hex, is_signed, linked};
use crate::engine::Harbor;
use crate::engine::gaps::Gaps;
use crate::engine::gate::contended;
use crate::engine::outbox::Delivered;
use crate::meta::{AuditHead, AuditId, AuditLink, AuditRow, Transaction};
use crate::{Result, Timestamp};

/// How many lines are sealed in one transaction.
const BATCH: u32 = 256;

/// The heads of so many of the last lines are kept.
const HEADS: i64 = 100_000;

/// What the sealer of this node knows.
#[derive(Debug, Default)]
pub(in crate::engine) struct Sealing {
    /// Gaps in the keys of lines.
    gaps: Gaps,
    /// The number and the hash of the last link that this node signed.
    signed: Mutex<Option<(i64, Hash)>>,
    /// Whether it was told that nothing is signed any more.
    warned: AtomicBool,
}

impl Sealing {
    fn signed(&self) -> Option<(i64, Hash)> {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign(&self, end: (i64, Hash)) {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

impl Harbor {
    /// Gives the lines of the audit log that are settled their places in its chain. A worker does it within about a second.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn seal_audit(&self) -> Result<()> {
        while self.seal_batch().await? == Delivered::More {}
        Ok(())
    }

    /// Seals the next lines.
    pub(in crate::engine) async fn seal_batch(&self) -> Result<Delivered> {
        // Without a transaction: most of the time there is nothing to seal.
        let mut rows = self.read().await?;
        let (_, last, _) = end(&mut *rows).await?;
        let next = rows.audit_after(last, BATCH).await?;
        drop(rows);
        if self.sealable(last, next).is_empty() {
            return Ok(Delivered::All);
        }
        contended!(self.try_seal())
    }

    async fn try_seal(&self) -> Result<Delivered> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let rows = write.rows();
        rows.setting_put(SEALING, &now.to_string()).await?;
        let (mut seq, line, mut before) = end(rows).await?;
        let was = (seq, before);
        let next = rows.audit_after(line, BATCH).await?;
        let full = next.len() == BATCH as usize;
        let settled = self.sealable(line, next);
        let mut links = Vec::with_capacity(settled.len());
        for row in &settled {
            let content = content(row);
            before = linked(&before, &content);
            seq += 1;
            links.push(AuditLink {
                seq,
                line: row.id,
                content: hex(&content),
                hash: hex(&before),
                purged: String::new(),
            });
        }
        if links.is_empty() {
            return Ok(Delivered::All);
        }
        rows.audit_link(&links).await?;
        let signed = self.sign_end(rows, was, (seq, before), now).await?;
        write.commit().await?;
        if signed {
            self.inner.sealing.sign((seq, before));
        }
        Ok(if full && links.len() == BATCH as usize { Delivered::More } else { Delivered::All })
    }

    /// Signs where the chain ends now, if it ended until now as it was signed the last time; whether it did.
    async fn sign_end(
        &self,
        rows: &mut dyn Transaction,
        was: (i64, Hash),
        (seq, hash): (i64, Hash),
        at: Timestamp,
    ) -> Result<bool> {
        let Some(signer) = &self.inner.audit_signer else { return Ok(false) };
        if !self.ends_as_signed(rows, &**signer, was).await? {
            if !self.inner.sealing.warned.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    link = was.0,
                    "the audit log was tampered with: nothing is signed; verify it"
                );
            }
            return Ok(false);
        }
        let AuditSignature { key, signature } = signer.sign(&head(seq, &hash, at)).await?;
        rows.audit_head(&AuditHead { seq, hash: hex(&hash), at, key, signature }, seq - HEADS).await?;
        Ok(true)
    }

    /// Whether the chain, whose last link has this number and hash, ends as it was signed the last time, and still has what this node
    /// signed. A chain that nobody ever signed does.
    pub(super) async fn ends_as_signed(
        &self,
        rows: &mut dyn Transaction,
        signer: &dyn AuditSigner,
        (seq, hash): (i64, Hash),
    ) -> Result<bool> {
        let known = self.inner.sealing.signed();
        if let Some((known_seq, known_hash)) = known {
            let link = rows.audit_links(known_seq - 1, 1).await?.into_iter().next();
            let kept = match link.filter(|link| link.seq == known_seq) {
                Some(link) => link.hash == hex(&known_hash),
                // It was cut off.
                None => Base::read(rows).await?.seq >= known_seq,
            };
            if !kept {
                return Ok(false);
            }
        }
        match rows.audit_last_head().await? {
            None => Ok(known.is_none()),
            Some(head) => Ok(head.seq == seq && head.hash == hex(&hash) && is_signed(&head, signer).await?),
        }
    }

    /// The lines ahead of the first gap that may still be filled. Where one transaction at a time writes, no gap is.
    fn sealable(&self, last: AuditId, mut next: Vec<AuditRow>) -> Vec<AuditRow> {
        if !self.inner.caches.is_exact() {
            let keys = next.iter().map(|row| row.id.get());
            let settled = self.inner.sealing.gaps.settled(last.get(), keys, self.now());
            next.truncate(settled);
        }
        next
    }
}

//! The chain of hashes over the audit log, which makes it tamper-evident.
//!
//! Lines are written as they come, and nobody waits for the chain. A sealer, one at a time on all nodes, gives those that are
//! settled their place: the SHA-256 of the line, and the SHA-256 of the hash before it and of that. The last hash is signed, where the
//! chain ended until then as it was signed the last time. So whoever changes, deletes, inserts or reorders lines behind the engine's back
//! breaks a hash or contradicts a signature.
//!
//! The forms that are hashed are versioned and never change: what was sealed is verified for ever.

mod base;
mod cut;
mod seal;
mod signer;
mod told;
mod verify;

pub use signer::{AuditSignature, AuditSigner};
pub use verify::{AuditFinding, AuditReport, SavedHead, verify_audit};

use base::Base;
pub(in crate::engine) use seal::Sealing;
pub(super) use told::told;

use sha2::{Digest as _, Sha256};

use crate::meta::{AuditChainRows, AuditHead, AuditId, AuditLink, AuditRow, ProjectId, SettingRows};
use crate::{Result, StoreError, StoreErrorKind, Timestamp};

/// A SHA-256.
type Hash = [u8; 32];

/// What stands ahead of each form that is hashed or signed, so that none can be taken for another.
const LINE: &[u8] = b"harbor audit line v1\0";
const LINK: &[u8] = b"harbor audit link v1\0";
const HEAD: &[u8] = b"harbor audit head v1\0";
const PURGE: &[u8] = b"harbor audit purge v1\0";
const PURGED_BY: &[u8] = b"harbor audit purged v1\0";
const BASE: &[u8] = b"harbor audit base v1\0";

/// The setting that whoever seals, or cuts the chain, writes first, and has locked then.
pub(super) const SEALING: &str = "audit.sealing";

/// What the first link is linked to.
const NOTHING: Hash = [0; 32];

/// What a purge of the log itself is called in it.
pub(super) const PURGED: (&str, &str) = ("purge", "audit_log");

/// Where the chain ends: the number, the line and the hash of the last link, or of what stands for links that were cut off.
pub(super) async fn end<R: AuditChainRows + SettingRows + ?Sized>(
    rows: &mut R,
) -> Result<(i64, AuditId, Hash)> {
    let Some(link) = rows.audit_last_link().await? else {
        let base = Base::read(rows).await?;
        return Ok((base.seq, base.line, base.hash));
    };
    let unreadable = "the chain of the audit log does not read: verify it";
    let hash = unhex(&link.hash).ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, unreadable))?;
    Ok((link.seq, link.line, hash))
}

/// The hash of a line: of every column, each behind its length.
fn content(row: &AuditRow) -> Hash {
    let mut hasher = Sha256::new_with_prefix(LINE);
    let mut field = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    let line = &row.line;
    field(&row.id.get().to_be_bytes());
    field(&line.at.micros().to_be_bytes());
    field(line.actor.as_bytes());
    field(line.username.as_bytes());
    field(line.operation.as_bytes());
    field(line.resource_type.as_bytes());
    field(&line.project.map_or(0, ProjectId::get).to_be_bytes());
    field(line.resource.as_bytes());
    field(line.description.as_bytes());
    field(&[u8::from(line.allowed)]);
    field(line.address.as_bytes());
    field(line.credential.as_bytes());
    field(line.request_id.as_bytes());
    hasher.finalize().into()
}

/// The hash of a link.
fn linked(before: &Hash, content: &Hash) -> Hash {
    Sha256::new_with_prefix(LINK).chain_update(before).chain_update(content).finalize().into()
}

/// What is signed of a head.
fn head(seq: i64, hash: &Hash, at: Timestamp) -> Vec<u8> {
    [HEAD, &seq.to_be_bytes(), hash, &at.micros().to_be_bytes()].concat()
}

/// Whether a head is one that this registry signed.
async fn is_signed(signed: &AuditHead, signer: &dyn AuditSigner) -> Result<bool, StoreError> {
    let Some(hash) = unhex(&signed.hash) else { return Ok(false) };
    let signature = AuditSignature { key: signed.key.clone(), signature: signed.signature.clone() };
    signer.verify(&head(signed.seq, &hash, signed.at), &signature).await
}

/// What a purge is told by: the hash of the links whose lines went.
#[derive(Clone, Debug)]
pub(super) struct Group {
    hasher: Sha256,
    count: u64,
}

impl Default for Group {
    fn default() -> Self {
        Self { hasher: Sha256::new_with_prefix(PURGE), count: 0 }
    }
}

impl Group {
    pub(super) fn add(&mut self, link: &AuditLink) {
        self.hasher.update(link.seq.to_be_bytes());
        self.hasher.update(link.content.as_bytes());
        self.count += 1;
    }

    pub(super) fn name(&self) -> String {
        hex(&self.hasher.clone().finalize().into())
    }
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hash that a text is; `None` for another text.
fn unhex(text: &str) -> Option<Hash> {
    let mut hash = NOTHING;
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::AuditLine;

    fn row() -> AuditRow {
        let line = AuditLine {
            at: Timestamp::from_micros(1_700_000_000_000_000),
            actor: "user:grace".to_owned(),
            username: "grace".to_owned(),
            operation: "create".to_owned(),
            resource_type: "artifact".to_owned(),
            project: Some(ProjectId::new(5)),
            resource: "one/app:v1".to_owned(),
            description: "create artifact: one/app:v1".to_owned(),
            allowed: true,
            address: "192.0.2.1".to_owned(),
            credential: "password".to_owned(),
            request_id: "1".to_owned(),
        };
        AuditRow { id: AuditId::new(7), line }
    }

    /// The first form that was ever sealed. These never change.
    #[test]
    fn the_first_form_is_as_it_was() {
        let content = content(&row());
        assert_eq!(hex(&content), "b21e5d74f950ec44c5b80047f3009fa744e55ba6506255f30d8cb014cf4b35e3");
        assert_eq!(
            hex(&linked(&NOTHING, &content)),
            "f43b6768ed987ace0f04d23dd48956a04cc4dfa7fd77d3be05581e5efb2733f7"
        );
        assert_eq!(unhex(&hex(&content)), Some(content));
        assert_eq!((unhex("0"), unhex(&"é".repeat(32)), unhex(&"A".repeat(64))), (None, None, None));
    }

    #[test]
    fn every_column_counts() {
        let changes: [fn(&mut AuditRow); 13] = [
            |row| row.id = AuditId::new(8),
            |row| row.line.at = Timestamp::from_micros(1),
            |row| row.line.actor.push('x'),
            |row| row.line.username.push('x'),
            |row| row.line.operation.push('x'),
            |row| row.line.resource_type.push('x'),
            |row| row.line.project = None,
            |row| row.line.resource.push('x'),
            |row| row.line.description.push('x'),
            |row| row.line.allowed = false,
            |row| row.line.address.push('x'),
            |row| row.line.credential.push('x'),
            |row| row.line.request_id.push('x'),
        ];
        for change in changes {
            let mut changed = row();
            change(&mut changed);
            assert_ne!(content(&changed), content(&row()), "{changed:?}");
        }
        // What one column loses, the next one does not gain.
        let mut shifted = row();
        (shifted.line.operation, shifted.line.resource_type) = ("createa".to_owned(), "rtifact".to_owned());
        assert_ne!(content(&shifted), content(&row()));
    }
}

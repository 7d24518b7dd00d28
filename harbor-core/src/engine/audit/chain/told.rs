//! What tells of a purge that left links: a line with the purge's name, which is signed in the line's words. So nobody who only writes
//! rows can make a deletion look like a purge.

use super::{AuditSignature, AuditSigner, PURGED_BY};
use crate::engine::audit::is_purge;
use crate::meta::AuditRow;
use crate::{Result, StoreError};

/// What stands between the words and the signature.
const SIGNED: &str = "; signed ";

/// The words of the line that tells of a purge, signed by whoever signs.
pub(in crate::engine::audit) async fn told(
    what: String,
    name: &str,
    signer: Option<&dyn AuditSigner>,
) -> Result<String, StoreError> {
    let Some(signer) = signer else { return Ok(what) };
    let AuditSignature { key, signature } = signer.sign(&signed(name)).await?;
    Ok(format!("{what}{SIGNED}{key} {signature}"))
}

/// Whether a line tells of the purge that it names: where somebody signs, only if that is signed.
pub(super) async fn tells(row: &AuditRow, signer: Option<&dyn AuditSigner>) -> Result<bool, StoreError> {
    let Some(signer) = signer.filter(|_| is_purge(row)) else { return Ok(is_purge(row)) };
    let signature = row.line.description.rsplit_once(SIGNED).and_then(|(_, signed)| signed.split_once(' '));
    let Some((key, signature)) = signature else { return Ok(false) };
    let signature = AuditSignature { key: key.to_owned(), signature: signature.to_owned() };
    signer.verify(&signed(&row.line.resource), &signature).await
}

/// What is signed of a purge: its name, which is the hash of what went.
fn signed(name: &str) -> Vec<u8> {
    [PURGED_BY, name.as_bytes()].concat()
}

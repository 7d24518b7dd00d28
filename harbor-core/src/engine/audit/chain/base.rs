//! The base of the chain: what stands for its oldest links once all their lines are purged. It is signed, so the chain cannot be
//! made to begin elsewhere behind the engine's back.

use serde::{Deserialize, Serialize};

use super::{AuditSignature, AuditSigner, BASE, Hash, NOTHING, hex, unhex};
use crate::meta::{AuditHead, AuditId, SettingRows, SettingRowsMut};
use crate::{Error, Result, StoreError, StoreErrorKind, Timestamp};

/// The setting that has the base.
const SETTING: &str = "audit.base";

/// Where the chain begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine::audit) struct Base {
    /// The last link that it stands for; 0 for none.
    pub(in crate::engine::audit) seq: i64,
    /// The hash of that link.
    pub(super) hash: Hash,
    /// The line of that link.
    pub(in crate::engine::audit) line: AuditId,
    /// How many lines were purged with the links that it stands for.
    pub(super) lines: u64,
    /// When it was signed.
    pub(super) at: Timestamp,
    pub(super) signature: Option<AuditSignature>,
}

/// The base as it is stored, as JSON.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    seq: i64,
    hash: String,
    line: i64,
    lines: u64,
    /// In microseconds since the epoch.
    at: i64,
    key: String,
    signature: String,
}

impl Default for Base {
    /// Of a chain of which nothing was cut off.
    fn default() -> Self {
        let (line, at) = (AuditId::new(0), Timestamp::default());
        Self { seq: 0, hash: NOTHING, line, lines: 0, at, signature: None }
    }
}

impl Base {
    /// The base that is stored.
    ///
    /// # Errors
    /// As the store fails; `Corrupt` for one that does not read, `TooNew` for one of a newer version.
    pub(super) async fn read<R: SettingRows + ?Sized>(rows: &mut R) -> Result<Self> {
        let Some(text) = rows.setting(SETTING).await? else { return Ok(Self::default()) };
        let corrupt = || StoreError::new(StoreErrorKind::Corrupt, "the base of the audit log does not read");
        let stored: Stored = serde_json::from_str(&text).map_err(|_| corrupt())?;
        if stored.v != 1 {
            let newer = "a newer version cut off the beginning of the audit log";
            return Err(StoreError::new(StoreErrorKind::TooNew, newer).into());
        }
        Ok(Self {
            seq: stored.seq,
            hash: unhex(&stored.hash).ok_or_else(corrupt)?,
            line: AuditId::new(stored.line),
            lines: stored.lines,
            at: Timestamp::from_micros(stored.at),
            signature: Some(AuditSignature { key: stored.key, signature: stored.signature }),
        })
    }

    /// Signs it, and stores it in place of the one before it.
    pub(super) async fn write<R: SettingRowsMut + ?Sized>(
        &self,
        rows: &mut R,
        signer: &dyn AuditSigner,
    ) -> Result<()> {
        let AuditSignature { key, signature } = signer.sign(&self.signed()).await?;
        let stored = Stored {
            v: 1,
            seq: self.seq,
            hash: hex(&self.hash),
            line: self.line.get(),
            lines: self.lines,
            at: self.at.micros(),
            key,
            signature,
        };
        let text = serde_json::to_string(&stored).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(rows.setting_put(SETTING, &text).await?)
    }

    /// What is signed of it.
    fn signed(&self) -> Vec<u8> {
        let (seq, line) = (self.seq.to_be_bytes(), self.line.get().to_be_bytes());
        [BASE, &seq, &self.hash, &line, &self.lines.to_be_bytes(), &self.at.micros().to_be_bytes()].concat()
    }

    /// Whether it is one that this registry signed, or stands for nothing.
    pub(super) async fn verifies(&self, signer: &dyn AuditSigner) -> Result<bool> {
        match &self.signature {
            None => Ok(true),
            Some(signature) => Ok(signer.verify(&self.signed(), signature).await?),
        }
    }

    /// The hash of the last link that it stands for, in hexadecimal.
    pub(in crate::engine::audit) fn name(&self) -> String {
        hex(&self.hash)
    }

    /// As it is shown; `None` for one that stands for nothing.
    pub(super) fn shown(&self) -> Option<AuditHead> {
        let AuditSignature { key, signature } = self.signature.clone()?;
        Some(AuditHead { seq: self.seq, hash: hex(&self.hash), at: self.at, key, signature })
    }
}

//! The port that signs what the audit log must not lose.

use std::fmt;

use async_trait::async_trait;

use crate::StoreError;

/// A signature, and the key that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSignature {
    /// The name of the key: at most 64 ASCII characters.
    pub key: String,
    /// The signature, as text without blanks.
    pub signature: String,
}

/// Signs heads of the audit log.
///
/// # Contract
/// What [`AuditSigner::sign`] signed verifies for ever, on every node, also when another key signs since.
#[async_trait]
pub trait AuditSigner: fmt::Debug + Send + Sync + 'static {
    /// Signs.
    async fn sign(&self, message: &[u8]) -> Result<AuditSignature, StoreError>;

    /// Whether the signature is one of a key of ours, over this.
    async fn verify(&self, message: &[u8], signature: &AuditSignature) -> Result<bool, StoreError>;
}

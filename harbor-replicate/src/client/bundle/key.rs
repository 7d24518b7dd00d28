//! Keys that bundles are signed with.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harbor_core::access::Secret;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};

use crate::client::{Error, Result};

/// What stands ahead of what is signed, so that no signature is ever one of something else.
const CONTEXT: &[u8] = b"harbor bundle 1\0";

/// What a key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// Ed25519 (RFC 8032).
    #[default]
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5).
    EcdsaP256,
}

/// A private key, which signs. No part of it is printed.
pub struct SigningKey(Pair);

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// The public half of a key, which verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyKey {
    kind: KeyKind,
    /// SubjectPublicKeyInfo (RFC 5280), as DER.
    der: Vec<u8>,
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey").field("kind", &self.kind).field("id", &self.id()).finish()
    }
}

/// A signature, as the file has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signature {
    algorithm: KeyKind,
    key: String,
    signature: String,
}

fn wrong(what: &str) -> Error {
    Error::Configuration(what.to_owned())
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the system has no randomness.
    pub fn generate(kind: KeyKind) -> Result<Self> {
        let none = |_| wrong("no key can be made here");
        Ok(Self(match kind {
            KeyKind::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(none)?),
            KeyKind::EcdsaP256 => {
                Pair::EcdsaP256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(none)?)
            }
        }))
    }

    /// The key of a PEM: PKCS#8 without a password, as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it is none.
    pub fn from_pem(pem: &Secret) -> Result<Self> {
        let none =
            || wrong("the key cannot be used: it is no private key of Ed25519 or P-256 as PEM (PKCS#8)");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| none())?;
        let der = der.secret_pkcs8_der();
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Self(Pair::Ed25519(pair)));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(|_| none())?;
        Ok(Self(Pair::EcdsaP256(pair)))
    }

    /// The key as PEM (PKCS#8), for a file that nobody else may read.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it cannot be written down.
    pub fn to_pem(&self) -> Result<Secret> {
        let none = |_| wrong("the key cannot be written down");
        let der = match &self.0 {
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map_err(none)?,
            Pair::EcdsaP256(pair) => pair.to_pkcs8v1().map_err(none)?,
        };
        Ok(Secret::new(pem("PRIVATE KEY", der.as_ref())))
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self.0 {
            Pair::Ed25519(_) => KeyKind::Ed25519,
            Pair::EcdsaP256(_) => KeyKind::EcdsaP256,
        }
    }

    /// Its public half.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it cannot be written down.
    pub fn public(&self) -> Result<VerifyKey> {
        let none = |_| wrong("the key cannot be written down");
        let der: PublicKeyX509Der<'_> = match &self.0 {
            Pair::Ed25519(pair) => pair.public_key().as_der().map_err(none)?,
            Pair::EcdsaP256(pair) => pair.public_key().as_der().map_err(none)?,
        };
        Ok(VerifyKey { kind: self.kind(), der: der.as_ref().to_vec() })
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Signature> {
        let message = [CONTEXT, bytes].concat();
        let signature = match &self.0 {
            Pair::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
            Pair::EcdsaP256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), &message);
                signed.map_err(|_| wrong("the key does not sign"))?.as_ref().to_vec()
            }
        };
        Ok(Signature {
            algorithm: self.kind(),
            key: self.public()?.id(),
            signature: STANDARD.encode(signature),
        })
    }
}

impl VerifyKey {
    /// The key of a PEM (SubjectPublicKeyInfo), as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let none = || wrong("the key cannot be used: it is no public key of Ed25519 or P-256 as PEM");
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| none())?;
        // The identifiers of the algorithms: RFC 8410, section 3, and RFC 5480, section 2.1.1.1.
        const ED25519_ID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
        const P256_ID: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let head = der.get(..der.len().min(32)).unwrap_or_default();
        let has = |id: &[u8]| head.windows(id.len()).any(|part| part == id);
        let kind = match (has(ED25519_ID), has(P256_ID)) {
            (true, false) => KeyKind::Ed25519,
            (false, true) => KeyKind::EcdsaP256,
            _ => return Err(none()),
        };
        Ok(Self { kind, der: der.to_vec() })
    }

    /// The key as PEM (SubjectPublicKeyInfo).
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }

    /// By what a signature tells which key it is of: the SHA-256 of its DER, in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.der);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a signature is of these bytes, by this key.
    /// Whether a signature says that it is of this key.
    pub(super) fn is_named(&self, signature: &Signature) -> bool {
        signature.key == self.id()
    }

    pub(super) fn verify(&self, bytes: &[u8], signature: &Signature) -> Result<(), String> {
        if signature.key != self.id() || signature.algorithm != self.kind {
            let id: String = signature.key.chars().filter(char::is_ascii_hexdigit).take(64).collect();
            return Err(format!("it is signed with another key, {id}, and not with {}", self.id()));
        }
        let wrong = || "its signature is wrong".to_owned();
        let signature = STANDARD.decode(&signature.signature).map_err(|_| wrong())?;
        let message = [CONTEXT, bytes].concat();
        let verified = match self.kind {
            KeyKind::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.der).verify(&message, &signature),
            KeyKind::EcdsaP256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.der).verify(&message, &signature)
            }
        };
        verified.map_err(|_| wrong())
    }
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sign_and_verify() {
        for kind in [KeyKind::Ed25519, KeyKind::EcdsaP256] {
            let key = SigningKey::generate(kind).unwrap();
            let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!((again.kind(), again.public().unwrap()), (kind, key.public().unwrap()));
            let public = VerifyKey::from_pem(key.public().unwrap().to_pem().as_bytes()).unwrap();
            assert_eq!(public, key.public().unwrap());
            let mut signature = again.sign(b"content").unwrap();
            assert_eq!(public.verify(b"content", &signature), Ok(()));
            assert!(public.verify(b"other", &signature).is_err());
            let other = SigningKey::generate(kind).unwrap();
            let told = other.public().unwrap().verify(b"content", &signature).unwrap_err();
            assert!(told.contains("another key"), "{told}");
            signature.signature = other.sign(b"content").unwrap().signature;
            assert!(public.verify(b"content", &signature).is_err());
            assert!(!format!("{key:?}").contains("PRIVATE"));
        }
    }

    #[test]
    fn keys_of_openssl_are_read() {
        // openssl genpkey -algorithm ed25519 | openssl pkey -pubout, and the same with -pkeyopt ec_paramgen_curve:P-256.
        let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        assert_eq!(VerifyKey::from_pem(ed25519.as_bytes()).unwrap().to_pem(), ed25519);
        for wrong in ["", "hunter2", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            let told = VerifyKey::from_pem(wrong.as_bytes()).unwrap_err().to_string();
            assert!(!told.contains("hunter2"));
            let told = SigningKey::from_pem(&Secret::new(wrong)).unwrap_err().to_string();
            assert!(!told.contains("hunter2"));
        }
    }
}

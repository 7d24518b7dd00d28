use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::access::Secret;

/// The value of `X-Harbor-Signature-256`: for each secret `sha256=` and the HMAC-SHA256 (RFC 2104) of the time, a dot and the
/// body, as hexadecimal digits; with commas between them. Whoever receives it looks for one that is right by a secret of theirs, and
/// refuses times that are long ago.
///
/// ```
/// use harbor_core::access::Secret;
/// use harbor_core::webhook::sign;
///
/// let header = sign(&[Secret::new("key")], 1_700_000_000, b"{}");
/// assert!(header.starts_with("sha256=") && header.len() == 71);
/// ```
#[must_use]
pub fn sign(secrets: &[Secret], time: i64, body: &[u8]) -> String {
    let one = |secret: &Secret| {
        // Any length will do for a key of HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("sha256={digits}"))
    };
    secrets.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac …`.
    #[test]
    fn as_others_compute_it() {
        let (one, two) = (Secret::new("0123456789abcdef"), Secret::new("fedcba9876543210"));
        let both = sign(&[one.clone(), two.clone()], 1_700_000_000, br#"{"a":1}"#);
        assert_eq!(
            both,
            "sha256=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23, sha256=b32c46cc98bca64571d8fd1f15c9c2c492dd6883b977ebc5c859dd995d9d12ea"
        );
        assert_eq!(sign(&[one], 1_700_000_000, br#"{"a":1}"#), both.split(", ").next().unwrap());
        assert_eq!(sign(&[], 1, b""), "");
    }
}

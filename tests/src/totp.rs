//! Codes of second factors, as an authenticator application computes them.

use aws_lc_rs::hmac;
use harbor_core::Timestamp;

/// The code of a secret in base 32, so many steps from now (RFC 6238): as an application computes it.
#[must_use]
pub fn code_at(secret: &str, now: Timestamp, steps: i64) -> String {
    let mut bits = 0_u64;
    let mut key = Vec::new();
    for (index, digit) in secret.bytes().enumerate() {
        let place =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == digit).expect("base 32");
        bits = bits << 5 | place as u64;
        if index % 8 == 7 {
            key.extend_from_slice(&bits.to_be_bytes()[3..]);
            bits = 0;
        }
    }
    let step = now.micros() / 30_000_000 + steps;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 15);
    let four: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().expect("four bytes");
    format!("{:06}", (u32::from_be_bytes(four) & 0x7FFF_FFFF) % 1_000_000)
}

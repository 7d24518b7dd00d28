//! Random numbers, and bytes that follow from a number.

use bytes::Bytes;
use harbor_core::oci::{Algorithm, Digest};

/// SplitMix64: the same numbers for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A blob that can be made again.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    seed: u64,
    pub(crate) digest: Digest,
    pub(crate) size: usize,
}

impl Blob {
    /// Of a size that follows from the seed: most are small, some have several writes.
    pub(crate) fn new(seed: u64) -> Self {
        let content = bytes(seed);
        Self { seed, digest: Digest::of(Algorithm::Sha256, &content), size: content.len() }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        bytes(self.seed)
    }
}

fn bytes(seed: u64) -> Bytes {
    let mut numbers = Numbers::new(seed);
    let size = match numbers.below(8) {
        0 => 300_000 + numbers.below(300_000),
        1 | 2 => 60_000 + numbers.below(60_000),
        _ => 1 + numbers.below(5_000),
    };
    let size = usize::try_from(size).unwrap();
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        content.extend_from_slice(&numbers.next().to_le_bytes());
    }
    content.truncate(size);
    content.into()
}

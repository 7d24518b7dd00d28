//! Bytes to test with: the same for the same seed, on every machine.

use bytes::Bytes;

/// Numbers that look random and are not (xorshift64*).
#[derive(Debug)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// `length` bytes that nothing compresses and no other seed yields.
pub(super) fn content(seed: u64, length: usize) -> Bytes {
    let mut numbers = Numbers::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&numbers.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Sizes of pieces that align with nothing.
const ODD: [usize; 9] = [1, 65_537, 7, 1_048_577, 4_093, 300_001, 16_384, 2_999_999, 511];

/// `content` cut into odd pieces, a few of them for each call of `write`.
pub(super) fn odd_writes(content: &Bytes) -> Vec<Vec<Bytes>> {
    let mut rest = content.clone();
    let mut pieces = Vec::new();
    for size in ODD.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        pieces.push(rest.split_to(rest.len().min(*size)));
    }
    let mut writes = Vec::new();
    for count in [1, 3, 2].iter().cycle() {
        if pieces.is_empty() {
            break;
        }
        writes.push(pieces.drain(..pieces.len().min(*count)).collect());
    }
    writes
}

//! Hashing that can be put down and taken up again.

use sha2::Digest as _;
use sha2::digest::common::hazmat::SerializableState;

use crate::oci::{Algorithm, Digest};

/// Hashes a stream of bytes; its state can be saved in an upload's row, so no byte is ever read back to hash it.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

/// Tags of the saved form. The bytes behind a tag are those of `sha2`'s serialised state.
const SHA256: u8 = 1;
const SHA512: u8 = 2;

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// What it hashes with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match &self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes seen.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => Digest::from_parts(Algorithm::Sha256, &state.finalize()),
            State::Sha512(state) => Digest::from_parts(Algorithm::Sha512, &state.finalize()),
        }
    }

    /// The state, to be kept.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let (tag, state) = match &self.0 {
            State::Sha256(state) => (SHA256, state.serialize().to_vec()),
            State::Sha512(state) => (SHA512, state.serialize().to_vec()),
        };
        let mut saved = Vec::with_capacity(1 + state.len());
        saved.push(tag);
        saved.extend(state);
        saved
    }

    /// Takes up a kept state; `None` when the bytes are none.
    #[must_use]
    pub fn restore(saved: &[u8]) -> Option<Self> {
        let (tag, state) = saved.split_first()?;
        Some(Self(match *tag {
            SHA256 => State::Sha256(sha2::Sha256::deserialize(state.try_into().ok()?).ok()?),
            SHA512 => State::Sha512(sha2::Sha512::deserialize(state.try_into().ok()?).ok()?),
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// States that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_saved_form_still_loads() {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"abc");
        let mut restored = Hasher::restore(&hasher.save()).unwrap();
        restored.update(b"def");
        assert_eq!(restored.finish(), Digest::of(Algorithm::Sha256, b"abcdef"));
        assert!(Hasher::restore(&[]).is_none());
        assert!(Hasher::restore(&[9, 1, 2]).is_none());
        assert!(Hasher::restore(&[SHA256, 1, 2]).is_none());
    }

    proptest! {
        #[test]
        fn saving_anywhere_changes_nothing(bytes: Vec<u8>, cut: proptest::sample::Index, long: bool) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut first = Hasher::new(algorithm);
            first.update(head);
            let mut second = Hasher::restore(&first.save()).unwrap();
            second.update(tail);
            prop_assert_eq!(second.finish(), Digest::of(algorithm, &bytes));
        }
    }
}

//! What a client sent and nobody has taken yet, gathered into few large pieces.
//!
//! Frames are copied. That costs a few per cent of hashing them, and saves more: the connection reads into the same few
//! pages again and again, a frame of one byte does not hold the 64 KiB that it came in, and what waits is what was counted.

use bytes::Bytes;

use crate::blob::{Buffer, LARGE_BUFFER};

/// Up to so many bytes of a slow client wait in memory of their own, which grows with them; beyond that, in a buffer.
pub(super) const SMALL: usize = 32 * 1024;

/// The size of a buffer when the large ones are all in use, in bytes.
const MEDIUM: usize = 64 * 1024;

/// Pieces that are full, and one that is being filled.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    full: Vec<Bytes>,
    filling: Option<Filling>,
    size: usize,
}

#[derive(Debug)]
enum Filling {
    Small(Vec<u8>),
    Large(Buffer, usize),
}

impl Filling {
    /// Space for a frame of so many bytes.
    fn of(frame: usize) -> Self {
        if frame <= SMALL { Self::Small(Vec::with_capacity(frame)) } else { Self::large() }
    }

    fn large() -> Self {
        Self::Large(Buffer::of(LARGE_BUFFER, MEDIUM), 0)
    }

    /// Takes what fits of a frame; yields how many bytes that was.
    fn fill(&mut self, frame: &[u8]) -> usize {
        match self {
            Self::Small(bytes) => {
                let taken = frame.len().min(SMALL - bytes.len());
                bytes.extend_from_slice(&frame[..taken]);
                taken
            }
            Self::Large(buffer, filled) => {
                let space = &mut buffer.space()[*filled..];
                let taken = frame.len().min(space.len());
                space[..taken].copy_from_slice(&frame[..taken]);
                *filled += taken;
                taken
            }
        }
    }

    /// One that goes on where this one is full: a small one becomes large, a large one is done.
    fn grow(self, full: &mut Vec<Bytes>) -> Self {
        let mut next = Self::large();
        match self {
            Self::Small(bytes) => {
                next.fill(&bytes);
            }
            Self::Large(buffer, filled) => full.push(buffer.filled(filled)),
        }
        next
    }

    fn done(self) -> Bytes {
        match self {
            Self::Small(bytes) => bytes.into(),
            Self::Large(buffer, filled) => buffer.filled(filled),
        }
    }
}

impl Gathered {
    /// How many bytes wait.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Adds a frame. One that is as large as a buffer is kept as it is.
    pub(super) fn add(&mut self, frame: Bytes) {
        self.size += frame.len();
        if frame.len() >= LARGE_BUFFER {
            self.full.extend(self.filling.take().map(Filling::done));
            self.full.push(frame);
            return;
        }
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let mut filling = self.filling.take().unwrap_or_else(|| Filling::of(rest.len()));
            let taken = filling.fill(rest);
            rest = &rest[taken..];
            self.filling = Some(if rest.is_empty() { filling } else { filling.grow(&mut self.full) });
        }
    }

    /// Everything, in order.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.size = 0;
        let mut pieces = std::mem::take(&mut self.full);
        pieces.extend(self.filling.take().map(Filling::done));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_in_order_in_few_pieces(sizes in prop::collection::vec(0_usize..200_000, 0..12)) {
            let mut gathered = Gathered::default();
            let mut sent = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                let frame: Vec<u8> = (0..*size).map(|at| (at * 7 + number) as u8).collect();
                sent.extend_from_slice(&frame);
                gathered.add(frame.into());
            }
            prop_assert_eq!(gathered.size(), sent.len());
            let pieces = gathered.take();
            prop_assert_eq!(pieces.concat(), sent);
            let most = 2 * sizes.len() + sizes.iter().sum::<usize>() / MEDIUM + 1;
            prop_assert!(pieces.len() <= most, "{} pieces", pieces.len());
            prop_assert_eq!(gathered.size(), 0);
            prop_assert!(gathered.take().is_empty());
        }
    }

    #[test]
    fn single_bytes_make_one_piece() {
        let mut gathered = Gathered::default();
        let byte = Bytes::from_static(b"x");
        (0..SMALL + 5).for_each(|_| gathered.add(byte.clone()));
        let pieces = gathered.take();
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].len(), SMALL + 5);
    }
}

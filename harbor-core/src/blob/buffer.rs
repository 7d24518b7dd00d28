//! Large buffers that are used again, and no more of them than a fixed sum.
//!
//! Content on its way in or out needs large pieces: few system calls, few visits to a thread. But a new large buffer has to
//! be zeroed and its pages found by the kernel, which costs more than filling it; an allocator that many threads give large
//! pieces back to keeps far more than is in use; and a thousand slow clients with two of them each would cost hundreds of
//! mebibytes. So there is one stock of them for the process, for receiving and for reading; who comes when it is empty works
//! in small pieces.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The size of a large buffer, in bytes. With a socket behind it, nothing between 64 KiB and 1 MiB stood out when it was
/// measured (bench `send_cached` of harbor-storage); this is few calls for little memory.
pub const LARGE_BUFFER: usize = 128 * 1024;

/// The stock of the process: 16 MiB at most.
static STOCK: Stock = Stock::new(16 * 1024 * 1024 / LARGE_BUFFER);

/// How many unused buffers are kept for the next reader: 8 MiB.
const SPARE: usize = 8 * 1024 * 1024 / LARGE_BUFFER;

#[derive(Debug)]
struct Stock {
    limit: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    lent: usize,
    spare: Vec<Vec<u8>>,
}

impl Stock {
    const fn new(limit: usize) -> Self {
        Self { limit, shelf: Mutex::new(Shelf { lent: 0, spare: Vec::new() }) }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend(&self) -> Option<Vec<u8>> {
        let mut shelf = self.shelf();
        if shelf.lent >= self.limit {
            return None;
        }
        shelf.lent += 1;
        let spare = shelf.spare.pop();
        drop(shelf);
        Some(spare.unwrap_or_else(|| vec![0; LARGE_BUFFER]))
    }

    fn take_back(&self, bytes: Vec<u8>) {
        let mut shelf = self.shelf();
        shelf.lent -= 1;
        if shelf.spare.len() < SPARE {
            shelf.spare.push(bytes);
        }
    }
}

/// Space for content that is on its way. It goes back to the stock of the process when the last `Bytes` made of it is gone.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    from: Option<&'static Stock>,
}

impl Buffer {
    /// A large one ([`LARGE_BUFFER`] bytes), unless there is none left; then, or when no more than `small` are wanted, one of
    /// `wanted` or `small` bytes, whichever is less.
    #[must_use]
    pub fn of(wanted: usize, small: usize) -> Self {
        if wanted > small
            && let Some(bytes) = STOCK.lend()
        {
            return Self { bytes, from: Some(&STOCK) };
        }
        Self { bytes: vec![0; wanted.min(small)], from: None }
    }

    /// All of its space.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Its first `length` bytes, for passing on.
    ///
    /// # Panics
    /// When it has fewer.
    #[must_use]
    pub fn filled(self, length: usize) -> Bytes {
        Bytes::from_owner(self).slice(..length)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(stock) = self.from {
            stock.take_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_and_used_again() {
        static TWO: Stock = Stock::new(2);
        let buffer = |bytes| Buffer { bytes, from: Some(&TWO) };
        let (first, second) = (buffer(TWO.lend().unwrap()), buffer(TWO.lend().unwrap()));
        assert!(TWO.lend().is_none());
        let bytes = first.filled(10);
        let part = bytes.slice(3..5);
        drop(bytes);
        assert!(TWO.lend().is_none(), "a part of it is still held");
        drop(part);
        drop(second);
        assert_eq!(TWO.shelf().spare.len(), 2);
        assert_eq!(TWO.shelf().lent, 0);
    }
}

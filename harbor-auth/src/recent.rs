//! A table of what was in use recently, of bounded size.

use std::collections::HashMap;
use std::mem;

/// Values by key, of which at most `bound` are kept. Keys are hashes that the caller makes with a secret of this process, so
/// nobody chooses them, and their length does not matter.
///
/// There are two generations, the young and the old. What is used becomes young; when the young are too many they become the
/// old, and the old are forgotten. So each step takes the same short time, whoever tries to fill the table.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    half: usize,
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
}

impl<V> Recent<V> {
    /// An empty table for `bound` values, and for 2 at least.
    pub(crate) fn new(bound: usize) -> Self {
        Self { half: (bound / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// The value of a key, if there is one; it becomes young.
    pub(crate) fn get(&mut self, key: u64) -> Option<&mut V> {
        if let Some(value) = self.old.remove(&key) {
            self.put(key, value);
        }
        self.young.get_mut(&key)
    }

    /// Sets the value of a key.
    pub(crate) fn put(&mut self, key: u64, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            mem::swap(&mut self.young, &mut self.old);
            // The memory is used again.
            self.young.clear();
        }
        self.young.insert(key, value);
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: u64) {
        self.young.remove(&key);
        self.old.remove(&key);
    }

    /// How many values there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_set_read_and_forgotten() {
        let mut recent = Recent::new(8);
        assert!(recent.get(1).is_none());
        recent.put(1, 'a');
        recent.put(1, 'b');
        *recent.get(1).unwrap() = 'c';
        assert_eq!((recent.get(1).copied(), recent.len()), (Some('c'), 1));
        recent.remove(1);
        assert_eq!((recent.get(1).copied(), recent.len()), (None, 0));
    }

    #[test]
    fn the_oldest_go_first_and_what_is_used_stays() {
        let mut recent = Recent::new(8);
        for key in 0..1000 {
            recent.put(key, key);
            assert_eq!(recent.get(0).copied(), Some(0), "in use");
            assert!(recent.len() <= 8);
        }
        assert_eq!(recent.get(999).copied(), Some(999));
        assert!(recent.get(1).is_none());
        let mut smallest = Recent::new(0);
        smallest.put(1, ());
        smallest.put(2, ());
        smallest.put(3, ());
        assert!(smallest.len() <= 2 && smallest.get(3).is_some());
    }
}

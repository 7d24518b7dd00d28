//! Places: how many jobs of a kind run at once, and which of them a task may have.

use std::collections::BTreeMap;

use crate::Result;
use crate::job::{Kinds, Rules};
use crate::meta::{Priority, TaskRows};

/// The places of the kinds that are not paused.
#[derive(Debug)]
pub(super) struct Places {
    /// The rules of each, and which of its places are taken where it has so many and no more.
    kinds: BTreeMap<&'static str, (Rules, Vec<u32>)>,
}

/// What a task runs in: one of so many places, or none of its own where there is no limit.
pub(super) type Place = Option<u32>;

impl Places {
    /// As they are now.
    pub(super) async fn read<R: TaskRows + ?Sized>(
        rows: &mut R,
        kinds: &Kinds,
        paused: &[String],
    ) -> Result<Self> {
        let mut found = BTreeMap::new();
        for name in kinds.names().filter(|name| !paused.iter().any(|paused| paused == name)) {
            let Some(kind) = kinds.get(name) else { continue };
            let taken = match kind.rules.at_once {
                Some(_) => rows.task_slots(name).await?,
                None => Vec::new(),
            };
            found.insert(name, (kind.rules, taken));
        }
        Ok(Self { kinds: found })
    }

    /// The kinds of which another job of that priority may run.
    pub(super) fn open(&self, priority: Priority) -> Vec<&'static str> {
        let open = self.kinds.iter().filter(|(_, (rules, taken))| free(rules, taken, priority).is_some());
        open.map(|(name, _)| *name).collect()
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&mut self, kind: &str, priority: Priority) -> Option<Place> {
        let (rules, taken) = self.kinds.get_mut(kind)?;
        let place = free(rules, taken, priority)?;
        taken.extend(place);
        Some(place)
    }
}

/// A place that is free for a task of that priority. Those that yield share the lower half of the places and so never have all; the
/// others may have all, and take them from above, so that the lower half is the last that they take.
fn free(rules: &Rules, taken: &[u32], priority: Priority) -> Option<Place> {
    let Some(limit) = rules.at_once else { return Some(None) };
    let is_free = |place: &u32| !taken.contains(place);
    let place = match (rules.yields, priority) {
        (Some(_), Priority::Low) => (0..limit.div_ceil(2)).find(is_free),
        _ => (0..limit).rev().find(is_free),
    };
    place.map(Some)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_that_yield_have_half_of_the_places() {
        let plain = Rules::default().at_once(3);
        let yielding = plain.yields(Duration::from_secs(1));
        let whole = |rules: &Rules, priority| {
            let mut taken = Vec::new();
            while let Some(Some(place)) = free(rules, &taken, priority) {
                taken.push(place);
            }
            taken
        };
        assert_eq!(whole(&yielding, Priority::Low), [0, 1]);
        assert_eq!(whole(&yielding, Priority::Normal), [2, 1, 0]);
        assert_eq!(whole(&plain, Priority::Low), [2, 1, 0]);
        assert_eq!(free(&yielding, &[0, 1], Priority::Normal), Some(Some(2)), "left to who is quick");
        assert_eq!(free(&yielding, &[2], Priority::Low), Some(Some(0)));
        assert_eq!(free(&plain.at_once(1).yields(Duration::ZERO), &[], Priority::Low), Some(Some(0)));
        assert_eq!(free(&Rules::default(), &[], Priority::Low), Some(None), "without a limit");
    }
}

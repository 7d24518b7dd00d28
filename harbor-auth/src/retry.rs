//! Trying again where a concurrent transaction won.

use std::time::Duration;

use harbor_core::{StoreError, StoreErrorKind};

use crate::password::random;

/// How often it is tried.
const TRIES: u32 = 5;

/// The longest wait ahead of a second try, and by how much that of each later one is longer.
const STEP: Duration = Duration::from_millis(6);

/// Runs a transaction, and again when the store says that a concurrent one won. Each try begins afresh.
pub(crate) async fn retried<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(error) if error.kind() == StoreErrorKind::Conflict && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(pause(tries)).await;
            }
            outcome => return outcome,
        }
    }
}

/// How long is waited ahead of a try: by chance, so that those who got into each other's way do not come back at the same moment.
fn pause(tries: u32) -> Duration {
    // Without random bytes it is the longest: what is waited for is more than this.
    let [chance] = random::<1>().unwrap_or([u8::MAX]);
    STEP * (tries - 1) * u32::from(chance) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn tried(fails: u32, kind: StoreErrorKind) -> (u32, Result<u32, StoreErrorKind>) {
        let tries = Cell::new(0);
        let outcome = retried(async || {
            tries.set(tries.get() + 1);
            if tries.get() <= fails { Err(StoreError::new(kind, "in the way")) } else { Ok(tries.get()) }
        });
        let outcome = outcome.await.map_err(|error| error.kind());
        (tries.get(), outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_in_the_way_is_tried_again_and_nothing_else() {
        assert_eq!(tried(0, StoreErrorKind::Conflict).await, (1, Ok(1)));
        assert_eq!(tried(TRIES - 1, StoreErrorKind::Conflict).await, (TRIES, Ok(TRIES)));
        assert_eq!(tried(TRIES, StoreErrorKind::Conflict).await, (TRIES, Err(StoreErrorKind::Conflict)));
        assert_eq!(tried(1, StoreErrorKind::Other).await, (1, Err(StoreErrorKind::Other)));
    }

    #[test]
    fn pauses_grow_and_differ() {
        let of = |tries: u32| (0..64).map(|_| pause(tries)).collect::<Vec<_>>();
        for tries in 2..=TRIES {
            let pauses = of(tries);
            assert!(pauses.iter().all(|pause| *pause <= STEP * (tries - 1)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause > STEP * (tries - 2)), "{pauses:?}");
        }
    }
}

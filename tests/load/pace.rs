//! When clients ask, and what is told of how long that took.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::client::Failure;

/// When one of several clients asks, who share a rate evenly; or one request behind the other.
pub(crate) struct Pace {
    next: Instant,
    interval: Option<Duration>,
}

impl Pace {
    /// Of so many `clients` the one of that `number`. The rate is that of all, a second.
    pub(crate) fn new(rate: Option<f64>, clients: usize, number: usize) -> Self {
        let interval = rate.map(|rate| Duration::from_secs_f64(clients as f64 / rate));
        let share = number as f64 / clients as f64;
        Self { next: Instant::now() + interval.unwrap_or_default().mul_f64(share), interval }
    }

    /// When the next request is due. Who is late asks at once, and counts from here all the same: somebody waited.
    pub(crate) fn next(&mut self) -> Instant {
        let Some(interval) = self.interval else { return Instant::now() };
        let due = self.next;
        self.next += interval;
        due
    }
}

/// Prints what came of requests that took so long each, and brought or took so many bytes.
pub(crate) fn tell(mut took: Vec<Duration>, elapsed: Duration, bytes: usize) -> Result<(), Failure> {
    took.sort_unstable();
    let at = |share: f64| {
        let index = ((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1));
        took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    };
    let (count, seconds) = (took.len(), elapsed.as_secs_f64());
    let (rate, mib) = (count as f64 / seconds, bytes as f64 / seconds / 1_048_576.0);
    let mut out = std::io::stdout().lock();
    writeln!(out, "requests {count} rate {rate:.1} mib {mib:.1} p50 {:.2} p99 {:.2}", at(0.5), at(0.99))?;
    Ok(())
}

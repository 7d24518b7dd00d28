//! Lines that are written down a little later, many in one transaction: refusals, failed logins and pulls. So a flood of them
//! costs little, and no request waits for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Timestamp;
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::meta::AuditLine;
use crate::{Error, Result};

/// How many lines wait at most. Beyond that they are counted, and the count is told.
const LARGEST: usize = 4096;

/// How many different refusals are written in a second, in the long run, and [`LARGEST`] at once: whoever makes names up, and may be
/// nobody in particular, does not fill the database. Beyond that, too, they are counted, and the count is told.
const RATE: u64 = 10;

/// How many are written in one transaction.
const BATCH: usize = 256;

/// The longest name that is stored, in characters: what somebody types as a name may be anything.
pub(super) const LONGEST: usize = 255;

/// Lines that are not written down yet.
#[derive(Debug, Default)]
pub(in crate::engine) struct Buffer {
    held: Mutex<(Held, Room)>,
    /// Held by who writes: one after the other, so that lines are written in the order in which they happened, and that whoever
    /// asked for them to be written is told when they are.
    writing: tokio::sync::Mutex<()>,
    /// Whether pulls are told: what the configuration said when it was read last, at most some seconds ago.
    pulls: AtomicBool,
}

#[derive(Debug, Default)]
struct Held {
    /// In the order in which they happened, with how often.
    lines: Vec<(AuditLine, u64)>,
    /// Where a refusal stands that is as another, but for when it was.
    refused: HashMap<AuditLine, usize>,
    left_out: u64,
}

/// How many more different refusals are written.
#[derive(Debug)]
struct Room {
    left: u64,
    /// Since when it did not grow.
    since: Timestamp,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: LARGEST as u64, since: Timestamp::default() }
    }
}

impl Room {
    /// Whether there is room for one more at that time.
    fn take(&mut self, at: Timestamp) -> bool {
        let more = at.since(self.since).as_secs().saturating_mul(RATE);
        if more > 0 {
            (self.left, self.since) = (self.left.saturating_add(more).min(LARGEST as u64), at);
        }
        self.left.checked_sub(1).inspect(|left| self.left = *left).is_some()
    }
}

impl Held {
    /// Keeps a line. `room`: for those that are new.
    fn add(&mut self, line: AuditLine, times: u64, room: Option<&mut Room>) {
        let alike = (!line.allowed).then(|| alike(&line));
        if let Some(place) = alike.as_ref().and_then(|alike| self.refused.get(alike)) {
            if let Some((_, counted)) = self.lines.get_mut(*place) {
                *counted = counted.saturating_add(times);
            }
            return;
        }
        let refused = alike.is_some();
        let fits =
            self.lines.len() < LARGEST && room.filter(|_| refused).is_none_or(|room| room.take(line.at));
        if !fits {
            self.left_out = self.left_out.saturating_add(times);
            return;
        }
        if let Some(alike) = alike {
            self.refused.insert(alike, self.lines.len());
        }
        self.lines.push((line, times));
    }
}

/// What refusals are that are told as one: all but when they were, and in which requests.
fn alike(line: &AuditLine) -> AuditLine {
    AuditLine { at: Timestamp::default(), request_id: String::new(), ..line.clone() }
}

impl Buffer {
    /// Notes whether pulls are told.
    pub(in crate::engine) fn tells_pulls(&self, told: bool) {
        self.pulls.store(told, Ordering::Relaxed);
    }

    /// Keeps a line. Whether it is the first one since all were taken.
    fn add(&self, line: AuditLine) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (held, room) = &mut *held;
        let first = held.lines.is_empty() && held.left_out == 0;
        held.add(storable(line), 1, Some(room));
        first
    }

    fn take(&self) -> Held {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Keeps what could not be written, as far as there is room beside what came meanwhile.
    fn put_back(&self, lines: Vec<(AuditLine, u64)>, left_out: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut held.0;
        let newer = std::mem::take(held);
        held.left_out = left_out.saturating_add(newer.left_out);
        for (line, times) in lines.into_iter().chain(newer.lines) {
            held.add(line, times, None);
        }
    }
}

/// A line that every database takes, whatever somebody typed.
fn storable(line: AuditLine) -> AuditLine {
    let clean = |text: String| match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    };
    let name = |text: String| clean(text).chars().take(LONGEST).collect();
    AuditLine {
        actor: name(line.actor),
        username: name(line.username),
        resource: clean(line.resource).chars().take(4 * LONGEST).collect(),
        description: clean(line.description).chars().take(8 * LONGEST).collect(),
        ..line
    }
}

/// A line with how often it happened.
fn counted((line, times): (AuditLine, u64)) -> AuditLine {
    match times {
        1 => line,
        times => AuditLine { description: format!("{} ({times} times)", line.description), ..line },
    }
}

impl Harbor {
    /// Keeps a line, to be written down soon.
    pub(in crate::engine) fn tell(&self, line: AuditLine) {
        if self.inner.audit.add(line) {
            self.inner.workers.wake_audit();
        }
    }

    /// Keeps the line of a pull, where pulls are told.
    pub(in crate::engine) fn tell_pull(&self, line: impl FnOnce() -> AuditLine) {
        if self.inner.audit.pulls.load(Ordering::Relaxed) {
            self.tell(line());
        }
    }

    /// Writes down what was kept, all that was told before the call. A worker does it a second after something was, and
    /// [`Harbor::shutdown`] once more.
    ///
    /// # Errors
    /// As the metadata store fails: then what was not written down is written down the next time.
    pub async fn write_audit(&self) -> Result<()> {
        let _turn = self.inner.audit.writing.lock().await;
        let Held { lines, left_out, .. } = self.inner.audit.take();
        match self.try_write_audit(&lines, left_out).await {
            Ok(()) => Ok(()),
            Err((written, left_out, error)) => {
                let rest = lines.into_iter().skip(written).collect();
                self.inner.audit.put_back(rest, left_out);
                Err(error)
            }
        }
    }

    /// When it fails, tells how many were written, and how many are still to be told as left out.
    async fn try_write_audit(
        &self,
        lines: &[(AuditLine, u64)],
        left_out: u64,
    ) -> Result<(), (usize, u64, Error)> {
        if lines.is_empty() && left_out == 0 {
            return Ok(());
        }
        let configuration = self.configuration().await.map_err(|error| (0, left_out, error))?;
        for (number, batch) in lines.chunks(BATCH).enumerate() {
            let wanted = batch.iter().filter(|(line, _)| configuration.audits(line)).cloned();
            let wanted: Vec<AuditLine> = wanted.map(counted).collect();
            contended!(self.try_tell(&wanted)).map_err(|error| (number * BATCH, left_out, error))?;
        }
        if left_out > 0 {
            let line = super::left_out(left_out, self.now());
            let told = contended!(self.try_tell(std::slice::from_ref(&line)));
            told.map_err(|error| (lines.len(), left_out, error))?;
        }
        Ok(())
    }

    async fn try_tell(&self, lines: &[AuditLine]) -> Result<()> {
        let mut write = self.write_as_system().await?;
        for line in lines {
            write.rows().audit_insert(line).await?;
        }
        write.commit().await?;
        self.inner.workers.wake_seal();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Actor;

    fn refused(number: usize) -> AuditLine {
        let at = Timestamp::from_micros(i64::try_from(number).unwrap());
        AuditLine {
            allowed: false,
            ..super::super::line_of(&Actor::user("grace"), "push", "artifact", "a".into(), at)
        }
    }

    #[test]
    fn refusals_that_are_alike_are_told_as_one() {
        let buffer = Buffer::default();
        assert!(buffer.add(refused(1)));
        assert!(!buffer.add(refused(2)));
        buffer.add(AuditLine { resource: "b".to_owned(), ..refused(3) });
        buffer.add(AuditLine { allowed: true, ..refused(4) });
        buffer.add(AuditLine { allowed: true, ..refused(4) });
        let held = buffer.take();
        assert_eq!(held.lines.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [2, 1, 1, 1]);
        buffer.add(refused(5));
        buffer.put_back(held.lines, 0);
        let again = buffer.take().lines;
        assert_eq!((again.len(), again[0].1, again[0].0.at), (4, 3, Timestamp::from_micros(1)));
        assert!(counted(again[0].clone()).description.ends_with("(3 times)"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffer = Buffer::default();
        for number in 0..LARGEST + 7 {
            buffer.add(AuditLine { resource: number.to_string(), ..refused(number) });
        }
        let held = buffer.take();
        assert_eq!((held.lines.len(), held.left_out), (LARGEST, 7));
    }

    #[test]
    fn a_flood_of_refusals_is_bounded_in_the_long_run() {
        let buffer = Buffer::default();
        let second = |second: i64| Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
        let mut written = 0;
        for at in 0..100 {
            for name in 0..100 {
                let line = AuditLine { resource: format!("{at} {name}"), at: second(at), ..refused(1) };
                buffer.add(line);
            }
            // What somebody did is told for all that.
            buffer.add(AuditLine { allowed: true, at: second(at), ..refused(1) });
            let held = buffer.take();
            assert!(held.lines.iter().any(|(line, _)| line.allowed));
            written += held.lines.len() - 1;
            assert_eq!(held.lines.len() as u64 - 1 + held.left_out, 100);
        }
        assert_eq!(written as u64, LARGEST as u64 + 99 * RATE);
    }

    #[test]
    fn whatever_was_typed_can_be_stored() {
        let typed = AuditLine { username: "a\0".repeat(1000), ..refused(1) };
        let stored = storable(typed);
        assert!(stored.username.chars().count() == LONGEST && !stored.username.contains('\0'));
    }
}

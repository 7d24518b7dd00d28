//! What a job has in hand while it runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::meta::{ExecutionId, Task, TaskId, TaskStatus};
use crate::{Harbor, Timestamp};

/// How much a task's log may hold, in bytes: as much as Harbor's API shows of one.
const LARGEST_LOG: usize = 10 * 1024 * 1024;

/// The longest piece that is stored at once, in bytes.
const PIECE: usize = 256 * 1024;

/// A job that runs: the registry, and where its log and its progress go. Cheap to clone.
///
/// A job is stopped by not being polled any more, at whichever `await` it stands. What must not be broken off there belongs
/// into a transaction.
#[derive(Clone)]
pub struct Running {
    harbor: Harbor,
    task: TaskId,
    execution: ExecutionId,
    /// Who is at it, and for which time: what tells this worker from another one that has the task by now.
    turn: Arc<(String, u32)>,
    begun: Timestamp,
    wanted: Timestamp,
    last: bool,
    log: Arc<Log>,
}

impl Running {
    pub(crate) fn new(harbor: Harbor, task: &Task, last: bool, log: Arc<Log>) -> Self {
        let turn = Arc::new((task.owner.clone(), task.runs));
        let begun = task.started_at.unwrap_or_else(|| harbor.now());
        Self {
            harbor,
            task: task.id,
            execution: task.execution,
            turn,
            begun,
            wanted: wanted(task),
            last,
            log,
        }
    }

    /// The registry that it belongs to.
    #[must_use]
    pub const fn harbor(&self) -> &Harbor {
        &self.harbor
    }

    /// Its task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task
    }

    /// Its execution.
    #[must_use]
    pub const fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// When it was begun for the first time, by whoever did.
    pub(crate) const fn begun(&self) -> Timestamp {
        self.begun
    }

    /// When somebody last wanted it: enqueued it, or had it tried again.
    #[must_use]
    pub const fn wanted(&self) -> Timestamp {
        self.wanted
    }

    /// Whether a task's row says that this worker is at it.
    pub(crate) fn has_turn(&self, task: &Task) -> bool {
        task.status == TaskStatus::Running && (&task.owner, task.runs) == (&self.turn.0, self.turn.1)
    }

    /// Whether it is not tried again when it fails now.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.last
    }

    /// Writes a line to its log, which somebody may follow. No secrets: whoever may see the job may read it.
    pub fn log(&self, line: impl fmt::Display) {
        self.log.line(self.harbor.now(), line);
    }

    /// Says how far it is; the last word is shown.
    pub fn progress(&self, text: impl fmt::Display) {
        self.log.state().progress = Some(text.to_string());
    }
}

/// What a task's detail calls the time, in microseconds, at which somebody had it tried again.
pub(crate) const RETRIED: &str = "retried_at";

fn wanted(task: &Task) -> Timestamp {
    let detail = serde_json::from_str::<Map<String, Value>>(&task.detail).unwrap_or_default();
    let retried = detail.get(RETRIED).and_then(Value::as_i64).map(Timestamp::from_micros);
    retried.unwrap_or(task.created_at)
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("task", &self.task)
            .field("execution", &self.execution)
            .finish_non_exhaustive()
    }
}

/// What a job has said and nobody has stored yet.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unwritten: String,
    progress: Option<String>,
    /// How much was said, over all runs.
    said: usize,
    cut: bool,
}

/// What is to be stored.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) log: Vec<String>,
    pub(crate) progress: Option<String>,
}

impl Pieces {
    /// What is left of them where their log begins with what is stored of it.
    pub(crate) fn behind(self, stored: &str) -> Self {
        let log = self.log.concat();
        // What somebody else has said is none of it.
        let left = log.strip_prefix(stored).unwrap_or(&log).to_owned();
        Self { log: if left.is_empty() { Vec::new() } else { vec![left] }, ..self }
    }
}

impl Log {
    /// The log of a task that has said so many bytes before.
    pub(crate) fn after(said: usize) -> Self {
        Self(Mutex::new(State { said, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn line(&self, now: Timestamp, line: impl fmt::Display) {
        let mut state = self.state();
        // PostgreSQL takes no NUL in a text.
        let line = format!("{now} {line}\n").replace('\0', "\u{fffd}");
        if state.said + line.len() <= LARGEST_LOG {
            state.said += line.len();
            state.unwritten.push_str(&line);
        } else if !state.cut {
            state.cut = true;
            state.unwritten.push_str("the log is full: what follows is not kept\n");
        }
    }

    /// Takes what is to be stored.
    pub(crate) fn take(&self) -> Pieces {
        let mut state = self.state();
        let (mut rest, progress) = (std::mem::take(&mut state.unwritten), state.progress.take());
        drop(state);
        let mut log = Vec::new();
        while rest.len() > PIECE {
            let later = rest.split_off(rest.floor_char_boundary(PIECE));
            log.push(std::mem::replace(&mut rest, later));
        }
        if !rest.is_empty() {
            log.push(rest);
        }
        Pieces { log, progress }
    }

    /// Gives back what could not be stored.
    pub(crate) fn give_back(&self, pieces: Pieces) {
        let mut state = self.state();
        let later = std::mem::take(&mut state.unwritten);
        state.unwritten = pieces.log.concat() + &later;
        state.progress = state.progress.take().or(pieces.progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &Log, line: &str) {
        log.line(Timestamp::from_micros(0), line);
    }

    #[test]
    fn lines() {
        let log = Log::default();
        said(&log, "one");
        said(&log, "t\0o");
        let pieces = log.take();
        let text = "1970-01-01T00:00:00.000000Z one\n1970-01-01T00:00:00.000000Z t\u{fffd}o\n";
        assert_eq!(pieces.log, [text]);
        assert!(log.take().log.is_empty());
        said(&log, "three");
        log.give_back(pieces);
        assert_eq!(log.take().log, [format!("{text}1970-01-01T00:00:00.000000Z three\n")]);
    }

    #[test]
    fn what_is_stored_is_not_given_back() {
        let pieces = |log: &[&str]| {
            let log = log.iter().map(|piece| (*piece).to_owned()).collect();
            Pieces { log, progress: None }
        };
        assert!(pieces(&["one ", "two"]).behind("one two").log.is_empty());
        assert_eq!(pieces(&["one ", "two"]).behind("one ").log, ["two"]);
        assert_eq!(pieces(&["one ", "two"]).behind("").log, ["one two"]);
        assert_eq!(pieces(&["one ", "two"]).behind("other").log, ["one two"]);
    }

    #[test]
    fn long_ones_are_cut() {
        let log = Log::after(LARGEST_LOG - 600_000);
        said(&log, &"ä".repeat(200_000));
        let pieces = log.take().log;
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].len() <= PIECE && pieces[0].len() > PIECE - 4);
        said(&log, &"x".repeat(300_000));
        said(&log, &"y".repeat(300_000));
        let pieces = log.take().log.concat();
        assert!(pieces.starts_with("the log is full") && pieces.lines().count() == 1, "{}", &pieces[..100]);
    }
}

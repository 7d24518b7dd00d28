//! Jobs: durable work.
//!
//! A job is a value. It is written in the transaction of the change that wants it ([`Write::enqueue`](crate::Write::enqueue)),
//! and a worker of any node runs it later: at least once, so what runs it must not mind that it ran before. Each kind of job
//! has one function that runs it, which [`Builder::job`](crate::Builder::job) takes.
//!
//! ```
//! use harbor_core::job::{Done, Job, Running};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Greet {
//!     whom: String,
//! }
//!
//! impl Job for Greet {
//!     const KIND: &'static str = "GREET";
//! }
//!
//! async fn greet(job: Greet, running: Running) -> harbor_core::Result<Done> {
//!     running.log(format!("hello, {}", job.whom));
//!     Ok(Done::default())
//! }
//!
//! let builder = harbor_core::Harbor::builder().job(greet);
//! # let _ = builder;
//! ```

mod cron;
mod kinds;
mod running;

use std::time::Duration;

pub use cron::{Cron, CronError};
pub(crate) use kinds::{Kind, Kinds};
pub use running::Running;
pub(crate) use running::{Log, Pieces, RETRIED};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::meta::{ExecutionStatus, Priority};
use crate::{Error, Result};

/// Durable work: a serialisable value with a kind.
///
/// Persisted, as JSON beside `"v"`: fields are only ever added, with defaults. A kind's own tests load every form ever written.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is called, for ever; as Harbor calls it, where Harbor has it: `GARBAGE_COLLECTION`.
    const KIND: &'static str;

    /// How jobs of this kind are run.
    #[must_use]
    fn rules() -> Rules {
        Rules::default()
    }
}

/// How jobs of a kind are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// How often a job is tried that fails. Default: 3.
    pub attempts: u32,
    /// How long it waits after the first failure; twice as long after each further one, up to an hour, and a little more or
    /// less by chance. Default: 10 seconds.
    pub backoff: Duration,
    /// How many jobs of the kind run at once, on all nodes together. Default: as many as there are workers.
    pub at_once: Option<u32>,
    /// How long a job may take. Default: a day.
    pub longest: Duration,
    /// How many executions are kept of each thing that they are done for: the latest that succeeded, and as many that were stopped.
    /// Of those that failed, twenty times as many are kept, and at least 1,000, for somebody may look at them and have them tried again.
    /// One that is not over always stays, and does not count. Default: 50.
    pub kept: u32,
    /// Who has precedence. Default: normal.
    pub priority: Priority,
    /// After how long a job is slow. One that is, or fails, yields: it is tried again, and the next of its key follows, with low priority
    /// and in half of the places, until one is quick again. Default: none yields.
    pub yields: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_secs(10),
            at_once: None,
            longest: Duration::from_secs(24 * 60 * 60),
            kept: 50,
            priority: Priority::Normal,
            yields: None,
        }
    }
}

/// How many executions that failed are kept for each one that succeeded.
const FAILED_FOR_EACH: u32 = 20;

/// How many executions that failed are kept at least.
const FEWEST_FAILED: u32 = 1000;

/// The longest that a job which failed waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60 * 60);

impl Rules {
    /// These, tried so often.
    #[must_use]
    pub const fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// These, with at most so many at once.
    #[must_use]
    pub const fn at_once(self, jobs: u32) -> Self {
        Self { at_once: Some(jobs), ..self }
    }

    /// These, with so many executions kept; see [`Rules::kept`].
    #[must_use]
    pub const fn kept(self, executions: u32) -> Self {
        Self { kept: executions, ..self }
    }

    /// These, with another first wait after a failure.
    #[must_use]
    pub const fn backoff(self, backoff: Duration) -> Self {
        Self { backoff, ..self }
    }

    /// These, with another longest time.
    #[must_use]
    pub const fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// These, of which those yield that fail or take that long.
    #[must_use]
    pub const fn yields(self, slow: Duration) -> Self {
        Self { yields: Some(slow), ..self }
    }

    /// How many executions of a status are kept of each thing; nothing where all are.
    pub(crate) fn kept_of(&self, status: ExecutionStatus) -> Option<u32> {
        match status {
            ExecutionStatus::Running => None,
            ExecutionStatus::Success | ExecutionStatus::Stopped => Some(self.kept),
            ExecutionStatus::Error => Some(self.kept.saturating_mul(FAILED_FOR_EACH).max(FEWEST_FAILED)),
        }
    }

    /// How long to wait after so many failures; `chance`, of 256, moves it by up to a fifth either way.
    pub(crate) fn wait(&self, failures: u32, chance: u8) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let wait = doubled.min(LONGEST_BACKOFF);
        wait * 4 / 5 + wait * 2 / 5 * u32::from(chance) / 255
    }
}

/// How a job ended that did not break off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What came out, which the execution's and the task's details then have.
    pub detail: Map<String, Value>,
    /// Why it failed, if it did: in a way that trying again does not help.
    pub failure: Option<String>,
}

impl Done {
    /// It did what it should; this came out.
    ///
    /// # Errors
    /// [`Error::Internal`] when that is no JSON object.
    pub fn with(detail: &impl Serialize) -> Result<Self> {
        match serde_json::to_value(detail) {
            Ok(Value::Object(detail)) => Ok(Self { detail, failure: None }),
            _ => Err(Error::Internal("what came out of a job is no JSON object".to_owned())),
        }
    }

    /// It failed, and will always.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self { detail: Map::new(), failure: Some(why.into()) }
    }
}

/// The version that is written.
const VERSION: u32 = 1;

/// A job as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<J> {
    v: u32,
    #[serde(flatten)]
    job: J,
}

/// The text of a job to store.
///
/// # Errors
/// [`Error::Internal`] for a job that is no JSON object.
pub(crate) fn write<J: Job>(job: &J) -> Result<String> {
    serde_json::to_string(&Stored { v: VERSION, job })
        .map_err(|error| Error::Internal(format!("a job of kind {} cannot be stored: {error}", J::KIND)))
}

/// The job of a stored text.
///
/// # Errors
/// What is wrong with it, for the job's log.
pub(crate) fn read<J: Job>(stored: &str) -> std::result::Result<J, String> {
    let Stored { v, job } =
        serde_json::from_str(stored).map_err(|error| format!("the job does not read: {error}"))?;
    match v {
        VERSION => Ok(job),
        newer => Err(format!("the job was written in version {newer} by a newer program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Example {
        text: String,
    }

    impl Job for Example {
        const KIND: &'static str = "EXAMPLE";
    }

    #[test]
    fn stored() {
        let job = Example { text: "x".to_owned() };
        let text = write(&job).unwrap();
        assert_eq!(text, r#"{"v":1,"text":"x"}"#);
        assert_eq!(read::<Example>(&text), Ok(job));
        assert!(read::<Example>(&text.replace('1', "2")).unwrap_err().contains("newer"));
        assert!(read::<Example>("{}").unwrap_err().contains("does not read"));
    }

    #[test]
    fn keeps() {
        let kept = |rules: Rules| ExecutionStatus::ALL.map(|status| rules.kept_of(status));
        // In the order of `ExecutionStatus::ALL`: what failed is the third.
        assert_eq!(kept(Rules::default()), [None, Some(50), Some(1000), Some(50)]);
        assert_eq!(kept(Rules::default().kept(51)), [None, Some(51), Some(1020), Some(51)]);
        assert_eq!(kept(Rules::default().kept(1)), [None, Some(1), Some(1000), Some(1)]);
        let most = Some(u32::MAX);
        assert_eq!(kept(Rules::default().kept(u32::MAX)), [None, most, most, most]);
    }

    #[test]
    fn waits() {
        let rules = Rules::default();
        let seconds = |failures, chance| rules.wait(failures, chance).as_secs();
        assert_eq!((seconds(1, 0), seconds(1, 255)), (8, 12));
        assert_eq!((seconds(2, 0), seconds(3, 0)), (16, 32));
        assert_eq!((seconds(30, 0), seconds(u32::MAX, 255)), (2880, 4320));
    }
}

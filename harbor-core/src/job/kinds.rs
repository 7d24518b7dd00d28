//! The kinds of jobs that a registry knows, and what runs them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Done, Job, Rules, Running, read};
use crate::Result;

type Run = dyn Fn(String, Running) -> BoxFuture<'static, Result<Done>> + Send + Sync;

/// A kind of jobs.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) rules: Rules,
    run: Arc<Run>,
}

impl Kind {
    /// Runs a stored job.
    pub(crate) async fn run(&self, payload: String, running: Running) -> Result<Done> {
        (self.run)(payload, running).await
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// All kinds, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds(BTreeMap<&'static str, Kind>);

impl Kinds {
    /// Makes a function run the jobs of a kind, in place of one that did.
    pub(crate) fn put<J, F>(&mut self, run: impl Fn(J, Running) -> F + Send + Sync + 'static)
    where
        J: Job,
        F: Future<Output = Result<Done>> + Send + 'static,
    {
        let run = move |payload: String, running| -> BoxFuture<'static, Result<Done>> {
            match read::<J>(&payload) {
                Ok(job) => Box::pin(run(job, running)),
                // It will not read any better later.
                Err(why) => Box::pin(async { Ok(Done::failed(why)) }),
            }
        };
        self.0.insert(J::KIND, Kind { rules: J::rules(), run: Arc::new(run) });
    }

    /// The kind of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Kind> {
        self.0.get(name)
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

//! Figures of a job that somebody else may have to go on with: they stand in its task's row, and change in the very transactions that
//! do what they count, so their sum is right however often the job was cut off.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::merged;
use crate::engine::gate::Write;
use crate::job::{Done, Running};
use crate::meta::Task;
use crate::{Error, Result};

impl Running {
    /// What was counted so far, in all runs of the task.
    pub(in crate::engine) async fn counted<F: Default + DeserializeOwned>(&self) -> Result<F> {
        let task = self.harbor().read().await?.task(self.task()).await?;
        Ok(task.map(|task| read(&task.detail)).unwrap_or_default())
    }

    /// Counts what a transaction does, as the last thing ahead of its commit: all of a job's transactions want the same row.
    ///
    /// # Errors
    /// [`Error::Contended`] for a task that is another worker's by now, or nobody's: what is done here is then not to be committed.
    pub(in crate::engine) async fn count<F>(
        &self,
        write: &mut Write<'_>,
        count: impl FnOnce(&mut F),
    ) -> Result<()>
    where
        F: Default + Serialize + DeserializeOwned,
    {
        let mut task = self.locked(write).await?;
        let mut figures = read::<F>(&task.detail);
        count(&mut figures);
        task.detail = merged(&task.detail, &Done::with(&figures)?.detail)?;
        write.rows().task_save(&task).await?;
        Ok(())
    }

    /// Its task's row, locked, while the task is this worker's.
    ///
    /// # Errors
    /// [`Error::Contended`] when it is not.
    pub(in crate::engine) async fn locked(&self, write: &mut Write<'_>) -> Result<Task> {
        let task = write.rows().task_lock(self.task()).await?;
        task.filter(|task| self.has_turn(task)).ok_or(Error::Contended)
    }

    /// Whether its task is still this worker's.
    pub(in crate::engine) async fn is_current(&self) -> Result<bool> {
        let task = self.harbor().read().await?.task(self.task()).await?;
        Ok(task.is_some_and(|task| self.has_turn(&task)))
    }
}

/// The figures of a task's detail; none where nothing was counted yet.
fn read<F: Default + DeserializeOwned>(detail: &str) -> F {
    serde_json::from_str(detail).unwrap_or_default()
}

/// A task's detail without these figures, which were for those who go on with it.
pub(in crate::engine) fn without(detail: &str, names: &[&str]) -> String {
    let mut whole: Map<String, Value> = serde_json::from_str(detail).unwrap_or_default();
    whole.retain(|name, _| !names.contains(&name.as_str()));
    Value::Object(whole).to_string()
}

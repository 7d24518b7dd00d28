//! Commands that are killed, at moments from their begin to their end.

use std::time::Duration;

use harbor_tests::Harborctl;

/// Moments at which to kill what takes so long, from its begin to its end; of what turns out to be quicker, it is told.
pub(crate) struct Moments {
    took: Duration,
    number: u32,
    count: u32,
}

impl Moments {
    pub(crate) const fn of(took: Duration, count: u32) -> Self {
        Self { took, number: 0, count }
    }

    pub(crate) fn next(&mut self) -> Option<Duration> {
        self.number += 1;
        (self.number <= self.count).then(|| self.took * self.number / self.count)
    }

    /// It had ended after so long.
    pub(crate) fn ended(&mut self, after: Duration) {
        self.took = self.took.min(after);
    }
}

/// Starts a command and kills it after a while; whether it had ended by then, and how.
pub(crate) async fn killed(harborctl: &Harborctl, arguments: &[&str], after: Duration) -> Option<bool> {
    let mut command = harborctl.command(arguments);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    match tokio::time::timeout(after, child.wait()).await {
        Ok(ended) => Some(ended.unwrap().success()),
        Err(_) => {
            child.kill().await.unwrap();
            None
        }
    }
}

//! How far a copy is: bars on a terminal, lines elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harbor_core::oci::Digest;
use harbor_replicate::client::{CopyProgress, Pushed};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::Output;
use crate::output::{bytes, counted};

/// Who tells how it goes; nobody with `--quiet`.
pub(super) fn progress(output: Output) -> Option<Arc<dyn CopyProgress>> {
    if output.quiet {
        return None;
    }
    if std::io::stderr().is_terminal() {
        return Some(Arc::new(Bars::new()));
    }
    Some(Arc::new(Lines::default()))
}

/// A line for each blob that is there.
#[derive(Default)]
struct Lines {
    sizes: Mutex<HashMap<Digest, u64>>,
}

impl Lines {
    fn tell(&self, text: &str) {
        // Who reads nothing is told nothing.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

impl CopyProgress for Lines {
    fn plans(&self, blobs: usize, size: u64) {
        self.tell(&format!(
            "{}, {}",
            counted(blobs as u64, "blob"),
            bytes(i64::try_from(size).unwrap_or(i64::MAX))
        ));
    }

    fn begins(&self, digest: &Digest, size: u64) {
        locked(&self.sizes).insert(*digest, size);
    }

    fn moves(&self, _digest: &Digest, _bytes: u64) {}

    fn ends(&self, digest: &Digest, pushed: Pushed) {
        let size = locked(&self.sizes).remove(digest).unwrap_or_default();
        let size = bytes(i64::try_from(size).unwrap_or(i64::MAX));
        self.tell(&format!("{digest} {size} {}", told(pushed)));
    }

    fn stored(&self, digest: &Digest) {
        self.tell(&format!("{digest} manifest"));
    }
}

const fn told(pushed: Pushed) -> &'static str {
    match pushed {
        Pushed::Existed => "was there",
        Pushed::Mounted => "linked",
        Pushed::Sent => "sent",
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar for each blob that is under way, and one for all.
struct Bars {
    all: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: Option<ProgressBar>,
    blobs: HashMap<Digest, ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        Self { all: MultiProgress::new(), state: Mutex::default() }
    }

    fn bar(&self, size: u64, name: String, template: &str) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new(size));
        // A template that does not read leaves the library's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name);
        bar
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.all.clear();
    }
}

impl CopyProgress for Bars {
    fn plans(&self, blobs: usize, size: u64) {
        const TOTAL: &str = "{msg:14} [{bar:30}] {binary_bytes:>10}/{binary_total_bytes:10} {binary_bytes_per_sec:>12} {eta:>4} left";
        let total = self.bar(size, counted(blobs as u64, "blob"), TOTAL);
        total.enable_steady_tick(std::time::Duration::from_millis(200));
        // Several images go one behind the other.
        if let Some(before) = locked(&self.state).total.replace(total) {
            before.finish_and_clear();
            self.all.remove(&before);
        }
    }

    fn begins(&self, digest: &Digest, size: u64) {
        const BLOB: &str = "{msg:14} [{bar:30}] {binary_bytes:>10}/{binary_total_bytes:10}";
        let bar = self.bar(size, digest.hex().chars().take(12).collect(), BLOB);
        locked(&self.state).blobs.insert(*digest, bar);
    }

    fn moves(&self, digest: &Digest, bytes: u64) {
        let state = locked(&self.state);
        let (Some(bar), Some(total)) = (state.blobs.get(digest), &state.total) else { return };
        // What is sent again was counted.
        let left = bar.length().unwrap_or(0).saturating_sub(bar.position());
        bar.inc(bytes.min(left));
        total.inc(bytes.min(left));
    }

    fn ends(&self, digest: &Digest, _pushed: Pushed) {
        let mut state = locked(&self.state);
        let Some(bar) = state.blobs.remove(digest) else { return };
        if let Some(total) = &state.total {
            total.inc(bar.length().unwrap_or(0).saturating_sub(bar.position()));
        }
        bar.finish_and_clear();
        self.all.remove(&bar);
    }

    fn stored(&self, _digest: &Digest) {}
}

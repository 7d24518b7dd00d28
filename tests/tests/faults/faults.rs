//! Which call fails, and how.

use std::sync::{Arc, Mutex};

use harbor_core::{StoreError, StoreErrorKind};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The n-th call fails and does nothing.
    Before(StoreErrorKind),
    /// The n-th call fails and every later one too, as when a store or the process dies.
    Dead,
    /// The n-th call of those whose answer can be lost does its work and fails all the same.
    Lost,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<(u64, Mode)>,
    named: Option<(&'static str, StoreErrorKind)>,
    calls: u64,
    fired: Option<&'static str>,
}

/// Shared by the wrappers of both stores, so that their calls are counted as one sequence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// From now on the `n`-th call fails.
    pub(crate) fn arm(&self, n: u64, mode: Mode) {
        *self.0.lock().unwrap() = State { armed: Some((n, mode)), ..State::default() };
    }

    /// From now on every call of that name fails: nobody answers.
    pub(crate) fn arm_named(&self, call: &'static str) {
        self.arm_named_as(call, StoreErrorKind::Unavailable);
    }

    /// From now on every call of that name fails, as it says.
    pub(crate) fn arm_named_as(&self, call: &'static str, kind: StoreErrorKind) {
        *self.0.lock().unwrap() = State { named: Some((call, kind)), ..State::default() };
    }

    /// Nothing fails any more. Yields the name of the call that failed, if one did.
    pub(crate) fn disarm(&self) -> Option<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap()).fired
    }

    /// Whether a call has failed since they were armed.
    pub(crate) fn has_fired(&self) -> bool {
        self.0.lock().unwrap().fired.is_some()
    }

    /// Called ahead of each call of a port.
    pub(crate) fn before(&self, call: &'static str) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap();
        if let Some((_, kind)) = state.named.filter(|(named, _)| *named == call) {
            return Err(StoreError::new(kind, format!("a fault at {call}")));
        }
        let Some((n, mode)) = state.armed.filter(|(_, mode)| *mode != Mode::Lost) else { return Ok(()) };
        state.calls += 1;
        let (now, later) = (state.calls == n, state.calls > n);
        if now {
            state.fired = Some(call);
        }
        match mode {
            Mode::Before(kind) if now => Err(StoreError::new(kind, format!("a fault at {call}"))),
            Mode::Dead if now || later => Err(lost(call)),
            _ => Ok(()),
        }
    }

    /// Called after each call whose answer can be lost took effect.
    pub(crate) fn after(&self, call: &'static str) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap();
        let Some((n, Mode::Lost)) = state.armed else { return Ok(()) };
        state.calls += 1;
        if state.calls != n {
            return Ok(());
        }
        state.fired = Some(call);
        Err(lost(call))
    }
}

fn lost(call: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("no answer from {call}"))
}

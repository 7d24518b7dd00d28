//! Sessions of browsers over a store that fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use harbor_core::{Clock, StoreErrorKind};
use harbor_tests::{Answer, BackEnd, TestRegistry};

use crate::faults::{Faults, Mode};
use crate::rows::FaultyMetadata;

/// More calls than a login makes.
const ENDLESS: u64 = 200;

/// What a transaction is made of that begins or ends a session.
const TRANSACTION: [&str; 5] = ["begin", "session_insert", "session_delete", "audit_insert", "commit"];

/// A registry whose accounts have a store that can fail.
struct World {
    registry: TestRegistry,
    faults: Faults,
    clock: Clock,
}

impl World {
    async fn new() -> Self {
        let (faults, clock) = (Faults::default(), Clock::manual());
        let of_accounts = faults.clone();
        let builder = TestRegistry::builder(BackEnd::Folder).clock(clock.clone()).user("grace", &[]);
        let builder = builder.patient_with_logins();
        let builder = builder
            .wrap_accounts(move |inner| Arc::new(FaultyMetadata { inner, faults: of_accounts.clone() }));
        Self { registry: builder.start().await, faults, clock }
    }

    async fn log_in(&self) -> Answer {
        let password = self.registry.password("grace").replace(' ', "+");
        let form = format!("principal=grace&password={password}");
        self.registry.anon().post("/c/login").body(form).await
    }

    /// Logs in; yields the cookie.
    async fn cookie(&self) -> String {
        let answer = self.log_in().await.expect_status(200);
        answer.need("Set-Cookie").split(';').next().unwrap().to_owned()
    }

    async fn sessions(&self) -> i64 {
        self.registry.number("SELECT COUNT(*) FROM sessions").await
    }

    async fn forget(&self) {
        self.registry.sql("DELETE FROM sessions").await;
    }
}

/// Whoever is told that it failed has no session, and nobody waits for one that others were in the way of.
#[tokio::test]
async fn a_login_begins_a_session_or_none() {
    let world = World::new().await;
    // What is read of grace is known from then on, and the calls are the same each time.
    world.log_in().await.expect_status(200);
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Conflict] {
        let mut fired = BTreeSet::new();
        for n in 1..ENDLESS {
            world.forget().await;
            world.faults.arm(n, Mode::Before(kind));
            let answer = world.log_in().await;
            let Some(call) = world.faults.disarm() else { break };
            fired.insert(call);
            let is_in = answer.status == 200;
            assert_eq!(world.sessions().await, i64::from(is_in), "{call} {n}: {answer}");
            assert_eq!(answer.header("Set-Cookie").is_some(), is_in, "{call} {n}: {answer}");
            if kind == StoreErrorKind::Conflict && TRANSACTION.contains(&call) {
                assert!(is_in, "{call} {n} is tried again: {answer}");
            }
            assert!(n + 1 < ENDLESS);
        }
        let all = ["begin", "session_insert", "audit_insert", "commit", "session_has_ended"];
        assert!(all.iter().all(|call| fired.contains(call)), "{kind:?} {fired:?}");
    }
}

#[tokio::test]
async fn what_others_are_always_in_the_way_of_may_be_tried_again() {
    let world = World::new().await;
    world.faults.arm_named_as("session_insert", StoreErrorKind::Conflict);
    world.log_in().await.expect_error(409, "CONFLICT");
    world.faults.arm_named("session_insert");
    world.log_in().await.expect_status(503);
    world.faults.disarm();
    assert_eq!(world.sessions().await, 0);
    world.log_in().await.expect_status(200);
}

/// A session is valid whatever becomes of its renewal, which the next request makes good.
#[tokio::test]
async fn a_session_that_is_not_put_off_answers() {
    let world = World::new().await;
    let cookie = world.cookie().await;
    let end = "SELECT expires_at FROM sessions";
    let first = world.registry.number(end).await;
    world.clock.advance(Duration::from_secs(30 * 60));
    let ask = async || {
        let call = world.registry.anon().get("/api/v2.0/users/current").header("Cookie", &cookie);
        call.await.expect_status(200);
    };
    for call in ["session_extend", "begin"] {
        world.faults.arm_named(call);
        ask().await;
    }
    world.faults.disarm();
    assert_eq!(world.registry.number(end).await, first);
    ask().await;
    assert!(world.registry.number(end).await > first);
}

/// A login goes on where sessions that have ended are not tidied away, which a later one makes good.
#[tokio::test]
async fn what_has_ended_keeps_nobody_from_a_login() {
    let world = World::new().await;
    world.log_in().await.expect_status(200);
    world.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    for call in ["session_has_ended", "sessions_expire"] {
        world.faults.arm_named(call);
        world.log_in().await.expect_status(200);
    }
    world.faults.disarm();
    assert_eq!(world.sessions().await, 3);
    world.log_in().await.expect_status(200);
    assert_eq!(world.sessions().await, 3, "the first one was tidied away");
}

/// That one session of several cannot be ended is told, and keeps no other from its end.
#[tokio::test]
async fn a_logout_ends_what_it_can() {
    let world = World::new().await;
    let mut calls = BTreeSet::new();
    for n in 1..ENDLESS {
        let both = format!("{}; {}", world.cookie().await, world.cookie().await);
        world.faults.arm(n, Mode::Before(StoreErrorKind::Unavailable));
        let answer = world.registry.anon().get("/c/log_out").header("Cookie", &both).await;
        let fired = world.faults.disarm();
        let left = world.sessions().await;
        assert_eq!((answer.status == 200, left <= 1), (left == 0, true), "{fired:?} {n}: {answer}");
        world.forget().await;
        let Some(call) = fired else { break };
        calls.insert(call);
        assert!(n + 1 < ENDLESS);
    }
    let all = ["begin", "session_delete", "audit_insert", "commit"];
    assert!(all.iter().all(|call| calls.contains(call)), "{calls:?}");
}

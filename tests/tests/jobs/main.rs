//! Jobs: that each is done, that none is done by two at a time, and what is said of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod claims;
mod cut_off;
mod gc;
mod history;
mod kinds;
mod node;
mod purge;
mod queue;
mod retention;
mod schedules;
mod stops;
mod trial;

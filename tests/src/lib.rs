//! The test kit: what the suites that cross crates are written with.
//!
//! [`TestRegistry`] is a served registry over stores of its own; [`Client`] and [`RawConnection`] talk to it, politely
//! and not; [`content`] makes what is pushed; [`faults`] makes stores that fail; [`receiver`] is what
//! webhooks are delivered to; [`Process`] runs the built program, over a [`Database`] of a test's own, and [`Harborctl`] the
//! command line.
//!
//! Everything here fails loudly: a helper that cannot do its work panics, and the test with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the kit runs in tests only")]

mod access;
mod client;
pub mod content;
mod database;
mod documents;
mod each;
pub mod faults;
mod harborctl;
mod process;
mod raw;
pub mod receiver;
mod registry;
mod stores;
mod totp;

pub use client::{Answer, Call, Client};
pub use database::Database;
pub use harborctl::{Harborctl, Ran};
pub use process::{Build, Process, outcome};
pub use raw::{RawAnswer, RawConnection};
pub use registry::{RegistryBuilder, TestRegistry};
pub use stores::{BackEnd, Stores};
pub use totp::code_at;

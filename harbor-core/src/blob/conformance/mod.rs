//! The conformance suite of [`BlobStore`]: every clause of its contract as a test that any driver can run.
//!
//! A driver proves itself with one line in its own tests:
//!
//! ```
//! use std::sync::Arc;
//! use harbor_core::blob::BlobStore;
//! use harbor_core::blob::conformance::BlobStoreFixture;
//!
//! # async fn connect() -> Arc<dyn BlobStore> { unimplemented!() }
//! struct MyStore;
//!
//! #[async_trait::async_trait]
//! impl BlobStoreFixture for MyStore {
//!     async fn open(&self) -> Arc<dyn BlobStore> {
//!         connect().await
//!     }
//! }
//!
//! harbor_core::blob_store_conformance!(MyStore);
//! # mod ignored {
//! # use super::MyStore;
//! // Or, when the driver needs a server that is not always there, with attributes for each test:
//! harbor_core::blob_store_conformance!(MyStore, #[ignore = "needs a server"]);
//! # }
//! # fn main() {}
//! ```

// A test suite: it fails by panicking, and it ships in the library only so that others can run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod content;
mod reading;
mod removal;
mod resuming;
mod session;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;

pub use reading::{missing, ranges, reads_while_others_read, signed_url_or_none};
pub use removal::{
    delete, delete_all, delete_of_nonsense, discard_after_commit, discard_after_park, discard_of_large,
    discard_of_nothing, discard_stops_the_writer, tidy,
};
pub use resuming::{
    cancelled_write, checkpoint, drop_beyond_the_offset, earlier_state, earlier_state_of_large,
    random_histories, resume, resume_in_small_steps, resume_of_large, resume_without_bytes,
};
pub use writing::{concurrent, empty, empty_pieces, healthy, large, own_location, round_trip, sha512};

use super::BlobStore;

/// A store to test, which can be opened more than once.
#[async_trait]
pub trait BlobStoreFixture: Send + Sync {
    /// One more instance of the driver over the same bytes, as another node would have it.
    async fn open(&self) -> Arc<dyn BlobStore>;

    /// How many files or objects the store holds, when the fixture can tell: it shows that nothing is left behind.
    async fn count(&self) -> Option<usize> {
        None
    }
}

/// Runs one clause to its end, on a runtime of its own with two threads.
pub fn run(clause: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(clause);
}

/// Makes one `#[test]` of each clause of the contract of [`BlobStore`](crate::blob::BlobStore).
///
/// The first argument is an expression that yields a fresh [`BlobStoreFixture`]; it is evaluated once per test. What
/// follows are attributes for each test, such as `#[ignore = "needs a server"]`.
#[macro_export]
macro_rules! blob_store_conformance {
    ($fixture:expr $(, $(#[$attribute:meta])*)?) => {
        $crate::blob_store_conformance! { @all $fixture, [$($(#[$attribute])*)?],
            round_trip sha512 empty empty_pieces large own_location concurrent healthy
            ranges missing reads_while_others_read signed_url_or_none
            resume resume_in_small_steps resume_without_bytes resume_of_large
            drop_beyond_the_offset cancelled_write earlier_state earlier_state_of_large checkpoint
            random_histories
            discard_of_nothing discard_after_park discard_after_commit discard_of_large discard_stops_the_writer
            tidy delete delete_all delete_of_nonsense
        }
    };
    (@all $fixture:expr, $attributes:tt, $($clause:ident)*) => {
        $($crate::blob_store_conformance! { @one $fixture, $attributes, $clause })*
    };
    (@one $fixture:expr, [$($attribute:tt)*], $clause:ident) => {
        #[test]
        $($attribute)*
        fn $clause() {
            $crate::blob::conformance::run(async {
                $crate::blob::conformance::$clause(&$fixture).await;
            });
        }
    };
}

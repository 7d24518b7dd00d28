//! Clauses about uploads that are put down and taken up again.

use bytes::Bytes;
use futures_util::FutureExt;

use super::BlobStoreFixture;
use super::content::{Numbers, content, odd_writes};
use super::session::Session;

const MIB: usize = 1_048_576;

/// *Resume*: a parked upload goes on at its offset, in another instance.
pub async fn resume(fixture: &dyn BlobStoreFixture) {
    for size in [10, 70_000, 300_000, 2 * MIB] {
        let mut session = Session::new(fixture);
        session.append(&content(1, size)).await;
        session.finish_and_compare(&content(2, size)).await;
    }
}

/// *Resume*, many times, as a client does that sends small chunks.
pub async fn resume_in_small_steps(fixture: &dyn BlobStoreFixture) {
    let mut session = Session::new(fixture);
    for step in 0..20 {
        session.append(&content(step, 1 + 977 * usize::try_from(step).unwrap())).await;
    }
    session.finish_and_compare(&Bytes::from_static(b"end")).await;
}

/// *Resume*: a request may bring no bytes, at the beginning, in the middle and at the end.
pub async fn resume_without_bytes(fixture: &dyn BlobStoreFixture) {
    let nothing = Bytes::new();
    let mut session = Session::new(fixture);
    session.append(&nothing).await;
    session.append(&content(1, 100)).await;
    session.append(&nothing).await;
    session.finish_and_compare(&nothing).await;

    let mut session = Session::new(fixture);
    session.append(&nothing).await;
    session.finish_and_compare(&nothing).await;
}

/// *Resume*, of an upload of many parts that is parked before the first part, between parts and within one.
pub async fn resume_of_large(fixture: &dyn BlobStoreFixture) {
    let mut session = Session::new(fixture);
    for (seed, size) in [(1, 3 * MIB), (2, 8 * MIB), (3, 5 * MIB), (4, 17), (5, 12 * MIB + 1)] {
        session.append(&content(seed, size)).await;
    }
    session.finish_and_compare(&content(6, 9 * MIB)).await;
}

/// *Drop beyond the offset*: what a writer wrote that was dropped is not in the blob.
pub async fn drop_beyond_the_offset(fixture: &dyn BlobStoreFixture) {
    for lost in [1, 100_000, 3 * MIB] {
        for kept in [0, 50_000] {
            let mut session = Session::new(fixture);
            session.append(&content(1, kept)).await;
            let mut writer = session.writer().await;
            session.feed(&mut writer, &content(2, lost)).await;
            drop(writer);
            session.finish_and_compare(&content(3, 10)).await;
        }
    }
}

/// *Cancelled*: a call that was dropped half-way does not reach into what a later writer writes.
pub async fn cancelled_write(fixture: &dyn BlobStoreFixture) {
    for seed in 0..16 {
        let mut session = Session::new(fixture);
        session.append(&content(seed, 1_000)).await;
        let mut writer = session.writer().await;
        for pieces in odd_writes(&content(90, 2 * MIB)) {
            if let Some(written) = writer.write(pieces).now_or_never() {
                session.checkpoint(written.unwrap());
            } else {
                break;
            }
        }
        // Half of the time the call that is dropped is the one that parks.
        if seed % 2 == 0 {
            drop(writer.park().now_or_never());
        } else {
            drop(writer);
        }
        session.finish_and_compare(&content(91, 3 * MIB)).await;
    }
}

/// *Earlier state*: an upload goes on from the last recorded state, also when a later one was lost.
pub async fn earlier_state(fixture: &dyn BlobStoreFixture) {
    for lost in [1, 5_000, MIB] {
        let mut session = Session::new(fixture);
        session.append(&content(1, 5_000)).await;
        lose_a_park(&mut session, lost).await;
        lose_a_park(&mut session, 2).await;
        session.append(&content(3, 40)).await;
        lose_a_park(&mut session, lost).await;
        session.finish_and_compare(&Bytes::new()).await;
    }
}

/// *Earlier state*, of an upload of many parts.
pub async fn earlier_state_of_large(fixture: &dyn BlobStoreFixture) {
    let mut session = Session::new(fixture);
    session.append(&content(1, 9 * MIB)).await;
    lose_a_park(&mut session, MIB).await;
    lose_a_park(&mut session, 9 * MIB).await;
    session.append(&content(2, 9 * MIB)).await;
    lose_a_park(&mut session, 17 * MIB).await;
    session.append(&content(3, 6)).await;
    lose_a_park(&mut session, 3).await;
    session.finish_and_compare(&content(4, MIB)).await;
}

/// A writer that parks but whose process dies before the state is recorded.
async fn lose_a_park(session: &mut Session<'_>, size: usize) {
    let mut writer = session.writer().await;
    session.feed(&mut writer, &content(1_000, size)).await;
    writer.park().await.unwrap();
}

/// *Earlier state*: a checkpoint is recorded with the offset of the last park, and the upload goes on from there.
pub async fn checkpoint(fixture: &dyn BlobStoreFixture) {
    for kept in [0, 2 * MIB + 1, 20 * MIB] {
        let mut session = Session::new(fixture);
        session.append(&content(1, kept)).await;
        let mut writer = session.writer().await;
        session.feed(&mut writer, &content(2, 20 * MIB)).await;
        drop(writer);
        session.finish_and_compare(&content(3, 18 * MIB)).await;
    }
}

/// All of that in random order, with fixed seeds so that a failure can be seen again.
pub async fn random_histories(fixture: &dyn BlobStoreFixture) {
    for seed in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233] {
        println!("history {seed}");
        random_history(fixture, seed).await;
    }
}

async fn random_history(fixture: &dyn BlobStoreFixture, seed: u64) {
    let mut numbers = Numbers::new(seed);
    let mut session = Session::new(fixture);
    for _ in 0..10 {
        let size = random_size(&mut numbers);
        let bytes = content(numbers.next(), size);
        let mut writer = session.writer().await;
        match numbers.below(6) {
            0 => drop(writer.write(vec![bytes]).now_or_never()),
            1 => session.feed(&mut writer, &bytes).await,
            2 => lose_a_park(&mut session, size).await,
            _ => {
                session.feed(&mut writer, &bytes).await;
                session.park(writer, &bytes).await;
            }
        }
    }
    let size = random_size(&mut numbers);
    session.finish_and_compare(&content(numbers.next(), size)).await;
}

fn random_size(numbers: &mut Numbers) -> usize {
    let limit = [1, 100, 70_000, 600_000, 600_000, 10 * MIB][numbers.below(6)];
    numbers.below(limit + 1)
}

//! Pushes, measured.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::client::{Client, Failure, unique};
use crate::pace::{Pace, tell};

/// From this size on, blobs are streamed as docker does.
const STREAMED: usize = 8 * 1024 * 1024;

/// What is pushed.
#[derive(Clone, Debug)]
pub(crate) struct Pushes {
    pub(crate) repository: String,
    /// Of a blob, in bytes.
    pub(crate) size: usize,
    pub(crate) count: usize,
    pub(crate) clients: usize,
    /// Blobs a second, of all clients together; as fast as they can, where none is said.
    pub(crate) rate: Option<f64>,
}

pub(crate) async fn run(client: &Client, pushes: &Pushes) -> Result<(), Failure> {
    let Pushes { repository, size, count, clients, rate } = pushes;
    // Different in each run, so that nothing is there already.
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
    let seed = |number: usize| (u64::from(run) << 32) + number as u64;
    // Large content is made ahead of the clock, a few different ones: making it costs what pushing it does.
    let mut ready: Vec<Vec<_>> = vec![Vec::new(); *clients];
    for number in 0..*count {
        if let Some(its) = ready.get_mut(number % clients) {
            its.push(unique(*size, seed(number)));
        }
    }
    let begun = Instant::now();
    let took: Vec<_> = stream::iter(ready.into_iter().enumerate())
        .map(|(number, content)| async move {
            let mut pace = Pace::new(*rate, *clients, number);
            let mut took = Vec::with_capacity(content.len());
            for (content, digest) in content {
                let mut began = pace.next();
                if began > Instant::now() {
                    tokio::time::sleep_until(began.into()).await;
                    began = Instant::now();
                }
                match *size >= STREAMED {
                    true => client.stream_blob(repository, content, &digest).await?,
                    false => client.push_blob(repository, content, &digest).await?,
                }
                took.push(began.elapsed());
            }
            Ok::<_, Failure>(took)
        })
        .buffer_unordered(*clients)
        .try_collect()
        .await?;
    tell(took.concat(), begun.elapsed(), count * size)
}

//! Pushes, measured.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::client::{Client, Failure, unique};

/// From this size on, blobs are streamed as docker does.
const STREAMED: usize = 8 * 1024 * 1024;

pub(crate) async fn run(
    client: &Client,
    repository: &str,
    size: usize,
    count: usize,
    clients: usize,
) -> Result<(), Failure> {
    // Different in each run, so that nothing is there already.
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
    let seed = |number: usize| (u64::from(run) << 32) + number as u64;
    // Large content is made ahead of the clock, a few different ones: making it costs what pushing it does.
    let ready: Vec<_> = (0..count).map(|number| unique(size, seed(number))).collect();
    let begun = Instant::now();
    let mut took: Vec<Duration> = stream::iter(ready)
        .map(|(content, digest)| async move {
            let began = Instant::now();
            if size >= STREAMED {
                client.stream_blob(repository, content, &digest).await?;
            } else {
                client.push_blob(repository, content, &digest).await?;
            }
            Ok::<_, Failure>(began.elapsed())
        })
        .buffer_unordered(clients)
        .try_collect()
        .await?;
    let elapsed = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| {
        let index = ((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1));
        took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "requests {count} rate {:.1} mib {:.1} p50 {:.2} p99 {:.2}",
        count as f64 / elapsed,
        (count * size) as f64 / elapsed / 1048576.0,
        at(0.5),
        at(0.99)
    )?;
    Ok(())
}

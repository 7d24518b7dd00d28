//! Use cases whose callers do not wait for them to end, as when a client's connection breaks.

use futures_util::FutureExt;

use crate::world::{EXTRA, ONE, World, facts, fill_caches};

/// Dropped after every number of polls, with caches that are read all the while: what is cached is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_gives_up() {
    for polls in 0..60 {
        let world = World::new().await;
        world.push_image(ONE, 1, &["latest"]).await.unwrap();
        fill_caches(&world.harbor).await;
        give_up_after(polls, world.push_manifest(ONE, 2, &["latest", "v2"])).await;
        fill_caches(&world.harbor).await;
        give_up_after(polls, world.delete_tag(ONE, "latest")).await;
        fill_caches(&world.harbor).await;
        give_up_after(polls, world.push_blob(ONE, EXTRA)).await;
        fill_caches(&world.harbor).await;
        give_up_after(polls, world.delete_blob(ONE, EXTRA)).await;
        fill_caches(&world.harbor).await;
        give_up_after(polls, world.delete_manifest(ONE, 1)).await;
        fill_caches(&world.harbor).await;
        // What goes on in the background comes to its end.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        assert_eq!(facts(&world.harbor).await, facts(&world.fresh()).await, "{polls} polls");
    }
}

async fn give_up_after<T>(polls: u32, work: impl Future<Output = T>) {
    let mut work = Box::pin(work.fuse());
    for _ in 0..polls {
        if work.as_mut().now_or_never().is_some() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

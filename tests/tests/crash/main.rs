//! The real server on a folder, killed at random moments: whatever it answered for is there after the restart.
//!
//! `HARBOR_SERVER_BIN` names the binary (`target/release/harbor-server` where it is not set), `HARBOR_CRASH_ROUNDS` how often
//! it is killed, `HARBOR_CRASH_SEED` repeats a run.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod client;
mod collecting;
mod content;
mod disk;
mod repository;
mod retention;
mod server;

use std::time::Duration;

use content::Numbers;
use repository::Repository;
use server::Server;

/// Clients that push and delete at once, each in a repository of its own, with layers in common.
const CLIENTS: u64 = 4;

/// The server is killed this many milliseconds after its clients began, at most.
const LONGEST: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the release server"]
async fn killed_at_random_moments() {
    let rounds = number("HARBOR_CRASH_ROUNDS").unwrap_or(200);
    let seed = number("HARBOR_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 7_919);
    println!("HARBOR_CRASH_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut moments = Numbers::new(seed);
    let mut repositories: Vec<_> = (0..CLIENTS).map(|n| Repository::new(n, seed)).collect();
    for round in 0..rounds {
        let server = Server::start(folder.path()).await;
        repositories = verified(repositories, &server, round).await;
        let working: Vec<_> = repositories
            .into_iter()
            .map(|mut repository| {
                let client = server.client();
                tokio::spawn(async move {
                    repository.work(&client).await;
                    repository
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(moments.below(LONGEST + 1))).await;
        server.kill().await;
        repositories = joined(working).await;
    }
    let server = Server::start(folder.path()).await;
    let repositories = verified(repositories, &server, rounds).await;
    disk::assert_reclaimed(folder.path()).await;
    // Nothing that is needed went with the garbage.
    let repositories = verified(repositories, &server, rounds).await;
    server.kill().await;
    let answered: u64 = repositories.iter().map(|repository| repository.answered).sum();
    let doubts: u64 = repositories.iter().map(|repository| repository.doubts).sum();
    println!("{rounds} rounds, {answered} requests answered, {doubts} left in doubt");
    assert!(rounds < 20 || (answered > rounds && doubts > rounds / 4), "hardly anything happened");
}

async fn verified(repositories: Vec<Repository>, server: &Server, round: u64) -> Vec<Repository> {
    let verifying = repositories.into_iter().map(|mut repository| {
        let client = server.client();
        tokio::spawn(async move {
            repository.verify(&client, round).await;
            repository
        })
    });
    joined(verifying.collect()).await
}

async fn joined(tasks: Vec<tokio::task::JoinHandle<Repository>>) -> Vec<Repository> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

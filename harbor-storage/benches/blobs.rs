//! What the folder driver costs: run with `cargo bench -p harbor-storage --bench blobs`.
//!
//! Reads come from the page cache; writes end on the disk that `TMPDIR` is on.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use futures_util::StreamExt;
use futures_util::future::join_all;
use harbor_core::blob::{BlobStore, DriverState, Location, UploadId};
use harbor_core::oci::{Algorithm, Digest};
use harbor_storage::blobs::FolderBlobs;
use tokio::runtime::Runtime;

const MIB: usize = 1024 * 1024;

fn main() {
    divan::main();
}

struct Setup {
    runtime: Runtime,
    store: FolderBlobs,
    _folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = runtime.block_on(FolderBlobs::open(folder.path())).unwrap();
        Self { runtime, store, _folder: folder }
    }

    fn push(&self, size: usize) -> Location {
        self.runtime.block_on(push(&self.store, &pieces(size)))
    }
}

/// Pieces as a connection yields them.
fn pieces(size: usize) -> Vec<Bytes> {
    let piece = Bytes::from(vec![7; size.min(64 * 1024)]);
    (0..size.div_ceil(piece.len().max(1))).map(|_| piece.clone()).collect()
}

async fn push(store: &FolderBlobs, pieces: &[Bytes]) -> Location {
    let mut writer = store.writer(UploadId::random(), &DriverState::default(), 0).await.unwrap();
    for piece in pieces {
        writer.write(vec![piece.clone()]).await.unwrap();
    }
    writer.commit(&Digest::of(Algorithm::Sha256, b"")).await.unwrap()
}

async fn read(store: &FolderBlobs, location: &Location, size: usize) {
    let mut body = store.open(location, 0..size as u64).await.unwrap();
    while let Some(piece) = body.next().await {
        divan::black_box(piece.unwrap());
    }
}

#[divan::bench(args = [1024, 64 * 1024, MIB, 100 * MIB])]
fn read_cached(bencher: Bencher<'_, '_>, size: usize) {
    let setup = Setup::new();
    let location = setup.push(size);
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| setup.runtime.block_on(read(&setup.store, &location, size)));
}

/// As a server does it: each piece goes to a socket, and somebody takes it from there.
#[divan::bench(args = [MIB, 100 * MIB])]
fn send_cached(bencher: Bencher<'_, '_>, size: usize) {
    let setup = Setup::new();
    let location = setup.push(size);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let draining = std::thread::spawn(move || {
        let mut space = vec![0; MIB];
        while receiver.read(&mut space).unwrap() > 0 {}
    });
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        setup.runtime.block_on(async {
            let mut body = setup.store.open(&location, 0..size as u64).await.unwrap();
            while let Some(piece) = body.next().await {
                sender.write_all(&piece.unwrap()).unwrap();
            }
        });
    });
    drop(sender);
    draining.join().unwrap();
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn write_100_mib(bencher: Bencher<'_, '_>) {
    let setup = Setup::new();
    let pieces = pieces(100 * MIB);
    let bencher = bencher.counter(BytesCount::new(100 * MIB));
    bencher.bench_local(|| {
        let location = setup.runtime.block_on(push(&setup.store, &pieces));
        setup.runtime.block_on(setup.store.delete(&location)).unwrap();
    });
}

#[divan::bench(args = [1, 8, 64, 256], sample_count = 20, sample_size = 1)]
fn commit_small(bencher: Bencher<'_, '_>, at_once: usize) {
    let setup = Setup::new();
    let pieces = pieces(4096);
    bencher.counter(ItemsCount::new(at_once)).bench_local(|| {
        setup.runtime.block_on(join_all((0..at_once).map(|_| {
            let (store, pieces) = (setup.store.clone(), pieces.clone());
            async move { tokio::spawn(async move { push(&store, &pieces).await }).await }
        })))
    });
}

//! A way to a registry that breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// Which way breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the registry.
    Up,
    /// From it.
    Down,
}

/// Passes on to a registry what comes, and ends a connection that has carried so many bytes, so many times.
pub(crate) struct Breaker {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _serving: AbortOnDropHandle<()>,
}

struct State {
    way: Way,
    after: u64,
    left: AtomicUsize,
    carried: AtomicU64,
}

impl Breaker {
    pub(crate) async fn start(to: SocketAddr, way: Way, after: u64, times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { way, after, left: AtomicUsize::new(times), carried: AtomicU64::new(0) });
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let (from, _) = listener.accept().await.unwrap();
                let to = TcpStream::connect(to).await.unwrap();
                tokio::spawn(carry(Arc::clone(&shared), from, to));
            }
        });
        Self { address, state, _serving: AbortOnDropHandle::new(serving) }
    }

    /// How often it is still to break.
    pub(crate) fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }

    /// How many bytes went the way that breaks.
    pub(crate) fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::SeqCst)
    }
}

async fn carry(state: Arc<State>, from: TcpStream, to: TcpStream) {
    let broken = Arc::new(Notify::new());
    let ((from_read, from_write), (to_read, to_write)) = (from.into_split(), to.into_split());
    let up = one_way(Arc::clone(&state), Way::Up, from_read, to_write, Arc::clone(&broken));
    let down = one_way(Arc::clone(&state), Way::Down, to_read, from_write, Arc::clone(&broken));
    tokio::select! {
        () = broken.notified() => {}
        _ = async { tokio::join!(up, down) } => {}
    }
}

async fn one_way(
    state: Arc<State>,
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    broken: Arc<Notify>,
) {
    let (mut carried, mut buffer) = (0, vec![0; 16 * 1024]);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        carried += length as u64;
        if way == state.way {
            state.carried.fetch_add(length as u64, Ordering::SeqCst);
            let less = |left: usize| left.checked_sub(1);
            if carried > state.after
                && state.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
            {
                broken.notify_one();
                return;
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

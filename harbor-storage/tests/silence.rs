//! A database server that is away, or says nothing: whoever asks is told soon, and it goes on afterwards.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![cfg(any(feature = "postgres", feature = "mysql"))]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harbor_core::StoreErrorKind;
use harbor_core::meta::{MetadataStore, Reads};
use harbor_storage::sql::SqlMetadata;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// How long somebody waits at most to hear that the server cannot be reached.
const SOON: Duration = Duration::from_secs(4);

/// More than there are connections.
const MANY: usize = 100;

/// What a proxy does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Passes everything on.
    Open,
    /// Keeps connections, and takes new ones, and passes nothing on.
    Silent,
    /// Breaks connections off.
    Cut,
}

/// Stands between a store and its server.
struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Proxy {
    async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (line, state) = watch::channel(Line::Open);
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(Self::pass(client, target, state.clone()));
            }
        });
        Self { address, line }
    }

    async fn pass(client: TcpStream, target: SocketAddr, mut state: watch::Receiver<Line>) {
        let mut end = state.clone();
        let _ = state.wait_for(|line| *line != Line::Silent).await;
        let Ok(server) = TcpStream::connect(target).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = Self::one_way(from_client, to_server, state.clone()) => {}
            () = Self::one_way(from_server, to_client, state) => {}
            _ = end.wait_for(|line| *line == Line::Cut) => {}
        }
    }

    async fn one_way(
        mut from: impl AsyncReadExt + Unpin,
        mut to: impl AsyncWriteExt + Unpin,
        mut state: watch::Receiver<Line>,
    ) {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let _ = state.wait_for(|line| *line == Line::Open).await;
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }

    fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// A store behind a proxy.
async fn store(variable: &str) -> (Arc<SqlMetadata>, Proxy) {
    let url = std::env::var(variable);
    let url = url.unwrap_or_else(|_| panic!("{variable} is not set; this test runs against a server"));
    let mut url = Url::parse(&url).unwrap();
    let port = if url.scheme() == "mysql" { 3306 } else { 5432 };
    let proxy = Proxy::before(url.socket_addrs(|| Some(port)).unwrap()[0]).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.address.port())).unwrap();
    (Arc::new(SqlMetadata::connect(url.as_str()).await.unwrap()), proxy)
}

async fn works(store: &SqlMetadata) {
    let begin = Instant::now();
    while let Err(error) = ask(store).await {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{error}");
    }
}

async fn ask(store: &SqlMetadata) -> Result<(), harbor_core::StoreError> {
    store.read().await?.setting("anything").await.map(drop)
}

/// Many ask at once, to read and to write, and all are told soon.
async fn all_are_told_soon(store: &Arc<SqlMetadata>) {
    let begin = Instant::now();
    let asking = (0..MANY).map(|number| async move {
        let outcome = if number % 2 == 0 { ask(store).await } else { store.begin().await.map(drop) };
        (outcome.expect_err("nobody is there").kind(), begin.elapsed())
    });
    for (kind, took) in join_all(asking).await {
        assert_eq!(kind, StoreErrorKind::Unavailable);
        assert!(took < SOON, "{took:?}");
    }
}

/// So many connections are open, and known not to have been used just now.
async fn warm(store: &Arc<SqlMetadata>, connections: usize) {
    let sessions = join_all((0..connections).map(|_| async { store.read().await.unwrap() })).await;
    drop(sessions);
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

async fn a_server_that_is_away(variable: &str) {
    let (store, proxy) = store(variable).await;
    warm(&store, 32).await;
    proxy.set(Line::Cut);
    all_are_told_soon(&store).await;
    proxy.set(Line::Open);
    works(&store).await;
}

async fn a_server_that_falls_silent(variable: &str) {
    let (store, proxy) = store(variable).await;
    works(&store).await;
    let (mut reading, mut writing) = (store.read().await.unwrap(), store.begin().await.unwrap());
    warm(&store, 30).await;
    proxy.set(Line::Silent);
    let begin = Instant::now();
    all_are_told_soon(&store).await;
    // A statement that is under way may take its time, but not for ever.
    let (read, written) = tokio::join!(reading.setting("anything"), writing.setting("anything"));
    for fault in [read.unwrap_err(), written.unwrap_err()] {
        assert_eq!(fault.kind(), StoreErrorKind::Unavailable, "{fault}");
    }
    assert!(begin.elapsed() < Duration::from_secs(36), "{:?}", begin.elapsed());
    drop((reading, writing));
    proxy.set(Line::Open);
    works(&store).await;
    warm(&store, 32).await;
}

async fn a_busy_pool_is_waited_for(variable: &str) {
    let (store, _proxy) = store(variable).await;
    let sessions: Vec<Box<dyn Reads>> =
        join_all((0..32).map(|_| async { store.read().await.unwrap() })).await;
    let waiting = join_all((0..MANY).map(|_| ask(&store)));
    let free = async {
        tokio::time::sleep(SOON).await;
        drop(sessions);
    };
    let (outcomes, ()) = tokio::join!(waiting, free);
    for outcome in outcomes {
        outcome.unwrap();
    }
}

macro_rules! server {
    ($module:ident, $variable:literal, $reason:literal, $($test:ident)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = $reason]
                async fn $test() {
                    super::$test($variable).await;
                }
            )*
        }
    };
}

#[cfg(feature = "postgres")]
server!(
    postgres, "HARBOR_TEST_POSTGRES_URL", "needs PostgreSQL",
    a_server_that_is_away a_server_that_falls_silent a_busy_pool_is_waited_for
);

#[cfg(feature = "mysql")]
server!(
    mysql, "HARBOR_TEST_MYSQL_URL", "needs MariaDB",
    a_server_that_is_away a_server_that_falls_silent a_busy_pool_is_waited_for
);

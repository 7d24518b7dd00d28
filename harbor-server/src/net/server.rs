//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::tls::{self, TlsFiles};
use crate::app::App;

/// How many connections are open at once.
const CONNECTIONS: usize = 16 * 1024;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// How long what is under way may take to finish once the server is told to stop.
const FAREWELL: Duration = Duration::from_secs(60);

/// How often figures are folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves a registry on a socket.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<(TlsFiles, Arc<ServerConfig>, Arc<tls::Current>)>,
    look: Duration,
}

impl Server {
    /// Listens on `address`; port 0 is a free one.
    ///
    /// # Errors
    /// When the address is taken, or the certificate does not read.
    pub async fn bind(app: Arc<App>, address: SocketAddr, tls: Option<TlsFiles>) -> io::Result<Self> {
        let tls = match tls {
            None => None,
            Some(files) => {
                let (config, current) = tls::configure(&files).map_err(io::Error::other)?;
                Some((files, config, current))
            }
        };
        let listener = TcpListener::bind(address).await?;
        Ok(Self { app, listener, tls, look: tls::LOOK })
    }

    /// How often the certificate's files are looked at for a change. Default: 5 seconds.
    #[must_use]
    pub const fn look_every(mut self, look: Duration) -> Self {
        self.look = look;
        self
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// As the operating system fails.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is cancelled; then takes no more connections, finishes what is under way, for a minute at most,
    /// and returns.
    pub async fn serve(self, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let turns = Arc::new(Semaphore::new(CONNECTIONS));
        let beside = self.beside();
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => break,
                turn = Arc::clone(&turns).acquire_owned() => turn,
            };
            let (Ok(turn), Some((stream, peer))) = (turn, self.accept(&stop).await) else { break };
            connections.spawn(self.connection(stream, peer, turn, &stop));
        }
        drop(self.listener);
        self.app.leaving.cancel();
        connections.close();
        if tokio::time::timeout(FAREWELL, connections.wait()).await.is_err() {
            tracing::warn!(left = connections.len(), "some requests did not finish in time");
        }
        beside.abort();
    }

    /// What runs beside the connections: the certificate's watch and the figures' upkeep.
    fn beside(&self) -> tokio::task::AbortHandle {
        let app = Arc::clone(&self.app);
        let look = self.look;
        let watch =
            self.tls.as_ref().map(|(files, _, current)| tls::watch(files.clone(), Arc::clone(current), look));
        let upkeep = async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                app.metrics.upkeep();
            }
        };
        let task = tokio::spawn(async move {
            match watch {
                None => upkeep.await,
                Some(watch) => {
                    tokio::join!(watch, upkeep);
                }
            }
        });
        task.abort_handle()
    }

    /// The next connection. Running out of file descriptors is waited out: the loop never ends by itself.
    async fn accept(&self, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return None,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        turn: OwnedSemaphorePermit,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (app, stop) = (Arc::clone(&self.app), stop.clone());
        let acceptor = self.tls.as_ref().map(|(_, config, _)| TlsAcceptor::from(Arc::clone(config)));
        async move {
            let _turn = turn;
            // Without it a small answer may wait 40 ms for the client's acknowledgement of the one before.
            if stream.set_nodelay(true).is_err() {
                return;
            }
            match acceptor {
                None => connection::serve_plain(app, stream, peer, stop).await,
                Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => connection::serve(app, stream, peer, None, stop).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
        }
    }
}

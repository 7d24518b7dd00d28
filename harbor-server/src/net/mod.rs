//! Listening: connections, TLS, limits, and an orderly end.

mod connection;
mod sendfile;
mod server;
mod tls;
mod watch;

pub(crate) use sendfile::FileQueue;
pub use server::Server;
pub use tls::TlsFiles;

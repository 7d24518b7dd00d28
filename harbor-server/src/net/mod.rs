//! Listening: connections, TLS, limits, and an orderly end.

mod connection;
mod server;
mod tls;
mod watch;

pub use server::Server;
pub use tls::TlsFiles;

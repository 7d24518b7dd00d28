//! Forwarding of the audit log by syslog, over TCP (RFC 6587, octet counting) or TLS (RFC 5425).
//!
//! The log itself is the buffer: a cursor says how far it went, so nothing is lost while the receiver is away or the server
//! restarts, and nobody waits for it. A receiver answers nothing, so lines count as gone when the connection still stands a moment
//! after they were written; when it breaks, they go once more. Each line has its key in it, by which a receiver knows it again.

mod syslog;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harbor_core::meta::{AuditId, AuditRow};
use harbor_core::{ConfigKey, ForwardTarget, Harbor};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How the audit log is forwarded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ForwardOptions {
    /// A PEM file of the certificates that a receiver's must come from, for TLS.
    pub authorities: PathBuf,
    /// How often it is looked for new lines.
    pub interval: Duration,
    /// The first wait after a failure; it doubles up to sixty times as long.
    pub backoff: Duration,
    /// For how long a connection must stand after lines were written to it.
    pub grace: Duration,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        Self {
            authorities: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            interval: Duration::from_secs(1),
            backoff: Duration::from_secs(1),
            grace: Duration::from_millis(100),
        }
    }
}

/// How long connecting, or writing some lines, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a node says that it still forwards: more than once in the time for which it has the cursor.
const RENEWAL: Duration = Duration::from_secs(10);

/// How much less often it is looked whether there is a receiver by now, while there is none.
const UNUSED: u32 = 10;

/// How much longer the longest wait after failures is than the first.
const LONGEST: u32 = 60;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why lines did not go.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Forwards the audit log to where the configuration says, until `stop` is cancelled. Of several nodes, one does.
pub async fn forward_audit(harbor: Harbor, options: ForwardOptions, stop: CancellationToken) {
    let holder = uuid::Uuid::new_v4().to_string();
    let mut forwarder = Forwarder { harbor, options, holder, held: None, open: None };
    let mut wait = 1;
    loop {
        let pause = tokio::select! {
            () = stop.cancelled() => break,
            forwarded = forwarder.forward() => match forwarded {
                Ok(forwards) => {
                    wait = 1;
                    forwarder.options.interval * if forwards { 1 } else { UNUSED }
                }
                Err(error) => {
                    forwarder.open = None;
                    tracing::warn!(error, "the audit log was not forwarded, and will be");
                    let pause = forwarder.options.backoff * wait;
                    wait = (wait * 2).min(LONGEST);
                    pause
                }
            },
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    if forwarder.held.is_some()
        && let Err(error) = forwarder.harbor.audit().forward_release(&forwarder.holder).await
    {
        tracing::debug!(%error, "other nodes forward the audit log half a minute later");
    }
}

struct Forwarder {
    harbor: Harbor,
    options: ForwardOptions,
    holder: String,
    /// The last line that went, and since when the cursor is known to be ours.
    held: Option<(AuditId, Instant)>,
    /// The connection, and where it leads.
    open: Option<(ForwardTarget, Box<dyn Stream>)>,
}

impl Forwarder {
    /// Sends all that there is to send. Yields whether it is configured that there is a receiver.
    async fn forward(&mut self) -> Result<bool, Failure> {
        let configured = self.harbor.configuration().await?.text(ConfigKey::AuditLogForwardEndpoint);
        let Some(target) = ForwardTarget::read(&configured) else {
            self.open = None;
            return Ok(false);
        };
        let audit = self.harbor.clone();
        let held = self.held.filter(|(_, since)| since.elapsed() < RENEWAL);
        let claimed = match held {
            Some((last, _)) => Some(last),
            None => audit.audit().forward_claim(&self.holder).await?,
        };
        let Some(mut last) = claimed else {
            (self.open, self.held) = (None, None);
            return Ok(true);
        };
        if held.is_none() {
            self.held = Some((last, Instant::now()));
        }
        loop {
            let lines = audit.audit().forward_next(last).await?;
            let Some(next) = lines.last().map(|row| row.id) else { return Ok(true) };
            self.send(&target, &lines).await?;
            if !audit.audit().forwarded(&self.holder, &lines).await? {
                self.held = None;
                return Ok(true);
            }
            last = next;
            self.held = Some((last, Instant::now()));
        }
    }

    async fn send(&mut self, target: &ForwardTarget, lines: &[AuditRow]) -> Result<(), Failure> {
        if self.open.as_ref().is_none_or(|(open, _)| open != target) {
            let stream = tokio::time::timeout(PATIENCE, connect(target, &self.options)).await??;
            self.open = Some((target.clone(), stream));
        }
        let Some((_, stream)) = &mut self.open else { return Ok(()) };
        let node = &self.harbor.settings().node;
        let text: String = lines.iter().map(|row| syslog::frame(row, node)).collect();
        tokio::time::timeout(PATIENCE, async {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await
        })
        .await??;
        // Whoever dies with lines unread breaks the connection.
        let mut rest = [0; 256];
        match tokio::time::timeout(self.options.grace, stream.read(&mut rest)).await {
            Err(_) | Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0)) => Err("the receiver closed the connection".into()),
            Ok(Err(error)) => Err(error.into()),
        }
    }
}

async fn connect(target: &ForwardTarget, options: &ForwardOptions) -> Result<Box<dyn Stream>, Failure> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    if !target.tls {
        return Ok(Box::new(stream));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&options.authorities)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(target.host.clone())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(Box::new(connector.connect(name, stream).await?))
}

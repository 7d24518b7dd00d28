//! Forwarding of the audit log by syslog, over TCP (RFC 6587, octet counting) or TLS (RFC 5425).
//!
//! The log itself is the buffer: a cursor says how far it went, so nothing is lost while the receiver is away or the server
//! restarts, and nobody waits for it. A receiver answers nothing, and what the system took to send may never come to it. So lines
//! count as gone when it has closed its end of the connection behind ours, which it does once it has read them; when the connection
//! breaks instead, they go once more. Each line has its key in it, by which a receiver knows it again.

mod syslog;

use std::io::ErrorKind;
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
    /// For how long a receiver has to close its end of a connection behind ours. One that does not has the lines all the same.
    pub grace: Duration,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        Self {
            authorities: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            interval: Duration::from_secs(1),
            backoff: Duration::from_secs(1),
            grace: Duration::from_secs(5),
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

/// How many lines go by one connection, about.
const MOST: usize = 10_000;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why lines did not go.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Forwards the audit log to where the configuration says, until `stop` is cancelled. Of several nodes, one does.
pub async fn forward_audit(harbor: Harbor, options: ForwardOptions, stop: CancellationToken) {
    let holder = uuid::Uuid::new_v4().to_string();
    let mut forwarder = Forwarder { harbor, options, holder, held: None };
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
}

impl Forwarder {
    /// Sends all that there is to send. Yields whether it is configured that there is a receiver.
    async fn forward(&mut self) -> Result<bool, Failure> {
        let configured = self.harbor.configuration().await?.text(ConfigKey::AuditLogForwardEndpoint);
        let Some(target) = ForwardTarget::read(&configured) else { return Ok(false) };
        let held = self.held.filter(|(_, since)| since.elapsed() < RENEWAL);
        let claimed = match held {
            Some((last, _)) => Some(last),
            None => self.harbor.audit().forward_claim(&self.holder).await?,
        };
        if held.is_none() {
            self.held = claimed.map(|last| (last, Instant::now()));
        }
        while let Some((last, _)) = self.held
            && let Some(sent) = self.send(&target, last).await?
        {
            self.sent(sent).await?;
        }
        Ok(true)
    }

    /// Sends the next lines behind one, and yields the last that the receiver has.
    async fn send(&self, target: &ForwardTarget, after: AuditId) -> Result<Option<AuditId>, Failure> {
        let mut lines = self.harbor.audit().forward_next(after).await?;
        if lines.is_empty() {
            return Ok(None);
        }
        let (began, mut count, mut last) = (Instant::now(), 0, None);
        let mut stream = tokio::time::timeout(PATIENCE, connect(target, &self.options)).await??;
        while let Some(next) = lines.last().map(|row| row.id) {
            tokio::time::timeout(PATIENCE, self.write(&mut stream, &lines)).await??;
            (last, count) = (Some(next), count + lines.len());
            if count >= MOST || began.elapsed() >= RENEWAL {
                break;
            }
            lines = self.harbor.audit().forward_next(next).await?;
        }
        self.close(stream).await?;
        Ok(last)
    }

    async fn write(&self, stream: &mut Box<dyn Stream>, lines: &[AuditRow]) -> std::io::Result<()> {
        let node = &self.harbor.settings().node;
        let text: String = lines.iter().map(|row| syslog::frame(row, node)).collect();
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    }

    /// Closes our end, and waits for the receiver to close its own.
    async fn close(&self, mut stream: Box<dyn Stream>) -> Result<(), Failure> {
        // One that closed it already has not read what came behind that.
        if tokio::time::timeout(Duration::ZERO, ended(&mut stream)).await.is_ok() {
            return Err("the receiver closed the connection".into());
        }
        tokio::time::timeout(PATIENCE, stream.shutdown()).await??;
        match tokio::time::timeout(self.options.grace, ended(&mut stream)).await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                tracing::debug!("the receiver of the audit log does not close connections behind us");
                Ok(())
            }
        }
    }

    /// Moves the cursor to a line that the receiver has, unless another node has taken it meanwhile.
    async fn sent(&mut self, last: AuditId) -> Result<(), Failure> {
        while let Some((before, _)) = self.held.filter(|(before, _)| *before < last) {
            let mut lines = self.harbor.audit().forward_next(before).await?;
            lines.retain(|row| row.id <= last);
            let Some(moved) = lines.last().map(|row| row.id) else { break };
            let is_ours = self.harbor.audit().forwarded(&self.holder, &lines).await?;
            self.held = is_ours.then(|| (moved, Instant::now()));
        }
        Ok(())
    }
}

/// Waits until the other end is closed; what it says until then is nothing to us.
async fn ended(stream: &mut Box<dyn Stream>) -> std::io::Result<()> {
    let mut said = [0; 256];
    loop {
        match stream.read(&mut said).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Without the farewell of TLS, which many leave out.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
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

//! TLS by rustls, with certificates that are reloaded without a restart.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Where the certificate and its key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    fn load(&self) -> Result<Arc<CertifiedKey>, String> {
        let certificates = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("reading the certificate {}: {error}", self.certificate.display()))?;
        if certificates.is_empty() {
            return Err(format!(
                "reading the certificate {}: there is none in it",
                self.certificate.display()
            ));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("reading the private key {}: {error}", self.key.display()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(certificates, key, &provider)
            .map_err(|error| format!("the certificate and the private key do not go together: {error}"))?;
        Ok(Arc::new(certified))
    }

    fn changed(&self) -> Option<(SystemTime, SystemTime)> {
        let modified = |path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        Some((modified(&self.certificate)?, modified(&self.key)?))
    }
}

/// The certificate in use.
#[derive(Debug)]
pub(super) struct Current {
    key: RwLock<Arc<CertifiedKey>>,
    /// When the files that were read at the start had been written.
    at_start: Option<(SystemTime, SystemTime)>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The configuration of TLS, and the certificate that [`watch`] replaces.
pub(super) fn configure(files: &TlsFiles) -> Result<(Arc<ServerConfig>, Arc<Current>), String> {
    // Before they are read: what is written in between is a change.
    let at_start = files.changed();
    let current = Arc::new(Current { key: RwLock::new(files.load()?), at_start });
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), current))
}

/// Reloads the files whenever they change. New files that do not read are logged, and the old ones stay in use.
pub(super) async fn watch(files: TlsFiles, current: Arc<Current>, look: Duration) {
    let mut loaded = current.at_start;
    loop {
        tokio::time::sleep(look).await;
        let now = files.changed();
        if now.is_none() || now == loaded {
            continue;
        }
        match files.load() {
            Ok(certified) => {
                *current.key.write().unwrap_or_else(PoisonError::into_inner) = certified;
                tracing::info!(certificate = %files.certificate.display(), "the certificate was reloaded");
                loaded = now;
            }
            Err(error) => {
                tracing::error!(error, "the certificate was not reloaded; the old one stays in use")
            }
        }
    }
}

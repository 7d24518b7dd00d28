//! Which certificates are trusted: what the operating system trusts, what was added, and a server's own where it was.

use std::sync::Arc;

use harbor_core::access::Secret;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::{Error, Result};

/// What the library says of a server's certificate that says that it is one of an authority. It looks at when a certificate is
/// valid before it looks at that.
pub(super) const AUTHORITY: &str = "CaUsedAsEndEntity";

/// Trusts what the library trusts, and also a certificate that was given and is shown byte for byte: `openssl req -x509` makes such
/// ones for servers, which say that they are authorities and that the library takes for nothing else. Name, validity and key are
/// looked at all the same.
#[derive(Debug)]
struct Trust {
    library: Arc<dyn ServerCertVerifier>,
    given: Vec<CertificateDer<'static>>,
}

/// The settings of TLS with authorities of one's own.
pub(super) fn config(
    given: Vec<CertificateDer<'static>>,
    given_alone: bool,
    identity: Option<&Secret>,
) -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let library = library(&given, given_alone, Arc::clone(&provider));
    let library = library.map_err(|error| cannot("the certificate of an authority", &error))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| cannot("the connection", &error))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Trust { library, given }));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            // What the libraries say of a key could repeat it.
            let wrong = || Error::Configuration("the client's certificate cannot be used".to_owned());
            let pem = pem.expose().as_bytes();
            let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong())?;
            builder.with_client_auth_cert(chain.map_err(|_| wrong())?, key).map_err(|_| wrong())?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What verifies certificates otherwise.
fn library(
    given: &[CertificateDer<'static>],
    given_alone: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if !given_alone {
        let with_system = rustls_platform_verifier::Verifier::new_with_extra_roots(given.to_vec(), provider)?;
        return Ok(Arc::new(with_system));
    }
    let mut roots = RootCertStore::empty();
    for certificate in given {
        roots.add(certificate.clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map(|verifier| verifier as _).map_err(|error| rustls::Error::General(error.to_string()))
}

fn cannot(what: &str, error: &rustls::Error) -> Error {
    Error::Configuration(format!("{what} cannot be used: {error}"))
}

/// Whether it is this alone that is wrong with a certificate.
fn is_of_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
        if other.0.to_string() == AUTHORITY)
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.library.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(error) = verified else { return verified };
        let is_given = self.given.iter().any(|given| given.as_ref() == end_entity.as_ref());
        if !is_given || !is_of_authority(&error) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.library.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.library.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.library.supported_verify_schemes()
    }
}

//! Who a server is, and whom a client trusts.
//!
//! A certificate must lead to a known authority and name the host, or be the one that the client was told by
//! its SHA-256; there is no third way. Both ends say whether they know SHA-256 ([`wire::ALPN_SHA256`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

use crate::digest::{Hex, Sha256Sum};
use crate::private::{self, PrivateError};
use crate::{shown, wire};

/// TLS cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not hold what it should.
    #[error("{what} {file}; it must be PEM")]
    File {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        file: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key is not private, or cannot be read.
    #[error(transparent)]
    Key(#[from] PrivateError),
}

impl TlsError {
    fn new(
        what: &'static str,
        file: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::File { what, file: shown::path(file), source: source.into() }
    }
}

/// Longer than any key and what may stand beside it.
const MAX_KEY: usize = 1 << 20;

/// How a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// By a certificate of a public authority, or of one in this file.
    Authorities(Option<PathBuf>),
    /// By the certificate with this SHA-256, whoever has signed it, whatever it says.
    Certificate(Sha256Sum),
}

/// Prepares a server: its certificate and those between it and the authority, and its key, in files.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    const CERTIFICATE: &str = "cannot read the certificate";
    let wrong = |error: rustls::pki_types::pem::Error| TlsError::new(CERTIFICATE, certificate, error);
    let chain = CertificateDer::pem_file_iter(certificate).map_err(wrong)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let pem = private::read_key(key, MAX_KEY)?;
    let secret = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| TlsError::new("cannot read the key", key, error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new(CERTIFICATE, certificate, error))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| TlsError::new("cannot use the certificate", certificate, error))?;
    config.alpn_protocols = vec![wire::ALPN_SHA256.to_vec(), wire::ALPN.to_vec()];
    // One connection a session, so nothing is resumed, and nothing is kept for it.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Prepares a client. `knows_sha256` says whether to offer that.
pub fn client(trust: &Trust, knows_sha256: bool) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let nowhere = Path::new("of the public authorities");
    let (standard, expected) = match trust {
        Trust::Certificate(expected) => (None, Some(*expected)),
        Trust::Authorities(file) => {
            let roots = Arc::new(roots(file.as_deref())?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let wrong = |error| TlsError::new(ROOTS, file.as_deref().unwrap_or(nowhere), error);
            (Some(verifier.map_err(wrong)?), None)
        }
    };
    let judge = Arc::new(Judge { standard, expected, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new(ROOTS, nowhere, error))?
        .dangerous()
        .with_custom_certificate_verifier(judge)
        .with_no_client_auth();
    config.alpn_protocols = vec![wire::ALPN.to_vec()];
    if knows_sha256 {
        config.alpn_protocols.insert(0, wire::ALPN_SHA256.to_vec());
    }
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

const ROOTS: &str = "cannot read the authorities";

fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let Some(file) = file else { return Ok(roots) };
    let before = roots.len();
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| TlsError::new(ROOTS, file, error))?
    {
        let certificate = certificate.map_err(|error| TlsError::new(ROOTS, file, error))?;
        roots.add(certificate).map_err(|error| TlsError::new(ROOTS, file, error))?;
    }
    match roots.len() > before {
        true => Ok(roots),
        false => Err(TlsError::new(ROOTS, file, "it holds no certificate")),
    }
}

/// Judges certificates.
#[derive(Debug)]
struct Judge {
    standard: Option<Arc<WebPkiServerVerifier>>,
    expected: Option<Sha256Sum>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: Sha256Sum = Hex(Sha256::digest(end_entity).into());
        match (&self.standard, self.expected) {
            (_, Some(expected)) if shown == expected => Ok(ServerCertVerified::assertion()),
            (Some(standard), None) => {
                standard.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            (_, Some(_)) | (None, None) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

//! TLS for FTP: whom to trust, and one session for all connections to a server.
//!
//! A server's certificate must lead to a known authority and name the host, or be the one that the
//! configuration names by its SHA-256; there is no third way. Servers tell by the TLS session that a data
//! connection is made by who logged in, so all connections of a session share one, and nothing else: the next
//! login begins anew.
//!
//! TLS 1.2 is asked for first, since its sessions can be gone on with any number of times. Those of TLS 1.3
//! take a ticket each time, of which some servers hand out two and no more (ProFTPD 1.3.8), after which they
//! refuse all data connections. Version 1.3 is for servers that have nothing else.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest as _, Sha256};

use intraware_core::digest::{Hex, Sha256Hex};
use intraware_core::foreign;
use intraware_core::site::{SiteError, SiteErrorKind, Trust};

/// What is needed to speak TLS with one server during one session.
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    judge: Arc<Judge>,
}

impl Tls {
    /// Prepares to speak with `host`; nothing is said yet.
    pub(super) fn prepare(
        site: &str,
        host: &str,
        trust: &Trust,
        version: &'static SupportedProtocolVersion,
    ) -> Result<Self, SiteError> {
        let wrong = |what: String| SiteError::new(SiteErrorKind::Configuration, what);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| wrong(format!("site {site}: no certificate can name its host; correct its url")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let standard = match trust {
            Trust::Certificate(_) => None,
            Trust::Authorities(file) => {
                let roots = Arc::new(roots(site, file.as_ref())?);
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
                Some(verifier.map_err(|err| wrong(format!("site {site}: preparing TLS: {err}")))?)
            }
        };
        let expected = match trust {
            Trust::Certificate(expected) => Some(*expected),
            Trust::Authorities(_) => None,
        };
        let seen = Mutex::default();
        let judge = Arc::new(Judge { standard, expected, provider: Arc::clone(&provider), seen });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .map_err(|err| wrong(format!("site {site}: preparing TLS: {err}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(1)));
        Ok(Self { config: Arc::new(config), name, judge })
    }

    /// Returns the SHA-256 of the certificate that the server has shown.
    pub(super) fn seen(&self) -> Option<Sha256Hex> {
        self.judge.seen.lock().map_or(None, |seen| *seen)
    }
}

/// Returns the public authorities and those in a file.
fn roots(site: &str, file: Option<&PathBuf>) -> Result<RootCertStore, SiteError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let Some(file) = file else { return Ok(roots) };
    let failed = |err: Box<dyn std::error::Error + Send + Sync>| {
        let text = format!("reading the ca_file {} of site {site}; it must be PEM", foreign::path(file));
        SiteError::caused(SiteErrorKind::Configuration, text, err)
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|err| failed(err.into()))? {
        let certificate = certificate.map_err(|err| failed(err.into()))?;
        roots.add(certificate).map_err(|err| failed(err.into()))?;
    }
    match roots.len() > before {
        true => Ok(roots),
        false => Err(failed("it holds no certificate".into())),
    }
}

/// Judges certificates, and remembers the one it saw so that a person can compare it.
#[derive(Debug)]
struct Judge {
    standard: Option<Arc<WebPkiServerVerifier>>,
    expected: Option<Sha256Hex>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Sha256Hex>>,
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
        let shown = Hex(Sha256::digest(end_entity).into());
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some(shown);
        }
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

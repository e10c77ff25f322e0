//! What comes over TLS from peers that do not keep to it.

use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use intraware_test_support::certificate::Certificates;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::tls::Tls;
use intraware_core::site::Trust;

/// Longer than any of these takes on a loaded machine.
const LONG: Duration = Duration::from_secs(20);

type Served = StreamOwned<ServerConnection, TcpStream>;

/// Returns a client's connection over TLS to a server that does as it is told.
fn met(
    version: &'static rustls::SupportedProtocolVersion,
    serve: impl FnOnce(Served) + Send + 'static,
) -> (Wire, JoinHandle<()>) {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    let identity = certificates.identity("server");
    let chain = CertificateDer::pem_file_iter(&identity).unwrap().map(Result::unwrap).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&identity).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        serve(StreamOwned::new(tls, listener.accept().unwrap().0));
    });
    let trust = Trust::Authorities(Some(certificates.authority()));
    let tls = Tls::prepare("site", "127.0.0.1", &trust, version).unwrap();
    let mut wire = Wire::new(TcpStream::connect(addr).unwrap()).unwrap();
    wire.secure(tls.config.clone(), tls.name.clone(), patience()).unwrap();
    (wire, server)
}

fn patience() -> Patience {
    Patience::Until(Instant::now() + LONG)
}

/// Returns what a client reads after the first word of a server that does or does not end TLS before it
/// closes.
fn end_of(ends_tls: bool, version: &'static rustls::SupportedProtocolVersion) -> Result<usize, Broken> {
    let (mut wire, server) = met(version, move |mut stream| {
        stream.write_all(b"hello").unwrap();
        if ends_tls {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
    });
    let mut buffer = [0; 16];
    assert_eq!(wire.read(&mut buffer, patience()).unwrap(), 5);
    server.join().unwrap();
    wire.read(&mut buffer, patience())
}

#[test]
fn a_peer_that_never_stops_talking_is_left() {
    for version in [&TLS12, &TLS13] {
        let (wire, server) = met(version, |mut stream| {
            let begin = Instant::now();
            while begin.elapsed() < LONG && stream.write_all(&[0; 10_000]).is_ok() {}
        });
        let patience = Patience::Idle(Duration::from_secs(1), Instant::now() + LONG);
        assert!(matches!(wire.finish(patience), Err(Broken::Stalled)));
        server.join().unwrap();
    }
}

#[test]
fn an_end_without_the_end_of_tls_is_told_from_an_orderly_one() {
    for version in [&TLS12, &TLS13] {
        assert!(matches!(end_of(true, version), Ok(0)));
        assert!(matches!(end_of(false, version), Err(Broken::Cut)));
    }
}

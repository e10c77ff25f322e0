//! A connection of the server, in the clear or over TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificate::Certificates;

pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// Goes over to TLS, in so much time for each word of the other side.
    pub(super) fn secure(self, config: &Arc<ServerConfig>, patience: Option<Duration>) -> io::Result<Self> {
        let Self::Plain(mut socket) = self else { return Ok(self) };
        socket.set_read_timeout(patience)?;
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        socket.set_read_timeout(None)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, socket))))
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }

    /// Ends it in good order.
    pub(super) fn finish(mut self) {
        if let Self::Tls(tls) = &mut self {
            tls.conn.send_close_notify();
        }
        // The client may have gone already.
        let _ = self.flush();
        let _ = self.socket().shutdown(std::net::Shutdown::Write);
        let _ = io::copy(&mut self, &mut io::sink());
    }

    /// Reads a line without its line break, or `None` at the end.
    pub(super) fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            match self.read(&mut byte) {
                Ok(1) if byte[0] == b'\n' => break,
                Ok(1) => line.push(byte[0]),
                Ok(_) | Err(_) => return None,
            }
        }
        Some(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// Returns how TLS is spoken with these certificates.
pub(super) fn config(certificates: &Certificates) -> Arc<ServerConfig> {
    let identity = certificates.identity("server");
    let chain = CertificateDer::pem_file_iter(&identity).expect("a certificate").map(|one| one.expect("PEM"));
    let key = PrivateKeyDer::from_pem_file(&identity).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key);
    Arc::new(config.expect("a usable certificate"))
}

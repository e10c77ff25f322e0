//! GET over HTTP for what holds no records: a signal to a watcher, a file of a tree as its readers get it.
//!
//! Each request has a time limit that covers all of it, names included. Environment and proxies play no part.
//! An error says what went wrong without the URL, which may be a secret; who calls says what was asked for.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// Makes requests.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
}

/// Whose certificates are good: those of the usual public authorities, and perhaps of some of our own.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Option<RootCerts>);

impl Authorities {
    /// Adds those in a file, in PEM, to the public ones.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, NoAnswer> {
        let Some(path) = ca_file else { return Ok(Self::default()) };
        let wrong =
            |source| NoAnswer { what: "the ca_file cannot be used; it must be PEM", source: Some(source) };
        let pem = std::fs::read(path).map_err(wrong)?;
        let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let mut all: Vec<_> = public.map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
        let count = all.len();
        for item in ureq::tls::parse_pem(&pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => all.push(certificate),
                Ok(_) => {}
                Err(error) => return Err(wrong(io::Error::other(error))),
            }
        }
        match all.len() > count {
            true => Ok(Self(Some(RootCerts::new_with_certs(&all)))),
            false => Err(wrong(io::Error::other("it holds no certificate"))),
        }
    }
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    response: Response<Body>,
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct NoAnswer {
    what: &'static str,
    source: Option<io::Error>,
}

impl Http {
    /// Prepares requests, each of which takes at most so long and follows at most so many redirects.
    pub fn new(time: Duration, redirects: u32, authorities: &Authorities) -> Self {
        let mut tls = TlsConfig::builder();
        if let Some(roots) = &authorities.0 {
            tls = tls.root_certs(roots.clone());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(redirects)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("intraware/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(tls.build())
            .timeout_resolve(Some(time))
            .timeout_connect(Some(time))
            .timeout_global(Some(time));
        Self { agent: config.build().into() }
    }

    /// Asks for what a URL leads to.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, NoAnswer> {
        let request =
            headers.iter().fold(self.agent.get(url), |request, (name, value)| request.header(*name, *value));
        match request.call() {
            Ok(response) => Ok(Answer { response }),
            Err(ureq::Error::Io(error)) => {
                Err(NoAnswer { what: "the connection failed", source: Some(error) })
            }
            // Their texts may hold the URL.
            Err(error) => Err(NoAnswer { what: what(&error), source: None }),
        }
    }
}

impl Answer {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Returns whether what comes is not what was sent, which was called an encoding of it.
    pub fn is_decoded(&self) -> bool {
        self.response.headers().get("content-encoding").is_some_and(|encoding| encoding == "gzip")
    }

    /// Returns what was sent. It ends with an error when the time is over.
    pub fn body(&mut self) -> impl Read + '_ {
        self.response.body_mut().as_reader()
    }

    /// Returns what was sent, if it is not longer than this.
    pub fn bytes(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.body().take(most + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > most {
            true => Err(io::Error::other(format!("more than {most} bytes were sent"))),
            false => Ok(bytes),
        }
    }
}

fn what(error: &ureq::Error) -> &'static str {
    use ureq::Error as E;
    match error {
        E::HostNotFound => "no address is known for the host's name",
        E::ConnectionFailed => "no connection",
        E::Timeout(_) => "no whole answer within the time allowed",
        E::Tls(_) | E::Pem(_) | E::Rustls(_) => "the TLS handshake failed",
        E::BadUri(_) | E::Http(_) => "the address cannot be asked",
        _ => "no answer that can be understood",
    }
}

//! One HTTP request and its answer, with every bound that keeps a job of cron from hanging.
//!
//! Redirects are not followed: the API makes none, and a token must not travel to where one points.
//! A failure says whether the request can have arrived, which decides what may be repeated.

use std::io::ErrorKind;
use std::time::Duration;

use jiff::Timestamp;
use ureq::config::Config;
use ureq::http::{HeaderValue, Method, Request, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::time;
use intraware_shown::excerpt;

/// Longest body that is read: a page of 2,000 wide records is a few MiB.
const MAX_BODY: u64 = 16 << 20;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Finding the address and making the connection, with TLS.
    pub connect: Duration,
    /// One request with its whole answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), total: Duration::from_secs(60) }
    }
}

/// What authenticates a request.
pub(crate) enum Credential<'a> {
    None,
    Bearer(&'a Secret),
}

/// A request to be sent, as often as need be.
pub(crate) struct Call<'a> {
    pub(crate) doing: &'a str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Option<Body<'a>>,
}

/// A header's name, in lower case, and value.
pub(crate) type Header = (&'static str, String);

/// What a request carries.
pub(crate) enum Body<'a> {
    Json(&'a [u8]),
    Form(&'a Secret),
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) limit_info: Option<String>,
    pub(crate) date: Option<Timestamp>,
}

/// A request that got no answer, or no whole one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether the request may have arrived and taken effect.
    pub(crate) maybe_done: bool,
}

#[derive(Debug)]
pub(crate) struct Http {
    agent: ureq::Agent,
}

impl Http {
    /// Prepares connections that trust the usual public authorities and those in `ca_pem`.
    pub(crate) fn new(timeouts: Timeouts, ca_pem: Option<&[u8]>) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = ca_pem {
            tls = tls.root_certs(RootCerts::new_with_certs(&roots_with(pem)?));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("rsforce/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_global(Some(timeouts.total))
            .tls_config(tls.build())
            .build();
        let agent =
            ureq::Agent::with_parts(config, DefaultConnector::default(), Names(DefaultResolver::default()));
        Ok(Self { agent })
    }

    pub(crate) fn send(&self, call: &Call<'_>, credential: &Credential<'_>) -> Result<Answer, Failure> {
        let answered = match &call.body {
            None => build(call, credential, ()).and_then(|request| self.agent.run(request)),
            Some(Body::Json(bytes)) => {
                build(call, credential, *bytes).and_then(|request| self.agent.run(request))
            }
            Some(Body::Form(form)) => {
                build(call, credential, form.expose()).and_then(|request| self.agent.run(request))
            }
        };
        let mut response = answered.map_err(|error| failure(call, error, false))?;
        let status = response.status().as_u16();
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after =
            text("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let limit_info = text("sforce-limit-info").map(str::to_owned);
        let date = text("date").and_then(time::parse_http_date);
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_BODY)
            .read_to_vec()
            .map_err(|error| failure(call, error, true))
            // The status of a refusal or of a write says it all; their bodies may be lost.
            .or_else(|failure| if status == 204 || status >= 400 { Ok(Vec::new()) } else { Err(failure) })?;
        Ok(Answer { status, body, retry_after, limit_info, date })
    }
}

/// Finds addresses of names, and says of a failure that it was one of that: nothing was sent yet.
#[derive(Debug)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(error) => {
                tracing::debug!(%error, "a name was not found");
                ureq::Error::HostNotFound
            }
            error => error,
        })
    }
}

fn build<B>(call: &Call<'_>, credential: &Credential<'_>, body: B) -> Result<Request<B>, ureq::Error> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&call.url)
        .header(header::ACCEPT, "application/json");
    match &call.body {
        Some(Body::Json(_)) => {
            request = request.header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
        }
        Some(Body::Form(_)) => {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        None => {}
    }
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    if let Credential::Bearer(token) = credential {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|error| ureq::Error::Http(error.into()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    Ok(request.body(body)?)
}

/// Tells from an error of the transport whether the request can have arrived.
fn failure(call: &Call<'_>, error: ureq::Error, answered: bool) -> Failure {
    use ureq::Error as E;
    let (kind, what, maybe_done) = match &error {
        E::BadUri(_) | E::Http(_) | E::RequireHttpsOnly(_) => {
            (Kind::Settings, "the address or a header cannot be sent", false)
        }
        E::HostNotFound => (Kind::Unreachable, "no address is known for the host's name", false),
        E::ConnectionFailed => (Kind::Unreachable, "no connection", false),
        E::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            (Kind::Unreachable, "no connection within the time allowed", false)
        }
        E::Timeout(_) => (Kind::Timeout, "no whole answer within the time allowed", true),
        E::Tls(_) | E::Pem(_) | E::Rustls(_) => (Kind::Tls, "the TLS handshake failed", false),
        E::Io(io) if !answered && io.kind() == ErrorKind::InvalidData => {
            (Kind::Tls, "the TLS handshake failed", false)
        }
        E::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                (Kind::Unreachable, "no connection", false)
            }
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                (Kind::Timeout, "no whole answer within the time allowed", true)
            }
            _ => (Kind::Interrupted, "the connection ended before the answer was complete", true),
        },
        E::BodyExceedsLimit(_) | E::LargeResponseHeader(..) => {
            (Kind::TooLarge, "the answer is longer than 16 MiB", true)
        }
        _ => (Kind::Interrupted, "the answer is not HTTP or ended too early", true),
    };
    let what = format!("Salesforce at {}: {what}", host(&call.url));
    Failure { error: Error::new(kind, call.doing, what).caused(error), maybe_done }
}

/// Returns the host of a URL, with its port if it names one.
fn host(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::authority).map(|authority| authority.as_str());
    excerpt(host.unwrap_or("an unknown address"))
}

/// Returns the public authorities and those in `pem`.
fn roots_with(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Error> {
    let wrong = |what: &str| Error::new(Kind::Settings, "use ca_file", what);
    let mut roots: Vec<Certificate<'static>> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| Certificate::from_der(root.as_ref()).to_owned())
        .collect();
    let public = roots.len();
    for item in ureq::tls::parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(wrong("it is not PEM").caused(error)),
        }
    }
    if roots.len() == public { Err(wrong("it holds no certificate")) } else { Ok(roots) }
}

/// Returns whether `url` is https, or plain http to this very host, as tests use it.
pub(crate) fn is_acceptable(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return false };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return false;
    }
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for fine in
            ["https://login.salesforce.com", "http://127.0.0.1:80", "http://[::1]:9", "http://localhost"]
        {
            assert!(is_acceptable(fine), "{fine}");
        }
        for wrong in
            ["http://login.salesforce.com", "ftp://127.0.0.1", "http://127.0.0.1.evil.example", "", "x"]
        {
            assert!(!is_acceptable(wrong), "{wrong}");
        }
        assert!(!is_acceptable("http://127.0.0.1@evil.example/"));
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let error = Http::new(Timeouts::default(), Some(b"nothing")).unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
    }
}

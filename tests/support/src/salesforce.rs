//! A server that speaks the wire protocol of Salesforce, for tests of what talks to it.
//!
//! There is no Salesforce at hand in a test, and its protocol is where the faults are. This server
//! is **strict**: a query, field, value, header or signature that the real service refuses is
//! refused here, with the status and body of the real refusal. What clients of other people make
//! of it is the measure of its fidelity, and `tests/fidelity` takes it.
//!
//! Records live in memory. A test seeds and inspects them from Rust ([`Salesforce::create`],
//! [`Salesforce::record`], [`Salesforce::edit`] as a person), orders faults
//! ([`Salesforce::inject`]) and counts calls; other processes do the same below `/__control/`.
//! Times have whole seconds, as the real ones do; [`Salesforce::advance`] moves the server's clock.

mod control;
mod fault;
mod instance;
mod oauth;
mod org;
mod refusal;
mod rest;
mod schema;
mod soql;
mod wire;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use ring::signature::{KeyPair as _, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value};

pub use fault::{Fault, On};
pub use instance::{Gone, Instance};
pub use org::{App, KeepRule};
pub use schema::{FieldSpec, FieldType, ObjectSpec};

use fault::Ordered;
use org::{Org, Table};
use wire::{Answer, Connection, Request};

/// How a server is to be.
#[derive(Debug, Default)]
pub struct Options {
    /// The app and user that may log in.
    pub app: App,
    /// The port on loopback; 0 is any free one.
    pub port: u16,
    /// Certificates and private key in PEM; without them it is plain HTTP.
    pub tls: Option<(Vec<u8>, Vec<u8>)>,
    /// The address that clients know the server by, if it is not its own.
    pub public_url: Option<String>,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Salesforce {
    address: SocketAddr,
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    org: Mutex<Org>,
    stopped: AtomicBool,
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Salesforce {
    /// Starts a server with the object of the reference configuration and no records.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port))?;
        let address = listener.local_addr()?;
        let tls = options.tls.map(|(certificates, key)| tls_config(&certificates, &key)).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = options.public_url.unwrap_or_else(|| format!("{scheme}://{address}"));
        let shared = Arc::new(Shared {
            org: Mutex::new(Org::new(options.app)),
            stopped: AtomicBool::new(false),
            connections: Mutex::new(Vec::new()),
        });
        let (seen, seen_url) = (Arc::clone(&shared), url.clone());
        thread::spawn(move || accept(&listener, &seen, tls.as_ref(), &seen_url));
        Ok(Self { address, url, shared })
    }

    /// Returns the address that clients log in at.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        self.shared.org()
    }

    /// Replaces the object of this name, or adds it. Its records are gone.
    pub fn define(&self, spec: ObjectSpec) {
        let mut org = self.org();
        org.tables.retain(|table| table.spec.name != spec.name);
        org.tables.push(Table { spec, rows: Default::default() });
    }

    /// Sets the validation rule, or removes it.
    pub fn set_rule(&self, rule: Option<KeepRule>) {
        self.org().rule = rule;
    }

    /// Makes a record, as a person, and returns its id.
    ///
    /// # Panics
    /// If the service would refuse it.
    pub fn create(&self, object: &str, fields: Value) -> String {
        let refused = |refusal: refusal::Refusal| panic!("create {object}: {}", refusal.body());
        self.org().create(object, &object_of(fields)).unwrap_or_else(refused)
    }

    /// Changes a record, as a person.
    ///
    /// # Panics
    /// If the service would refuse it.
    pub fn edit(&self, object: &str, id: &str, fields: Value) {
        let refused = |refusal: refusal::Refusal| panic!("edit {object} {id}: {}", refusal.body());
        self.org().update(object, id, &object_of(fields), true).unwrap_or_else(refused);
    }

    /// Stores values without any check, as they might come from a field of another type.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn force(&self, object: &str, id: &str, fields: Value) {
        let refused = |refusal: refusal::Refusal| panic!("force {object} {id}: {}", refusal.body());
        let mut org = self.org();
        org.row(object, id).unwrap_or_else(refused).extend(object_of(fields));
    }

    /// Deletes a record, as a person.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn delete(&self, object: &str, id: &str) {
        let refused = |refusal: refusal::Refusal| panic!("delete {object} {id}: {}", refusal.body());
        self.org().delete(object, id).unwrap_or_else(refused);
    }

    /// Returns a record with all its fields, or `None`.
    pub fn record(&self, object: &str, id: &str) -> Option<Value> {
        self.org().row(object, id).ok().map(|row| Value::Object(row.clone()))
    }

    /// Returns all records of an object.
    pub fn records(&self, object: &str) -> Vec<Value> {
        self.org()
            .table(object)
            .map_or_else(|_| Vec::new(), |table| table.rows.values().cloned().map(Value::Object).collect())
    }

    /// Orders a fault: of the requests `on`, `skip` pass, then `times` are hit.
    pub fn inject(&self, fault: Fault, on: On, skip: u32, times: u32) {
        self.org().faults.push(Ordered { fault, on, skip, times });
    }

    /// Returns how many of the ordered faults have not yet hit as often as they shall.
    pub fn pending_faults(&self) -> usize {
        self.org().faults.len()
    }

    /// Takes back the faults that have not hit yet.
    pub fn clear_faults(&self) {
        self.org().faults.clear();
    }

    /// Opens another address of the organisation, and has logins tell it from now on.
    pub fn move_to_instance(&self) -> io::Result<Instance> {
        let instance = Instance::start(&self.shared)?;
        self.org().instance = Some(instance.url());
        Ok(instance)
    }

    /// Has logins tell the server's own address again, as at first.
    pub fn move_back(&self) {
        self.org().instance = None;
    }

    /// Ends all sessions.
    pub fn expire_sessions(&self) {
        self.org().sessions.clear();
    }

    /// Moves the server's clock.
    pub fn advance(&self, time: Duration) {
        self.org().advance(SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO));
    }

    /// Returns how many calls of the API were made, logins apart.
    pub fn calls(&self) -> u64 {
        self.org().calls
    }

    /// Returns how many logins were tried.
    pub fn logins(&self) -> u64 {
        self.org().logins
    }

    /// Returns method and path of each request so far.
    pub fn log(&self) -> Vec<String> {
        self.org().log.clone()
    }
}

impl Drop for Salesforce {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.iter().filter_map(Weak::upgrade) {
            // One that the client has closed already needs no closing.
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn org(&self) -> MutexGuard<'_, Org> {
        self.org.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn object_of(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("fields are a JSON object, not {other}"),
    }
}

/// Returns the public key of a PEM private key in the form that [`App::public_key`] takes.
///
/// # Panics
/// If it is no RSA key.
pub fn public_key(private_key_pem: &[u8]) -> Vec<u8> {
    let der = PrivateKeyDer::from_pem_slice(private_key_pem).expect("a private key in PEM");
    let pair = match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => panic!("not an RSA key"),
    };
    pair.expect("an RSA key of 2048 bits or more").public_key().as_ref().to_vec()
}

fn tls_config(certificates: &[u8], key: &[u8]) -> io::Result<Arc<rustls::ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, tls: Option<&Arc<rustls::ServerConfig>>, url: &str) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Ok(socket) = stream.try_clone().map(Arc::new) else { continue };
        shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&socket));
        let (shared, tls, url) = (Arc::clone(shared), tls.cloned(), url.to_owned());
        // A connection that breaks ends its thread and nothing else.
        thread::spawn(move || {
            let stream: Box<dyn wire::Stream> = match tls.map(rustls::ServerConnection::new) {
                None => Box::new(stream),
                Some(Ok(session)) => Box::new(rustls::StreamOwned::new(session, stream)),
                Some(Err(_)) => return,
            };
            let _ = serve(Connection::new(stream), &shared, &url);
            let _ = socket.shutdown(Shutdown::Both);
        });
    }
}

/// Answers the requests of one connection, until the client goes or a fault ends it.
fn serve(mut connection: Connection, shared: &Shared, url: &str) -> io::Result<()> {
    while let Some(request) = connection.read()? {
        let (answer, fault) = react(&mut shared.org(), &request, url);
        match fault {
            Some(Fault::LoseAnswer | Fault::Disconnect) => return Ok(()),
            Some(Fault::CutBody) => return connection.write_cut(&answer),
            Some(Fault::Drip) => return connection.write_slowly(&answer),
            Some(Fault::Endless) => return connection.write_for_ever(&answer),
            _ => connection.write(&answer)?,
        }
    }
    Ok(())
}

fn react(org: &mut Org, request: &Request, url: &str) -> (Answer, Option<Fault>) {
    if request.path.starts_with("/__control/") {
        return (control::call(org, request), None);
    }
    org.log.push(format!("{} {}", request.method, request.path));
    let (mut answer, fault) = match request.path.as_str() {
        "/services/oauth2/token" => {
            let fault = fault::due(&mut org.faults, On::Login);
            match &fault {
                Some(fault) => (
                    rest::instead(fault).unwrap_or_else(|| oauth::token(org, request, url)),
                    Some(fault.clone()),
                ),
                None => (oauth::token(org, request, url), None),
            }
        }
        "/services/oauth2/revoke" => (oauth::revoke(org, request), None),
        path if path.starts_with("/services/data") => {
            let reaction = rest::call(org, request);
            (reaction.answer, reaction.fault)
        }
        path if path.starts_with("/id/") || path == "/services/oauth2/userinfo" => {
            let user = serde_json::json!({
                "user_id": "0055g000001TestAAA", "organization_id": "00D5g000001TestEAE",
                "username": org.app.username, "active": true,
            });
            (Answer::json(200, &user), None)
        }
        _ => (Answer::html(404, "<html><body>URL No Longer Exists</body></html>"), None),
    };
    match &fault {
        Some(Fault::TruncatedJson) => answer.body.truncate(answer.body.len() * 2 / 3),
        Some(Fault::BadGateway) => answer = Answer::html(502, "<html><body>Bad Gateway</body></html>"),
        _ => {}
    }
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&org.now()) {
        answer = answer.with("Date", date);
    }
    (answer, fault)
}

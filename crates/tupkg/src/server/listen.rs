//! Accepts connections until it is asked to stop.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::gate::Gate;
use super::hooks::Hooks;
use super::room::Room;
use super::session::{self, SessionError, Shared};
use super::sessions::{Place, Sessions};
use super::settings::Settings;
use crate::accounts::{Accounts, AccountsError};
use crate::shown;
use crate::tls::{self, TlsError};

/// How soon a request to stop is heard.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How long nothing is accepted after that has failed, for want of descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);
/// The stack of a session.
const STACK: usize = 512 << 10;

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// There is no address to listen on.
    #[error(
        "there is nothing to listen on: name an address under listen, or have systemd hand over a socket"
    )]
    Nothing,
    /// The socket that was handed over is reachable from elsewhere, and there is no certificate.
    #[error(
        "the socket {0} is not on a loopback address, and there is no certificate; give one, or set allow_plaintext"
    )]
    Plaintext(SocketAddr),
    /// TLS cannot be prepared.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The accounts cannot be read.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The directory tree cannot be used.
    #[error("cannot use {0}")]
    Root(String, #[source] io::Error),
    /// The kernel does not do what a server needs.
    #[error("cannot go on")]
    System(#[source] io::Error),
}

/// Serves until `stop` is set. `sockets` are those that systemd has handed over; without any, it listens
/// where the settings say.
pub fn run(settings: Settings, sockets: Vec<TcpListener>, stop: &AtomicBool) -> Result<(), ServerError> {
    let listeners = if sockets.is_empty() { bind(&settings)? } else { sockets };
    for listener in &listeners {
        let address = listener.local_addr().map_err(ServerError::System)?;
        if settings.certificate.is_none() && !settings.allow_plaintext && !address.ip().is_loopback() {
            return Err(ServerError::Plaintext(address));
        }
        listener.set_nonblocking(true).map_err(ServerError::System)?;
    }
    let shared = Arc::new(prepare(settings)?);
    if shared.room.has_incoming() {
        shared.hooks.arrived(Vec::new());
    }
    for listener in &listeners {
        let address = listener.local_addr().map_err(ServerError::System)?;
        tracing::info!("listening on {address}");
    }
    let sessions = Arc::new(Sessions::default());
    accept(&listeners, &shared, &sessions, stop)?;
    drop(listeners);
    tracing::info!("asked to stop; sessions have {} s to end", shared.settings.limits.stop_s);
    let ended = sessions.end(Duration::from_secs(shared.settings.limits.stop_s));
    shared.hooks.finish();
    tracing::info!("stopped; {ended} sessions were ended before they were through");
    Ok(())
}

fn bind(settings: &Settings) -> Result<Vec<TcpListener>, ServerError> {
    if settings.listen.is_empty() {
        return Err(ServerError::Nothing);
    }
    let listen = |address: &SocketAddr| {
        TcpListener::bind(address).map_err(|error| ServerError::Listen(*address, error))
    };
    settings.listen.iter().map(listen).collect()
}

fn prepare(settings: Settings) -> Result<Shared, ServerError> {
    let tls = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => Some(tls::server(certificate, key)?),
        _ => None,
    };
    // A server whose accounts cannot be read would refuse everybody.
    Accounts::read(&settings.accounts)?;
    let settings = Arc::new(settings);
    let root = |error| ServerError::Root(shown::path(&settings.root), error);
    let room = Arc::new(Room::open(Arc::clone(&settings)).map_err(root)?);
    let gate = Gate::new(&settings.limits).map_err(ServerError::System)?;
    let time = Duration::from_secs(settings.limits.hook_s);
    let hooks =
        Hooks::start(settings.hooks.as_deref(), room.incoming(), time).map_err(ServerError::System)?;
    Ok(Shared { settings, tls, room, gate, hooks })
}

fn accept(
    listeners: &[TcpListener],
    shared: &Arc<Shared>,
    sessions: &Arc<Sessions>,
    stop: &AtomicBool,
) -> Result<(), ServerError> {
    while !stop.load(Ordering::Relaxed) {
        let mut ready: Vec<PollFd<'_>> =
            listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
        match poll(&mut ready, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(ServerError::System(error.into())),
        }
        for listener in listeners {
            match listener.accept() {
                Ok((tcp, address)) => take(shared, sessions, tcp, address),
                Err(error) if is_nothing(&error) => {}
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    thread::sleep(PAUSE);
                }
            }
        }
    }
    Ok(())
}

/// Returns whether nobody was there after all.
fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted | ConnectionReset)
}

/// Gives a connection a thread, or ends it if there are too many: its client comes again.
fn take(shared: &Arc<Shared>, sessions: &Arc<Sessions>, tcp: TcpStream, address: SocketAddr) {
    let address = address.ip();
    if let Err(error) = tcp.set_nonblocking(false) {
        tracing::warn!("cannot use a connection from {address}: {error}");
        return;
    }
    let Some(place) = sessions.begin(&tcp, address, &shared.settings.limits) else {
        tracing::warn!("turned {address} away: too many connections that have not logged in");
        return;
    };
    let shared = Arc::clone(shared);
    let work = move || finish(&place, address, session::serve(&shared, &place, tcp, address));
    if let Err(error) = thread::Builder::new().name("session".to_owned()).stack_size(STACK).spawn(work) {
        tracing::warn!("turned {address} away: cannot start a thread: {error}");
    }
}

fn finish(place: &Place, address: std::net::IpAddr, result: Result<(), SessionError>) {
    let number = place.number;
    match result {
        Ok(()) => tracing::info!("session {number}: ended"),
        Err(error) => tracing::warn!("session {number} from {address}: {}", shown::chain(&error)),
    }
}

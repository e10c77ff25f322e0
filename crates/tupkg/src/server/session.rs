//! One client, from its first byte to its last.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::gate::Gate;
use super::hooks::Hooks;
use super::receive::{Pace, ReceiveError, Received, receive};
use super::room::{AdmitError, Room, Slot};
use super::sessions::Place;
use super::settings::Settings;
use crate::accounts::{Account, Accounts, AccountsError};
use crate::line::{Limits, Line};
use crate::shown;
use crate::wire::frame::{self, FrameError};
use crate::wire::{
    self, Announcement, Dialect, Held, Login, LoginAnswer, MessageError, Reason, Refusal, Verdict, Verdicts,
};

/// The longest login.
const MAX_LOGIN: usize = 1024;
/// The first byte of TLS. That of a login, which is at most [`MAX_LOGIN`] bytes long, is at most 4.
const TLS: u8 = 0x16;

/// What all sessions share.
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) room: Arc<Room>,
    pub(super) gate: Gate,
    pub(super) hooks: Hooks,
}

/// Why a session has ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("no TLS, which is needed from other hosts")]
    Plaintext,
    #[error("TLS, for which there is no certificate")]
    NoTls,
    #[error("TLS could not be set up")]
    Tls(#[source] io::Error),
    #[error("the login failed")]
    Login(#[source] FrameError),
    #[error("wrong user or password, or too many tries")]
    Refused,
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error("too many sessions")]
    Busy,
    #[error("a message did not come")]
    Frame(#[from] FrameError),
    #[error("a message makes no sense")]
    Message(#[from] MessageError),
    #[error("the announcement is refused")]
    Admit(#[from] AdmitError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error("the client has sent more than it announced")]
    TooMuch,
    #[error("cannot lay {0} into incoming")]
    Settle(String, #[source] io::Error),
    #[error("the connection broke")]
    Line(#[from] io::Error),
}

/// Serves a client to its end.
pub(super) fn serve(
    shared: &Shared,
    place: &Place,
    tcp: TcpStream,
    address: IpAddr,
) -> Result<(), SessionError> {
    let mut line = open(shared, tcp, address)?;
    let result = converse(shared, place, &mut line, address);
    // Also when it has failed: what was said to the client has to reach it.
    line.close();
    result
}

/// Sets up the connection: with TLS if its first byte says so, and else only if that is allowed.
fn open(shared: &Shared, tcp: TcpStream, address: IpAddr) -> Result<Line, SessionError> {
    let limits = &shared.settings.limits;
    let login = Duration::from_secs(limits.login_s);
    let limits = Limits { idle: login, deadline: Some(Instant::now() + login) };
    tcp.set_read_timeout(Some(login))?;
    let mut first = [0];
    if tcp.peek(&mut first)? == 0 {
        return Err(SessionError::Login(FrameError::Ended));
    }
    match (&shared.tls, first[0]) {
        (Some(config), TLS) => Line::accept(tcp, limits, Arc::clone(config)).map_err(SessionError::Tls),
        (None, TLS) => Err(SessionError::NoTls),
        _ if address.to_canonical().is_loopback() || shared.settings.allow_plaintext => {
            Ok(Line::plain(tcp, limits)?)
        }
        _ => Err(SessionError::Plaintext),
    }
}

fn converse(shared: &Shared, place: &Place, line: &mut Line, address: IpAddr) -> Result<(), SessionError> {
    let account = log_in(shared, place, line, address)?;
    let limits = &shared.settings.limits;
    let deadline = Some(Instant::now() + Duration::from_secs(limits.total_s));
    line.limit(Limits { idle: limits.idle(), deadline });
    let message = frame::read(line, frame::MAX)?;
    let announcement = match Announcement::parse(&message, limits.packages, line.has_sha256()) {
        Ok(announcement) => announcement,
        Err(error) => {
            let reason = match error {
                MessageError::Packages(..) => Reason::Packages,
                _ => Reason::Malformed,
            };
            refuse(line, Refusal { reason, package: None }, Dialect::Readme)?;
            return Err(error.into());
        }
    };
    let mut slots = match shared.room.admit(&account, &announcement) {
        Ok(slots) => slots,
        Err(error) => {
            let refusal = match &error {
                AdmitError::Refused(refusal) => *refusal,
                AdmitError::Io(..) => Refusal { reason: Reason::Server, package: None },
            };
            refuse(line, refusal, announcement.dialect)?;
            return Err(error.into());
        }
    };
    let held = Held(slots.iter().map(|slot| slot.held).collect());
    frame::write(line, &held.message(&announcement))?;
    let verdicts = match take(shared, line, &mut slots) {
        Ok(verdicts) => verdicts,
        Err(error) => {
            if let SessionError::Receive(ReceiveError::File(error)) | SessionError::Settle(_, error) = &error
            {
                let reason = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::Space,
                    io::ErrorKind::AlreadyExists => Reason::Exists,
                    _ => Reason::Server,
                };
                // It may not be listening, so that this may fail too.
                let _ = refuse(line, Refusal { reason, package: None }, announcement.dialect);
            }
            return Err(error);
        }
    };
    // Whoever hears FAIL may send the package anew at once.
    drop(slots);
    frame::write(line, &Verdicts(verdicts).message(announcement.dialect, line.has_sha256()))?;
    acknowledged(line, place);
    Ok(())
}

/// Returns the account that logs in, after having told the client.
fn log_in(shared: &Shared, place: &Place, line: &mut Line, address: IpAddr) -> Result<Account, SessionError> {
    let limits = &shared.settings.limits;
    let message = frame::read(line, MAX_LOGIN).map_err(SessionError::Login)?;
    let message = zeroize::Zeroizing::new(message);
    let fail = |reason| LoginAnswer::Fail(Refusal { reason, package: None }).message();
    let login = match Login::parse(&message) {
        Ok(login) => login,
        Err(error) => {
            frame::write(line, &fail(Reason::NotSaid))?;
            return Err(error.into());
        }
    };
    let accounts = match Accounts::read(&shared.settings.accounts) {
        Ok(accounts) => accounts,
        Err(error) => {
            frame::write(line, &fail(Reason::Server))?;
            return Err(error.into());
        }
    };
    // The time of a check, and of those before it, is not the client's.
    let checked = shared.gate.check(&accounts, &login, address);
    let answer_by = Limits { idle: limits.idle(), deadline: Some(Instant::now() + limits.idle()) };
    line.limit(answer_by);
    let Some(account) = checked else {
        thread::sleep(Duration::from_millis(limits.failure_pause_ms));
        frame::write(line, &fail(Reason::NotSaid))?;
        return Err(SessionError::Refused);
    };
    if !place.log_in(&account.directory, limits) {
        frame::write(line, &fail(Reason::Busy))?;
        return Err(SessionError::Busy);
    }
    tracing::info!("session {}: {} logged in from {address}", place.number, account.directory);
    frame::write(line, &LoginAnswer::Pass.message())?;
    Ok(account)
}

/// Takes all packages' bytes, judges them, and lays those that are right into `incoming`.
fn take(shared: &Shared, line: &mut Line, slots: &mut [Slot]) -> Result<Vec<Verdict>, SessionError> {
    let limits = &shared.settings.limits;
    let mut pace = Pace::new(limits.min_rate_kib, limits.rate_over_s);
    let last = slots.len() - 1;
    let mut verdicts = Vec::with_capacity(slots.len());
    let mut stored = Vec::new();
    let mut failed = None;
    for (index, slot) in slots.iter_mut().enumerate() {
        let verdict = one(line, slot, &mut pace, index == last);
        match verdict {
            Ok((verdict, is_new)) => {
                stored.extend(is_new.then(|| slot.incoming_path()));
                verdicts.push(verdict);
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // Also what came before the failure is there.
    if !stored.is_empty() {
        shared.hooks.arrived(stored);
    }
    failed.map_or(Ok(verdicts), Err)
}

/// Takes one package; returns whether it is new in `incoming`.
fn one(
    line: &mut Line,
    slot: &mut Slot,
    pace: &mut Pace,
    is_last: bool,
) -> Result<(Verdict, bool), SessionError> {
    if slot.is_done() {
        return if is_last && line.has_more()? {
            Err(SessionError::TooMuch)
        } else {
            Ok((Verdict::Pass, false))
        };
    }
    let Received { file, md5, sha256 } = receive(line, slot, pace)?;
    if is_last && line.has_more()? {
        return Err(SessionError::TooMuch);
    }
    let verdict =
        slot.settle(&file, md5, sha256).map_err(|error| SessionError::Settle(slot.shown(), error))?;
    Ok((verdict, verdict == Verdict::Pass))
}

fn refuse(line: &mut Line, refusal: Refusal, dialect: Dialect) -> Result<(), SessionError> {
    Ok(frame::write(line, &refusal.message_in(dialect))?)
}

/// Waits for the client's `ack`. Whether it comes changes nothing: what is stored is stored.
fn acknowledged(line: &mut Line, place: &Place) {
    match frame::read(line, 64) {
        Ok(message) if message == wire::ACK => {}
        Ok(message) => {
            tracing::info!(
                "session {}: instead of ack the client says {}",
                place.number,
                shown::shown(message)
            );
        }
        Err(error) => tracing::info!("session {}: no ack came: {error}", place.number),
    }
}

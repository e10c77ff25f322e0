//! From a name to a session that is logged in, in at most `connect_timeout`. What is left of that time is for
//! finding the site's base.
//!
//! Over TLS the peer proves who it is before anything goes out that a stranger must not have; a server that
//! has no TLS gets no password.

use std::thread;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, InvalidMessage};

use super::control::{Control, Failure};
use super::reply::{Reply, code};
use super::tls::Tls;
use crate::{FtpSettings, Protection};
use intraware_core::foreign;
use intraware_core::site::pace::Patience;
use intraware_core::site::reach;
use intraware_core::site::{SiteError, SiteErrorKind};

/// How long a server gets to become ready for TLS that was not ready at once.
const UNTIL_READY: Duration = Duration::from_millis(50);

/// What a login leaves.
pub(super) struct Login {
    pub(super) control: Control,
    pub(super) tls: Option<Tls>,
    /// What the server has greeted with.
    pub(super) greeting: String,
    pub(super) features: Features,
}

/// What the server says that it can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Features(Vec<String>);

impl Features {
    fn of(reply: &Reply) -> Self {
        if !reply.is_done() {
            return Self::default();
        }
        Self(reply.inner().iter().map(|line| line.trim().to_ascii_uppercase()).collect())
    }

    /// Returns what the server says behind the name of a feature, if it has it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| match line.split_once(' ') {
            Some((first, rest)) => (first == name).then_some(rest),
            None => (line == name).then_some(""),
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Connects, checks the peer, and logs in.
pub(super) fn log_in(settings: &FtpSettings) -> Result<Login, SiteError> {
    let deadline = Instant::now() + settings.connect_timeout;
    let (mut control, greeting, tls) = match &settings.protection {
        Protection::None => {
            let (control, greeting) =
                meet(settings, None, Duration::ZERO, deadline).map_err(Met::into_error)?;
            (control, greeting, None)
        }
        Protection::Explicit(trust) | Protection::Implicit(trust) => {
            let prepare = |version| Tls::prepare(&settings.name, &settings.host, trust, version);
            let older = prepare(&TLS12)?;
            match meet_twice(settings, &older, deadline) {
                Ok((control, greeting)) => (control, greeting, Some(older)),
                Err(Met::OtherVersion(_)) => {
                    let newer = prepare(&TLS13)?;
                    let (control, greeting) =
                        meet_twice(settings, &newer, deadline).map_err(Met::into_error)?;
                    (control, greeting, Some(newer))
                }
                Err(Met::Misheard(err) | Met::Error(err)) => return Err(err),
            }
        }
    };
    let patience = Patience::Until(deadline);
    authenticate(&mut control, settings, patience)?;
    control.is_met = true;
    let unprepared = |control: &mut Control, failure| {
        let failure = control.doubt(failure);
        control.error("preparing the session", failure)
    };
    if tls.is_some() {
        protect_data(&mut control, patience)?;
    }
    let features =
        prepare_session(&mut control, patience).map_err(|failure| unprepared(&mut control, failure))?;
    Ok(Login { control, tls, greeting, features })
}

/// Why a server was not met.
enum Met {
    /// It speaks another version of TLS.
    OtherVersion(SiteError),
    /// It has agreed to TLS, and has taken the beginning of it for a command.
    Misheard(SiteError),
    /// Anything else.
    Error(SiteError),
}

impl Met {
    fn into_error(self) -> SiteError {
        match self {
            Self::OtherVersion(err) | Self::Misheard(err) | Self::Error(err) => err,
        }
    }
}

impl From<SiteError> for Met {
    fn from(err: SiteError) -> Self {
        Self::Error(err)
    }
}

/// Meets a server over TLS, once more if it has misheard: some are not ready for TLS at the moment they agree
/// to it.
fn meet_twice(settings: &FtpSettings, tls: &Tls, deadline: Instant) -> Result<(Control, String), Met> {
    match meet(settings, Some(tls), Duration::ZERO, deadline) {
        Err(Met::Misheard(_)) => meet(settings, Some(tls), UNTIL_READY, deadline),
        met => met,
    }
}

/// Connects, and makes sure who the peer is if `tls` is to be spoken. Returns what it greets with as well.
/// `until_ready` is how long it gets between agreeing to TLS and its beginning.
fn meet(
    settings: &FtpSettings,
    tls: Option<&Tls>,
    until_ready: Duration,
    deadline: Instant,
) -> Result<(Control, String), Met> {
    let patience = Patience::Until(deadline);
    let peer = format!("{} ({}:{})", settings.name, foreign::escape(&settings.host), settings.port);
    let socket = reach(&settings.host, settings.port, &peer, deadline)?;
    let tempo = (settings.io_timeout, settings.min_rate);
    let mut control = Control::new(socket, peer, tempo, deadline)?;
    let is_implicit = matches!(settings.protection, Protection::Implicit(_));
    if let Some(tls) = tls.filter(|_| is_implicit) {
        control.secure(tls, patience).map_err(|failure| unprotected(&control, tls, failure))?;
    }
    let greeting = greet(&mut control, patience)?;
    if let Some(tls) = tls.filter(|_| !is_implicit) {
        ask_for_tls(&mut control, patience)?;
        thread::sleep(until_ready);
        match control.secure(tls, patience) {
            Ok(()) => {}
            Err(
                failure @ Failure::Tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            ) => {
                let kind = SiteErrorKind::Disconnected;
                return Err(Met::Misheard(control.error_of(kind, "beginning TLS", failure)));
            }
            Err(failure) => return Err(unprotected(&control, tls, failure)),
        }
    }
    Ok((control, greeting))
}

fn greet(control: &mut Control, patience: Patience) -> Result<String, SiteError> {
    let doing = "waiting for the greeting";
    loop {
        match control.reply(patience) {
            Ok(reply) if reply.code == code::SERVICE_READY => return Ok(reply.lines[0].clone()),
            // It will be ready later.
            Ok(reply) if reply.is_preliminary() => {}
            Ok(reply) => {
                control.give_up();
                return Err(control.error(doing, Failure::Refused(reply)));
            }
            // Too many connections, or being shut down: it was reached, and nobody's time is lost.
            Err(failure) => return Err(control.error(doing, failure)),
        }
    }
}

fn ask_for_tls(control: &mut Control, patience: Patience) -> Result<(), SiteError> {
    let doing = "asking for TLS";
    match control.ask_within("AUTH", "TLS", patience) {
        Ok(reply) if reply.code == 234 => Ok(()),
        // It says what it said before, or takes its leave: that is no answer to this.
        Ok(reply) if reply.code / 100 < 5 => {
            control.give_up();
            let kind = SiteErrorKind::Disconnected;
            Err(control.error_of(kind, doing, Failure::Refused(reply)))
        }
        Ok(reply) => {
            control.give_up();
            let text = format!(
                "{doing} at site {}: it refuses, so no login was tried; have TLS set up there, or set tls = \
                 \"implicit\" if it begins at once",
                control.peer
            );
            let said = format!("it answered {} {}", reply.code, foreign::escape(reply.text()));
            Err(SiteError::caused(SiteErrorKind::Unsupported, text, said))
        }
        Err(failure) => Err(control.error(doing, failure)),
    }
}

/// Makes an error of TLS that did not begin. A certificate that is not believed is told by its fingerprint,
/// for a person to compare.
fn unprotected(control: &Control, tls: &Tls, failure: Failure) -> Met {
    match failure {
        Failure::Tls(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
            Met::OtherVersion(control.error("beginning TLS", failure))
        }
        Failure::Tls(err @ rustls::Error::InvalidCertificate(_)) => {
            let seen = tls.seen().map_or("none".to_owned(), |seen| seen.to_string());
            let text = format!(
                "checking the certificate of site {}: it shows the one with SHA-256 {seen}, which is not trusted; no \
                 login was tried. If the server's operator confirms it, name its authority as ca_file or itself as \
                 certificate_sha256",
                control.peer
            );
            SiteError::caused(SiteErrorKind::HostKey, text, foreign::escape(err.to_string())).into()
        }
        failure => control.error("beginning TLS", failure).into(),
    }
}

fn authenticate(control: &mut Control, settings: &FtpSettings, patience: Patience) -> Result<(), SiteError> {
    let user = foreign::escape(&settings.user);
    let doing = format!("logging in as {user}");
    let unusable = |what: &str| {
        let text =
            format!("{doing} at site {}: the {what} cannot be sent over FTP; correct it", settings.name);
        SiteError::new(SiteErrorKind::Configuration, text)
    };
    let password = settings.password.expose_str().ok_or_else(|| unusable("password"))?;
    let mut outcome = control.ask_within("USER", &settings.user, patience);
    if matches!(outcome, Err(Failure::Unsendable)) {
        return Err(unusable("account"));
    }
    if outcome.as_ref().is_ok_and(|reply| reply.code == 331) {
        outcome = match control.ask_within("PASS", password, patience) {
            Ok(reply) => Ok(reply.without(password)),
            Err(Failure::Refused(reply)) => Err(Failure::Refused(reply.without(password))),
            other => other,
        };
        if matches!(outcome, Err(Failure::Unsendable)) {
            return Err(unusable("password"));
        }
    }
    if let Some(account) = settings.account.as_ref()
        && outcome.as_ref().is_ok_and(|reply| reply.code == code::NEEDS_ACCOUNT)
    {
        let account = account.expose_str().ok_or_else(|| unusable("account besides"))?;
        outcome = match control.ask_within("ACCT", account, patience) {
            Ok(reply) => Ok(reply.without(account)),
            Err(Failure::Refused(reply)) => Err(Failure::Refused(reply.without(account))),
            Err(Failure::Unsendable) => return Err(unusable("account besides")),
            other => other,
        };
    }
    match outcome {
        Ok(reply) if reply.is_done() => Ok(()),
        Ok(reply) => {
            let kind = match reply.code / 100 {
                // It may be busy, and refuse everybody for the moment.
                4 => SiteErrorKind::Disconnected,
                // Whom it refuses may try another password, unless it ends the connection as well: it has too
                // many (ProFTPD), or the line was cut and it has heard half a password.
                _ if control.is_heard().is_err() => SiteErrorKind::Disconnected,
                _ => SiteErrorKind::Auth,
            };
            control.give_up();
            Err(control.error_of(kind, &doing, Failure::Refused(reply)))
        }
        Err(failure) => Err(control.error(&doing, failure)),
    }
}

/// Has connections for data protected as well. A server that refuses would have payloads go in the clear.
fn protect_data(control: &mut Control, patience: Patience) -> Result<(), SiteError> {
    for (verb, argument) in [("PBSZ", "0"), ("PROT", "P")] {
        let doing = format!("having data protected by {verb} {argument}");
        let failure = match control.ask_within(verb, argument, patience) {
            Ok(reply) if reply.is_done() => continue,
            Ok(reply) => control.doubt(Failure::Refused(reply)),
            Err(failure) => failure,
        };
        if !matches!(&failure, Failure::Refused(reply) if reply.code / 100 == 5) {
            return Err(control.error(&doing, failure));
        }
        let text = format!(
            "{doing} at site {}: it refuses, so nothing is sent there; have TLS for data connections set up there",
            control.peer
        );
        let mut error = control.error(&doing, failure);
        (error.kind, error.message) = (SiteErrorKind::Configuration, text);
        control.give_up();
        return Err(error);
    }
    Ok(())
}

/// Learns what the server can do, and has bytes left as they are.
fn prepare_session(control: &mut Control, patience: Patience) -> Result<Features, Failure> {
    let features = Features::of(&control.ask_within("FEAT", "", patience)?);
    match control.ask_within("TYPE", "I", patience)? {
        reply if reply.is_done() => {}
        reply => return Err(Failure::Refused(reply)),
    }
    if features.has("UTF8") {
        // Some do it anyway, and say so by refusing.
        control.ask_within("OPTS", "UTF8 ON", patience)?;
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_found_by_their_whole_name() {
        let lines = ["Features:", " MLST type*;size*;", " Size", " HASH SHA-1*;SHA-256", "End"];
        let reply = Reply { code: 211, lines: lines.map(str::to_owned).to_vec() };
        let features = Features::of(&reply);
        assert_eq!(features.get("HASH"), Some("SHA-1*;SHA-256"));
        assert!(
            features.has("SIZE")
                && features.has("MLST")
                && !features.has("MLS")
                && !features.has("FEATURES:")
        );
        assert_eq!(Features::of(&Reply { code: 500, ..reply }), Features::default());
    }
}

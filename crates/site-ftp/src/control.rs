//! The control connection: one command, one answer, each in time.
//!
//! A connection that has failed stays failed. Nothing that a name, a password or a path holds can become a
//! second command, whatever let it get here: a line with control characters is not sent.

use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::reply::{Garbled, MAX_LINE, Reader, Reply, code};
use super::tls::Tls;
use super::wire::{Broken, Wire};
use intraware_core::foreign;
use intraware_core::site::pace::Patience;
use intraware_core::site::{CLOSED_BEFORE, SiteError, SiteErrorKind};

/// Why something did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server refused, with this answer.
    Refused(Reply),
    /// The time is up.
    Stalled,
    /// The peer is gone.
    Lost(Option<std::io::Error>),
    /// TLS failed.
    Tls(rustls::Error),
    /// What came is no answer, or not one to what was asked.
    Garbled(&'static str),
    /// It answers, and in a form that is of no use to us.
    Unfit(&'static str),
    /// The line cannot be sent.
    Unsendable,
    /// The connection had failed before.
    Dead,
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Stalled => Self::Stalled,
            Broken::Lost(err) => Self::Lost(err),
            Broken::Cut => Self::Lost(None),
            Broken::Tls(err) => Self::Tls(err),
        }
    }
}

impl Failure {
    /// Returns the kind of failure this is, before anybody has looked closer.
    pub(super) fn kind(&self) -> SiteErrorKind {
        match self {
            Self::Stalled => SiteErrorKind::Timeout,
            Self::Lost(_) | Self::Dead => SiteErrorKind::Disconnected,
            Self::Tls(rustls::Error::InvalidCertificate(_)) => SiteErrorKind::HostKey,
            Self::Tls(_) | Self::Garbled(_) | Self::Unsendable => SiteErrorKind::Protocol,
            Self::Unfit(_) => SiteErrorKind::Unsupported,
            Self::Refused(reply) => match reply.code {
                code::CLOSING => SiteErrorKind::Disconnected,
                code::NO_SPACE | code::QUOTA => SiteErrorKind::NoSpace,
                code::UNRECOGNISED | code::NOT_IMPLEMENTED | code::NOT_FOR_ARGUMENT => {
                    SiteErrorKind::Unsupported
                }
                code::BAD_ARGUMENT | code::BAD_SEQUENCE => SiteErrorKind::Protocol,
                code::NEEDS_TLS | code::DATA_TLS | code::NEEDS_PROTECTION => SiteErrorKind::Configuration,
                code::NOT_LOGGED_IN | code::NO_ACCOUNT => SiteErrorKind::Auth,
                _ => SiteErrorKind::Protocol,
            },
        }
    }

    /// Returns whether the server may have refused because of how it was asked.
    pub(super) fn is_objection(&self) -> bool {
        let is_refused = matches!(self, Self::Refused(_));
        self.is_vague() || (is_refused && self.kind() == SiteErrorKind::Unsupported)
    }

    /// Returns whether it is a refusal of which the number does not say the reason.
    pub(super) fn is_vague(&self) -> bool {
        match self {
            Self::Refused(reply) if reply.is_about_data() => false,
            Self::Refused(reply) => reply.code / 100 >= 4 && self.kind() == SiteErrorKind::Protocol,
            _ => false,
        }
    }
}

/// A control connection.
pub(super) struct Control {
    wire: Wire,
    /// What was read and not used.
    read: Vec<u8>,
    /// The site's name and address, for messages.
    pub(super) peer: String,
    pub(super) io_timeout: Duration,
    pub(super) min_rate: u64,
    /// When all must be ready, as long as it is not.
    pub(super) deadline: Option<Instant>,
    /// Whether it has greeted and understood a command: what it says wrongly from then on is not another
    /// protocol.
    pub(super) is_met: bool,
    dead: bool,
}

impl Control {
    /// Takes a connected socket; nothing is said yet.
    pub(super) fn new(
        socket: TcpStream,
        peer: String,
        (io_timeout, min_rate): (Duration, u64),
        deadline: Instant,
    ) -> Result<Self, SiteError> {
        let mut wire =
            Wire::new(socket).and_then(|wire| wire.keep_alive().map(|()| wire)).map_err(|err| {
                let text = format!("preparing the connection to site {peer}; look at this host's limits");
                SiteError::caused(SiteErrorKind::Protocol, text, err)
            })?;
        wire.be_prompt();
        let deadline = Some(deadline);
        let (read, is_met, dead) = (Vec::new(), false, false);
        Ok(Self { wire, read, peer, io_timeout, min_rate, deadline, is_met, dead })
    }

    /// Goes over to TLS. What the peer has said in the clear beyond its last answer is not believed later.
    pub(super) fn secure(&mut self, tls: &Tls, patience: Patience) -> Result<(), Failure> {
        if !self.read.is_empty() {
            return self.fail(Failure::Garbled("it said more before TLS than it was asked"));
        }
        match self.wire.secure(tls.config.clone(), tls.name.clone(), patience) {
            Ok(()) => Ok(()),
            Err(broken) => self.fail(broken.into()),
        }
    }

    /// Returns the version and the cipher of TLS, if it is spoken.
    pub(super) fn protection(&self) -> Option<String> {
        self.wire.protection()
    }

    /// Returns the peer's address.
    pub(super) fn address(&mut self) -> Result<IpAddr, Failure> {
        match self.wire.peer() {
            Ok(address) => Ok(address),
            Err(err) => self.fail(Failure::Lost(Some(err))),
        }
    }

    /// Returns the patience for one question and its answer.
    pub(super) fn patience(&self) -> Patience {
        let end = Instant::now() + self.io_timeout;
        Patience::Until(self.deadline.map_or(end, |deadline| deadline.min(end)))
    }

    /// Sends a command and returns the answer, whatever it is.
    pub(super) fn ask(&mut self, verb: &str, argument: &str) -> Result<Reply, Failure> {
        let patience = self.patience();
        self.ask_within(verb, argument, patience)
    }

    /// Sends a command and returns the answer, which must say that it was done.
    pub(super) fn done(&mut self, verb: &str, argument: &str) -> Result<Reply, Failure> {
        self.ask(verb, argument).and_then(|reply| match reply.is_done() {
            true => Ok(reply),
            false => Err(Failure::Refused(reply)),
        })
    }

    /// Sends a command and returns the answer within the time given.
    pub(super) fn ask_within(
        &mut self,
        verb: &str,
        argument: &str,
        patience: Patience,
    ) -> Result<Reply, Failure> {
        self.send(verb, argument, patience)?;
        self.reply(patience)
    }

    /// Sends a command.
    pub(super) fn send(&mut self, verb: &str, argument: &str, patience: Patience) -> Result<(), Failure> {
        if self.dead {
            return Err(Failure::Dead);
        }
        let mut line = Zeroizing::new(Vec::with_capacity(verb.len() + argument.len() + 3));
        line.extend_from_slice(verb.as_bytes());
        if !argument.is_empty() {
            line.push(b' ');
            line.extend_from_slice(argument.as_bytes());
        }
        if line.iter().any(u8::is_ascii_control) {
            return Err(Failure::Unsendable);
        }
        line.extend_from_slice(b"\r\n");
        match self.wire.write_all(&line, patience) {
            Ok(()) => Ok(()),
            // A server that has closed says why before it does.
            Err(Broken::Lost(err)) => match self.reply(patience) {
                Ok(reply) => self.fail(Failure::Refused(reply)),
                Err(_) => self.fail(Failure::Lost(err)),
            },
            Err(broken) => self.fail(broken.into()),
        }
    }

    /// Waits for an answer.
    pub(super) fn reply(&mut self, patience: Patience) -> Result<Reply, Failure> {
        self.reply_beside(None, patience)
    }

    /// Does the same, and meanwhile goes on with the beginning of TLS on a connection for data.
    pub(super) fn reply_beside(
        &mut self,
        mut data: Option<&mut Wire>,
        patience: Patience,
    ) -> Result<Reply, Failure> {
        if self.dead {
            return Err(Failure::Dead);
        }
        let mut reader = Reader::default();
        loop {
            let line = self.line(data.as_deref_mut(), patience)?;
            match reader.take(&line) {
                Ok(None) => {}
                Ok(Some(reply)) if reply.code == code::CLOSING => return self.fail(Failure::Refused(reply)),
                Ok(Some(reply)) => return Ok(reply),
                Err(Garbled) => return self.fail(Failure::Garbled("it answers in no form of FTP")),
            }
        }
    }

    /// Makes sure that the next answer is to the next command, after a transfer that may have been answered
    /// twice.
    pub(super) fn synchronise(&mut self) -> Result<(), Failure> {
        let patience = self.patience();
        self.send("NOOP", "", patience)?;
        for _ in 0..4 {
            match self.reply(patience)? {
                Reply { code: 200, .. } => return Ok(()),
                reply if reply.is_unknown() => return Ok(()),
                _ => {}
            }
        }
        self.fail(Failure::Garbled("its answers do not follow its questions"))
    }

    /// Makes sure that the server has heard its last command to the end, where that may be in doubt.
    ///
    /// Some servers (ProFTPD) carry out a line that the end of the connection has cut, and answer it, so that
    /// a file gets half a name and nobody is told. Commands arrive in their order, so whoever answers a later
    /// one has heard all of an earlier one. TLS leaves no doubt: it passes on whole lines.
    pub(super) fn confirm(&mut self) -> Result<(), Failure> {
        match self.wire.protection() {
            Some(_) => Ok(()),
            None => self.is_heard(),
        }
    }

    /// Returns why a command failed: as the server said, or because it has not heard it to the end.
    pub(super) fn doubt(&mut self, failure: Failure) -> Failure {
        match failure {
            Failure::Refused(_) if !self.dead => self.confirm().err().unwrap_or(failure),
            failure => failure,
        }
    }

    /// Makes sure that the server still hears what it is told.
    pub(super) fn is_heard(&mut self) -> Result<(), Failure> {
        let patience = self.patience();
        self.ask_within("NOOP", "", patience).map(drop)
    }

    /// Returns whether the connection has failed.
    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Ends the connection in good order, as far as that takes no time.
    pub(super) fn take_leave(&mut self) {
        if !self.dead {
            self.wire.farewell(b"QUIT\r\n");
        }
        self.dead = true;
    }

    /// Ends the connection at once.
    pub(super) fn give_up(&mut self) {
        self.dead = true;
        self.wire.cut();
    }

    /// Makes an error of a failure: `doing` is what was being done, to what.
    pub(super) fn error(&self, doing: &str, failure: Failure) -> SiteError {
        self.error_of(failure.kind(), doing, failure)
    }

    /// Makes an error of a failure that somebody has looked at and found to be `kind`.
    pub(super) fn error_of(&self, kind: SiteErrorKind, doing: &str, failure: Failure) -> SiteError {
        let advice = match (kind, &failure) {
            (SiteErrorKind::Protocol, Failure::Garbled(_)) if self.is_met => {
                "it does not keep to the protocol; ask the server's operator what it is, if it stays so"
            }
            (kind, failure) => advice(kind, failure),
        };
        let message = format!("{doing} at site {}: {advice}", self.peer);
        match failure {
            Failure::Refused(reply) => {
                let said = format!("it answered {} {}", reply.code, foreign::escape(reply.text()));
                SiteError::caused(kind, message, said)
            }
            Failure::Lost(Some(err)) => SiteError::caused(kind, message, err),
            Failure::Tls(err) => SiteError::caused(kind, message, foreign::escape(err.to_string())),
            Failure::Garbled(what) | Failure::Unfit(what) => SiteError::caused(kind, message, what),
            Failure::Stalled | Failure::Lost(None) | Failure::Unsendable | Failure::Dead => {
                SiteError::new(kind, message)
            }
        }
    }

    fn line(&mut self, mut data: Option<&mut Wire>, patience: Patience) -> Result<Vec<u8>, Failure> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.read[searched..].iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.read.drain(..=searched + at).collect();
                line.pop();
                if line.ends_with(b"\r") {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.read.len();
            if searched > MAX_LINE {
                return self.fail(Failure::Garbled("it says a line without end"));
            }
            // A peer that always has something to say would never be waited for.
            if patience.is_over() {
                return self.fail(Failure::Stalled);
            }
            let mut buffer = [0; 4096];
            match self.wire.read_beside(data.as_deref_mut(), &mut buffer, patience) {
                Ok(0) => return self.fail(Failure::Lost(None)),
                Ok(n) => self.read.extend_from_slice(&buffer[..n]),
                Err(broken) => return self.fail(broken.into()),
            }
        }
    }

    fn fail<T>(&mut self, failure: Failure) -> Result<T, Failure> {
        self.give_up();
        Err(failure)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.take_leave();
    }
}

/// Returns what happened, in short, and what a person can do about it.
fn advice(kind: SiteErrorKind, failure: &Failure) -> &'static str {
    match (kind, failure) {
        (SiteErrorKind::Disconnected, Failure::Dead) => CLOSED_BEFORE,
        (SiteErrorKind::Auth, _) => "the login was refused; check the account and its password",
        (SiteErrorKind::Protocol, Failure::Refused(reply)) if reply.is_about_data() => {
            "its connection for data failed; try again later, and look at the ports for passive transfers if it stays so"
        }
        (SiteErrorKind::Protocol, Failure::Unsendable) => "its name holds what FTP cannot carry; rename it",
        (SiteErrorKind::Protocol, Failure::Tls(_) | Failure::Garbled(_)) => {
            "what answers there speaks another protocol; check port and tls in the configuration"
        }
        (SiteErrorKind::HostKey, _) => {
            "its certificate is not the one that is trusted; do not accept it, ask the server's operator"
        }
        (kind, _) => kind.advice(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_is_no_trouble_of_the_server_s() {
        let failure = Failure::Tls(rustls::CertificateError::UnknownIssuer.into());
        assert!(advice(failure.kind(), &failure).contains("do not accept it"));
    }
}

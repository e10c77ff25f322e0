//! One session with a server, step by step: connect, log in, announce, send, hear the verdicts.
//!
//! Each step is a value that the one before leads to, so that none can be left out. A session that is left
//! before its end ([`Transfer::leave`]) is no failure: what the server has got it keeps, and the next session
//! goes on from there.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::outcome::Failure;
use super::target::{Protection, Target};
use crate::line::{Limits, Line};
use crate::tls;
use crate::wire::frame::{self, FrameError};
use crate::wire::{
    self, Announced, Announcement, Dialect, Held, LoginAnswer, MessageError, Reason, Verdict, Verdicts,
};

/// How fast a server digests and flushes at least, in bytes a second, before its last answer.
const DIGESTED: u64 = 16 << 20;

/// How long a server is listened to that has stopped listening.
const REASON: Duration = Duration::from_secs(2);

/// Where to talk to, ready to be used again and again.
pub struct Server {
    target: Target,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Server {
    /// Prepares what TLS needs; nothing is connected yet.
    pub fn prepare(target: &Target) -> Result<Self, Failure> {
        let tls = match &target.protection {
            Protection::None { .. } => None,
            Protection::Tls(trust) => {
                let name = ServerName::try_from(target.host.clone());
                let name = name.map_err(|_| Failure::Name(crate::shown::shown(&target.host)))?;
                Some((tls::client(trust, target.dialect == Dialect::Readme)?, name))
            }
        };
        Ok(Self { target: target.clone(), tls })
    }

    /// Connects and logs in.
    pub fn connect(&self) -> Result<Session, Failure> {
        let target = &self.target;
        let unreachable = |error| Failure::Unreachable(target.shown(), error);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in target.addresses().map_err(unreachable)? {
            match TcpStream::connect_timeout(&address, target.connect_time) {
                Ok(tcp) => return self.log_in(tcp, None),
                Err(error) => last = error,
            }
        }
        Err(unreachable(last))
    }

    /// Logs in over a connection that was made elsewhere; all of it ends at `deadline`, if there is one.
    pub fn log_in(&self, tcp: TcpStream, deadline: Option<Instant>) -> Result<Session, Failure> {
        let target = &self.target;
        let allowed = tcp.peer_addr().and_then(|peer| target.allow(&[peer]));
        allowed.map_err(|error| Failure::Unreachable(target.shown(), error))?;
        let limits = Limits { idle: target.idle, deadline };
        let line = match &self.tls {
            None => {
                Line::plain(tcp, limits).map_err(|error| Failure::Broken(target.shown(), error.into()))?
            }
            Some((config, name)) => Line::connect(tcp, limits, Arc::clone(config), name.clone())
                .map_err(|error| Failure::Handshake(target.shown(), error))?,
        };
        let mut talk = Talk { line, shown: target.shown(), dialect: target.dialect, idle: target.idle };
        talk.say(&target.login.message())?;
        match LoginAnswer::parse(&talk.hear()?).map_err(|error| talk.nonsense(error))? {
            LoginAnswer::Pass => {}
            LoginAnswer::Fail(refusal) if refusal.reason == Reason::NotSaid => return Err(Failure::Login),
            LoginAnswer::Fail(refusal) => return Err(Failure::Refused(refusal)),
        }
        talk.line.limit(Limits { idle: target.idle, deadline: None });
        if let Some(rate) = target.min_rate {
            talk.line.demand(rate, target.idle);
        }
        Ok(Session { talk })
    }
}

/// A connection to a server that has let us in, and to which nothing was announced yet.
pub struct Session {
    talk: Talk,
}

impl Session {
    /// Returns whether both ends know SHA-256.
    pub fn has_sha256(&self) -> bool {
        self.talk.line.has_sha256()
    }

    /// Returns one line about the connection: how it is protected, and which digests the server compares.
    pub fn peer(&self) -> String {
        let digests = if self.has_sha256() { "MD5 and SHA-256" } else { "MD5" };
        match self.talk.line.protection() {
            Some((version, certificate)) => {
                format!("tupkgs, {version}, certificate SHA256:{certificate}, {digests}")
            }
            None => format!("tupkg without protection, {digests}"),
        }
    }

    /// Announces packages, and hears how much of each the server has. A SHA-256 is left out where the server
    /// knows none.
    pub fn announce(mut self, packages: impl IntoIterator<Item = Announced>) -> Result<Transfer, Failure> {
        let has_sha256 = self.has_sha256();
        let known =
            |package: Announced| Announced { sha256: package.sha256.filter(|_| has_sha256), ..package };
        let packages = packages.into_iter().map(known).collect();
        let announcement = Announcement { dialect: self.talk.dialect, packages };
        self.talk.say(&announcement.message())?;
        let held =
            Held::parse(&self.talk.hear()?, &announcement).map_err(|error| self.talk.nonsense(error))?;
        let Held(held) = held;
        let rest = announcement.packages.iter().zip(&held).map(|(package, held)| package.size - held).sum();
        Ok(Transfer { talk: self.talk, announcement, held, rest })
    }

    /// Ends it.
    pub fn leave(self) {
        self.talk.line.close();
    }
}

/// A session in which the server waits for the rest of what was announced.
pub struct Transfer {
    talk: Talk,
    announcement: Announcement,
    held: Vec<u64>,
    rest: u64,
}

impl Transfer {
    /// Returns how many bytes the server has of each package, in their order.
    pub fn held(&self) -> &[u64] {
        &self.held
    }

    /// Sends the next bytes: of each package what the server lacks, one after the other.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.talk.line.write_all(bytes).map_err(|error| self.why(error.into()))
    }

    /// The same for bytes of a file that begin at `at`, at most as many as the buffer holds. Returns how many
    /// were sent; none if the file ends there. What the buffer holds afterwards is of no meaning.
    pub(super) fn send_file(&mut self, file: &File, at: u64, buffer: &mut [u8]) -> Result<usize, Failure> {
        let sent = self.talk.line.send_file(file, at, buffer.len());
        if let Some(count) = sent.map_err(|error| self.why(error.into()))? {
            return Ok(count);
        }
        let count = file.read_at(buffer, at).map_err(Failure::Read)?;
        self.send(&buffer[..count])?;
        Ok(count)
    }

    /// Hears what the server has found out about each package, when all was sent.
    pub fn verdicts(mut self) -> Result<Vec<Verdict>, Failure> {
        self.talk.line.flush().map_err(|error| self.why(error.into()))?;
        let patience = Duration::from_secs((self.rest + self.announcement.size()) / DIGESTED);
        let Self { mut talk, announcement, .. } = self;
        talk.line.limit(Limits { idle: talk.idle + patience, deadline: None });
        let (count, has_sha256) = (announcement.packages.len(), talk.line.has_sha256());
        let parsed = Verdicts::parse(&talk.hear()?, announcement.dialect, count, has_sha256);
        let Verdicts(verdicts) = parsed.map_err(|error| talk.nonsense(error))?;
        // What was said is said; whether the server hears this changes nothing.
        let _ = frame::write(&mut talk.line, wire::ACK);
        talk.line.close();
        Ok(verdicts)
    }

    /// Ends it before its end, and waits until the server has ended it as well: the next session then finds
    /// all that was sent, and nobody else at work on it.
    pub fn leave(mut self) -> Result<(), Failure> {
        self.talk.line.flush().map_err(|error| self.why(error.into()))?;
        let Talk { line, shown, idle, .. } = self.talk;
        match line.close_within(idle) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(Failure::Broken(shown, error.into()))
            }
            // However it has ended it, it has.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns why nothing can be sent: the reason of a server that has stopped listening, if it says one.
    fn why(&mut self, error: FrameError) -> Failure {
        let (talk, announcement) = (&mut self.talk, &self.announcement);
        talk.line.limit(Limits { idle: REASON, deadline: None });
        let said = frame::read(&mut talk.line, frame::MAX).ok();
        let (count, has_sha256) = (announcement.packages.len(), talk.line.has_sha256());
        let parsed = said.map(|said| Verdicts::parse(&said, announcement.dialect, count, has_sha256));
        match parsed {
            Some(Err(MessageError::Refused(refusal))) => Failure::Refused(refusal),
            _ => talk.broken(error),
        }
    }
}

/// Both sides of a conversation.
struct Talk {
    line: Line,
    /// The server's name for messages.
    shown: String,
    dialect: Dialect,
    idle: Duration,
}

impl Talk {
    fn say(&mut self, message: &[u8]) -> Result<(), Failure> {
        frame::write(&mut self.line, message).map_err(|error| self.broken(error))
    }

    fn hear(&mut self) -> Result<Vec<u8>, Failure> {
        frame::read(&mut self.line, frame::MAX).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: FrameError) -> Failure {
        Failure::Broken(self.shown.clone(), error)
    }

    fn nonsense(&self, error: MessageError) -> Failure {
        match error {
            MessageError::Refused(refusal) => Failure::Refused(refusal),
            error => Failure::Protocol(self.shown.clone(), error),
        }
    }
}

//! One session with a server.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::outcome::Failure;
use super::package::Package;
use super::target::{Protection, Target};
use crate::line::{Limits, Line};
use crate::tls;
use crate::wire::frame::{self, FrameError};
use crate::wire::{
    self, Announced, Announcement, Dialect, Held, LoginAnswer, MessageError, Reason, Verdict, Verdicts,
};

/// What is read and written at once.
const BUFFER: usize = 128 << 10;
/// How fast a server digests and flushes at least, in bytes a second, before its last answer.
const DIGESTED: u64 = 16 << 20;

/// Where to talk to, ready to be used again and again.
pub(super) struct Server<'a> {
    target: &'a Target,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// What a session tells about a package while it goes on.
pub(super) struct Sent {
    /// How many bytes the server had.
    pub(super) held: u64,
    /// How many were sent.
    pub(super) bytes: u64,
}

/// Why a session has ended early, and the one of its packages that this is about, if it is about one alone.
pub(super) struct Broke {
    pub(super) failure: Failure,
    pub(super) package: Option<usize>,
}

impl From<Failure> for Broke {
    fn from(failure: Failure) -> Self {
        let package = match failure {
            Failure::Refused(refusal) => refusal.package,
            _ => None,
        };
        Self { failure, package }
    }
}

impl<'a> Server<'a> {
    pub(super) fn prepare(target: &'a Target) -> Result<Self, Failure> {
        let tls = match &target.protection {
            Protection::None { .. } => None,
            Protection::Tls(trust) => {
                let name = ServerName::try_from(target.host.clone());
                let name = name.map_err(|_| Failure::Name(crate::shown::shown(&target.host)))?;
                Some((tls::client(trust, target.dialect == Dialect::Readme)?, name))
            }
        };
        Ok(Self { target, tls })
    }

    /// Sends packages in one session, and returns the server's verdicts. `sent` has a place for each package.
    pub(super) fn converse(
        &self,
        packages: &[&Package],
        sent: &mut [Sent],
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Verdict>, Broke> {
        let mut line = self.connect()?;
        self.log_in(&mut line)?;
        let has_sha256 = line.has_sha256();
        let announced = |package: &&Package| {
            let sha256 = package.announced.sha256.filter(|_| has_sha256);
            Announced { sha256, ..package.announced.clone() }
        };
        let packages_announced = packages.iter().map(announced).collect();
        let announcement = Announcement { dialect: self.target.dialect, packages: packages_announced };
        self.say(&mut line, &announcement.message())?;
        let Held(held) =
            Held::parse(&self.hear(&mut line)?, &announcement).map_err(|error| self.nonsense(error))?;
        let mut rest = 0;
        for (sent, (held, package)) in sent.iter_mut().zip(held.iter().zip(packages)) {
            *sent = Sent { held: *held, bytes: 0 };
            rest += package.announced.size - held;
        }
        for (index, (package, sent)) in packages.iter().zip(sent.iter_mut()).enumerate() {
            match self.pour(&mut line, package, sent, stop, progress) {
                Ok(()) => {}
                Err(failure @ (Failure::Read(_) | Failure::Changed)) => {
                    return Err(Broke { failure, package: Some(index) });
                }
                Err(failure) => return Err(self.better(line, failure, &announcement).into()),
            }
        }
        line.flush().map_err(|error| self.broken(error.into()))?;
        let patience = Duration::from_secs((rest + announcement.size()) / DIGESTED);
        line.limit(Limits { idle: self.target.idle + patience, deadline: None });
        let message = self.hear(&mut line)?;
        let Verdicts(verdicts) = Verdicts::parse(&message, announcement.dialect, packages.len(), has_sha256)
            .map_err(|error| self.nonsense(error))?;
        // What was said is said; whether the server hears this changes nothing.
        let _ = frame::write(&mut line, wire::ACK);
        line.close();
        Ok(verdicts)
    }

    fn connect(&self) -> Result<Line, Failure> {
        let target = self.target;
        let unreachable = |error| Failure::Unreachable(target.shown(), error);
        let addresses = target.addresses().map_err(unreachable)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut connected = None;
        for address in addresses {
            match TcpStream::connect_timeout(&address, target.connect_time) {
                Ok(tcp) => {
                    connected = Some(tcp);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let tcp = connected.ok_or_else(|| unreachable(last))?;
        let limits = Limits { idle: target.idle, deadline: None };
        match &self.tls {
            None => Line::plain(tcp, limits).map_err(|error| self.broken(error.into())),
            Some((config, name)) => Line::connect(tcp, limits, Arc::clone(config), name.clone())
                .map_err(|error| Failure::Handshake(target.shown(), error)),
        }
    }

    fn log_in(&self, line: &mut Line) -> Result<(), Failure> {
        self.say(line, &self.target.login.message())?;
        match LoginAnswer::parse(&self.hear(line)?).map_err(|error| self.nonsense(error))? {
            LoginAnswer::Pass => Ok(()),
            LoginAnswer::Fail(refusal) if refusal.reason == Reason::NotSaid => Err(Failure::Login),
            LoginAnswer::Fail(refusal) => Err(Failure::Refused(refusal)),
        }
    }

    /// Sends what the server lacks of a package.
    fn pour(
        &self,
        line: &mut Line,
        package: &Package,
        sent: &mut Sent,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut file = &package.file;
        file.seek(SeekFrom::Start(sent.held)).map_err(Failure::Read)?;
        let mut left = package.announced.size - sent.held;
        progress(sent.held);
        let mut buffer = vec![0; BUFFER];
        while left > 0 {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match file.read(&mut buffer[..room]) {
                Ok(0) => return Err(Failure::Changed),
                Ok(count) => count,
                Err(error) => return Err(Failure::Read(error)),
            };
            line.write_all(&buffer[..count]).map_err(|error| self.broken(error.into()))?;
            left -= count as u64;
            sent.bytes += count as u64;
            progress(count as u64);
        }
        Ok(())
    }

    /// Asks a server that has stopped listening for its reason.
    fn better(&self, mut line: Line, failure: Failure, announcement: &Announcement) -> Failure {
        if !matches!(failure, Failure::Broken(..)) {
            return failure;
        }
        line.limit(Limits { idle: Duration::from_secs(2), deadline: None });
        let said = frame::read(&mut line, frame::MAX).ok();
        let count = announcement.packages.len();
        let parsed = said.map(|said| Verdicts::parse(&said, announcement.dialect, count, line.has_sha256()));
        match parsed {
            Some(Err(MessageError::Refused(refusal))) => Failure::Refused(refusal),
            _ => failure,
        }
    }

    fn say(&self, line: &mut Line, message: &[u8]) -> Result<(), Failure> {
        frame::write(line, message).map_err(|error| self.broken(error))
    }

    fn hear(&self, line: &mut Line) -> Result<Vec<u8>, Failure> {
        frame::read(line, frame::MAX).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: FrameError) -> Failure {
        Failure::Broken(self.target.shown(), error)
    }

    fn nonsense(&self, error: MessageError) -> Failure {
        match error {
            MessageError::Refused(refusal) => Failure::Refused(refusal),
            error => Failure::Protocol(self.target.shown(), error),
        }
    }
}

//! One SSH connection, and every wait on it.
//!
//! libssh2 is told never to block. An operation that would have to is asked again when the socket is ready,
//! within the [`Patience`] of its caller ([`wire`](super::wire)). A link that has failed stays failed: its
//! socket is shut down at once, so that libssh2's destructors, which speak to the peer, find nobody to wait
//! for.

use std::cell::Cell;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use libssh2_socket::Socket;
use rustix::event::PollFlags;
use ssh2::ErrorCode;

use super::failure::{Failure, code};
use super::wire::{Channel, Wire};
use intraware_core::foreign;
use intraware_core::site::pace::{Pace, Patience, Stalled};
use intraware_core::site::{CLOSED_BEFORE, SiteError, SiteErrorKind};

/// How long to wait for what may never come, if the server is not slow in all things; and how many times as
/// long as connecting took, if it is.
const SHORT: Duration = Duration::from_secs(5);
const SLOW: u32 = 5;

/// How long a wait may be before whoever waits is asked whether he still wants to.
const TICK: Duration = Duration::from_secs(1);

/// Round trips that an exchange of keys takes at least.
const TRIPS: usize = 3;

/// The longest waits so far, in no order.
#[derive(Debug, Clone, Copy, Default)]
struct Waits([Duration; TRIPS]);

impl Waits {
    fn and(mut self, wait: Duration) -> Self {
        if let Some(shortest) = self.0.iter_mut().min() {
            *shortest = wait.max(*shortest);
        }
        self
    }

    fn shortest(self) -> Duration {
        self.0.into_iter().min().unwrap_or_default()
    }
}

/// A connection.
pub(super) struct Link {
    // Dropped before what it speaks through.
    pub(super) ssh: ssh2::Session,
    below: Socket,
    socket: TcpStream,
    /// The site's name and address, for messages.
    pub(super) peer: String,
    pub(super) io_timeout: Duration,
    pub(super) min_rate: u64,
    /// When it was made.
    begun: Instant,
    /// How long it took until all was ready.
    took: Cell<Duration>,
    /// When all must be ready, as long as it is not.
    deadline: Cell<Option<Instant>>,
    waits: Cell<Waits>,
    dead: Cell<bool>,
}

impl Link {
    /// Makes an SSH session over a connected socket; nothing is said yet.
    pub(super) fn new(
        socket: TcpStream,
        peer: String,
        io_timeout: Duration,
        min_rate: u64,
        deadline: Instant,
    ) -> Result<Self, SiteError> {
        let failed = |err: Box<dyn std::error::Error + Send + Sync>| {
            let text = format!("preparing the connection to {peer}; look at this host's limits");
            SiteError::caused(SiteErrorKind::Protocol, text, err)
        };
        libssh2_chachapoly::link();
        let mut ssh = ssh2::Session::new().map_err(|err| failed(err.into()))?;
        socket.set_nodelay(true).map_err(|err| failed(err.into()))?;
        let stream = socket.try_clone().map_err(|err| failed(err.into()))?;
        let below = Socket::attach(&mut ssh, stream).map_err(|err| failed(err.into()))?;
        let (deadline, waits, dead) = (Cell::new(Some(deadline)), Cell::default(), Cell::new(false));
        let (begun, took) = (Instant::now(), Cell::default());
        let link =
            Self { ssh, below, socket, peer, io_timeout, min_rate, begun, took, deadline, waits, dead };
        link.bound_destructors(io_timeout);
        Ok(link)
    }

    /// Sets how long libssh2 may take in a destructor, where it blocks whatever it is told; zero is for ever.
    fn bound_destructors(&self, time: Duration) {
        self.ssh.set_timeout(u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1));
    }

    /// Takes note that all is ready.
    pub(super) fn is_ready(&self) {
        self.deadline.set(None);
        self.took.set(self.begun.elapsed());
    }

    /// Returns how long to wait for the first sign of something that a server may never answer: shortly, but
    /// not so shortly that a server which is slow in all things would seem to be mute.
    pub(super) fn short_patience(&self) -> Patience {
        Patience::Until(Instant::now() + SHORT.max(self.took.get() * SLOW).min(self.io_timeout))
    }

    /// Does what can be done of an operation without waiting for the peer; `None` if that is not all.
    pub(super) fn now<T>(&self, mut op: impl FnMut() -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        self.ask(|| match op() {
            Err(failure) if failure.is_pending() => Ok(None),
            done => done.map(Some),
        })
    }

    /// Returns how long the peer takes to answer, once keys are exchanged: as the third longest wait tells.
    ///
    /// For a banner, a key, and a service libssh2 has waited a round trip each. The banner and the key also
    /// cost the peer a process and a signature, the service costs it nothing; all other waits were shorter.
    /// What a socket takes to connect would say less, since something in between may be what answers.
    pub(super) fn distance(&self) -> Duration {
        self.waits.get().shortest()
    }

    /// Ends the link at once.
    pub(super) fn give_up(&self) {
        self.dead.set(true);
        // A socket that is closed already needs no shutdown.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Returns whether the peer has ended the connection and everything it had sent before was read.
    pub(super) fn is_gone(&self) -> bool {
        match self.socket.peek(&mut [0]) {
            Ok(n) => n == 0,
            Err(err) => !matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    /// Turns the error of a read or a write, in which the library has hidden its own, back into that.
    fn io_failure(&self, err: &io::Error) -> Failure {
        match err.kind() {
            io::ErrorKind::WouldBlock => Failure::pending(),
            io::ErrorKind::TimedOut => Failure::Stalled,
            _ => ssh2::Error::last_session_error(&self.ssh)
                .map_or_else(|| Failure::Library(ssh2::Error::unknown()), Failure::from),
        }
    }

    /// Does the same for a channel, which may end by itself.
    fn channel_failure(&self, err: &io::Error) -> Failure {
        match self.io_failure(err) {
            Failure::Library(err)
                if matches!(
                    err.code(),
                    ErrorCode::Session(code::CHANNEL_CLOSED | code::CHANNEL_EOF_SENT)
                ) && !self.is_gone() =>
            {
                Failure::Ended
            }
            failure => failure,
        }
    }

    /// Makes an error of a failure: `doing` is what was being done, to what.
    pub(super) fn error(&self, doing: &str, failure: Failure) -> SiteError {
        let kind = failure.kind();
        self.error_of(kind, doing, failure)
    }

    /// Makes an error of a failure that somebody has looked at and found to be `kind`.
    pub(super) fn error_of(&self, kind: SiteErrorKind, doing: &str, failure: Failure) -> SiteError {
        let message = format!("{doing} at site {}: {}", self.peer, advice(kind, &failure));
        match failure.cause() {
            // What a library has kept of the peer's words is not ours.
            Some(err) => SiteError::caused(kind, message, foreign::escape(err.to_string())),
            None => SiteError::new(kind, message),
        }
    }
}

impl Wire for Link {
    fn moved(&self) -> u64 {
        self.below.moved()
    }

    fn flush(&self) -> Result<bool, Failure> {
        self.below.flush().map_err(|_| Failure::Lost)
    }

    fn is_clear(&self) -> bool {
        self.below.is_clear()
    }

    fn poll(&self, sends: bool, patience: Patience, last: &mut Instant) -> Result<(), Failure> {
        let flags = if sends { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let begin = Instant::now();
        let ready =
            patience.wait_a_while(TICK, &self.socket, flags, last).map_err(|Stalled| Failure::Stalled);
        self.waits.set(self.waits.get().and(begin.elapsed()));
        ready
    }

    fn alive(&self) -> Result<(), Failure> {
        if self.dead.get() { Err(Failure::Dead) } else { Ok(()) }
    }

    fn judge(&self, failure: Failure) -> Failure {
        let failure = match failure {
            // In the middle of an exchange libssh2 calls a lost connection by many names.
            Failure::Library(_) if self.is_gone() => Failure::Lost,
            failure => failure,
        };
        let kind = failure.kind();
        if (kind.is_dead() && kind != SiteErrorKind::Auth) || matches!(failure, Failure::Garbled) {
            self.give_up();
        }
        failure
    }

    /// Within `io_timeout`, or in what is left of the time for connecting.
    fn patience(&self) -> Patience {
        let end = Instant::now() + self.io_timeout;
        Patience::Until(self.deadline.get().map_or(end, |deadline| deadline.min(end)))
    }

    fn pace(&self) -> Pace {
        Pace::new(self.io_timeout, self.min_rate)
    }
}

impl Channel for ssh2::Channel {
    type Wire = Link;

    fn write(&mut self, link: &Link, bytes: &[u8]) -> Result<usize, Failure> {
        io::Write::write(self, bytes).map_err(|err| link.channel_failure(&err))
    }

    fn read(&mut self, link: &Link, into: &mut [u8]) -> Result<usize, Failure> {
        io::Read::read(self, into).map_err(|err| link.channel_failure(&err))
    }

    fn has_arrived(&self) -> bool {
        self.read_window().available > 0
    }
}

/// Returns what happened, in short, and what a person can do about it.
fn advice(kind: SiteErrorKind, failure: &Failure) -> &'static str {
    match (kind, failure) {
        (SiteErrorKind::Disconnected, Failure::Dead) => CLOSED_BEFORE,
        (SiteErrorKind::Auth, _) => "the login was refused; check the account and its key or password",
        (_, Failure::Garbled) => "what answers there does not speak SFTP as it should; look at its log",
        (kind, _) => kind.advice(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_waits_count_as_there_are_round_trips() {
        let shortest = |waits: &[u64]| {
            let waits =
                waits.iter().fold(Waits::default(), |waits, &ms| waits.and(Duration::from_millis(ms)));
            waits.shortest().as_millis()
        };
        assert_eq!(shortest(&[10, 7]), 0, "one answer was there at once");
        assert_eq!(shortest(&[10, 1, 7]), 1);
        assert_eq!(shortest(&[52, 0, 28, 29]), 28);
        assert_eq!(shortest(&[28, 29, 52, 0, 1]), 28);
    }
}

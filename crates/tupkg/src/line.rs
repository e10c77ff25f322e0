//! A connection, plain or under TLS, on which nothing takes forever.
//!
//! Each read or write waits at most as long as is said ([`Limits::idle`]), and all of them together end at a
//! moment ([`Limits::deadline`]). This holds below TLS, so that a handshake that comes in byte by byte ends
//! as well.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use crate::digest::{Hex, Sha256Sum};
use crate::pace::Pace;
use crate::wire;

/// TLS reads 4 KiB at a time; behind this it asks the kernel less often.
const BUFFER: usize = 32 << 10;

/// How long the other end may still send after all was said, and how much, before the connection is closed.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LAST_BYTES: usize = 256 << 10;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// One read or write.
    pub(crate) idle: Duration,
    /// When everything ends.
    pub(crate) deadline: Option<Instant>,
}

/// Errors of `sendfile` that are not about the connection: a signal came, or the file cannot be sent like
/// that, or not be read.
const NOT_OF_THE_LINE: [Errno; 5] = [Errno::INTR, Errno::INVAL, Errno::NOSYS, Errno::IO, Errno::STALE];

/// A connection.
pub(crate) struct Line {
    way: Way,
    has_sha256: bool,
}

enum Way {
    Plain(Timed),
    Server(Box<StreamOwned<ServerConnection, Timed>>),
    Client(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Line {
    /// Takes a connection without TLS.
    pub(crate) fn plain(tcp: TcpStream, limits: Limits) -> io::Result<Self> {
        Ok(Self { way: Way::Plain(Timed::new(tcp, limits)?), has_sha256: false })
    }

    /// Sets up TLS as a server.
    pub(crate) fn accept(tcp: TcpStream, limits: Limits, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut timed = Timed::new(tcp, limits)?;
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        if let Err(error) = tls.complete_io(&mut timed) {
            // The alert that says why.
            let _ = tls.write_tls(&mut timed);
            return Err(error);
        }
        let has_sha256 = tls.alpn_protocol() == Some(wire::ALPN_SHA256);
        Ok(Self { way: Way::Server(Box::new(StreamOwned::new(tls, timed))), has_sha256 })
    }

    /// Sets up TLS as a client.
    pub(crate) fn connect(
        tcp: TcpStream,
        limits: Limits,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let mut timed = Timed::new(tcp, limits)?;
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        tls.complete_io(&mut timed)?;
        let has_sha256 = tls.alpn_protocol() == Some(wire::ALPN_SHA256);
        Ok(Self { way: Way::Client(Box::new(StreamOwned::new(tls, timed))), has_sha256 })
    }

    /// Returns whether both ends have agreed on SHA-256.
    pub(crate) fn has_sha256(&self) -> bool {
        self.has_sha256
    }

    /// Returns what TLS has come to: its version, and the SHA-256 of the server's certificate. Nothing
    /// without TLS.
    pub(crate) fn protection(&self) -> Option<(String, Sha256Sum)> {
        let Way::Client(tls) = &self.way else { return None };
        let version = tls.conn.protocol_version().and_then(|version| version.as_str())?;
        let certificate = tls.conn.peer_certificates()?.first()?;
        Some((version.to_owned(), Hex(Sha256::digest(certificate).into())))
    }

    /// Changes how long things may take from now on.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.timed().limits = limits;
    }

    /// Demands that what is written from now on goes at so many bytes a second, on average over so much time.
    pub(crate) fn demand(&mut self, rate: u64, over: Duration) {
        self.timed().pace = Some(Box::new(Pace::new(rate, over)));
    }

    /// Sends bytes of a file without taking them out of the kernel, and returns how many; at the file's end
    /// none. Returns nothing where they have to be read and written instead: under TLS, where the time to
    /// read them must not count ([`demand`](Self::demand)), and where that tells what is wrong with the file.
    pub(crate) fn send_file(&mut self, file: &File, mut at: u64, count: usize) -> io::Result<Option<usize>> {
        let Way::Plain(timed @ Timed { pace: None, .. }) = &mut self.way else { return Ok(None) };
        let sent = timed.written(|tcp| Ok(rustix::fs::sendfile(tcp, file, Some(&mut at), count)?));
        match sent.as_ref().map_err(Errno::from_io_error) {
            Err(Some(errno)) if NOT_OF_THE_LINE.contains(&errno) => Ok(None),
            _ => sent.map(Some),
        }
    }

    /// Returns whether there are bytes of the other end that nobody has asked for. An end is none.
    pub(crate) fn has_more(&mut self) -> io::Result<bool> {
        self.timed().wait(false)?;
        let read = self.read(&mut [0]);
        self.timed().wait(true)?;
        match read {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection so that the other end can read what was said last: what it still sends is taken
    /// for a moment, because unread bytes would make the kernel throw away what it has not delivered yet.
    pub(crate) fn close(self) {
        // Everything was said; whether the other end listens changes nothing.
        let _ = self.close_within(LAST_WORDS);
    }

    /// The same, for as long as the other end takes to end it too. If that is longer than this, it is an
    /// error.
    pub(crate) fn close_within(mut self, time: Duration) -> io::Result<()> {
        let _ = match &mut self.way {
            Way::Plain(timed) => timed.flush(),
            Way::Server(tls) => {
                tls.conn.send_close_notify();
                tls.flush()
            }
            Way::Client(tls) => {
                tls.conn.send_close_notify();
                tls.flush()
            }
        };
        let timed = self.timed();
        timed.limits = Limits { idle: time, deadline: Some(Instant::now() + time) };
        timed.tcp().shutdown(Shutdown::Write)?;
        let (mut buffer, mut taken) = ([0; 4096], 0);
        while taken <= LAST_BYTES {
            match timed.read(&mut buffer)? {
                0 => break,
                count => taken += count,
            }
        }
        Ok(())
    }

    fn timed(&mut self) -> &mut Timed {
        match &mut self.way {
            Way::Plain(timed) => timed,
            Way::Server(tls) => &mut tls.sock,
            Way::Client(tls) => &mut tls.sock,
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.way {
            Way::Plain(timed) => timed.read(buffer),
            Way::Server(tls) => tls.read(buffer),
            Way::Client(tls) => tls.read(buffer),
        };
        match read {
            // An end without TLS's goodbye. Whoever reads knows how much there must be.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Plain(timed) => timed.write(bytes),
            Way::Server(tls) => tls.write(bytes),
            Way::Client(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Plain(timed) => timed.flush(),
            Way::Server(tls) => tls.flush(),
            Way::Client(tls) => tls.flush(),
        }
    }
}

/// A TCP connection whose reads and writes end in time.
struct Timed {
    reader: BufReader<TcpStream>,
    limits: Limits,
    /// What the kernel was told last, for reading and for writing.
    told: [Duration; 2],
    waits: bool,
    /// How fast it must be written to, if that matters.
    pace: Option<Box<Pace>>,
    /// A write has not ended in time, so that none will.
    is_late: bool,
}

impl Timed {
    fn new(tcp: TcpStream, limits: Limits) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let told = [Duration::ZERO; 2];
        let reader = BufReader::with_capacity(BUFFER, tcp);
        Ok(Self { reader, limits, told, waits: true, pace: None, is_late: false })
    }

    fn tcp(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Says whether reads wait for bytes.
    fn wait(&mut self, waits: bool) -> io::Result<()> {
        self.waits = waits;
        self.tcp().set_nonblocking(!waits)
    }

    /// Returns how long the next call may take.
    fn time(&self) -> io::Result<Duration> {
        let left = self.limits.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => Err(late()),
            Some(left) => Ok(left.min(self.limits.idle)),
            None => Ok(self.limits.idle),
        }
    }

    /// Tells the kernel, unless it knows nearly that already.
    fn tell(&mut self, which: usize) -> io::Result<()> {
        let time = self.time()?;
        let told = self.told[which];
        if time < told || time > told + told / 8 {
            match which {
                READ => self.tcp().set_read_timeout(Some(time))?,
                _ => self.tcp().set_write_timeout(Some(time))?,
            }
            self.told[which] = time;
        }
        Ok(())
    }

    fn named(&self, error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::WouldBlock && self.waits { late() } else { error }
    }
}

const READ: usize = 0;
const WRITE: usize = 1;

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "nothing was heard, or too little, in the time allowed")
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.waits && self.reader.buffer().is_empty() {
            self.tell(READ)?;
        }
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other.map_err(|error| self.named(error)),
            }
        }
    }
}

impl Timed {
    /// Writes by `write`. TLS writes on after an error that it keeps to itself, so what was late once stays
    /// that.
    fn written(&mut self, write: impl FnOnce(&mut TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        if self.is_late {
            return Err(late());
        }
        self.tell(WRITE)?;
        let begin = Instant::now();
        let written = write(self.reader.get_mut()).map_err(|error| self.named(error));
        let is_slow = match (&written, &mut self.pace) {
            (Ok(count), Some(pace)) => !pace.moved(*count, begin.elapsed()),
            _ => false,
        };
        self.is_late = is_slow || matches!(&written, Err(error) if error.kind() == ErrorKind::TimedOut);
        if is_slow { Err(late()) } else { written }
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written(|tcp| tcp.write(bytes))
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.written(|tcp| tcp.write_vectored(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

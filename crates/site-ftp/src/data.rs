//! Data connections: made by us, to the host that we control, over the control connection's TLS session.
//!
//! A server's answer to a transfer comes over the control connection, and says success even when the data
//! ended early by an orderly close; whoever writes looks at the size afterwards.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::control::{Control, Failure};
use super::reply::{Reply, code, extended_port, passive_port};
use super::tls::Tls;
use super::wire::{Broken, Wire};
use intraware_core::site::pace::{Pace, writing};

/// Bytes read from a file, or from a connection, at a time.
const CHUNK: usize = 256 << 10;

/// The longest listing, in bytes.
const MAX_LISTING: u64 = 16 << 20;

/// Why a transfer ended early.
pub(super) enum Ended {
    /// It did not begin: the site failed or refused.
    NotBegun(Failure),
    /// The site failed or refused.
    Site(Failure),
    /// The local side could not be read or written.
    Local(io::Error),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Site(failure)
    }
}

/// Makes data connections.
pub(super) struct Channel {
    pub(super) tls: Option<Tls>,
    /// Whether the server does not know EPSV, or its ports cannot be reached.
    pub(super) only_passive: bool,
    /// Whether it knows EPSV, if it was asked.
    knows_extended: Option<bool>,
    /// Whether one was made.
    pub(super) has_connected: bool,
    /// Whether the first could not be made, because nobody was to be met at the port.
    pub(super) is_blocked: bool,
    /// How long the first is waited for.
    first_patience: Duration,
}

impl Channel {
    pub(super) fn new(tls: Option<Tls>, io_timeout: Duration) -> Self {
        // There may be another way to try.
        let first_patience = io_timeout / 2;
        Self {
            tls,
            only_passive: false,
            knows_extended: None,
            has_connected: false,
            is_blocked: false,
            first_patience,
        }
    }

    /// Writes all of `source` to a file and returns how many bytes that was.
    pub(super) fn send(
        &mut self,
        control: &mut Control,
        command: (&str, &str),
        from: u64,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Ended> {
        let mut wire = self.begin(control, command, from).map_err(Ended::NotBegun)?;
        let mut pace = Pace::new(control.io_timeout, control.min_rate);
        let mut buffer = vec![0; CHUNK];
        let mut sent = 0;
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(abandon(control, wire, err)),
            };
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                match wire.write(rest, pace.patience()) {
                    Ok(n) => {
                        // All but the last bytes count as arrived; of those the server has not said so.
                        progress(sent);
                        pace.moved(n);
                        rest = &rest[n..];
                        sent += n as u64;
                    }
                    Err(broken) => return Err(failed(control, wire, broken).into()),
                }
            }
        }
        // It may bring all of it to its disk first, and nothing is heard meanwhile.
        let more = writing(sent);
        match wire.finish(pace.patience().and(more)) {
            Ok(()) => end(control, more)?,
            Err(broken) => {
                control.give_up();
                return Err(Failure::from(broken).into());
            }
        }
        progress(sent);
        Ok(sent)
    }

    /// Reads a file to its end into `sink` and returns how many bytes that was; more than `most` are an
    /// error. It may be less than there are, and the caller has to look: some servers do not end TLS, so that
    /// an end of theirs and a cut look the same.
    pub(super) fn receive(
        &mut self,
        control: &mut Control,
        command: (&str, &str),
        from: u64,
        most: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, Ended> {
        self.fetch(control, command, from, most, sink).map(|(read, _)| read)
    }

    /// Reads to the end into `sink`; returns how many bytes that was, and whether the end was certainly the
    /// server's.
    fn fetch(
        &mut self,
        control: &mut Control,
        command: (&str, &str),
        from: u64,
        most: u64,
        sink: &mut dyn Write,
    ) -> Result<(u64, bool), Ended> {
        let mut wire = self.begin(control, command, from).map_err(Ended::NotBegun)?;
        let mut pace = Pace::new(control.io_timeout, control.min_rate);
        let mut buffer = vec![0; CHUNK];
        let mut read = 0;
        let is_orderly = loop {
            match wire.read(&mut buffer, pace.patience()) {
                Ok(0) => break true,
                Err(Broken::Cut) => break false,
                Ok(n) => {
                    pace.moved(n);
                    read += n as u64;
                    if read > most {
                        control.give_up();
                        return Err(
                            Failure::Garbled("it gives more than there is, perhaps without end").into()
                        );
                    }
                    if let Err(err) = sink.write_all(&buffer[..n]) {
                        return Err(abandon(control, wire, err));
                    }
                }
                Err(broken) => return Err(failed(control, wire, broken).into()),
            }
        };
        drop(wire);
        end(control, Duration::ZERO)?;
        Ok((read, is_orderly))
    }

    /// Returns the lines of a listing.
    pub(super) fn lines(
        &mut self,
        control: &mut Control,
        command: (&str, &str),
    ) -> Result<Vec<String>, Ended> {
        let mut listing = Vec::new();
        match self.fetch(control, command, 0, MAX_LISTING, &mut listing)? {
            (_, true) => {}
            // What is missing in half a listing would count as absent.
            (_, false) => return Err(Failure::Garbled("its listing ends before TLS does").into()),
        }
        let text = String::from_utf8_lossy(&listing);
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Starts a transfer, from a position in the file if that is not its beginning.
    fn begin(&mut self, control: &mut Control, command: (&str, &str), from: u64) -> Result<Wire, Failure> {
        let socket = self.connect(control)?;
        let mut wire = Wire::new(socket).map_err(|err| Failure::Lost(Some(err)))?;
        if from > 0 {
            let reply = control.ask("REST", &from.to_string())?;
            if !reply.wants_more() {
                return Err(Failure::Refused(reply));
            }
        }
        let patience = control.patience();
        control.send(command.0, command.1, patience)?;
        // Some servers answer only when TLS stands, and the others lose nothing if it begins meanwhile.
        let offered = match &self.tls {
            Some(tls) => wire.offer(tls.config.clone(), tls.name.clone()),
            None => Ok(()),
        };
        let reply = control.reply_beside(Some(&mut wire), patience)?;
        if !reply.is_preliminary() {
            return Err(Failure::Refused(reply));
        }
        if self.tls.is_some()
            && let Err(broken) = offered.and_then(|()| wire.agree(control.patience()))
        {
            return Err(failed(control, wire, broken));
        }
        Ok(wire)
    }

    /// Connects to the port that the server names, at the address of the control connection.
    fn connect(&mut self, control: &mut Control) -> Result<TcpStream, Failure> {
        let port = self.port(control)?;
        let address = control.address()?;
        let patience = if self.has_connected { control.io_timeout } else { self.first_patience };
        match TcpStream::connect_timeout(&(address, port).into(), patience) {
            Ok(socket) => {
                self.has_connected = true;
                Ok(socket)
            }
            Err(err) => {
                self.is_blocked = !self.has_connected;
                // The server may still wait for us and answer nothing else meanwhile.
                control.give_up();
                Err(match err.kind() {
                    io::ErrorKind::TimedOut => Failure::Stalled,
                    _ => Failure::Lost(Some(err)),
                })
            }
        }
    }

    fn port(&mut self, control: &mut Control) -> Result<u16, Failure> {
        let unnamed = Failure::Unfit("it names no port for data");
        if !self.only_passive {
            self.knows_extended = Some(false);
            let reply = control.ask("EPSV", "")?;
            if reply.code == 229 {
                self.knows_extended = Some(true);
                return extended_port(reply.text()).ok_or(unnamed);
            }
            if !reply.is_unknown() && reply.code != code::DATA_TLS {
                return Err(Failure::Refused(reply));
            }
            self.only_passive = true;
        }
        match control.ask("PASV", "")? {
            reply @ Reply { code: 227, .. } => passive_port(reply.text()).ok_or(unnamed),
            // What is remembered of it is no longer so.
            _ if self.knows_extended.is_none() => {
                self.only_passive = false;
                self.port(control)
            }
            reply => Err(Failure::Refused(reply)),
        }
    }
}

/// Waits for the server's word on a transfer, so much longer than for another.
fn end(control: &mut Control, more: Duration) -> Result<(), Failure> {
    let reply = control.reply(control.patience().and(more))?;
    match reply.is_done() {
        true => Ok(()),
        false => Err(Failure::Refused(reply)),
    }
}

/// Returns why a data connection broke: the server says so on the control connection, if it is there at all.
fn failed(control: &mut Control, wire: Wire, broken: Broken) -> Failure {
    drop(wire);
    match broken {
        Broken::Stalled => {
            control.give_up();
            Failure::Stalled
        }
        Broken::Tls(err @ rustls::Error::InvalidCertificate(_)) => {
            control.give_up();
            Failure::Tls(err)
        }
        broken => match control.reply(control.patience()) {
            // It believes that all went well, which cannot be.
            Ok(reply) if reply.is_done() => broken.into(),
            // It may have more to say about the transfer, and is of use afterwards.
            Ok(reply) if reply.is_about_data() => match control.synchronise() {
                Ok(()) => Failure::Refused(reply),
                Err(failure) => failure,
            },
            Ok(reply) => Failure::Refused(reply),
            Err(failure) => failure,
        },
    }
}

/// Ends a transfer for which nothing can be read or written on our side any more.
fn abandon(control: &mut Control, mut wire: Wire, err: io::Error) -> Ended {
    wire.farewell(b"");
    drop(wire);
    // Servers take a command for an abort, or answer it first, before they have said how the transfer ended.
    // If any of this fails the cause is ours nevertheless, and the connection is known to be dead.
    let _ = control.reply(control.patience()).and_then(|_| control.synchronise());
    Ended::Local(err)
}

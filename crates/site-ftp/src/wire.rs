//! One TCP connection, in the clear or over TLS, and every wait on it.
//!
//! The socket never blocks. What cannot go on at once waits for the socket within the [`Patience`] of its
//! caller, so that a stalled peer costs exactly the time allowed, once, and dropping a wire costs none.

#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use intraware_core::site::pace::{Patience, Stalled};

/// Bytes that TLS may hold on their way to the socket; a few records, since the kernel has the larger buffer.
const TLS_BUFFER: usize = 256 << 10;

/// Why a wire is of no more use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The time is up.
    #[error("nothing was heard, or too little, in the time allowed")]
    Stalled,
    /// The peer has gone.
    #[error("the connection broke")]
    Lost(#[source] Option<io::Error>),
    /// The connection was ended in good order and TLS was not: the peer is careless, or somebody has cut it.
    #[error("the connection ended before TLS did")]
    Cut,
    /// The peer is not who it should be, or speaks no TLS that we do.
    #[error("TLS failed")]
    Tls(#[from] rustls::Error),
}

impl From<Stalled> for Broken {
    fn from(_: Stalled) -> Self {
        Self::Stalled
    }
}

impl From<io::Error> for Broken {
    fn from(err: io::Error) -> Self {
        Self::Lost(Some(err))
    }
}

/// A connection.
pub(super) struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Why TLS did not begin, where nobody has asked yet.
    refused: Option<Broken>,
    /// Whether what comes is acknowledged at once.
    is_prompt: bool,
}

impl Wire {
    /// Takes a connected socket; nothing is said yet.
    pub(super) fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, tls: None, refused: None, is_prompt: false })
    }

    /// Has the system look whether a silent peer is still there, which also keeps address translators awake.
    pub(super) fn keep_alive(&self) -> io::Result<()> {
        rustix::net::sockopt::set_socket_keepalive(&self.socket, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&self.socket, std::time::Duration::from_secs(30))?;
        Ok(())
    }

    /// Has what comes acknowledged at once. A server that writes an answer in two pieces keeps the second to
    /// itself until the first is acknowledged, for which our system takes its time.
    pub(super) fn be_prompt(&mut self) {
        self.is_prompt = true;
    }

    /// Returns the peer's address.
    pub(super) fn peer(&self) -> io::Result<IpAddr> {
        Ok(self.socket.peer_addr()?.ip())
    }

    /// Returns the version and the cipher of TLS, if it is spoken.
    pub(super) fn protection(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        let (version, suite) = (tls.protocol_version()?, tls.negotiated_cipher_suite()?);
        Some(format!("{version:?} {:?}", suite.suite()))
    }

    /// Goes over to TLS and makes sure who the peer is.
    pub(super) fn secure(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        patience: Patience,
    ) -> Result<(), Broken> {
        self.offer(config, name)?;
        self.agree(patience)
    }

    /// Says that TLS is to be spoken, and waits for nothing.
    pub(super) fn offer(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Broken> {
        let mut tls = ClientConnection::new(config, name)?;
        tls.set_buffer_limit(Some(TLS_BUFFER));
        self.tls = Some(Box::new(tls));
        self.push().map(drop)
    }

    /// Agrees with the peer on TLS, and makes sure who it is.
    pub(super) fn agree(&mut self, patience: Patience) -> Result<(), Broken> {
        if let Some(broken) = self.refused.take() {
            return Err(broken);
        }
        let mut last = Instant::now();
        while self.is_agreeing() {
            let wrote = self.push()?;
            if !self.pull()? && !wrote {
                patience.wait(&self.socket, PollFlags::IN, &mut last)?;
            } else if patience.is_over() {
                return Err(Broken::Stalled);
            }
        }
        // The end of the handshake is ours to send.
        self.flush(patience)
    }

    fn is_agreeing(&self) -> bool {
        self.refused.is_none() && self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Goes on agreeing on TLS as far as that can be done at once.
    fn agree_further(&mut self) {
        while self.is_agreeing() {
            match self.push().and_then(|wrote| Ok(self.pull()? || wrote)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(broken) => self.refused = Some(broken),
            }
        }
        if let Err(broken) = self.push() {
            self.refused = Some(broken);
        }
    }

    /// Reads some bytes; none at the peer's orderly end.
    pub(super) fn read(&mut self, buffer: &mut [u8], patience: Patience) -> Result<usize, Broken> {
        self.read_beside(None, buffer, patience)
    }

    /// Does the same, and meanwhile goes on with the beginning of TLS on another wire.
    pub(super) fn read_beside(
        &mut self,
        mut other: Option<&mut Self>,
        buffer: &mut [u8],
        patience: Patience,
    ) -> Result<usize, Broken> {
        let mut last = Instant::now();
        let mut pulled = false;
        loop {
            let read = match &mut self.tls {
                Some(tls) => tls.reader().read(buffer),
                None => (&self.socket).read(buffer),
            };
            match read {
                Ok(n) => return Ok(n),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Err(Broken::Cut),
                Err(err) if err.kind() != io::ErrorKind::WouldBlock => return Err(err.into()),
                Err(_) => {}
            }
            // What TLS says to itself, such as tickets, is nothing that anybody waits for.
            if pulled && patience.is_over() {
                return Err(Broken::Stalled);
            }
            self.push()?;
            pulled = self.tls.is_some() && self.pull()?;
            if pulled {
                continue;
            }
            if self.is_prompt {
                // It costs some time at worst.
                let _ = rustix::net::sockopt::set_tcp_quickack(&self.socket, true);
            }
            match other.as_deref_mut().filter(|other| other.is_agreeing()) {
                None => patience.wait(&self.socket, PollFlags::IN, &mut last)?,
                Some(other) => {
                    let mut both = [&self.socket, &other.socket].map(|one| PollFd::new(one, PollFlags::IN));
                    patience.wait_for_any(&mut both, &mut last)?;
                    other.agree_further();
                }
            }
        }
    }

    /// Writes some of `bytes`, as many as the system takes at once but at least one, and returns how many.
    pub(super) fn write(&mut self, bytes: &[u8], patience: Patience) -> Result<usize, Broken> {
        let mut last = Instant::now();
        loop {
            let written = match &mut self.tls {
                Some(tls) => {
                    let taken = tls.writer().write(bytes)?;
                    self.push()?;
                    Ok(taken)
                }
                None => (&self.socket).write(bytes),
            };
            match written {
                Ok(0) => {}
                Ok(n) => return Ok(n),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) if err.kind() != io::ErrorKind::WouldBlock => return Err(err.into()),
                Err(_) => {}
            }
            patience.wait(&self.socket, PollFlags::OUT, &mut last)?;
        }
    }

    /// Writes all of `bytes`, and has the system take them.
    pub(super) fn write_all(&mut self, mut bytes: &[u8], patience: Patience) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let n = self.write(bytes, patience)?;
            bytes = &bytes[n..];
        }
        self.flush(patience)
    }

    /// Says that no more comes. Under TLS it waits until the peer has ended its side as well: what it still
    /// says in between, such as tickets for later connections, is taken in, and its last word is not met by a
    /// reset.
    pub(super) fn finish(mut self, patience: Patience) -> Result<(), Broken> {
        let Some(tls) = &mut self.tls else { return Ok(self.socket.shutdown(Shutdown::Write)?) };
        tls.send_close_notify();
        self.flush(patience)?;
        self.socket.shutdown(Shutdown::Write)?;
        // Whatever it says, we get no further by that.
        let patience = Patience::Until(patience.end(Instant::now()));
        let mut rest = [0; 1024];
        loop {
            match self.read(&mut rest, patience) {
                Ok(0) => return Ok(()),
                Ok(_) if patience.is_over() => return Err(Broken::Stalled),
                Ok(_) => {}
                Err(Broken::Stalled) => return Err(Broken::Stalled),
                // However it ends its side: what it made of the transfer it says elsewhere.
                Err(_) => return Ok(()),
            }
        }
    }

    /// Says a last word if that can be done at once, and ends the connection.
    pub(super) fn farewell(&mut self, word: &[u8]) {
        // Nobody waits for whether it arrives.
        let _ = match &mut self.tls {
            Some(tls) => {
                let said = tls.writer().write(word);
                tls.send_close_notify();
                said.and_then(|_| tls.write_tls(&mut &self.socket))
            }
            None => (&self.socket).write(word),
        };
        self.cut();
    }

    /// Ends the connection at once.
    pub(super) fn cut(&mut self) {
        // A socket that is closed already needs no shutdown.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn flush(&mut self, patience: Patience) -> Result<(), Broken> {
        let mut last = Instant::now();
        while self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            if !self.push()? {
                patience.wait(&self.socket, PollFlags::OUT, &mut last)?;
            }
        }
        Ok(())
    }

    /// Gives the socket what TLS has for it, as far as it takes that; returns whether it took anything.
    fn push(&mut self) -> Result<bool, Broken> {
        let Some(tls) = &mut self.tls else { return Ok(false) };
        let mut pushed = false;
        while tls.wants_write() {
            match tls.write_tls(&mut &self.socket) {
                Ok(_) => pushed = true,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(pushed)
    }

    /// Gives TLS what the socket has for it; returns whether there was anything, be it the end.
    fn pull(&mut self) -> Result<bool, Broken> {
        let Some(tls) = &mut self.tls else { return Ok(false) };
        match tls.read_tls(&mut &self.socket) {
            Ok(0) if tls.is_handshaking() => return Err(Broken::Lost(None)),
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(err) => return Err(err.into()),
        }
        if let Err(err) = tls.process_new_packets() {
            // Tell the peer why, if it listens.
            let _ = tls.write_tls(&mut &self.socket);
            return Err(err.into());
        }
        Ok(true)
    }
}

//! The protocol by hand: a client that says what it is told to, byte for byte. Nothing here is the library's.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::scene::{PASSWORD, PATIENCE, USER};

/// A connection without TLS.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).expect("a server");
        tcp.set_read_timeout(Some(PATIENCE)).expect("an option");
        tcp.set_nodelay(true).expect("an option");
        Self(tcp)
    }

    /// Connects, logs in, and hears that this is fine.
    pub(crate) fn logged_in(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        raw.say(&login(USER, PASSWORD));
        assert_eq!(raw.hear().as_deref(), Some("result=PASS"));
        raw
    }

    /// Sends bytes as they are; that nobody takes them is no failure.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Sends a message.
    pub(crate) fn say(&mut self, message: &str) -> bool {
        self.send(&framed(message))
    }

    /// Returns the next message, or nothing if the server has closed the connection.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut message).ok()?;
        Some(String::from_utf8(message).expect("text"))
    }

    /// Returns all bytes that still come.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut bytes);
        bytes
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&self) {
        // One that has ended cannot be ended again.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

pub(crate) fn framed(message: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(message.len()).expect("a short message").to_be_bytes().to_vec();
    bytes.extend_from_slice(message.as_bytes());
    bytes
}

pub(crate) fn login(user: &str, password: &str) -> String {
    format!("username={user}&password={password}")
}

/// Returns an announcement of one package.
pub(crate) fn announce(name: &str, size: usize, md5: &str) -> String {
    format!("numpkgs=1&name1={name}&size1={size}&md5sum1={md5}")
}

/// Returns an MD5 as `md5sum` computes it.
pub(crate) fn md5(content: &[u8]) -> String {
    let mut child =
        Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("md5sum");
    child.stdin.take().expect("a pipe").write_all(content).expect("md5sum reads");
    let output = child.wait_with_output().expect("md5sum ends");
    String::from_utf8(output.stdout).expect("text")[..32].to_owned()
}

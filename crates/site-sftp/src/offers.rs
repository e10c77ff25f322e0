//! Why no keys could be exchanged: what a server offers, where that has nothing in common with what the SSH
//! library can.
//!
//! The library says that there was no agreement, and not on what; if the server has closed the connection by
//! then, which both find at the same time, not even that for sure. What a server offers is the first thing
//! that it says, in the clear, to whoever greets it: it is asked for once more over a connection of its own,
//! and nothing else is said there.

use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ssh2::MethodType;

use super::SftpSettings;
use super::link::Link;
use intraware_core::foreign;
use intraware_core::site::reach;

/// The most bytes that may come before a server's offers, and that they may have.
const MOST: u64 = 64 << 10;

/// What the lists are about on which both have to agree, in the order in which they come.
const LISTS: [(&str, MethodType); 6] = [
    ("key exchange", MethodType::Kex),
    ("kind of host key", MethodType::HostKey),
    ("cipher", MethodType::CryptCs),
    ("cipher", MethodType::CryptSc),
    ("MAC", MethodType::MacCs),
    ("MAC", MethodType::MacSc),
];

/// Returns what a server lacks with which no keys could be exchanged over this link, in words, if that is the
/// reason.
pub(super) fn lacking(link: &Link, settings: &SftpSettings, deadline: Instant) -> Option<String> {
    // A peer that has not greeted us is no SSH server, or not in service.
    link.ssh.banner_bytes()?;
    let offers = ask(link, settings, deadline).inspect_err(|err| {
        tracing::debug!(site = %link.peer, "what the server offers is not known: {err}");
    });
    let offers = offers.ok()?;
    let is_common = |(list, offered): (&(&str, MethodType), &Vec<String>)| {
        let ours = link.ssh.supported_algs(list.1).unwrap_or_default();
        ours.iter().any(|ours| offered.iter().any(|theirs| theirs == ours))
    };
    // Ciphers that come with a MAC of their own need none.
    let needs_mac = |offered: &[String]| !offered.iter().any(|name| has_mac(name));
    let count = if needs_mac(&offers[2]) || needs_mac(&offers[3]) { 6 } else { 4 };
    let (what, offered) =
        LISTS.iter().zip(&offers).take(count).find(|&(list, offered)| !is_common((list, offered)))?;
    Some(format!("no {} in common; the server offers {}", what.0, foreign::escape(offered.join(", "))))
}

fn has_mac(cipher: &str) -> bool {
    cipher.contains("-gcm@") || cipher.contains("poly1305")
}

/// Greets the server and reads what it offers.
fn ask(link: &Link, settings: &SftpSettings, deadline: Instant) -> io::Result<[Vec<String>; 6]> {
    let socket = reach(&settings.host, settings.port, &link.peer, deadline).map_err(io::Error::other)?;
    let mut from = Timely { socket: &socket, deadline }.take(MOST);
    (&socket).write_all(b"SSH-2.0-libssh2\r\n")?;
    while !line(&mut from)?.starts_with(b"SSH-") {}
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut packet = vec![0; (u64::from(u32::from_be_bytes(length))).min(from.limit()) as usize];
    from.read_exact(&mut packet)?;
    offers(&packet).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads a line without its end.
fn line(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return Ok(line),
            [byte] => line.push(byte),
        }
    }
}

/// Reads the lists out of a packet (`SSH_MSG_KEXINIT`): a length, the kind, 16 random bytes, and the lists.
fn offers(packet: &[u8]) -> Option<[Vec<String>; 6]> {
    let (&20, mut rest) = packet.get(1..)?.split_first()? else { return None };
    rest = rest.get(16..)?;
    let mut lists = [const { Vec::new() }; 6];
    for list in &mut lists {
        let (length, after) = rest.split_first_chunk()?;
        let (names, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        *list = String::from_utf8_lossy(names).split(',').map(str::to_owned).collect();
        rest = after;
    }
    Some(lists)
}

/// A socket that is read until a moment.
struct Timely<'s> {
    socket: &'s TcpStream,
    deadline: Instant,
}

impl Read for Timely<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(left))?;
        let mut socket = self.socket;
        socket.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_read_within_their_packet() {
        let mut packet = vec![4, 20];
        packet.extend([7; 16]);
        for list in ["a,b", "c", "d", "", "e", "f", "none", "none"] {
            packet.extend((list.len() as u32).to_be_bytes());
            packet.extend(list.as_bytes());
        }
        let lists = offers(&packet).unwrap();
        assert_eq!(
            (&lists[0][..], &lists[3][..]),
            (&["a".to_owned(), "b".to_owned()][..], &[String::new()][..])
        );
        for short in 0..packet.len() - 2 * 8 {
            assert_eq!(offers(&packet[..short]), None, "{short}");
        }
        packet[1] = 1;
        assert_eq!(offers(&packet), None, "it says something else");
    }
}

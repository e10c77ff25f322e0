//! A server's key as people deal with it: which are stored, which one the server shows, and storing it.
//!
//! Nothing is trusted because it was seen. A key is stored when somebody names the fingerprint that it must
//! have, which he has from the server's operator.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::known_hosts::{KnownKeys, Verdict, fingerprint};
use super::link::Link;
use super::wire::Wire as _;
use intraware_core::foreign;
use intraware_core::site::pace::Patience;
use intraware_core::site::reach;
use intraware_core::site::{SiteError, SiteErrorKind};

/// The key that a server has proven to hold. That says nothing of who the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    kind: String,
    blob: Vec<u8>,
}

impl HostKey {
    /// Returns its kind, such as `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns its SHA-256, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }
}

/// Returns line and fingerprint of each key that a known_hosts file has for a server; none if there is no
/// such file.
pub fn stored(file: &Path, host: &str, port: u16) -> io::Result<Vec<(usize, String)>> {
    Ok(KnownKeys::read(&text(file)?, host, port).trusted())
}

fn text(file: &Path) -> io::Result<String> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(err) => Err(err),
    }
}

/// Asks a server for its key. Nobody logs in.
pub fn offered(host: &str, port: u16, time: Duration) -> Result<HostKey, SiteError> {
    let deadline = Instant::now() + time;
    let peer = format!("{}:{port}", foreign::escape(host));
    let socket = reach(host, port, &peer, deadline)?;
    let link = Link::new(socket, peer, time, 0, deadline)?;
    let mut ssh = link.ssh.clone();
    let shaken = link.drive(Patience::Until(deadline), || Ok(ssh.handshake()?));
    let shaken = shaken.map_err(|failure| link.error("exchanging keys", failure));
    let key = shaken.and_then(|()| {
        let key = link.ssh.host_key().and_then(|(blob, _)| parse(blob));
        key.ok_or_else(|| {
            let text = format!("asking site {} for its key: it has shown none that can be read", link.peer);
            SiteError::new(SiteErrorKind::Protocol, text)
        })
    });
    link.give_up();
    key
}

/// A key's kind stands at the beginning of the key, with its length before it.
fn parse(blob: &[u8]) -> Option<HostKey> {
    let (length, rest) = blob.split_first_chunk()?;
    let kind = rest.get(..u32::from_be_bytes(*length) as usize)?;
    let kind = std::str::from_utf8(kind).ok()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-@.".contains(c);
    (!kind.is_empty() && kind.chars().all(is_name))
        .then(|| HostKey { kind: kind.to_owned(), blob: blob.to_owned() })
}

/// What became of storing a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storing {
    /// It is stored, and on the disk.
    Stored,
    /// It had been before.
    Known,
    /// Nothing was done: the file has other keys for the server, line and fingerprint of each.
    Changed(Vec<(usize, String)>),
    /// Nothing was done: this line revokes the key.
    Revoked(usize),
}

/// Adds a server's key to a known_hosts file, which is made if it is missing. What the file has for the
/// server stays.
pub fn store(file: &Path, host: &str, port: u16, key: &HostKey) -> io::Result<Storing> {
    let mut options = OpenOptions::new();
    let mut opened = options.read(true).append(true).create(true).mode(0o600).open(file)?;
    // Nobody else stores one between the look and the line.
    opened.lock()?;
    let mut bytes = Vec::new();
    opened.seek(SeekFrom::Start(0))?;
    opened.read_to_end(&mut bytes)?;
    match KnownKeys::read(&String::from_utf8_lossy(&bytes), host, port).judge(&key.blob) {
        Verdict::Trusted => return Ok(Storing::Known),
        Verdict::Revoked(line) => return Ok(Storing::Revoked(line)),
        Verdict::Changed(others) => return Ok(Storing::Changed(others)),
        Verdict::Unknown => {}
    }
    let begin = if bytes.is_empty() || bytes.ends_with(b"\n") { "" } else { "\n" };
    let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
    let line = format!("{begin}{name} {} {}\n", key.kind, STANDARD.encode(&key.blob));
    opened.write_all(line.as_bytes())?;
    opened.sync_all()?;
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        File::open(dir)?.sync_all()?;
    }
    Ok(Storing::Stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> HostKey {
        let kind = b"ssh-ed25519";
        let mut blob = (kind.len() as u32).to_be_bytes().to_vec();
        blob.extend(kind);
        blob.push(last);
        parse(&blob).unwrap()
    }

    #[test]
    fn s2_12_a_key_is_stored_once_and_never_in_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        assert_eq!(stored(&file, "a", 22).unwrap(), []);
        std::fs::write(&file, "# ours").unwrap();
        assert_eq!(store(&file, "a", 2222, &key(1)).unwrap(), Storing::Stored);
        assert_eq!(store(&file, "a", 2222, &key(1)).unwrap(), Storing::Known);
        let old = vec![(2, key(1).fingerprint())];
        assert_eq!(store(&file, "a", 2222, &key(2)).unwrap(), Storing::Changed(old.clone()));
        assert_eq!(stored(&file, "a", 2222).unwrap(), old);
        assert_eq!(stored(&file, "a", 22).unwrap(), []);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# ours\n[a]:2222 ssh-ed25519 ") && text.lines().count() == 2, "{text}");
        std::fs::write(&file, text.replace("[a]:2222", "@revoked *")).unwrap();
        assert_eq!(store(&file, "b", 22, &key(1)).unwrap(), Storing::Revoked(2));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for wrong in [&b""[..], b"\0\0\0\x09ssh", b"\0\0\0\0", b"\0\0\0\x03a b"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}

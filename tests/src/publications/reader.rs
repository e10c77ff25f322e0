//! One that fetches all that an InRelease names, by digest, and knows what a file must be.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a reader must not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A file that was named is not there.
    Missing(String),
    /// A file is not what was named.
    Mismatch(String),
    /// It got no answer that it understands.
    Other(String),
}

/// Fetches the InRelease of a suite and everything that it names by digest; returns how many files that were.
pub(crate) fn read(server: SocketAddr, suite: &str) -> Result<usize, Fault> {
    let name = format!("/dists/{suite}/InRelease");
    let bytes = fetch(server, &name)?;
    let text = String::from_utf8_lossy(&bytes);
    if !text.trim_end().ends_with("-----END PGP SIGNATURE-----") {
        return Err(Fault::Mismatch(format!("{name} has no end: {text}")));
    }
    let listed = text.lines().skip_while(|line| *line != "SHA256:").skip(1);
    let mut count = 0;
    for line in listed.take_while(|line| line.starts_with(' ')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [digest, size, path] = words[..] else {
            return Err(Fault::Other(format!("{name} has the line {line:?}")));
        };
        let dir = Path::new(path).parent().unwrap_or(Path::new(""));
        let path = format!("/dists/{suite}/{}/by-hash/SHA256/{digest}", dir.display());
        let found = fetch(server, &path)?;
        let found = (found.len().to_string(), hex(&Sha256::digest(&found)));
        if found != (size.to_owned(), digest.to_owned()) {
            return Err(Fault::Mismatch(format!("{path} is {found:?}")));
        }
        count += 1;
    }
    if count == 0 { Err(Fault::Other(format!("{name} names nothing"))) } else { Ok(count) }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fetch(server: SocketAddr, path: &str) -> Result<Vec<u8>, Fault> {
    let failed = |error: std::io::Error| Fault::Other(format!("{path}: {error}"));
    let mut stream = TcpStream::connect(server).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = answer.split_at(split.map_or(answer.len(), |at| at + 4));
    let head = String::from_utf8_lossy(head);
    match head.split_whitespace().nth(1) {
        Some("200") => {}
        Some("404") => return Err(Fault::Missing(path.to_owned())),
        _ => return Err(Fault::Other(format!("{path}: {head}"))),
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    if length != Some(body.len()) {
        return Err(Fault::Mismatch(format!("{path} has {} bytes of {length:?}", body.len())));
    }
    Ok(body.to_vec())
}

//! SHA-256 computed by the server, by running a command there.
//!
//! Which command a server has is found out once a session, by hashing nothing and comparing with what that must
//! be. A server that lets nobody run commands, or runs something else instead (`ForceCommand`), cannot
//! hash; that is no failure. Neither is a shell that sees other files than SFTP does: the command counts the
//! file's bytes as well, and a wrong count is not believed.

use std::io::Read as _;
use std::time::{Duration, Instant};

use super::link::{Failure, Link};
use crate::digest::Sha256Hex;
use crate::site::pace::{Patience, hashing};

/// The commands that hash standard input, and the name they print for it.
const TOOLS: [(&str, &str); 3] =
    [("sha256sum", "-"), ("shasum -a 256", "-"), ("openssl dgst -sha256 -r", "stdin")];

/// SHA-256 of no bytes.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The most that a command has to say on one line.
const MAX_LINE: usize = 4096;

/// How long a server may take to start the programs that hash one block.
const START: Duration = Duration::from_millis(20);

/// What is known about the server's ability to hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hasher {
    Untried,
    Tool { command: &'static str, stdin: &'static str },
    Unavailable,
}

impl Hasher {
    /// Finds out, once, whether the server can hash.
    pub(super) fn probe(&mut self, link: &Link) -> Result<bool, Failure> {
        if *self == Self::Untried {
            *self = Self::Unavailable;
            for (command, stdin) in TOOLS {
                let Some(output) = run(link, &format!("{command} </dev/null"), 0, 1)? else { continue };
                let hash = output.strip_suffix('\n').and_then(|line| parse(line, stdin));
                if hash.is_some_and(|hash| hash.to_string() == EMPTY) {
                    *self = Self::Tool { command, stdin };
                    break;
                }
            }
        }
        Ok(*self != Self::Unavailable)
    }

    /// Returns the hash of the first `size` bytes of the file at an absolute path that is `length` bytes long, or
    /// `None` if the command does not see that file.
    pub(super) fn hash(
        &mut self,
        link: &Link,
        path: &str,
        length: u64,
        size: u64,
    ) -> Result<Option<Sha256Hex>, Failure> {
        let Self::Tool { command, stdin } = *self else { return Ok(None) };
        let path = quote(path);
        let script = format!("wc -c <{path} && head -c {size} <{path} | {command}");
        let hashes = run(link, &script, size, 1)?.and_then(|output| counted(&output, length, stdin));
        match hashes.as_deref() {
            Some(&[hash]) => Ok(Some(hash)),
            Some(_) | None => {
                *self = Self::Unavailable;
                Ok(None)
            }
        }
    }

    /// Returns the hash of each block of the file at an absolute path that is `length` bytes long, or `None` if the
    /// command does not see that file, or the server lacks a program that cuts it.
    pub(super) fn hash_blocks(
        &self,
        link: &Link,
        path: &str,
        length: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, Failure> {
        let Self::Tool { command, stdin } = *self else { return Ok(None) };
        let (path, count) = (quote(path), length.div_ceil(block));
        let script = format!(
            "wc -c <{path} && i=0 && while [ $i -lt {count} ]; do \
             dd if={path} bs={block} skip=$i count=1 2>/dev/null | {command} || exit; i=$((i+1)); done"
        );
        let lines = usize::try_from(count).unwrap_or(usize::MAX).saturating_add(1);
        let hashes = run(link, &script, length, lines)?.and_then(|output| counted(&output, length, stdin));
        Ok(hashes.filter(|hashes| hashes.len() as u64 == count))
    }
}

/// Reads what a script prints: the file's length, which must be this one, and then hashes.
fn counted(output: &str, length: u64, stdin: &str) -> Option<Vec<Sha256Hex>> {
    let mut lines = output.strip_suffix('\n')?.split('\n');
    let is_it = lines.next()?.trim().parse() == Ok(length);
    is_it.then(|| lines.map(|line| parse(line, stdin)).collect())?
}

/// Reads the line that a tool prints: the digest, a space, a space or a star, and the name.
fn parse(line: &str, stdin: &str) -> Option<Sha256Hex> {
    let (digest, name) = line.split_once(' ')?;
    let is_named = matches!(name.strip_prefix([' ', '*']), Some(name) if name == stdin);
    (is_named && !digest.bytes().any(|b| b.is_ascii_uppercase())).then(|| digest.parse().ok())?
}

/// Quotes a word for a POSIX shell: nothing is special between single quotes but their end.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Runs a command that hashes `size` bytes and prints at most so many lines, and returns them, or `None` if the server
/// refuses, it fails, or it prints what no such command prints. An error is one of the connection.
fn run(link: &Link, command: &str, size: u64, lines: usize) -> Result<Option<String>, Failure> {
    let starting = START.saturating_mul(u32::try_from(lines).unwrap_or(u32::MAX));
    let patience = Patience::Until(Instant::now() + link.io_timeout + hashing(size) + starting);
    match converse(link, command, patience, MAX_LINE.max(lines * 100)) {
        Err(failure) if failure.kind().is_dead() => Err(failure),
        Err(_) => Ok(None),
        Ok(output) => Ok(output),
    }
}

fn converse(link: &Link, command: &str, patience: Patience, most: usize) -> Result<Option<String>, Failure> {
    let mut channel = link.drive(patience, || Ok(link.ssh.channel_session()?))?;
    link.drive(patience, || Ok(channel.exec(command)?))?;
    // A server that runs an SFTP server whatever it is asked for ends it now.
    link.drive(patience, || Ok(channel.send_eof()?))?;
    let mut output = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = link.drive(patience, || channel.read(&mut buffer).map_err(|err| link.io_failure(&err)))?;
        output.extend_from_slice(&buffer[..n]);
        if n == 0 || output.len() > most {
            break;
        }
    }
    link.drive(patience, || Ok(channel.close()?))?;
    link.drive(patience, || Ok(channel.wait_close()?))?;
    let succeeded = channel.exit_status()? == 0;
    Ok(String::from_utf8(output).ok().filter(|_| succeeded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_line_of_the_tool_is_believed() {
        assert!(parse(&format!("{EMPTY}  -"), "-").is_some());
        assert!(parse(&format!("{EMPTY} *stdin"), "stdin").is_some());
        for wrong in ["", "-", EMPTY, &format!("{EMPTY}  x"), &format!("x{EMPTY}  -"), &format!("{EMPTY} -")]
        {
            assert_eq!(parse(wrong, "-"), None, "{wrong}");
        }
        assert_eq!(parse(&format!("{}  -", EMPTY.to_uppercase()), "-"), None);
    }

    #[test]
    fn words_are_quoted() {
        assert_eq!(quote("a'b $(c)"), r"'a'\''b $(c)'");
    }
}

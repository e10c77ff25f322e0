//! SHA-256 computed by the server, by running a command there.
//!
//! Which command a server has is found out once a session, by hashing nothing and comparing with what that must
//! be. A server that lets nobody run commands, or runs something else instead (`ForceCommand`), cannot
//! hash; that is no failure. Neither is a shell that sees other files than SFTP does: the command counts the
//! file's bytes as well, and a wrong count is not believed.
//!
//! A file that is being written is hashed meanwhile: a script reads up to where the file is complete, and hashes to
//! there, in one stretch from its first byte to its last. So a large file is verified soon after it has arrived.

use std::time::{Duration, Instant};

use super::link::{Failure, Link};
use super::shell::Shell;
use crate::digest::Sha256Hex;
use crate::site::pace::{Patience, hashing};

/// The commands that hash standard input, and the name they print for it. The first is several times as fast as the
/// others where the processor has instructions for it.
const TOOLS: [(&str, &str); 3] =
    [("openssl dgst -sha256 -r", "*stdin"), ("sha256sum", " -"), ("shasum -a 256", " -")];

/// SHA-256 of no bytes.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A file that grows is hashed in steps of so many bytes, which a processor's cache holds, and at least so many steps at a
/// time.
const STEP: u64 = 64 << 10;
const STEPS: u64 = 128;

/// The most that a script has to say on one line.
const MAX_LINE: usize = 100;

/// How long a server may take to start the programs that hash one block.
const START: Duration = Duration::from_millis(20);

/// What is known about the server's ability to hash.
pub(super) enum Hasher {
    Untried,
    Tool(Tool),
    Unavailable,
}

/// A shell, and the command that hashes there.
pub(super) struct Tool {
    shell: Shell,
    command: &'static str,
    stdin: &'static str,
    /// How much of a growing file is hashed, while one is.
    hashed: Option<u64>,
}

impl Hasher {
    /// Returns the hash of the file at an absolute path that is `size` bytes long, or `None` if the server cannot, or there
    /// is no such file, or only another one.
    pub(super) fn hash(&mut self, link: &Link, path: &str, size: u64) -> Result<Option<Sha256Hex>, Failure> {
        let hashes = self.hashes(link, path, size, 1, |path, tool| format!("{tool} <{path}"))?;
        Ok(hashes.and_then(|hashes| hashes.first().copied()))
    }

    /// Returns the hash of each block of such a file, or `None` for the same reasons, or if the server lacks a program that
    /// cuts it.
    pub(super) fn hash_blocks(
        &mut self,
        link: &Link,
        path: &str,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, Failure> {
        let count = size.div_ceil(block);
        self.hashes(link, path, size, count, |path, tool| {
            format!(
                "i=0 && while [ $i -lt {count} ]; do \
                 dd if={path} bs={block} skip=$i count=1 2>/dev/null | {tool} || exit; i=$((i+1)); done"
            )
        })
    }

    /// Runs a script that prints so many hashes of a file's parts.
    fn hashes(
        &mut self,
        link: &Link,
        path: &str,
        size: u64,
        count: u64,
        script: impl Fn(&str, &str) -> String,
    ) -> Result<Option<Vec<Sha256Hex>>, Failure> {
        if !self.is_able(link)? {
            return Ok(None);
        }
        let Self::Tool(Tool { shell, command, stdin, .. }) = self else { return Ok(None) };
        let path = quote(path);
        let script =
            format!("[ -f {path} ] && [ ! -h {path} ] && wc -c <{path} && {}", script(&path, command));
        let lines = usize::try_from(count).unwrap_or(usize::MAX).saturating_add(1);
        let (output, stdin) = (alive(run(shell, link, &script, size, lines))?, *stdin);
        let output = self.unless_lost(output).flatten();
        let hashes = output.and_then(|output| counted(&output, size, stdin));
        Ok(hashes.filter(|hashes| hashes.len() as u64 == count))
    }

    /// Begins to hash the file at an absolute path as it grows, if the server can.
    pub(super) fn begin(&mut self, link: &Link, path: &str) -> Result<bool, Failure> {
        if !self.is_able(link)? {
            return Ok(false);
        }
        let Self::Tool(tool) = self else { return Ok(false) };
        let (path, command) = (quote(path), tool.command);
        let script = format!(
            "while read -r skip count && [ \"$count\" -gt 0 ]; do \
             dd if={path} bs={STEP} skip=$skip count=$count 2>/dev/null; done | {command} && \
             [ -f {path} ] && [ ! -h {path} ] && wc -c <{path}"
        );
        tool.hashed = Some(0);
        let begun = alive(tool.shell.begin(link, &script))?;
        Ok(self.unless_lost(begun).is_some())
    }

    /// Hashes the growing file, which is complete up to here.
    pub(super) fn follow(&mut self, link: &Link, complete_to: u64) -> Result<(), Failure> {
        let Self::Tool(Tool { shell, hashed: Some(hashed), .. }) = self else { return Ok(()) };
        let count = complete_to.saturating_sub(*hashed) / STEP;
        if count < STEPS {
            return Ok(());
        }
        let words = format!("{} {count}\n", *hashed / STEP);
        let begun = if *hashed == 0 { shell.hear_begin(link) } else { Ok(()) };
        *hashed += count * STEP;
        let followed = alive(begun.and_then(|()| shell.say(link, &words)))?;
        self.unless_lost(followed);
        Ok(())
    }

    /// Returns the hash of the file that was hashed as it grew, if it is `size` bytes long now.
    pub(super) fn end(&mut self, link: &Link, size: u64) -> Result<Option<Sha256Hex>, Failure> {
        let Self::Tool(Tool { shell, stdin, hashed, .. }) = self else { return Ok(None) };
        let Some(hashed) = hashed.take() else { return Ok(None) };
        let begun = if hashed == 0 { shell.hear_begin(link) } else { Ok(()) };
        let count = size.div_ceil(STEP).saturating_sub(hashed / STEP);
        let words = format!("{} {count}\n0 0\n", hashed / STEP);
        let output = begun.and_then(|()| shell.say(link, &words)).and_then(|()| {
            let patience = Patience::Until(Instant::now() + link.io_timeout + hashing(size - hashed));
            shell.end(link, patience, 2 * MAX_LINE)
        });
        let stdin = *stdin;
        let output = alive(output)?;
        let output = self.unless_lost(output).flatten();
        Ok(output.and_then(|output| {
            let (hash, length) = output.split_once('\n')?;
            (length.trim().parse() == Ok(size)).then(|| parse(hash, stdin))?
        }))
    }

    /// Gives up the shell if it did not do something.
    fn unless_lost<T>(&mut self, done: Option<T>) -> Option<T> {
        if done.is_none() {
            *self = Self::Unavailable;
        }
        done
    }

    /// Finds out, once, whether the server can hash.
    pub(super) fn is_able(&mut self, link: &Link) -> Result<bool, Failure> {
        // A shell that still waits to hear how a file has grown is of no more use.
        if let Self::Tool(Tool { hashed: Some(_), .. }) = self {
            *self = Self::Untried;
        }
        if let Self::Untried = self {
            *self = alive(Self::find(link))?.flatten().unwrap_or(Self::Unavailable);
        }
        Ok(matches!(self, Self::Tool(_)))
    }

    /// Has a shell try the tools.
    fn find(link: &Link) -> Result<Option<Self>, Failure> {
        let mut shell = Shell::start(link)?;
        let tries: String = TOOLS
            .iter()
            .enumerate()
            .map(|(i, (command, stdin))| {
                format!("if [ \"$({command})\" = '{EMPTY} {stdin}' ]; then echo {i}; el")
            })
            .collect();
        let output = run(&mut shell, link, &format!("{tries}se echo none; fi"), 0, 1)?;
        let tool = output.and_then(|output| TOOLS.get(output.trim().parse::<usize>().ok()?));
        Ok(tool.map(|&(command, stdin)| Self::Tool(Tool { shell, command, stdin, hashed: None })))
    }
}

/// Returns `None` for a failure that is not the connection's.
fn alive<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Err(failure) if failure.kind().is_dead() => Err(failure),
        result => Ok(result.ok()),
    }
}

/// Runs a script that hashes `size` bytes and prints at most so many lines.
fn run(
    shell: &mut Shell,
    link: &Link,
    script: &str,
    size: u64,
    lines: usize,
) -> Result<Option<String>, Failure> {
    let starting = START.saturating_mul(u32::try_from(lines).unwrap_or(u32::MAX));
    let patience = Patience::Until(Instant::now() + link.io_timeout + hashing(size) + starting);
    shell.run(link, script, patience, lines.saturating_mul(MAX_LINE))
}

/// Reads what a script prints: the file's length, which must be this one, and then hashes.
fn counted(output: &str, length: u64, stdin: &str) -> Option<Vec<Sha256Hex>> {
    let mut lines = output.strip_suffix('\n')?.split('\n');
    let is_it = lines.next()?.trim().parse() == Ok(length);
    is_it.then(|| lines.map(|line| parse(line, stdin)).collect())?
}

/// Reads the line that a tool prints: the digest, a space, and what it calls its standard input.
fn parse(line: &str, stdin: &str) -> Option<Sha256Hex> {
    let (digest, name) = line.split_once(' ')?;
    (name == stdin && !digest.bytes().any(|b| b.is_ascii_uppercase())).then(|| digest.parse().ok())?
}

/// Quotes a word for a POSIX shell: nothing is special between single quotes but their end.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_line_of_the_tool_is_believed() {
        assert!(parse(&format!("{EMPTY}  -"), " -").is_some());
        assert!(parse(&format!("{EMPTY} *stdin"), "*stdin").is_some());
        for wrong in ["", "-", EMPTY, &format!("{EMPTY}  x"), &format!("x{EMPTY}  -"), &format!("{EMPTY} -")]
        {
            assert_eq!(parse(wrong, " -"), None, "{wrong}");
        }
        assert_eq!(parse(&format!("{}  -", EMPTY.to_uppercase()), " -"), None);
    }

    #[test]
    fn words_are_quoted() {
        assert_eq!(quote("a'b $(c)"), r"'a'\''b $(c)'");
    }
}

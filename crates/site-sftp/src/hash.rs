//! SHA-256 computed by the server, by running a command there.
//!
//! Which command a server has is found out once a session, by hashing nothing and comparing with what that
//! must be. A server that lets nobody run commands, or runs something else instead (`ForceCommand`), cannot
//! hash; that is no failure. Neither is a server that never answers ([`Hasher::Mute`]), nor a shell that sees
//! other files than SFTP does: the command counts the file's bytes as well, and a wrong count is not
//! believed.
//!
//! A file that is being written is hashed meanwhile: a script reads up to where the file is complete, and
//! hashes to there, in one stretch from its first byte to its last. So a large file is verified soon after it
//! has arrived. The script also has the server's disk write what is there, so that little is left to be
//! written when the file is flushed.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::link::Link;
use super::shell::{Script, Shell};
use intraware_core::digest::Sha256Hex;
use intraware_core::site::pace::{Patience, hashing};

/// The commands that hash standard input, and the name they print for it. The first is several times as fast
/// as the others where the processor has instructions for it.
const TOOLS: [(&str, &str); 3] =
    [("openssl dgst -sha256 -r", "*stdin"), ("sha256sum", " -"), ("shasum -a 256", " -")];

/// What the command that was found is called in scripts.
const HASH: &str = "sha256_of_stdin";

/// SHA-256 of no bytes.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A file that grows is hashed in steps of so many bytes, which a processor's cache holds, and at least so
/// many steps at a time.
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
    /// The server has not answered. The shell is kept, since to close its channel is to wait for the server
    /// again.
    Mute(#[expect(dead_code, reason = "it is kept and never used")] Tool),
    Unavailable,
}

/// A shell, in which [`HASH`] hashes standard input once a command for that is found.
pub(super) struct Tool {
    shell: Shell,
    command: Command,
    growing: Option<Growing>,
}

/// The command that hashes.
enum Command {
    /// Being looked for.
    Wanted(Script),
    /// Found; this is what it prints for standard input.
    Found(&'static str),
}

/// A file that is hashed as it grows.
#[derive(Clone, Copy)]
struct Growing {
    script: Script,
    /// How much of it is hashed, or being hashed.
    hashed: u64,
}

impl Hasher {
    /// Finds out whether the server can hash.
    pub(super) fn is_able(&mut self, link: &Link) -> Result<bool, Failure> {
        Ok(self.stdin(link)?.is_some())
    }

    /// Returns whether the server has not answered.
    pub(super) fn is_mute(&self) -> bool {
        matches!(self, Self::Mute(_))
    }

    /// Returns whether it is not known yet whether the server can hash.
    pub(super) fn is_searching(&self) -> bool {
        matches!(self, Self::Untried | Self::Tool(Tool { command: Command::Wanted(_), .. }))
    }

    /// Returns the hash of the file at an absolute path that is `size` bytes long, or `None` if the server
    /// cannot, or there is no such file, or only another one.
    pub(super) fn hash(&mut self, link: &Link, path: &str, size: u64) -> Result<Option<Sha256Hex>, Failure> {
        let hashes = self.hashes(link, path, size, 1, |path| format!("{HASH} <{path}"))?;
        Ok(hashes.and_then(|hashes| hashes.first().copied()))
    }

    /// Returns the hash of each block of such a file, or `None` for the same reasons, or if the server lacks
    /// a program that cuts it.
    pub(super) fn hash_blocks(
        &mut self,
        link: &Link,
        path: &str,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, Failure> {
        let count = size.div_ceil(block);
        self.hashes(link, path, size, count, |path| {
            format!(
                "i=0 && while [ $i -lt {count} ]; do \
                 dd if={path} bs={block} skip=$i count=1 2>/dev/null | {HASH} || exit; i=$((i+1)); done"
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
        script: impl Fn(&str) -> String,
    ) -> Result<Option<Vec<Sha256Hex>>, Failure> {
        let Some(stdin) = self.stdin(link)? else { return Ok(None) };
        let Self::Tool(Tool { shell, .. }) = self else { return Ok(None) };
        let path = quote(path);
        let script = format!("[ -f {path} ] && [ ! -h {path} ] && wc -c <{path} && {}", script(&path));
        let lines = usize::try_from(count).unwrap_or(usize::MAX).saturating_add(1);
        let starting = START.saturating_mul(u32::try_from(lines).unwrap_or(u32::MAX));
        let patience = Patience::Until(Instant::now() + link.io_timeout + hashing(size) + starting);
        let output = alive(shell.run(link, &script, patience, lines.saturating_mul(MAX_LINE)))?;
        let output = self.unless_lost(output).flatten();
        let hashes = output.and_then(|output| counted(&output, size, stdin));
        Ok(hashes.filter(|hashes| hashes.len() as u64 == count))
    }

    /// Begins to hash the file at an absolute path as it grows, if the server may be able to; that is not
    /// waited for.
    pub(super) fn begin(&mut self, link: &Link, path: &str) -> Result<(), Failure> {
        self.start(link)?;
        let Self::Tool(Tool { shell, growing, .. }) = self else { return Ok(()) };
        let path = quote(path);
        // What has the disk write runs beside the rest, once at a time, and makes no file. Where dd knows
        // none of that, it does nothing.
        let script = format!(
            "while read -r skip count && [ \"$count\" -gt 0 ]; do \
             dd if={path} bs={STEP} skip=$skip count=$count 2>/dev/null; \
             kill -0 \"$!\" 2>/dev/null || \
             {{ dd if=/dev/null of={path} conv=nocreat,notrunc,fdatasync >/dev/null 2>&1 & }}; \
             done | {HASH} && [ -f {path} ] && [ ! -h {path} ] && wc -c <{path}"
        );
        let begun = alive(shell.begin(link, &script))?;
        *growing = begun.map(|script| Growing { script, hashed: 0 });
        self.unless_lost(begun);
        Ok(())
    }

    /// Hashes the growing file, which is complete up to here, without waiting for anything.
    pub(super) fn follow(&mut self, link: &Link, complete_to: u64) -> Result<(), Failure> {
        let Self::Tool(Tool { shell, growing: Some(Growing { script, hashed }), .. }) = self else {
            return Ok(());
        };
        let count = complete_to.saturating_sub(*hashed) / STEP;
        if count < STEPS {
            return Ok(());
        }
        let followed = shell.has_begun(link, *script).and_then(|has_begun| {
            if has_begun {
                shell.say(link, &format!("{} {count}\n", *hashed / STEP))?;
                *hashed += count * STEP;
            }
            Ok(())
        });
        let followed = alive(followed)?;
        self.unless_lost(followed);
        Ok(())
    }

    /// Returns the hash of the file that was hashed as it grew, if it is `size` bytes long now.
    pub(super) fn end(&mut self, link: &Link, size: u64) -> Result<Option<Sha256Hex>, Failure> {
        let Self::Tool(Tool { growing, .. }) = self else { return Ok(None) };
        let Some(Growing { script, hashed }) = growing.take() else { return Ok(None) };
        let Some(stdin) = self.stdin(link)? else { return Ok(None) };
        let Self::Tool(Tool { shell, .. }) = self else { return Ok(None) };
        let count = size.div_ceil(STEP).saturating_sub(hashed / STEP);
        let words = format!("{} {count}\n0 0\n", hashed / STEP);
        let begun = shell.hear_begin(link, script);
        let output = begun.and_then(|()| shell.say(link, &words)).and_then(|()| {
            let patience = Patience::Until(Instant::now() + link.io_timeout + hashing(size - hashed));
            shell.end(link, script, patience, 2 * MAX_LINE)
        });
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

    /// Has a shell look for a command, once.
    fn start(&mut self, link: &Link) -> Result<(), Failure> {
        // A shell that still waits to hear how a file has grown is of no more use.
        if let Self::Tool(Tool { growing: Some(_), .. }) = self {
            *self = Self::Untried;
        }
        if let Self::Untried = self {
            *self = alive(Self::search(link))?.unwrap_or(Self::Unavailable);
        }
        Ok(())
    }

    fn search(link: &Link) -> Result<Self, Failure> {
        let mut shell = Shell::start(link)?;
        let tries: String = TOOLS
            .iter()
            .enumerate()
            .map(|(i, (command, stdin))| {
                format!(
                    "if [ \"$({command} </dev/null)\" = '{EMPTY} {stdin}' ]; then {HASH}() {{ {command}; }}; echo {i}; el"
                )
            })
            .collect();
        let command = Command::Wanted(shell.begin(link, &format!("{tries}se echo none; fi"))?);
        Ok(Self::Tool(Tool { shell, command, growing: None }))
    }

    /// Waits until it is known whether the server can hash, and returns what its command prints for standard
    /// input.
    fn stdin(&mut self, link: &Link) -> Result<Option<&'static str>, Failure> {
        self.start(link)?;
        let Self::Tool(Tool { shell, command, .. }) = self else { return Ok(None) };
        let script = match *command {
            Command::Found(stdin) => return Ok(Some(stdin)),
            Command::Wanted(script) => script,
        };
        // Before any script has begun, silence means that there is no shell.
        if let Some(false) = alive(shell.begins(link, script))? {
            if let Self::Tool(tool) = std::mem::replace(self, Self::Unavailable) {
                *self = Self::Mute(tool);
            }
            return Ok(None);
        }
        let patience = Patience::Until(Instant::now() + link.io_timeout + START);
        let output = alive(shell.end(link, script, patience, MAX_LINE))?.flatten();
        let found = output.and_then(|output| TOOLS.get(output.trim().parse::<usize>().ok()?));
        if let Some(&(_, stdin)) = found {
            *command = Command::Found(stdin);
        }
        Ok(self.unless_lost(found).map(|&(_, stdin)| stdin))
    }
}

/// Returns `None` for a failure that is not the connection's.
fn alive<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Err(failure) if failure.kind().is_dead() => Err(failure),
        result => Ok(result.ok()),
    }
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

//! A POSIX shell at the server, which runs one script after the other.
//!
//! One shell for all costs a round trip for each script, and a channel of its own for each would cost three.
//! Not every server lets one have a shell; one that starts something else instead gets words that are no such
//! program's language, which ends it: an SFTP server takes the first four letters for the length of a packet
//! that is too long.

use std::time::Instant;

use ssh2::ExtendedData;

use super::failure::Failure;
use super::link::Link;
use super::wire::{Channel as _, Wire as _, Words};
use intraware_core::site::pace::Patience;

/// How much a shell may say besides a script's output: what it says when it starts, and the lines around the
/// output.
const MARKS: usize = 8192;

/// What is asked of the server.
const COMMAND: &str = "exec sh";

/// A shell, which may still be starting.
pub(super) struct Shell {
    channel: ssh2::Channel,
    /// Whether the server has said that there is one.
    is_granted: bool,
    /// A server that refuses a shell may not want to hear anything.
    out: Words,
    /// How many scripts it was given.
    scripts: u32,
    /// What it has said, without the scripts that were heard to their ends.
    heard: Vec<u8>,
}

/// A script that was given to a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Script(u32);

impl Shell {
    /// Has a shell started, and does not wait for that: scripts may be given to it before.
    pub(super) fn start(link: &Link) -> Result<Self, Failure> {
        let mut channel = link.drive(link.short_patience(), || Ok(link.ssh.channel_session()?))?;
        channel.handle_extended_data(ExtendedData::Ignore)?;
        let mut this =
            Self { channel, is_granted: false, out: Words::default(), scripts: 0, heard: Vec::new() };
        link.now(|| this.be_granted())?;
        Ok(this)
    }

    /// Runs a script whose output is at most `most` bytes long, and returns that. `None` if the script fails,
    /// or says more, or no shell answers.
    pub(super) fn run(
        &mut self,
        link: &Link,
        script: &str,
        patience: Patience,
        most: usize,
    ) -> Result<Option<String>, Failure> {
        let script = self.begin(link, &format!("{{ {script}\n}} </dev/null"))?;
        self.end(link, script, patience, most)
    }

    /// Begins a script once those before it have ended. It may read what is said to it next; since a shell
    /// may have read ahead of the script, nothing must be said before it [has begun](Self::has_begun).
    pub(super) fn begin(&mut self, link: &Link, script: &str) -> Result<Script, Failure> {
        self.scripts += 1;
        let words = format!("{{ echo begin {0}\n{script}\n}}\necho end {0} $?\n", self.scripts);
        self.say(link, &words)?;
        Ok(Script(self.scripts))
    }

    /// Returns whether a script has begun, as far as is known without waiting.
    pub(super) fn has_begun(&mut self, link: &Link, script: Script) -> Result<bool, Failure> {
        loop {
            if line(&self.heard, &script.mark("begin", '\n')).is_some() {
                return Ok(true);
            }
            if link.now(|| self.hear(link, 0))?.is_none() {
                return Ok(false);
            }
        }
    }

    /// Waits until a script has begun.
    pub(super) fn hear_begin(&mut self, link: &Link, script: Script) -> Result<(), Failure> {
        let patience = Patience::Until(Instant::now() + link.io_timeout);
        while !self.has_begun(link, script)? {
            link.drive(patience, || self.hear(link, 0))?;
        }
        Ok(())
    }

    /// Waits a short time for a script to begin, and returns whether it has.
    pub(super) fn begins(&mut self, link: &Link, script: Script) -> Result<bool, Failure> {
        let patience = link.short_patience();
        while !self.has_begun(link, script)? {
            if link.drive_or_leave(patience, || self.hear(link, 0))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until a script has ended, and returns its output as [`Self::run`] does.
    pub(super) fn end(
        &mut self,
        link: &Link,
        script: Script,
        patience: Patience,
        most: usize,
    ) -> Result<Option<String>, Failure> {
        let (begin, end) = (script.mark("begin", '\n'), script.mark("end", ' '));
        loop {
            if let Some((output, after)) = between(&self.heard, &begin, &end) {
                self.heard.drain(..after);
                return Ok(output.filter(|output| output.len() <= most));
            }
            link.drive(patience, || self.hear(link, most))?;
        }
    }

    /// Says something, once there is a shell; what it does not take at once it gets while it is heard.
    pub(super) fn say(&mut self, link: &Link, words: &str) -> Result<(), Failure> {
        self.out.end().extend_from_slice(words.as_bytes());
        if self.is_granted {
            link.now(|| self.push(link))?;
        }
        Ok(())
    }

    /// Passes on what is said, as far as there is room.
    fn push(&mut self, link: &Link) -> Result<(), Failure> {
        self.out.push(&mut self.channel, link).map(drop)
    }

    /// Hears something, of which a script says `most` bytes at most. An error where that has to wait.
    fn hear(&mut self, link: &Link, most: usize) -> Result<(), Failure> {
        self.be_granted()?;
        self.push(link)?;
        let mut buffer = [0; 4096];
        match self.channel.read(link, &mut buffer)? {
            0 => Err(Failure::Ended),
            _ if self.heard.len() > most + MARKS => Err(Failure::Ended),
            n => {
                self.heard.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }

    /// Asks for the shell, and hears the answer. An error where that has to wait.
    fn be_granted(&mut self) -> Result<(), Failure> {
        if !self.is_granted {
            self.channel.exec(COMMAND)?;
            self.is_granted = true;
        }
        Ok(())
    }
}

impl Script {
    /// How a line begins that the shell says before or after the script.
    fn mark(self, word: &str, after: char) -> Vec<u8> {
        format!("{word} {}{after}", self.0).into_bytes()
    }
}

/// Finds what was said between the lines that a script is put between, and where it ends, once it is all
/// there; no text if the script has failed, or said what is no text.
fn between(heard: &[u8], begin: &[u8], end: &[u8]) -> Option<(Option<String>, usize)> {
    let after = line(heard, begin)? + begin.len();
    let output = &heard[after..];
    let until = line(output, end)?;
    let rest = &output[until + end.len()..];
    let status = &rest[..rest.iter().position(|&byte| byte == b'\n')?];
    let said = (status == b"0").then(|| String::from_utf8(output[..until].to_vec()).ok()).flatten();
    Some((said, after + until + end.len() + status.len() + 1))
}

/// Returns where a line begins that begins like this.
fn line(text: &[u8], beginning: &[u8]) -> Option<usize> {
    let mut lines = 0..=text.len();
    lines.find(|&at| (at == 0 || text[at - 1] == b'\n') && text[at..].starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_what_stands_between_the_marks() {
        let find = |heard: &str| {
            let (said, after) = between(heard.as_bytes(), b"begin 2\n", b"end 2 ")?;
            Some((said, heard[after..].to_owned()))
        };
        let said = |text: &str, rest: &str| Some((Some(text.to_owned()), rest.to_owned()));
        assert_eq!(find("welcome\nbegin 2\na\nb\nend 2 0\n"), said("a\nb\n", ""));
        assert_eq!(find("begin 2\nend 2 0\nbegin 3\n"), said("", "begin 3\n"));
        assert_eq!(find("begin 2\na\nend 2 127\n"), Some((None, String::new())), "it failed");
        for early in
            ["", "begin 2", "begin 2\na\n", "begin 2\na\nend 2 0", "begin 2\nx end 2 0\n", "end 2 0\n"]
        {
            assert_eq!(find(early), None, "{early}");
        }
    }
}

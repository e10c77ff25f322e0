//! A POSIX shell at the server, which runs one script after the other.
//!
//! One shell for all costs a round trip for each script, and a channel of its own for each would cost three. Not every
//! server lets one have a shell; one that starts something else instead gets words that are no such program's
//! language, which ends it: an SFTP server takes the first four letters for the length of a packet that is too long.

use std::io::{Read as _, Write as _};
use std::time::Instant;

use ssh2::{Channel, ExtendedData};

use super::link::{Failure, Link};
use crate::site::pace::Patience;

/// How much a shell may say besides a script's output: what it says when it starts, and the lines around the output.
const MARKS: usize = 8192;

/// A running shell.
pub(super) struct Shell {
    channel: Channel,
    /// How many scripts it was given.
    scripts: u32,
    /// What it has said since the last one was begun.
    heard: Vec<u8>,
}

impl Shell {
    /// Starts a shell.
    pub(super) fn start(link: &Link) -> Result<Self, Failure> {
        let mut channel = link.ask(|| Ok(link.ssh.channel_session()?))?;
        channel.handle_extended_data(ExtendedData::Ignore)?;
        link.ask(|| Ok(channel.exec("exec sh")?))?;
        Ok(Self { channel, scripts: 0, heard: Vec::new() })
    }

    /// Runs a script whose output is at most `most` bytes long, and returns that. `None` if the script fails, or says more,
    /// or no shell answers.
    pub(super) fn run(
        &mut self,
        link: &Link,
        script: &str,
        patience: Patience,
        most: usize,
    ) -> Result<Option<String>, Failure> {
        self.begin(link, &format!("{{ {script}\n}} </dev/null"))?;
        self.end(link, patience, most)
    }

    /// Begins a script that reads what is said to it next. A shell may have read ahead of the script, so that nothing
    /// must be said before it [has begun](Self::hear_begin).
    pub(super) fn begin(&mut self, link: &Link, script: &str) -> Result<(), Failure> {
        self.scripts += 1;
        self.heard.clear();
        let words = format!("{{ echo begin {0}\n{script}\n}}\necho end {0} $?\n", self.scripts);
        self.say(link, &words)
    }

    /// Waits until the script has begun.
    pub(super) fn hear_begin(&mut self, link: &Link) -> Result<(), Failure> {
        let begin = self.mark("begin", '\n');
        let patience = Patience::Until(Instant::now() + link.io_timeout);
        while line(&self.heard, &begin).is_none() {
            self.hear(link, patience, 0)?;
        }
        Ok(())
    }

    /// Waits until the script has ended, and returns its output as [`Self::run`] does.
    pub(super) fn end(
        &mut self,
        link: &Link,
        patience: Patience,
        most: usize,
    ) -> Result<Option<String>, Failure> {
        let (begin, end) = (self.mark("begin", '\n'), self.mark("end", ' '));
        loop {
            if let Some(output) = between(&self.heard, &begin, &end) {
                return Ok(output.filter(|output| output.len() <= most));
            }
            self.hear(link, patience, most)?;
        }
    }

    /// Says something.
    pub(super) fn say(&mut self, link: &Link, words: &str) -> Result<(), Failure> {
        let mut words = words.as_bytes();
        while !words.is_empty() {
            let n = link.ask(|| self.channel.write(words).map_err(|err| link.channel_failure(&err)))?;
            words = &words[n..];
        }
        Ok(())
    }

    /// Hears something, of which a script says `most` bytes at most.
    fn hear(&mut self, link: &Link, patience: Patience, most: usize) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        let read = || self.channel.read(&mut buffer).map_err(|err| link.channel_failure(&err));
        match link.drive(patience, read)? {
            0 => Err(Failure::Ended),
            _ if self.heard.len() > most + MARKS => Err(Failure::Ended),
            n => {
                self.heard.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }

    fn mark(&self, word: &str, after: char) -> Vec<u8> {
        format!("{word} {}{after}", self.scripts).into_bytes()
    }
}

/// Finds what was said between the lines that a script is put between, once it is all there; `None` in that if the
/// script has failed, or said what is no text.
fn between(heard: &[u8], begin: &[u8], end: &[u8]) -> Option<Option<String>> {
    let after = line(heard, begin)? + begin.len();
    let output = &heard[after..];
    let until = line(output, end)?;
    let status = &output[until + end.len()..];
    let status = &status[..status.iter().position(|&byte| byte == b'\n')?];
    Some((status == b"0").then(|| String::from_utf8(output[..until].to_vec()).ok()).flatten())
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
        let find = |heard: &str| between(heard.as_bytes(), b"begin 2\n", b"end 2 ");
        assert_eq!(find("welcome\nbegin 2\na\nb\nend 2 0\n"), Some(Some("a\nb\n".into())));
        assert_eq!(find("begin 2\nend 2 0\n"), Some(Some(String::new())));
        assert_eq!(find("begin 2\na\nend 2 127\n"), Some(None), "it failed");
        for early in
            ["", "begin 2", "begin 2\na\n", "begin 2\na\nend 2 0", "begin 2\nx end 2 0\n", "end 2 0\n"]
        {
            assert_eq!(find(early), None, "{early}");
        }
    }
}

//! A POSIX shell at the server, which runs one script after the other.
//!
//! One shell for all costs a round trip for each script, and a channel of its own for each would cost three. Not every
//! server lets one have a shell; one that starts something else instead gets words that are no such program's
//! language, which ends it: an SFTP server takes the first four letters for the length of a packet that is too long.

use std::io::{Read as _, Write as _};

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
}

impl Shell {
    /// Starts a shell.
    pub(super) fn start(link: &Link) -> Result<Self, Failure> {
        let mut channel = link.ask(|| Ok(link.ssh.channel_session()?))?;
        channel.handle_extended_data(ExtendedData::Ignore)?;
        link.ask(|| Ok(channel.exec("exec sh")?))?;
        Ok(Self { channel, scripts: 0 })
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
        self.scripts += 1;
        let (begin, end) = (format!("begin {}\n", self.scripts), format!("end {} ", self.scripts));
        let words = format!("echo {begin}{{ {script}\n}} </dev/null\necho {end}$?\n");
        self.say(link, words.as_bytes(), patience)?;
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while heard.len() <= most + MARKS {
            if let Some(output) = between(&heard, begin.as_bytes(), end.as_bytes()) {
                return Ok(output.filter(|output| output.len() <= most));
            }
            let read = || self.channel.read(&mut buffer).map_err(|err| link.channel_failure(&err));
            match link.drive(patience, read)? {
                0 => return Err(Failure::Ended),
                n => heard.extend_from_slice(&buffer[..n]),
            }
        }
        Err(Failure::Ended)
    }

    fn say(&mut self, link: &Link, mut words: &[u8], patience: Patience) -> Result<(), Failure> {
        while !words.is_empty() {
            let write = || self.channel.write(words).map_err(|err| link.channel_failure(&err));
            let n = link.drive(patience, write)?;
            words = &words[n..];
        }
        Ok(())
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

//! What an FTP server answers: a number that programs go by, and lines for people.

/// The longest line of an answer, and the most that an answer may have, in bytes. A directory listed in an
/// answer is the longest.
pub(super) const MAX_LINE: usize = 8 << 10;
pub(super) const MAX_REPLY: usize = 8 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The number.
    pub(super) code: u16,
    /// The lines, without number and line break; not escaped.
    pub(super) lines: Vec<String>,
}

/// The numbers that are told apart; RFC 959, 2228, 3659 and 4217.
pub(super) mod code {
    pub(crate) const SERVICE_READY: u16 = 220;
    pub(crate) const NEEDS_ACCOUNT: u16 = 332;
    pub(crate) const CLOSING: u16 = 421;
    pub(crate) const NO_DATA_CONNECTION: u16 = 425;
    pub(crate) const ABORTED: u16 = 426;
    pub(crate) const NO_SPACE: u16 = 452;
    pub(crate) const UNRECOGNISED: u16 = 500;
    pub(crate) const BAD_ARGUMENT: u16 = 501;
    pub(crate) const NOT_IMPLEMENTED: u16 = 502;
    pub(crate) const BAD_SEQUENCE: u16 = 503;
    pub(crate) const NOT_FOR_ARGUMENT: u16 = 504;
    pub(crate) const NEEDS_TLS: u16 = 521;
    pub(crate) const DATA_TLS: u16 = 522;
    pub(crate) const NOT_LOGGED_IN: u16 = 530;
    pub(crate) const NO_ACCOUNT: u16 = 532;
    pub(crate) const NEEDS_PROTECTION: u16 = 534;
    pub(crate) const QUOTA: u16 = 552;
}

impl Reply {
    /// Returns whether the server goes on: the answer comes before another.
    pub(super) fn is_preliminary(&self) -> bool {
        self.code / 100 == 1
    }

    /// Returns whether it did what it was asked.
    pub(super) fn is_done(&self) -> bool {
        self.code / 100 == 2
    }

    /// Returns whether it wants the rest of what was begun.
    pub(super) fn wants_more(&self) -> bool {
        self.code / 100 == 3
    }

    /// Returns whether it does not know what was asked of it.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.code, code::UNRECOGNISED | code::NOT_IMPLEMENTED | code::NOT_FOR_ARGUMENT)
    }

    /// Returns whether it is about a connection for data that failed, while the one for commands is as it
    /// was.
    pub(super) fn is_about_data(&self) -> bool {
        matches!(self.code, code::NO_DATA_CONNECTION | code::ABORTED)
    }

    /// Returns the last line, which is the whole answer in most cases.
    pub(super) fn text(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// Returns the answer without the lines that repeat a secret, as some servers do with a command they
    /// refuse.
    pub(super) fn without(mut self, secret: &str) -> Self {
        for line in &mut self.lines {
            if !secret.is_empty() && line.contains(secret) {
                "(what was sent)".clone_into(line);
            }
        }
        self
    }

    /// Returns the lines between the first and the last.
    pub(super) fn inner(&self) -> &[String] {
        match self.lines.len() {
            0..=2 => &[],
            n => &self.lines[1..n - 1],
        }
    }
}

/// Reads an answer line by line.
#[derive(Debug, Default)]
pub(super) struct Reader {
    code: Option<u16>,
    lines: Vec<String>,
    size: usize,
}

/// An answer that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

impl Reader {
    /// Takes the next line, without its line break, and returns the answer once it is complete.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, Garbled> {
        // What an empty line costs us counts as well.
        self.size += line.len() + size_of::<String>();
        if self.size > MAX_REPLY {
            return Err(Garbled);
        }
        let number = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let text = |from: usize| String::from_utf8_lossy(line.get(from..).unwrap_or_default()).into_owned();
        let is_last = matches!(line.get(3), None | Some(b' '));
        match (self.code, number) {
            (None, Some(code @ 100..600)) => {
                self.lines.push(text(4));
                match line.get(3) {
                    None | Some(b' ') => {}
                    Some(b'-') => {
                        self.code = Some(code);
                        return Ok(None);
                    }
                    Some(_) => return Err(Garbled),
                }
                Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }))
            }
            (None, _) => Err(Garbled),
            (Some(code), number) if number == Some(code) && is_last => {
                self.lines.push(text(4));
                Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }))
            }
            (Some(_), _) => {
                self.lines.push(text(0));
                Ok(None)
            }
        }
    }
}

/// Returns the port of an answer to EPSV: `229 … (|||6446|)`.
pub(super) fn extended_port(text: &str) -> Option<u16> {
    let inner = text.rsplit_once('(')?.1.split_once(')')?.0;
    let mark = inner.chars().next().filter(char::is_ascii_graphic)?;
    let mut fields = inner.split(mark);
    let port = fields.nth(3)?.parse().ok().filter(|&port| port != 0)?;
    (fields.next() == Some("") && fields.next().is_none()).then_some(port)
}

/// Returns the port of an answer to PASV: `227 … (10,0,0,1,25,46)`. The address in it is nobody's business: a
/// server behind a translator names a wrong one, and a hostile one names somebody else's.
pub(super) fn passive_port(text: &str) -> Option<u16> {
    let begin = text.find(|c: char| c.is_ascii_digit())?;
    let tail = &text[begin..];
    let end = tail.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(tail.len());
    let numbers: Vec<u8> = tail[..end].split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[_, _, _, _, high, low] = numbers.as_slice() else { return None };
    Some(u16::from_be_bytes([high, low])).filter(|&port| port != 0)
}

/// Returns the path of an answer to PWD or MKD: in quotes, with quotes inside doubled.
pub(super) fn quoted_path(text: &str) -> Option<String> {
    let rest = text.split_once('"')?.1;
    let mut path = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.next_if_eq(&'"').is_some() => path.push('"'),
            '"' => return Some(path),
            c => path.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Reply>, Garbled> {
        let mut reader = Reader::default();
        for (i, line) in lines.iter().enumerate() {
            match reader.take(line.as_bytes())? {
                Some(reply) => {
                    assert_eq!(i, lines.len() - 1, "more was sent");
                    return Ok(Some(reply));
                }
                None => continue,
            }
        }
        Ok(None)
    }

    #[test]
    fn an_answer_ends_with_the_line_that_repeats_its_number() {
        let reply = read(&["220 hello"]).unwrap().unwrap();
        assert_eq!((reply.code, reply.text(), reply.inner().len()), (220, "hello", 0));
        let reply =
            read(&["211-Features:", " MLST a;", "211-x", "220 no", "2110", "211 End"]).unwrap().unwrap();
        assert_eq!(reply.inner(), [" MLST a;", "211-x", "220 no", "2110"]);
        assert_eq!((reply.code, reply.text()), (211, "End"));
        assert_eq!(read(&["200"]).unwrap().unwrap().text(), "");
        assert_eq!(read(&["211-never", "ends"]), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for wrong in ["", "20", "abc x", "2x0 y", "099 x", "600 x", "200x", "HTTP/1.1 400 Bad Request"] {
            assert_eq!(read(&[wrong]), Err(Garbled), "{wrong:?}");
        }
        let mut reader = Reader::default();
        reader.take(b"211-").unwrap();
        let line = vec![b'x'; MAX_LINE];
        assert!((0..2 * MAX_REPLY / MAX_LINE).any(|_| reader.take(&line).is_err()), "an answer without end");
        let mut reader = Reader::default();
        reader.take(b"211-").unwrap();
        assert!((0..MAX_REPLY).any(|_| reader.take(b"").is_err()), "an answer of empty lines without end");
    }

    #[test]
    fn ports_and_paths_are_found_in_answers() {
        assert_eq!(extended_port("Entering Extended Passive Mode (|||5098|)"), Some(5098));
        assert_eq!(extended_port("(!!!1!)"), Some(1));
        for wrong in ["", "(|||0|)", "(|||70000|)", "(||5098|)", "(|||5098)", "(|||1|2|)"] {
            assert_eq!(extended_port(wrong), None, "{wrong}");
        }
        assert_eq!(passive_port("Entering Passive Mode (10,0,0,1,25,46)."), Some(25 * 256 + 46));
        assert_eq!(passive_port("=127,0,0,1,0,21"), Some(21));
        for wrong in ["", "(1,2,3,4,5)", "(1,2,3,4,5,6,7)", "(1,2,3,4,256,0)", "(1,2,3,4,0,0)"] {
            assert_eq!(passive_port(wrong), None, "{wrong}");
        }
        assert_eq!(quoted_path("\"/a \"\"b\"\"\" is the current directory").as_deref(), Some("/a \"b\""));
        assert_eq!(quoted_path("/a is current"), None);
        assert_eq!(quoted_path("\"/a"), None);
    }
}

//! Strings that somebody else chose, made fit for a terminal, a log line or an error.
//!
//! Paths, record fields, server banners and error bodies may hold control characters, escape
//! sequences, bidirectional overrides or invalid UTF-8. Whoever prints one goes through here.

use std::fmt;

/// Longest text that [`escape`] lets through, in bytes; the rest becomes an ellipsis.
pub const MAX_SHOWN: usize = 512;

/// Longest text that [`excerpt`] lets through, in bytes; a whole page of HTML says no more than its
/// beginning.
pub const MAX_EXCERPT: usize = 200;

/// Returns `bytes` as printable text: everything that could steer a terminal or fake a line is
/// written as `\xNN` or `\u{N}`, a backslash is doubled, and at most [`MAX_SHOWN`] bytes are shown.
pub fn escape(bytes: impl AsRef<[u8]>) -> String {
    let mut shown = String::new();
    for chunk in bytes.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut shown, c);
            if shown.len() > MAX_SHOWN {
                shown.push('…');
                return shown;
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
        if shown.len() > MAX_SHOWN {
            shown.push('…');
            return shown;
        }
    }
    shown
}

/// Returns a text of ours, in which the words of others are escaped already, fit to be shown: what [`escape`]
/// would spell out is spelled out, but a backslash stays one. To do it twice changes nothing.
pub fn tame(text: impl AsRef<str>) -> String {
    let mut shown = String::new();
    for c in text.as_ref().chars() {
        if c == '\\' {
            shown.push(c);
        } else {
            push(&mut shown, c);
        }
        if shown.len() > MAX_SHOWN {
            shown.push('…');
            break;
        }
    }
    shown
}

/// Returns the beginning of an answer's body or header on one line: as [`escape`] does, but without the space
/// around it, with blanks for tabs and line breaks, and at most [`MAX_EXCERPT`] bytes of it.
pub fn excerpt(bytes: impl AsRef<[u8]>) -> String {
    let mut shown = String::new();
    for chunk in bytes.as_ref().trim_ascii().utf8_chunks() {
        for c in chunk.valid().chars() {
            if shown.len() >= MAX_EXCERPT {
                shown.push('…');
                return shown;
            }
            push(&mut shown, if matches!(c, '\t' | '\r' | '\n') { ' ' } else { c });
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
        if shown.len() > MAX_EXCERPT {
            shown.push('…');
            return shown;
        }
    }
    shown
}

fn push(shown: &mut String, c: char) {
    if c == '\\' {
        shown.push_str("\\\\");
    } else if !is_unsafe(c) {
        shown.push(c);
    } else if (c as u32) < 0x100 {
        shown.push_str(&format!("\\x{:02x}", c as u32));
    } else {
        shown.push_str(&format!("\\u{{{:x}}}", c as u32));
    }
}

/// Returns whether `c` may change how the text around it is displayed or split into lines:
/// C0, DEL, C1, line and paragraph separators, and the bidirectional controls of UAX #9.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

/// Displays a path or any other bytes escaped as by [`escape`].
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.0))
    }
}

/// Returns a displayable form of a local path.
pub fn path(path: &std::path::Path) -> Shown<'_> {
    use std::os::unix::ffi::OsStrExt;
    Shown(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_controls_and_line_breaks_are_spelled_out() {
        assert_eq!(escape("a\u{1b}[31m\nb"), "a\\x1b[31m\\x0ab");
        assert_eq!(escape("x\u{202e}y\u{9b}"), "x\\u{202e}y\\x9b");
        assert_eq!(escape(b"ok \xff\\"), "ok \\xff\\\\");
    }

    #[test]
    fn what_was_escaped_once_is_not_escaped_again() {
        let once = tame(format!("cannot read {}: \u{9b}2J", escape("a\u{1b}\\")));
        assert_eq!(once, "cannot read a\\x1b\\\\: \\x9b2J");
        assert_eq!(tame(&once), once);
    }

    #[test]
    fn long_text_is_cut() {
        for shown in [escape("é".repeat(10_000)), tame("é".repeat(10_000))] {
            assert!(shown.ends_with('…') && shown.len() < MAX_SHOWN + 16);
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_cut_like_any_other() {
        for (shown, limit) in [(escape([0xff; 10_000]), MAX_SHOWN), (excerpt([0xff; 10_000]), MAX_EXCERPT)] {
            assert!(shown.ends_with('…') && shown.len() < limit + 16, "{}", shown.len());
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line_and_hides_no_byte() {
        assert_eq!(excerpt("\n a\u{1b}[2J\r\n\tb\u{202e}\\ \n"), "a\\x1b[2J   b\\u{202e}\\\\");
        assert_eq!(excerpt(b"x\xff"), "x\\xff");
        let long = excerpt("<html>".repeat(1000));
        assert!(long.ends_with('…') && long.len() < MAX_EXCERPT + 10);
    }
}

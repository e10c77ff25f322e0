//! Text from a server, made fit for one line of an error.
//!
//! Error bodies and headers are untrusted: they may hold escape sequences, line breaks or a whole
//! HTML page. What is shown of them is printable and short.

/// Longest text that is shown, in bytes.
const MAX: usize = 200;

/// Returns the beginning of `bytes` as printable text on one line.
pub(crate) fn shown(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes.as_ref()).trim().chars() {
        if text.len() >= MAX {
            text.push('…');
            break;
        }
        match c {
            '\\' => text.push_str("\\\\"),
            '\t' | '\r' | '\n' => text.push(' '),
            c if c.is_control() => text.push_str(&format!("\\x{:02x}", c as u32)),
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => {
                text.push_str(&format!("\\u{{{:x}}}", c as u32));
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelled_out_and_long_text_is_cut() {
        assert_eq!(shown("a\u{1b}[2J\nb\u{202e}"), "a\\x1b[2J b\\u{202e}");
        assert!(shown("<html>".repeat(1000)).len() < MAX + 10);
    }
}

//! Text that somebody else chose, made fit for one line of a log or an error.

/// Longest text that is shown, in bytes.
const MAX: usize = 200;

/// Returns the beginning of `bytes` as printable text on one line: what could steer a terminal or fake a line is spelled
/// out, and a backslash is doubled.
pub fn shown(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for chunk in bytes.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            if text.len() >= MAX {
                text.push('…');
                return text;
            }
            match c {
                '\\' => text.push_str("\\\\"),
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
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Returns a path as [`shown`] does.
pub fn path(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    shown(path.as_os_str().as_bytes())
}

/// Returns an error and its causes as one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    // Ours, but a library may repeat what a peer has said.
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelled_out_and_long_text_is_cut() {
        assert_eq!(shown("a\u{1b}[2J\nb\u{202e}\\"), "a\\x1b[2J\\x0ab\\u{202e}\\\\");
        assert_eq!(shown(b"x\xff"), "x\\xff");
        assert!(shown("<html>".repeat(1000)).len() < MAX + 10);
    }
}

//! A few lines of what differs between two texts.

use intraware_core::foreign;

/// Most lines of each side.
const LINES: usize = 4;
/// Most bytes of a line.
const WIDTH: usize = 120;

/// Returns the lines that differ first, escaped: those of `a` after `-`, those of `b` after `+`.
pub(crate) fn diff(a: &[u8], b: &[u8]) -> Vec<String> {
    let (a, b) = (lines(a), lines(b));
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let most = a.len().min(b.len()) - same;
    let tail = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let mut out = vec![format!("@@ line {}", same + 1)];
    for (mark, side) in [('-', &a), ('+', &b)] {
        let differing = &side[same..side.len() - tail];
        out.extend(differing.iter().take(LINES).map(|line| format!("{mark}{}", shown(line))));
        if differing.len() > LINES {
            out.push(format!("{mark}… {} more lines", differing.len() - LINES));
        }
    }
    out
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let cut = &line[..line.len().min(WIDTH)];
    let more = if cut.len() < line.len() { "…" } else { "" };
    foreign::escape(cut) + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_and_escaped() {
        let text = diff(b"one\ntwo\nthree\nfour\n", b"one\n2\x1b[31m\nthree\nfour\n");
        assert_eq!(text, ["@@ line 2", "-two", "+2\\x1b[31m"]);
        assert_eq!(diff(b"a\n", b"a\nb\n"), ["@@ line 2", "+b"]);
        let long = diff(&b"x\n".repeat(9), &b"y".repeat(500));
        assert_eq!(long.len(), 7);
        assert!(long[5] == "-… 5 more lines" && long[6].len() < 140, "{long:?}");
    }
}

//! What a program has printed, of which the beginning and the end are kept.

use std::collections::VecDeque;

/// How much of the beginning is kept, in bytes.
const HEAD: usize = 4 << 10;
/// How much of the end is kept, in bytes. A program mostly says last why it fails.
const TAIL: usize = 12 << 10;

/// What a program has printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Said {
    /// Takes what comes next.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        // Of a large piece only its end can stay.
        let kept = &rest[rest.len().saturating_sub(TAIL)..];
        self.left_out += (rest.len() - kept.len()) as u64;
        self.tail.extend(kept);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    /// Returns all that is kept. What was left out in the middle is said in its place.
    pub fn kept(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.left_out > 0 {
            all.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        all.extend(&self.tail);
        all
    }

    /// Returns the last lines that are not empty, as they came, in at most about `bytes` bytes.
    pub fn end(&self, bytes: usize) -> Vec<u8> {
        let all = self.kept();
        let all = all.trim_ascii_end();
        let cut = &all[all.len().saturating_sub(bytes)..];
        // A line that was cut is better left out, unless it is the only one.
        match cut.iter().position(|b| *b == b'\n') {
            Some(at) if cut.len() < all.len() => cut[at + 1..].to_vec(),
            _ => cut.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept_and_the_middle_is_counted() {
        let mut said = Said::default();
        said.take(b"begin\n");
        for _ in 0..3 {
            said.take(&[b'x'; 70_000]);
        }
        said.take(b"\nend\n");
        let kept = said.kept();
        assert!(kept.starts_with(b"begin\n") && kept.ends_with(b"\nend\n"), "{}", kept.len());
        assert!(kept.len() < HEAD + TAIL + 50);
        let left = 210_011 - HEAD - TAIL;
        assert!(String::from_utf8_lossy(&kept).contains(&format!("[{left} bytes left out]")));
        assert_eq!(said.end(100), b"end");
    }

    #[test]
    fn the_end_begins_with_a_whole_line() {
        let mut said = Said::default();
        said.take(b"one\ntwo\nthree\n\n");
        assert_eq!(said.end(11), b"two\nthree");
        assert_eq!(said.end(9), b"three");
        assert_eq!(said.end(3), b"ree");
        assert_eq!(said.end(100), b"one\ntwo\nthree");
    }
}

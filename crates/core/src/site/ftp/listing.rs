//! What servers say about files: facts (RFC 3659), and the lines of `ls -l`, which no standard defines and all of them
//! print.
//!
//! Both are needed. Servers without facts exist, and ProFTPD's facts call a link what it leads to, where its listing
//! says that it is a link.

use crate::site::{Entry, EntryKind};

/// One line of `ls -l`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) entry: Entry,
    /// Who may do what, as in `rw-r--r--`.
    rights: String,
    /// The name; of a link, with what it leads to behind it.
    shown: String,
    is_link: bool,
}

impl Line {
    /// Reads a line: mode, links, owner, group, size, month, day, time or year, and the name behind one space.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // ProFTPD indents what it lists in an answer.
        let text = text.strip_prefix(' ').unwrap_or(text);
        let mut rest = text;
        let mut fields = [""; 8];
        for field in &mut fields {
            let trimmed = rest.trim_start_matches(' ');
            let end = trimmed.find(' ')?;
            (*field, rest) = trimmed.split_at(end);
        }
        let shown = rest.strip_prefix(' ').filter(|name| !name.is_empty())?.to_owned();
        let [mode, links, _, _, size, month, day, _] = fields;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if mode.len() < 10 || !is_number(links) || !is_number(day) || month.len() < 3 {
            return None;
        }
        let kind = match mode.as_bytes()[0] {
            b'-' => EntryKind::File,
            b'd' => EntryKind::Directory,
            b'l' | b'p' | b's' | b'b' | b'c' => EntryKind::Other,
            _ => return None,
        };
        let entry = Entry { kind, size: size.parse().ok()? };
        let rights = mode.get(1..10)?.to_owned();
        Some(Self { entry, rights, shown, is_link: mode.starts_with('l') })
    }

    /// Returns whether it has exactly this mode.
    pub(super) fn has_mode(&self, mode: u32) -> bool {
        let right = |(at, right)| if mode >> (8 - at) & 1 == 1 { right } else { '-' };
        self.rights == "rwxrwxrwx".chars().enumerate().map(right).collect::<String>()
    }

    /// Returns whether the line is about this name.
    pub(super) fn is_of(&self, name: &str) -> bool {
        match self.shown.strip_prefix(name) {
            Some("") => true,
            Some(tail) => self.is_link && tail.starts_with(" -> "),
            None => false,
        }
    }

    /// Returns the name; for a link, which may hold an arrow itself, what stands before the first arrow.
    pub(super) fn name(&self) -> &str {
        match self.is_link {
            true => self.shown.split_once(" -> ").map_or(&self.shown, |(name, _)| name),
            false => &self.shown,
        }
    }
}

/// One line of facts: `type=file;size=5; name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) entry: Entry,
    pub(super) name: String,
}

impl Facts {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(' ').unwrap_or(text);
        let (facts, name) = text.split_once(' ')?;
        let fact = |wanted: &str| {
            let mut pairs = facts.split(';').filter_map(|fact| fact.split_once('='));
            pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let kind = match fact("type")?.to_ascii_lowercase().as_str() {
            "file" => EntryKind::File,
            "dir" | "cdir" | "pdir" => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let size = match (kind, fact("size").map(str::parse)) {
            (_, Some(Ok(size))) => size,
            (EntryKind::File, _) => return None,
            (EntryKind::Directory | EntryKind::Other, _) => 0,
        };
        Some(Self { entry: Entry { kind, size }, name: name.to_owned() })
    }

    /// Returns whether the line is about the listed directory or the one above it.
    pub(super) fn is_about_directory(&self, text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        matches!(&*self.name, "." | "..") || lower.contains("type=cdir;") || lower.contains("type=pdir;")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (EntryKind, u64, String) {
        let line = Line::parse(text).unwrap_or_else(|| panic!("{text:?}"));
        (line.entry.kind, line.entry.size, line.name().to_owned())
    }

    #[test]
    fn lines_of_three_servers_are_read() {
        let file = |name: &str| (EntryKind::File, 5, name.to_owned());
        assert_eq!(line("-rw-r--r--    1 0        0               5 Nov 21 10:09 target"), file("target"));
        assert_eq!(line(" -rw-r--r--   1 upload   65534           5 Nov 21  2025 target"), file("target"));
        assert_eq!(
            line("-rw-r--r--    1 65534      nogroup             5 Nov 21 10:09  two  b "),
            file(" two  b ")
        );
        let dir = line("drwxr-xr-x    3 65534    65534        4096 Nov 21 10:09 .");
        assert_eq!(dir, (EntryKind::Directory, 4096, ".".into()));
        let file = Line::parse("-rw-r--r--    1 0        0               5 Nov 21 10:09 target").unwrap();
        assert!(file.has_mode(0o644) && !file.has_mode(0o640) && !file.has_mode(0o600));
        let link =
            Line::parse("lrwxrwxrwx    1 0        0               6 Nov 21 10:09 link -> a -> b").unwrap();
        assert_eq!((link.entry.kind, link.name()), (EntryKind::Other, "link"));
        assert!(link.is_of("link") && link.is_of("link -> a") && !link.is_of("lin") && !link.is_of("a"));
        let odd = Line::parse("-rw-r--r--    1 0        0               6 Nov 21 10:09 x -> y").unwrap();
        assert!(odd.is_of("x -> y") && !odd.is_of("x"), "a file is no link");
        assert_eq!(line("prwx------    1 0        0               0 Nov 21 10:09 pipe").0, EntryKind::Other);
    }

    #[test]
    fn what_is_no_line_of_a_file_is_passed_over() {
        for text in [
            "",
            "total 12",
            "11-21-26  10:00AM       <DIR>          name",
            "-rw-r--r-- 1 0 0 5 Nov 21 10:09 ",
            "-rw-r--r-- 1 0 0 -5 Nov 21 10:09 x",
            "Status of /site:",
            "?rw-r--r-- 1 0 0 5 Nov 21 10:09 x",
        ] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
    }

    #[test]
    fn facts_say_what_a_name_is() {
        let facts =
            |text: &str| Facts::parse(text).map(|facts| (facts.entry.kind, facts.entry.size, facts.name));
        assert_eq!(
            facts(" type=file;size=5;UNIX.mode=0644; /a b"),
            Some((EntryKind::File, 5, "/a b".into()))
        );
        assert_eq!(facts("Size=7;Type=File; x"), Some((EntryKind::File, 7, "x".into())));
        assert_eq!(facts("type=OS.unix=slink:;size=6; l"), Some((EntryKind::Other, 6, "l".into())));
        assert_eq!(facts("type=unknown;size=0; pipe"), Some((EntryKind::Other, 0, "pipe".into())));
        assert_eq!(facts("type=pdir;sizd=4096; /"), Some((EntryKind::Directory, 0, "/".into())));
        for wrong in ["", "x", "size=5; x", "type=file; x", "type=file;size=x; x", "type=file;size=-1; x"] {
            assert_eq!(facts(wrong), None, "{wrong}");
        }
    }
}

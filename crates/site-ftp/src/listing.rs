//! What servers say about files: facts (RFC 3659), and the lines of `ls -l` or of `dir`, which no standard
//! defines.
//!
//! Both are needed. Servers without facts exist, and ProFTPD's facts call a link what it leads to, where its
//! listing says that it is a link.
//!
//! Owners and groups may hold spaces (`Domain Users`), or be left out, and dates have many forms. What every
//! line of `ls -l` has is a mode, and later a size with a date behind it; the first that looks so is it, and
//! the name comes next.

use intraware_core::site::{Entry, EntryKind};

/// How the server lists a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lister {
    /// Nobody has tried, or nothing was there to list.
    Untried,
    /// In an answer, to `STAT -a`.
    Answer,
    /// Over a data connection, to `LIST -a`.
    Data,
    /// The same to `LIST`, since it takes what follows for a name.
    Bare,
    /// Not in a way that we read; but it has facts.
    Unavailable,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) entry: Entry,
    /// Who may do what, as in `rw-r--r--`; empty if it does not say.
    rights: String,
    /// The name; of a link, with what it leads to behind it.
    shown: String,
    /// What stands between a link's name and what it leads to.
    arrow: Option<&'static str>,
}

impl Line {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // ProFTPD indents what it lists in an answer.
        let text = text.strip_prefix(' ').unwrap_or(text);
        Self::of_ls(text).or_else(|| Self::of_dir(text))
    }

    /// Reads mode, anything, size, date, and the name behind one space.
    fn of_ls(text: &str) -> Option<Self> {
        let words = Words::of(text);
        let mode = words.get(0)?;
        let is_mode = |c: char| c == '-' || c.is_ascii_alphabetic();
        let rights = mode.get(1..10).filter(|rights| rights.chars().all(is_mode))?.to_owned();
        let kind = match mode.as_bytes()[0] {
            b'-' => EntryKind::File,
            b'd' => EntryKind::Directory,
            b'l' | b'p' | b's' | b'b' | b'c' => EntryKind::Other,
            _ => return None,
        };
        let (size, last) = (1..words.len()).find_map(|at| {
            let size = number(words.get(at)?)?;
            Some((size, at + words.date_at(at + 1)?))
        })?;
        let shown = words.behind(last).strip_prefix(' ').filter(|name| !name.is_empty())?.to_owned();
        let arrow = mode.starts_with('l').then_some(" -> ");
        Some(Self { entry: Entry { kind, size }, rights, shown, arrow })
    }

    /// Reads date, time, size or `<DIR>`, and the name.
    fn of_dir(text: &str) -> Option<Self> {
        let words = Words::of(text);
        let is_clock = |word: &str| word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit());
        if !is_date(words.get(0)?) || !is_clock(words.get(1)?) {
            return None;
        }
        let half = words.get(2).filter(|word| matches!(*word, "AM" | "PM"));
        let at = 2 + usize::from(half.is_some());
        let (entry, shown, arrow) = match words.get(at)? {
            "<DIR>" => (Entry { kind: EntryKind::Directory, size: 0 }, words.behind(at).trim_start(), None),
            link if link.starts_with('<') && link.ends_with('>') => {
                (Entry { kind: EntryKind::Other, size: 0 }, words.behind(at).trim_start(), Some(" ["))
            }
            size => {
                let entry = Entry { kind: EntryKind::File, size: number(size)? };
                (entry, words.behind(at).strip_prefix(' ')?, None)
            }
        };
        if shown.is_empty() {
            return None;
        }
        Some(Self { entry, rights: String::new(), shown: shown.to_owned(), arrow })
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
            Some(tail) => self.arrow.is_some_and(|arrow| tail.starts_with(arrow)),
            None => false,
        }
    }

    /// Returns the name; for a link, which may hold an arrow itself, what stands before the first arrow.
    pub(super) fn name(&self) -> &str {
        let split = self.arrow.and_then(|arrow| self.shown.split_once(arrow));
        split.map_or(&self.shown, |(name, _)| name)
    }
}

/// The words of a line, and where they are in it.
struct Words<'a> {
    text: &'a str,
    words: Vec<(usize, &'a str)>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let mut words = Vec::new();
        let mut at = 0;
        for word in text.split(' ') {
            if !word.is_empty() {
                words.push((at, word));
            }
            at += word.len() + 1;
        }
        Self { text, words }
    }

    fn len(&self) -> usize {
        self.words.len()
    }

    fn get(&self, at: usize) -> Option<&'a str> {
        self.words.get(at).map(|&(_, word)| word)
    }

    /// Returns what follows a word.
    fn behind(&self, at: usize) -> &'a str {
        self.words.get(at).map_or("", |&(begin, word)| &self.text[begin + word.len()..])
    }

    /// Returns how many words a date and time has that begins at a word, if one does.
    fn date_at(&self, at: usize) -> Option<usize> {
        let (first, second) = (self.get(at)?, self.get(at + 1)?);
        if is_date(first) && second.contains(':') {
            // With parts of a second comes the zone as well.
            let zone = self.get(at + 2).filter(|word| second.contains('.') && word.starts_with(['+', '-']));
            return Some(2 + usize::from(zone.is_some()));
        }
        let is_month = |word: &str| word.len() >= 3 && word.chars().any(char::is_alphabetic);
        let is_day = |word: &str| matches!(number(word), Some(1..=31));
        let is_year = |word: &str| word.len() >= 4 && number(word).is_some();
        let is_some_day = (is_month(first) && is_day(second)) || (is_day(first) && is_month(second));
        let third = self.get(at + 2)?;
        (is_some_day && (third.contains(':') || is_year(third))).then_some(3)
    }
}

fn number(word: &str) -> Option<u64> {
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether it is a date of three numbers.
fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
    parts.len() == 3 && parts.iter().all(|part| number(part).is_some())
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
            "11-21-26  10:00AM       <DIR>          ",
            "11-21-26  10:00AM  x  name",
            "10.0.0.1 10:00AM  5 name",
            "-rw-r--r-- 1 0 0 5 Nov 21 10:09 ",
            "-rw-r--r-- 1 0 0 -5 Nov 21 10:09 x",
            "Status of /site:",
            "?rw-r--r-- 1 0 0 5 Nov 21 10:09 x",
        ] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
    }

    #[test]
    fn f_12_groups_with_spaces_iso_dates_and_dos_are_read() {
        let file = |size, name: &str| (EntryKind::File, size, name.to_owned());
        let dir = |name: &str| (EntryKind::Directory, 0, name.to_owned());
        for (text, expected) in [
            ("-rw-r--r--    1 DOM\\up  Domain Users        5 Nov 21 10:09 a b", file(5, "a b")),
            ("-rw-r--r--    1 up  Domain Users 2 of 3        5 Nov 21  2025 a", file(5, "a")),
            ("-rw-r--r-- 1 owner group 7 2026-11-21 10:09 a", file(7, "a")),
            ("-rw-r--r-- 1 0 0 7 2026-11-21 10:09:08.123456789 +0100 a", file(7, "a")),
            ("-rw-r--r-- 1 0 0 7 21 Nov 10:09 a", file(7, "a")),
            ("-rw-r--r-- 1 0 0 7 11\u{6708} 21 10:09 a", file(7, "a")),
            ("-rw-r--r-- 1 7 Nov 21 10:09 5 Nov 21 10:09 a", file(7, "5 Nov 21 10:09 a")),
            ("-rw-r--r--+ 1 0 0 7 Nov 21 10:09  a", file(7, " a")),
            ("-rwxrwxrwx 7 Nov 21 10:09 a", file(7, "a")),
            ("11-21-26  10:09AM                 1234 a b.tar.gz", file(1234, "a b.tar.gz")),
            ("11-21-2026  10:09                 1234 .a", file(1234, ".a")),
            ("2026-11-21  10:09 AM              1234 a", file(1234, "a")),
            ("11-21-26  10:09AM       <DIR>          a b", dir("a b")),
            ("11-21-26  10:09PM       <SYMLINKD>     a [c:\\b]", (EntryKind::Other, 0, "a".into())),
        ] {
            assert_eq!(line(text), expected, "{text}");
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

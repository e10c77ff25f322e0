//! Right lists and archives, changed at random: each is read or refused, and nothing panics or lets a bad
//! path through.
//!
//! A few thousand executions here; `tests/fuzz --stable` makes millions, and `tests/fuzz` lets libFuzzer
//! choose the changes. A failure prints its seed, with which INTRAWARE_FUZZ_SEED makes it again.

use std::hash::{BuildHasher as _, RandomState};

use intraware_assemble::list::{self, ListedKind};
use intraware_assemble::names::MachineName;
use intraware_assemble::{Limits, Refused, check_archive};
use intraware_test_support::dice::Dice;
use intraware_test_support::rounds::{number_from, say};

#[path = "../../../fuzz/seal.rs"]
mod seal;

const LIST: &str = include_str!("../../../fuzz/seeds/list/right.xml");

/// What is put into lists.
const WORDS: [&str; 24] = [
    "<!DOCTYPE x [",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\"?>",
    "&amp;",
    "&#x1b;",
    "&#10;",
    "&x;",
    "<file ",
    "</file>",
    "/>",
    "<files>",
    "</files>",
    "fullname=\"",
    "type=\"file\"",
    "md5sum=\"",
    "../",
    "//",
    "\u{202e}",
    "\0",
    "size=\"-1\"",
    "'",
];

/// What is put into headers, as numbers and as names.
const FIELDS: [&[u8]; 12] = [
    b"../",
    b"/",
    b"\xff",
    b"\x80\0\0\0",
    b"77777777777\0",
    b"00000000000\0",
    b"ustar\x0000",
    b"ustar  \0",
    b"path=",
    b"19 size=77777777777",
    b"x",
    b"L",
];

#[test]
fn s3_13_lists_changed_at_random_are_read_or_refused() {
    let read = run(|dice| {
        let mut text = LIST.as_bytes().to_vec();
        for _ in 0..=dice.below(4) {
            change(&mut text, dice);
            let at = dice.below(text.len() + 1);
            if dice.below(2) == 0 {
                let word = WORDS[dice.below(WORDS.len())];
                text.splice(at..at, word.bytes());
            }
        }
        list::read(&text, |entry| {
            let is_below = entry.path.split('/').all(|name| !matches!(name, "." | ".."))
                && (entry.path.is_empty() || entry.path.split('/').all(|name| !name.is_empty()));
            assert!(is_below && !entry.path.chars().any(char::is_control), "{entry:?}");
            if let ListedKind::Other(word) = &entry.kind {
                assert!(!word.chars().any(char::is_control), "{entry:?}");
            }
            Ok(())
        })
    });
    assert!(read > 0, "no change left a list that can be read");
}

#[test]
fn s3_13_archives_changed_at_random_are_checked_or_refused() {
    let machine = MachineName::new("m").expect("a name");
    let limits = Limits { max_entries: 1000, ..Limits::default() };
    let right = [archive(tar::Header::new_ustar()), archive(tar::Header::new_gnu())];
    right.iter().for_each(|archive| assert_eq!(check_archive(&**archive, &machine, &limits), Ok(4)));
    let read = run(|dice| {
        let mut bytes = right[dice.below(right.len())].clone();
        for _ in 0..=dice.below(4) {
            match dice.below(4) {
                0 => blocks(&mut bytes, dice),
                1 => {
                    let field = FIELDS[dice.below(FIELDS.len())];
                    let at = dice.below(bytes.len().saturating_sub(field.len()) + 1);
                    if let Some(place) = bytes.get_mut(at..at + field.len()) {
                        place.copy_from_slice(field);
                    }
                }
                _ => change(&mut bytes, dice),
            }
        }
        if dice.below(8) > 0 {
            seal::seal(&mut bytes);
        }
        check_archive(&*bytes, &machine, &limits).map(drop)
    });
    assert!(read > 0, "no change left an archive that can be read");
}

/// Tries as often as asked for, and returns how often something could be read.
fn run(mut one: impl FnMut(&mut Dice) -> Result<(), Refused>) -> u64 {
    let runs = number_from("INTRAWARE_FUZZ_RUNS").unwrap_or(5000);
    let first = number_from("INTRAWARE_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(runs));
    let mut read = 0;
    for round in 0..runs {
        let seed = Seed(first.wrapping_add(round));
        match one(&mut Dice(seed.0)) {
            Ok(()) => read += 1,
            Err(Refused(why)) => assert!(!why.chars().any(char::is_control), "{why:?}"),
        }
    }
    say(format_args!("{runs} executions, {read} were read, the others refused"));
    read
}

/// Says which round it was when it panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(format_args!("INTRAWARE_FUZZ_SEED={} INTRAWARE_FUZZ_RUNS=1", self.0));
        }
    }
}

/// Changes, cuts, doubles or removes some bytes.
fn change(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let at = dice.below(length);
    let end = (at + 1 + dice.below(16)).min(length);
    match dice.below(6) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.draw() as u8,
        2 => bytes[at] = [0, b' ', b'/', b'.', b'"', b'<', 0xff, b'0'][dice.below(8)],
        3 => drop(bytes.drain(at..end)),
        4 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => bytes.truncate(length - dice.below(length.min(1024))),
    }
}

/// Doubles, removes or exchanges whole blocks.
fn blocks(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let count = bytes.len() / 512;
    if count < 2 {
        return;
    }
    let (a, b) = (dice.below(count) * 512, dice.below(count) * 512);
    let block = bytes[a..a + 512].to_vec();
    match dice.below(3) {
        0 => drop(bytes.drain(a..a + 512)),
        1 => drop(bytes.splice(b..b, block)),
        _ => bytes[b..b + 512].copy_from_slice(&block),
    }
}

/// Returns an archive with each kind of entry, headers made like this one.
fn archive(like: tar::Header) -> Vec<u8> {
    let header = |kind, size| {
        let mut header = like.clone();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(size);
        header
    };
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |kind, path: &str, content: &[u8]| {
        let mut header = header(kind, content.len() as u64);
        builder.append_data(&mut header, path, content).expect("memory");
    };
    put(tar::EntryType::Regular, "built.files.m.xml", LIST.as_bytes());
    put(tar::EntryType::Directory, "d/", b"");
    put(tar::EntryType::XHeader, "pax", b"13 mtime=1.5\n12 path=d/f\n");
    put(tar::EntryType::Regular, "d/f", b"x");
    builder.append_link(&mut header(tar::EntryType::Symlink, 0), "l<e", "d/f").expect("memory");
    builder.append_link(&mut header(tar::EntryType::Link, 0), "h", "d/f").expect("memory");
    builder.into_inner().expect("memory")
}

//! What every kind of site must keep: each sentence of the contract in [`super`], tried on the real thing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::{Entry, EntryKind, RemotePath, Session, Site, SiteError, SiteErrorKind};
use crate::digest::Digester;

/// A site under test, with the directory of this host in which its files can be seen, and what it can do. All
/// else each kind of site must do.
pub struct Subject {
    /// The site.
    pub site: Box<dyn Site>,
    /// The directory.
    pub base: PathBuf,
    /// What it hashes by itself.
    pub hashes: Hashes,
    /// The mode that delivered files must have, if it lets us set one.
    pub file_mode: Option<u32>,
    /// Whether it cuts files.
    pub cuts: bool,
    /// Whether a put leaves what stands behind its end.
    pub keeps_tails: bool,
    /// Whether it refuses by itself to rename a file to a taken name.
    pub guards_names: bool,
    /// Whether it says that a file is on its disk.
    pub flushes: bool,
    /// Whether it says how much room there is.
    pub tells_space: bool,
    /// Names that it refuses although others take them.
    pub refuses: &'static [&'static str],
}

/// What a site hashes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashes {
    /// Whole files, and blocks of them.
    Files,
    /// Nothing.
    Nothing,
}

impl Subject {
    /// Takes a site that can do everything, and gives files the mode 0640.
    pub fn new(site: impl Site + 'static, base: impl Into<PathBuf>) -> Self {
        Self {
            site: Box::new(site),
            base: base.into(),
            hashes: Hashes::Files,
            file_mode: Some(0o640),
            cuts: true,
            keeps_tails: true,
            guards_names: true,
            flushes: true,
            tells_space: true,
            refuses: &[],
        }
    }
}

/// Runs the suite.
pub fn conformance(subject: &Subject) {
    assert!(!subject.site.name().is_empty());
    let mut session = subject.site.connect().expect("a session");
    let session = session.as_mut();
    assert!(!session.peer().is_empty());
    absence_is_said_and_other_kinds_are_told(subject, session);
    directories_are_made_once_and_listed(subject, session);
    a_put_writes_from_where_it_is_told_and_never_truncates(subject, session);
    what_is_there_is_not_made_anew(subject, session);
    large_files_arrive_and_come_back_whole(subject, session);
    a_source_that_fails_is_the_source_s_fault(subject, session);
    only_regular_files_are_written_and_read(subject, session);
    a_rename_never_overwrites(subject, session);
    a_blind_rename_overwrites_where_names_are_not_guarded(subject, session);
    removing_needs_a_file(subject, session);
    hashes_are_of_files_of_a_known_length(subject, session);
    hashes_are_of_what_is_there_now(subject, session);
    odd_names_are_only_names(subject, session);
    free_space_is_that_of_the_disk(subject, session);
}

fn path(text: &str) -> RemotePath {
    RemotePath::new(text).unwrap()
}

fn put(session: &mut dyn Session, at: &str, from: u64, bytes: &[u8]) -> Result<u64, SiteError> {
    session.put(&path(at), from, &mut &bytes[..], &mut |_| ())
}

fn kind<T: std::fmt::Debug>(result: Result<T, SiteError>) -> SiteErrorKind {
    result.expect_err("a failure").kind
}

fn absence_is_said_and_other_kinds_are_told(subject: &Subject, session: &mut dyn Session) {
    assert_eq!(session.stat(&path("absent")).unwrap(), None);
    assert_eq!(session.stat(&path("absent/below")).unwrap(), None);
    assert_eq!(session.stat(&RemotePath::base()).unwrap().unwrap().kind, EntryKind::Directory);
    fs::write(subject.base.join("target"), "12345").unwrap();
    symlink("target", subject.base.join("link")).unwrap();
    symlink("nowhere", subject.base.join("dangling")).unwrap();
    assert_eq!(session.stat(&path("target")).unwrap(), Some(Entry { kind: EntryKind::File, size: 5 }));
    assert_eq!(session.stat(&path("target/below")).unwrap(), None, "a file holds nothing");
    assert_eq!(session.stat(&path("link")).unwrap().unwrap().kind, EntryKind::Other);
    assert_eq!(session.stat(&path("dangling")).unwrap().unwrap().kind, EntryKind::Other);
}

fn directories_are_made_once_and_listed(subject: &Subject, session: &mut dyn Session) {
    assert_eq!(session.make_dirs(&path("a/b/c")).unwrap(), 3);
    assert_eq!(session.make_dirs(&path("a/b/c")).unwrap(), 0);
    assert_eq!(session.make_dirs(&path("a/b/d")).unwrap(), 1);
    assert_eq!(session.make_dirs(&RemotePath::base()).unwrap(), 0);
    let mut names = session.list(&path("a/b")).unwrap();
    names.sort();
    assert_eq!(names, ["c", "d"]);
    assert!(session.list(&path("a/b/c")).unwrap().is_empty());
    assert_eq!(kind(session.list(&path("a/x"))), SiteErrorKind::NotFound);
    fs::write(subject.base.join("a/file"), "").unwrap();
    assert_eq!(kind(session.make_dirs(&path("a/file"))), SiteErrorKind::NotRegular);
    assert_eq!(kind(session.make_dirs(&path("a/file/x"))), SiteErrorKind::NotRegular);
    assert_eq!(fs::read(subject.base.join("a/file")).unwrap(), b"");
}

fn a_put_writes_from_where_it_is_told_and_never_truncates(subject: &Subject, session: &mut dyn Session) {
    let file = subject.base.join("put");
    assert_eq!(put(session, "put", 0, b"hello world").unwrap(), 11);
    assert_eq!(session.is_flushed(), subject.flushes);
    assert_eq!(fs::read(&file).unwrap(), b"hello world");
    if let Some(mode) = subject.file_mode {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, mode);
    }
    assert_eq!(put(session, "put", 6, b"W").unwrap(), 1);
    if subject.keeps_tails {
        assert_eq!(fs::read(&file).unwrap(), b"hello World");
    } else {
        assert_eq!(fs::read(&file).unwrap(), b"hello W");
        assert_eq!(put(session, "put", 7, b"orld").unwrap(), 4);
    }
    assert_eq!(put(session, "put", 11, b"!").unwrap(), 1);
    assert_eq!(put(session, "put", 12, b"").unwrap(), 0);
    assert_eq!(fs::read(&file).unwrap(), b"hello World!");
    if subject.cuts {
        session.truncate(&path("put"), 5).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"hello");
    } else {
        assert_eq!(kind(session.truncate(&path("put"), 5)), SiteErrorKind::Unsupported);
        assert_eq!(fs::read(&file).unwrap(), b"hello World!");
    }
    assert_eq!(kind(session.truncate(&path("absent"), 0)), SiteErrorKind::NotFound);
    assert_eq!(kind(put(session, "absent/below", 0, b"x")), SiteErrorKind::NotFound);
    assert_eq!(put(session, "empty", 0, b"").unwrap(), 0);
    assert_eq!(session.stat(&path("empty")).unwrap(), Some(Entry { kind: EntryKind::File, size: 0 }));
}

fn what_is_there_is_not_made_anew(subject: &Subject, session: &mut dyn Session) {
    let mut put_new = |at: &str, bytes: &[u8]| session.put_new(&path(at), &mut &bytes[..], &mut |_| ());
    assert_eq!(put_new("new", b"12345").unwrap(), 5);
    for taken in ["new", "link", "dangling", "a/b"] {
        assert_eq!(kind(put_new(taken, b"other")), SiteErrorKind::Exists, "{taken}");
    }
    assert_eq!(fs::read(subject.base.join("new")).unwrap(), b"12345");
    if let Some(mode) = subject.file_mode {
        assert_eq!(fs::metadata(subject.base.join("new")).unwrap().permissions().mode() & 0o7777, mode);
    }
    assert!(!subject.base.join("nowhere").exists(), "a link was written through");
    assert_eq!(kind(put_new("absent/new", b"")), SiteErrorKind::NotFound);
}

fn large_files_arrive_and_come_back_whole(subject: &Subject, session: &mut dyn Session) {
    // Longer than any window or buffer, not a multiple of either, and without a period they could hide
    // behind.
    let bytes = noise(11 * (1 << 20) + 4_321);
    let mut heard = vec![0];
    // A source that gives little at a time must not end the transfer early.
    let mut source = Dribble(&bytes);
    let sent =
        session.put(&path("large"), 0, &mut source, &mut |done| heard.push(done)).expect("a large put");
    assert_eq!(sent, bytes.len() as u64);
    assert!(heard.is_sorted() && heard.last() == Some(&sent) && heard.len() > 5);
    assert!(fs::read(subject.base.join("large")).unwrap() == bytes, "what arrived is not what was sent");
    let mut back = Vec::new();
    assert_eq!(session.get(&path("large"), 0, &mut back).unwrap(), sent);
    assert!(back == bytes, "what came back is not what is there");
    let mut tail = Vec::new();
    assert_eq!(session.get(&path("large"), sent - 7, &mut tail).unwrap(), 7);
    assert_eq!(tail, bytes[bytes.len() - 7..]);
    assert_eq!(session.get(&path("large"), sent, &mut tail).unwrap(), 0);
    assert_eq!(kind(session.get(&path("absent"), 0, &mut tail)), SiteErrorKind::NotFound);
}

fn a_source_that_fails_is_the_source_s_fault(subject: &Subject, session: &mut dyn Session) {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("unreadable"));
            }
            self.0 -= 1;
            buffer.fill(7);
            Ok(buffer.len())
        }
    }
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let result = session.put(&path("broken"), 0, &mut Broken(2), &mut |_| ());
    assert_eq!(kind(result), SiteErrorKind::Source);
    assert_eq!(kind(session.get(&path("large"), 0, &mut Full)), SiteErrorKind::Source);
    assert!(session.stat(&path("large")).unwrap().is_some(), "the session is still of use");
    fs::remove_file(subject.base.join("broken")).unwrap();
}

fn only_regular_files_are_written_and_read(subject: &Subject, session: &mut dyn Session) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        subject.base.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for odd in ["link", "dangling", "pipe", "a"] {
        assert_eq!(kind(put(session, odd, 0, b"evil")), SiteErrorKind::NotRegular, "put to {odd}");
        assert_eq!(kind(session.get(&path(odd), 0, &mut Vec::new())), SiteErrorKind::NotRegular, "{odd}");
        assert_eq!(kind(session.truncate(&path(odd), 0)), SiteErrorKind::NotRegular, "truncate {odd}");
    }
    assert_eq!(fs::read(subject.base.join("target")).unwrap(), b"12345");
    assert!(!subject.base.join("nowhere").exists());
}

fn a_rename_never_overwrites(subject: &Subject, session: &mut dyn Session) {
    put(session, "from", 0, b"new").unwrap();
    put(session, "a/b/to", 0, b"old").unwrap();
    for taken in ["a/b/to", "a/b/c", "link", "dangling"] {
        let result = session.rename_new(&path("from"), &path(taken));
        assert_eq!(kind(result), SiteErrorKind::Exists, "{taken}");
    }
    assert_eq!(fs::read(subject.base.join("from")).unwrap(), b"new");
    assert_eq!(fs::read(subject.base.join("a/b/to")).unwrap(), b"old");
    session.rename_new(&path("from"), &path("a/b/free")).unwrap();
    assert!(!subject.base.join("from").exists());
    assert_eq!(fs::read(subject.base.join("a/b/free")).unwrap(), b"new");
    assert_eq!(kind(session.rename_new(&path("from"), &path("x"))), SiteErrorKind::NotFound);
    assert_eq!(kind(session.rename_new(&path("a/b/free"), &path("absent/x"))), SiteErrorKind::NotFound);
    assert_eq!(fs::read(subject.base.join("a/b/free")).unwrap(), b"new");
}

fn a_blind_rename_overwrites_where_names_are_not_guarded(subject: &Subject, session: &mut dyn Session) {
    let file = |name: &str| fs::read(subject.base.join(name)).ok();
    put(session, "blind", 0, b"new").unwrap();
    put(session, "taken", 0, b"old").unwrap();
    let renamed = session.rename_blindly(&path("blind"), &path("taken"));
    if subject.guards_names {
        assert_eq!(kind(renamed), SiteErrorKind::Exists);
        assert_eq!((file("blind"), file("taken")), (Some(b"new".to_vec()), Some(b"old".to_vec())));
        session.remove(&path("blind")).unwrap();
    } else {
        renamed.unwrap();
        assert_eq!((file("blind"), file("taken")), (None, Some(b"new".to_vec())));
    }
    session.remove(&path("taken")).unwrap();
}

fn removing_needs_a_file(subject: &Subject, session: &mut dyn Session) {
    session.remove(&path("a/b/free")).unwrap();
    assert!(!subject.base.join("a/b/free").exists());
    assert_eq!(kind(session.remove(&path("a/b/free"))), SiteErrorKind::NotFound);
    assert_eq!(kind(session.remove(&path("a/b"))), SiteErrorKind::NotRegular);
    session.remove(&path("dangling")).unwrap();
    assert!(subject.base.join("a/b").exists());
}

fn hashes_are_of_files_of_a_known_length(subject: &Subject, session: &mut dyn Session) {
    let large = fs::read(subject.base.join("large")).unwrap();
    for size in [0, 1, 1 << 20] {
        fs::write(subject.base.join(format!("of {size}")), &large[..size]).unwrap();
    }
    for (name, size) in [("of 0", 0), ("of 1", 1), ("of 1048576", 1 << 20), ("large", large.len())] {
        let mut digester = Digester::default();
        digester.update(&large[..size]);
        let expected = (subject.hashes == Hashes::Files).then(|| digester.finish().sha256);
        assert_eq!(session.sha256(&path(name), size as u64).unwrap(), expected, "{name}");
    }
    if subject.hashes != Hashes::Nothing {
        for wrong in [0, large.len() as u64 - 1, large.len() as u64 + 1] {
            assert_eq!(kind(session.sha256(&path("large"), wrong)), SiteErrorKind::Protocol, "{wrong}");
        }
        assert_eq!(kind(session.sha256(&path("absent"), 0)), SiteErrorKind::NotFound);
        assert_eq!(kind(session.sha256(&path("link"), 0)), SiteErrorKind::NotRegular);
    }
}

/// Servers keep hashes, and some mistake a file for another that was there in the same second.
fn hashes_are_of_what_is_there_now(subject: &Subject, session: &mut dyn Session) {
    if subject.hashes == Hashes::Nothing {
        return;
    }
    let expect = |session: &mut dyn Session, bytes: &[u8]| {
        let mut digester = Digester::default();
        digester.update(bytes);
        let found = session.sha256(&path("changing"), bytes.len() as u64).unwrap();
        assert_eq!(found, Some(digester.finish().sha256), "{}", String::from_utf8_lossy(bytes));
    };
    let at = subject.base.join("changing");
    for bytes in [b"first", b"other"] {
        fs::write(&at, bytes).unwrap();
        expect(session, bytes);
    }
    fs::remove_file(&at).unwrap();
    put(session, "changing", 0, b"third").unwrap();
    fs::write(&at, b"spoil").unwrap();
    expect(session, b"spoil");
}

fn odd_names_are_only_names(subject: &Subject, session: &mut dyn Session) {
    for name in ["-rf", "it's", "$(touch owned)", "a b\"c", "`x`;&|<>*?[", "~", "%41", "back\\slash", "ünï"]
    {
        let refused = subject.refuses.contains(&name);
        let name = format!("a/{name}");
        if refused {
            assert_eq!(kind(put(session, &name, 0, b"odd")), SiteErrorKind::Permission, "{name}");
            continue;
        }
        put(session, &name, 0, b"odd").unwrap();
        assert_eq!(fs::read(subject.base.join(&name)).unwrap(), b"odd", "{name}");
        let hash = session.sha256(&path(&name), 3).unwrap();
        assert_eq!(hash.is_some(), subject.hashes != Hashes::Nothing, "{name}");
        assert_eq!(session.get(&path(&name), 0, &mut Vec::new()).unwrap(), 3);
        session.rename_new(&path(&name), &path("a/renamed")).unwrap();
        session.remove(&path("a/renamed")).unwrap();
    }
    assert!(!subject.base.join("owned").exists() && !subject.base.join("a/owned").exists());
}

fn free_space_is_that_of_the_disk(subject: &Subject, session: &mut dyn Session) {
    for dir in ["a", "a/absent/below"] {
        let free = session.free_space(&path(dir)).unwrap();
        assert_eq!(free.is_some_and(|free| free > 0), subject.tells_space, "{dir}: {free:?}");
    }
}

/// Returns bytes that do not repeat, the same each time.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Gives its bytes in pieces of varying, small size.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = 1 + self.0.len() % 50_000;
        let room = piece.min(buffer.len());
        self.0.read(&mut buffer[..room])
    }
}

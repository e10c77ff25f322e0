//! Whatever fails, and whenever: the archiver ends, soon, and says what it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::sample::Filling;
use super::*;

/// Longer than any of these takes; what has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const MIB: u64 = 1 << 20;

/// When a writer fails. There is a write for each chunk, of a few MiB, and two more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Never,
    At(usize),
    Flush,
    Panic(usize),
}

struct Writer {
    fails: When,
    writes: usize,
}

impl Writer {
    fn new(fails: When) -> Self {
        Self { fails, writes: 0 }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        match self.fails {
            When::At(at) if self.writes > at => Err(io::ErrorKind::StorageFull.into()),
            When::Panic(at) if self.writes > at => panic!("as planned"),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.fails == When::Flush { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// What is wrong with the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// What the walk meets first cannot be archived.
    First,
    /// The large file becomes shorter while it is read.
    Meanwhile,
    /// What the walk meets last cannot be archived.
    Last,
    /// Nothing that reading notices: a file that was not there when it was surveyed.
    Afterwards,
}

fn end_soon<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    let worker = thread::spawn(move || done.send(work()));
    let result = result.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no end: {what}"));
    worker.join().unwrap().unwrap();
    result
}

/// Archives a large file between two small ones; returns the outcome, and how much had been read at the end.
fn attempt(wrong: Wrong, out: When, also: When, size: u64) -> (Result<(), ArchiveError>, u64) {
    let build = Build::new();
    for name in ["a-first", "z-last"] {
        build.file(name);
    }
    File::create(build.at("m-large")).unwrap().set_len(size).unwrap();
    let dir = build.open();
    let surveyed = survey(&dir, &TreePolicy::default()).unwrap();
    let spoil = |name: &str| {
        fs::remove_file(build.at(name)).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, build.at(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    match wrong {
        Wrong::First => spoil("a-first"),
        Wrong::Last => spoil("z-last"),
        Wrong::Afterwards => build.file("b-new"),
        Wrong::Nothing | Wrong::Meanwhile => {}
    }
    let mut read = 0;
    let (mut out, mut also) = (Writer::new(out), Writer::new(also));
    let archived = archive(&dir, &surveyed, effort(1, 2), &mut out, &mut also, &mut |done| {
        read = done.bytes;
        if wrong == Wrong::Meanwhile && done.bytes > 7 {
            File::options().write(true).open(build.at("m-large")).unwrap().set_len(size / 2).unwrap();
        }
    });
    (archived.map(|_| ()), read)
}

#[test]
fn any_combination_of_failures_ends_with_one_of_them() {
    let wrongs = [Wrong::Nothing, Wrong::First, Wrong::Meanwhile, Wrong::Last, Wrong::Afterwards];
    let outs = [When::Never, When::At(0), When::At(1), When::At(10), When::Flush];
    let alsos = [When::Never, When::At(0), When::At(10), When::Flush];
    for (wrong, out, also) in
        wrongs.into_iter().flat_map(|w| outs.map(|o| alsos.map(|a| (w, o, a)))).flatten()
    {
        let what = format!("build {wrong:?}, file {out:?}, hash {also:?}");
        let (outcome, _) = end_soon(&what, move || attempt(wrong, out, also, 24 * MIB));
        let is_one_of_them = match &outcome {
            Ok(()) => (wrong, out, also) == (Wrong::Nothing, When::Never, When::Never),
            Err(ArchiveError::Outdated { .. }) => wrong == Wrong::Afterwards,
            Err(ArchiveError::Build(error)) => wrong != Wrong::Nothing && error.fault() == Fault::Build,
            Err(ArchiveError::Write(cause)) => {
                out != When::Never && cause.kind() == io::ErrorKind::StorageFull
            }
            Err(ArchiveError::Hash(cause)) => {
                also != When::Never && cause.kind() == io::ErrorKind::StorageFull
            }
            Err(ArchiveError::Touched { .. } | ArchiveError::Compress | ArchiveError::Thread(_)) => false,
        };
        assert!(is_one_of_them, "{what}: {outcome:?}");
    }
}

#[test]
fn nothing_is_read_to_the_end_once_writing_has_failed() {
    for out in [When::At(0), When::At(1), When::At(10)] {
        let (outcome, read) = end_soon("file", move || attempt(Wrong::Nothing, out, When::Never, 512 * MIB));
        assert!(matches!(outcome, Err(ArchiveError::Write(_))), "{outcome:?}");
        assert!(read < 64 * MIB, "{out:?}: {} MiB were read", read / MIB);
    }
}

#[test]
fn a_panic_anywhere_is_a_panic_of_the_archiver() {
    let panics = |what: &str, work: Box<dyn FnOnce() + Send>| {
        let caught = end_soon(what, || catch_unwind(AssertUnwindSafe(work)).is_err());
        assert!(caught, "{what}: no panic");
    };
    let attempt = |out, also| Box::new(move || drop(attempt(Wrong::Nothing, out, also, 24 * MIB)));
    for at in [0, 1, 10] {
        panics("file", attempt(When::Panic(at), When::Never));
        panics("hash", attempt(When::Never, When::Panic(at)));
        panics("both", attempt(When::Panic(at), When::Panic(at)));
    }
    let in_progress = || {
        let build = odd_build();
        let _ = pack_with(&build, &TreePolicy::default(), &mut |_| panic!("as planned"));
    };
    panics("progress", Box::new(in_progress));
}

/// Archives a large file, and does `change` to it once the first of it was read.
#[track_caller]
fn changed_while_read(change: impl FnOnce(&Build, &File) + Send + 'static) {
    changed(archived_meanwhile(change).0);
}

/// Does the same with a change of which only the ctime tells: it is noticed, or the payload has what stands
/// there in the end.
#[track_caller]
fn noticed_or_taken(change: impl FnOnce(&Build, &File) + Send + 'static) {
    let (archived, content) = archived_meanwhile(change);
    match archived {
        // Behind the headers of the directory and the file.
        Ok((_, payload)) => assert!(gunzip(&payload)[1024..].starts_with(&content), "other bytes"),
        refused => drop(changed(refused)),
    }
}

/// What becomes of an archive.
type Outcome = Result<(Archived, Vec<u8>), ArchiveError>;

/// Returns what becomes of the archive, and what the file has in the end.
fn archived_meanwhile(change: impl FnOnce(&Build, &File) + Send + 'static) -> (Outcome, Vec<u8>) {
    end_soon("change", || {
        let build = Build::new();
        let content = Filling::Noise.bytes(16 << 20, 1);
        fs::write(build.at("large"), &content).unwrap();
        set_mtime(&build.at("large"), 1_000_000);
        let mut change = Some(change);
        let archived = pack_with(&build, &TreePolicy::default(), &mut |done| {
            if done.bytes > 0
                && let Some(change) = change.take()
            {
                let file = File::options().write(true).open(build.at("large")).unwrap();
                change(&build, &file);
            }
        });
        (archived, fs::read(build.at("large")).unwrap_or_default())
    })
}

#[test]
fn no_change_to_a_file_of_which_pieces_are_read_goes_unnoticed() {
    let len = 16 << 20;
    changed_while_read(move |_, file| file.set_len(len + 1).unwrap());
    changed_while_read(move |_, file| file.set_len(len - 1).unwrap());
    changed_while_read(|_, file| file.set_len(0).unwrap());
    // All that can be seen of it is as before, except the time of the last change to it.
    noticed_or_taken(move |build, file| {
        file.set_len(7).unwrap();
        file.set_len(len).unwrap();
        set_mtime(&build.at("large"), 1_000_000);
    });
    noticed_or_taken(move |build, file| {
        file.write_all_at(b"other", len - 5).unwrap();
        set_mtime(&build.at("large"), 1_000_000);
    });
    changed_while_read(move |build, _| {
        fs::copy(build.at("large"), build.outside("other")).unwrap();
        set_mtime(&build.outside("other"), 1_000_000);
        fs::rename(build.outside("other"), build.at("large")).unwrap();
    });
    let removed = archived_meanwhile(|build, _| fs::remove_file(build.at("large")).unwrap()).0;
    // To an open file that is no more than a change of its ctime; it is not there when the build is read once
    // more.
    assert!(matches!(removed, Err(ArchiveError::Build(BuildError::Empty { .. }))), "{removed:?}");
    noticed_or_taken(|build, _| fs::hard_link(build.at("large"), build.outside("other")).unwrap());
    changed_while_read(|build, _| {
        fs::set_permissions(build.at("large"), Permissions::from_mode(0o600)).unwrap();
    });
}

#[test]
fn a_file_that_is_read_whole_may_change_by_no_byte() {
    for size in [1, 511, 512, 4_096, 65_536, 262_143, 262_144] {
        for by in [-1, 1] {
            let build = Build::new();
            fs::write(build.at("file"), vec![b'x'; size]).unwrap();
            let dir = build.open();
            let mut walk = Walk::new(&dir, &TreePolicy::default());
            walk.next().unwrap().unwrap();
            let entry = walk.next().unwrap().unwrap();
            let EntryKind::File { dir: parent } = entry.kind else { panic!("a file") };
            let content = Content::open(&dir, entry.path, parent.as_fd(), &entry.meta).unwrap();
            let file = File::options().write(true).open(build.at("file")).unwrap();
            file.set_len(size.saturating_add_signed(by) as u64).unwrap();
            let mut read = Vec::new();
            let outcome = content.read(0, size, &mut read);
            assert!(matches!(outcome, Err(BuildError::Changed { .. })), "{size} bytes, {by}: {outcome:?}");
            assert!(read.len() <= size);
        }
    }
}

//! Has the programs and libraries that customers unpack with read payloads that `manage` made of odd trees,
//! and compares what each finds with what was in the build: `tests/readers`, which installs them, says how to
//! call it.
//!
//! Right is what agrees in names, kinds, sizes, modes, times, targets of links and contents. Where a reader
//! is known to do otherwise, and an archive can do nothing about it, the table in [`mod@known`] says what it
//! does and why; anything else is a failure, and so is a reader that does right where that table says that it
//! does not, because the documentation tells customers what is in it.

mod known;
mod look;
mod reader;
mod say;
mod trees;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use intraware_tests::Bench;
use rustix::process::geteuid;
use tempfile::TempDir;

use self::known::{Known, known};
use self::look::{Entry, difference};
use self::reader::{READERS, Reader, Room};
use self::say::{complain, say};
use self::trees::{LARGE, TREES, Tree};

/// Has many programs read what manage has archived
#[derive(Debug, Parser)]
#[command(name = "tests/readers")]
struct Options {
    /// Only readers whose names begin so
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these trees
    #[arg(long, value_name = "TREE", value_delimiter = ',')]
    trees: Vec<String>,
    /// Also a file of more than 8 GiB, which takes half an hour
    #[arg(long)]
    large: bool,
    /// Try nothing, and name the readers and the trees
    #[arg(long)]
    list: bool,
    /// Where the readers are installed
    #[arg(long, value_name = "DIRECTORY", default_value = "target/readers")]
    readers: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        READERS.iter().for_each(|reader| say(reader.name));
        let trees: Vec<_> = TREES.iter().chain([&LARGE]).map(|tree| tree.name).collect();
        say(&format!("trees: {}", trees.join(", ")));
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let room = Room::new(&options.readers);
    let payloads = Payloads::make(&options);
    let mut tally = Tally::default();
    for reader in READERS.iter().filter(|reader| options.names(reader)) {
        if reader.needs_root() && !geteuid().is_root() {
            complain(&format!("NOT TRIED, because it takes root: {}", reader.name));
            continue;
        }
        tally.read(reader, &room, &payloads);
    }
    tally.explain();
    say(&format!("{} payloads read in {} s", tally.tries, began.elapsed().as_secs()));
    match (tally.tries, tally.failures.as_slice()) {
        (0, _) => {
            complain("error: no payload was read; --list names readers and trees");
            ExitCode::from(2)
        }
        (_, []) => ExitCode::SUCCESS,
        (_, failures) => {
            say(&format!("{} failed", failures.len()));
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn names(&self, reader: &Reader) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| reader.name.starts_with(name.as_str()))
    }

    fn wants(&self, tree: &Tree) -> bool {
        let is_named = self.trees.is_empty() || self.trees.iter().any(|name| name == tree.name);
        is_named && (self.large || tree.name != LARGE.name)
    }
}

/// A tree, and what `manage` and `upload` have made of it.
struct Payload {
    tree: &'static Tree,
    file: PathBuf,
    expected: Vec<Entry>,
}

/// All payloads, in a directory that everybody may read.
struct Payloads {
    made: Vec<Payload>,
    _dir: TempDir,
}

impl Payloads {
    /// Takes each tree its whole way, from a record to the site.
    fn make(options: &Options) -> Self {
        let bench = Bench::builder().build();
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("a directory of ours");
        let wanted = TREES.iter().chain([&LARGE]).filter(|tree| options.wants(tree));
        let mut made = Vec::new();
        for tree in wanted {
            bench.add_build(tree.name, tree.name, |build| (tree.fill)(build));
            made.push((tree, bench.build_root().join(tree.name)));
        }
        let runs = bench.cycle();
        let done = |(tree, build): (&'static Tree, PathBuf)| {
            let (status, detail) = bench.status(tree.name);
            assert!(status == "Completed", "{} is {status}: {detail}; {runs:?}", tree.name);
            let file = dir.path().join(format!("{}.tar.gz", tree.name));
            fs::copy(bench.payload(tree.name), &file).expect("a copy of the payload");
            Payload { tree, file, expected: look::as_archived(look::at(&build).expect("a build")) }
        };
        Self { made: made.into_iter().map(done).collect(), _dir: dir }
    }
}

/// What came of all tries.
#[derive(Default)]
struct Tally {
    tries: usize,
    /// The reasons that were met, with their numbers.
    reasons: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
}

impl Tally {
    /// Has one reader read all payloads, and prints its row.
    fn read(&mut self, reader: &Reader, room: &Room, payloads: &Payloads) {
        let began = Instant::now();
        let mut row = format!("{:<46}", format!("{} {}", reader.name, reader.version(room)));
        for payload in payloads.made.iter().filter(|payload| reader.takes(payload.tree)) {
            self.tries += 1;
            let cell = match judge(reader, room, payload) {
                Ok(None) => "ok".to_owned(),
                Ok(Some(reason)) => {
                    let next = self.reasons.len() + 1;
                    format!("[{}]", self.reasons.entry(reason).or_insert(next))
                }
                Err(what) => {
                    self.failures.push(format!("{}, {}: {what}", reader.name, payload.tree.name));
                    "FAILED".to_owned()
                }
            };
            row.push_str(&format!(" {} {cell}", payload.tree.name));
        }
        say(&format!("{row}  ({} s)", began.elapsed().as_secs()));
    }

    fn explain(&self) {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, number)| **number);
        reasons.into_iter().for_each(|(reason, number)| say(&format!("[{number}] {reason}")));
        self.failures.iter().for_each(|failure| say(&format!("FAILED {failure}")));
    }
}

/// Returns the reason if the reader did otherwise in the way that is known of it; the error says what is
/// wrong.
fn judge(reader: &Reader, room: &Room, payload: &Payload) -> Result<Option<&'static str>, String> {
    let right = payload.expected.as_slice();
    let found = reader.read(room, payload.tree, &payload.file, right);
    let Some((what, reason)) = known(reader.name, payload.tree.name) else {
        return difference(&found?, right).map_or(Ok(None), Err);
    };
    if found.as_ref().is_ok_and(|found| difference(found, right).is_none()) {
        return Err(format!("it does right, but KNOWN says otherwise: {reason}"));
    }
    let what_is_left = match what {
        Known::Fails(words) => match found {
            Err(said) if said.contains(words) => None,
            Err(said) => Some(format!("it fails in another way: {said}")),
            Ok(_) => Some("it succeeds".to_owned()),
        },
        Known::Makes(change) => difference(&found?, &changed(right, *change)),
        Known::Ignores(change) => difference(&changed(&found?, *change), &changed(right, *change)),
        Known::Spoils => found.err(),
    };
    what_is_left.map_or(Ok(Some(reason)), Err)
}

fn changed(entries: &[Entry], change: fn(&mut Entry)) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.iter_mut().for_each(change);
    entries
}

/// Returns the path of a script of ours.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party/readers").join(name)
}

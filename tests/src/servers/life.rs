//! The life of builds at one server: it is checked, builds are prepared and delivered, a delivery is killed
//! and gone on with, foreign files lie at names that are wanted, and in the end everything is as the records
//! say.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::dice::noise;
use intraware_tests::{Bench, Run};
use rustix::process::Signal;

use crate::server::{Protocol, Running};
use crate::way::Way;

/// How many undisturbed cycles of cron a delivery may take.
const CYCLES: usize = 3;

/// Large enough for several connections, and for a second channel on each, when the server is far away.
const LARGE: usize = 40 << 20;
const MIDDLE: usize = 3 << 20;
/// A payload of some 200 bytes.
const SMALL: usize = 16;

/// Long enough that somebody else can put a file there meanwhile.
const RACED: usize = 12 << 20;

/// What a foreign file holds.
const FOREIGN: &str = "Somebody else's, and the only copy.\n";

/// What came of a life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything was delivered whole, and nobody's bytes were lost.
    Delivered,
    /// `upload check` refuses the server as a site, for this reason.
    Refused(String),
    /// Something else.
    Failed(String),
}

/// What was seen of a life.
pub(crate) struct Seen {
    pub(crate) verdict: Verdict,
    /// What `upload check` says that the site can do: subjects and words.
    pub(crate) abilities: BTreeMap<String, String>,
    /// What the runs warned of, each once, without what differs from run to run.
    pub(crate) warnings: Vec<String>,
}

/// Lives it.
pub(crate) fn live(protocol: Protocol, way: Way, server: &mut Running) -> Seen {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut life = None;
    // What the tests assert is asserted here too; what they say then is the failure.
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let _opened = way.open(protocol, server, dir.path());
        let bench =
            Bench::builder().server(&server.root, server.values.clone()).set_site("io_timeout_s", 15).build();
        life.insert(Life { bench, root: server.root.clone(), seen: Seen::new() }).live()
    }));
    let seen = life.map_or_else(Seen::new, |life| life.seen);
    match lived {
        Ok(Ok(verdict)) => Seen { verdict, ..seen },
        Ok(Err(failure)) => Seen { verdict: Verdict::Failed(failure), ..seen },
        Err(panic) => Seen { verdict: Seen::of_panic(&*panic).verdict, ..seen },
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panics").to_owned()
}

impl Seen {
    fn new() -> Self {
        Self {
            verdict: Verdict::Failed("it did not begin".to_owned()),
            abilities: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns what is seen of a life that a panic has ended.
    pub(crate) fn of_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        Self { verdict: Verdict::Failed(words_of(panic)), ..Self::new() }
    }
}

struct Life {
    bench: Bench,
    root: PathBuf,
    seen: Seen,
}

impl Life {
    fn live(&mut self) -> Result<Verdict, String> {
        let check = self.bench.upload(&["check"]);
        self.seen.abilities = abilities(&check);
        match check.status {
            0 => {}
            78 => return self.refused(&check),
            _ => return Err(format!("upload check: {}", said(&check))),
        }
        self.first_builds()?;
        self.further_builds()?;
        Ok(Verdict::Delivered)
    }

    /// A server that does not fit is said to, and then no record is set In Process.
    fn refused(&mut self, check: &Run) -> Result<Verdict, String> {
        self.add("1/small", SMALL, 1);
        let run = self.bench.manage(&["run"]);
        let status = self.status("1/small");
        match status.as_str() {
            "In Process" => Err(format!(
                "upload check refuses it ({}), and manage sets the record In Process: {}",
                said(check),
                said(&run)
            )),
            _ => Ok(Verdict::Refused(said(check))),
        }
    }

    /// Three builds; the largest is cut by SIGKILL, and the next runs go on.
    fn first_builds(&mut self) -> Result<(), String> {
        let names = ["1/small", "1/middle", "1/large"];
        for (name, size, seed) in [(names[0], SMALL, 1), (names[1], MIDDLE, 2), (names[2], LARGE, 3)] {
            self.add(name, size, seed);
        }
        self.prepare()?;
        let mut upload = self.bench.spawn_upload(&["run"]);
        let dir = self.root.join(names[2]);
        wait_while(|| upload.is_alive() && arrived(&dir) < LARGE as u64 / 5);
        upload.signal(Signal::KILL);
        upload.wait();
        self.complete(&names)?;
        self.compare(&names)
    }

    /// Another content at a new path; a file of somebody else's that is there, and one that comes there
    /// meanwhile.
    fn further_builds(&mut self) -> Result<(), String> {
        let names = ["2/middle", "2/taken", "2/raced"];
        for (name, size, seed) in [(names[0], MIDDLE, 4), (names[1], SMALL, 5), (names[2], RACED, 6)] {
            self.add(name, size, seed);
        }
        let [taken, raced] = [names[1], names[2]].map(|name| self.final_name(name));
        put_foreign(&self.root, &taken);
        self.prepare()?;
        let mut upload = self.bench.spawn_upload(&["run"]);
        let dir = self.root.join(names[2]);
        wait_while(|| upload.is_alive() && arrived(&dir) == 0);
        let mut foreign = vec![(names[1], &taken)];
        // Unless it was quicker.
        if arrived(&dir) > 0 && !raced.exists() {
            put_foreign(&self.root, &raced);
            foreign.push((names[2], &raced));
        }
        let run = upload.wait();
        self.note(&run);
        for (_, file) in &foreign {
            look_for_foreign(file, &run)?;
        }
        let confirmed = self.bench.manage(&["run"]);
        self.note(&confirmed);
        for (name, file) in foreign {
            look_for_foreign(file, &confirmed)?;
            self.clear_away(name, file)?;
        }
        self.complete(&names)?;
        self.compare(&names)
    }

    fn prepare(&mut self) -> Result<(), String> {
        let run = self.bench.manage(&["run"]);
        self.note(&run);
        // A build whose name is taken may become Error there and then.
        if matches!(run.status, 0 | 1) { Ok(()) } else { Err(format!("manage run: {}", said(&run))) }
    }

    /// Runs cycles until all are Completed.
    fn complete(&mut self, names: &[&str]) -> Result<(), String> {
        let mut runs = Vec::new();
        for _ in 0..CYCLES {
            for run in [self.bench.upload(&["run"]), self.bench.manage(&["run"])] {
                self.note(&run);
                runs.push(run);
            }
            if names.iter().all(|name| self.status(name) == "Completed") {
                return Ok(());
            }
        }
        let statuses: Vec<_> = runs.iter().map(|run| run.status.to_string()).collect();
        let last = runs.iter().rev().find(|run| run.status != 0).map_or_else(String::new, said);
        let left: Vec<_> = names.iter().filter(|name| self.status(name) != "Completed").collect();
        Err(format!("{left:?} not Completed after {CYCLES} cycles ({}): {last}", statuses.join(", ")))
    }

    /// Payload, sidecars, signature and record agree, and the payload unpacks to the build.
    fn compare(&self, names: &[&str]) -> Result<(), String> {
        for name in names {
            let compared = catch_unwind(AssertUnwindSafe(|| self.bench.assert_delivered(name)));
            compared.map_err(|panic| format!("{name}: {}", words_of(&*panic)))?;
        }
        Ok(())
    }

    /// Takes the foreign file away if it is in the way, as a person does who is told of it, and has the build
    /// tried again.
    fn clear_away(&mut self, name: &str, file: &Path) -> Result<(), String> {
        let is_foreign = fs::read_to_string(file).is_ok_and(|text| text == FOREIGN);
        match (self.status(name).as_str(), is_foreign) {
            ("Completed", true) => Err(format!("{name} is Completed, and its payload is somebody else's")),
            (_, true) => {
                fs::rename(file, self.root.join(name.replace('/', "-"))).expect("a file of ours");
                self.bench.manage(&["retry", name]);
                let run = self.bench.manage(&["run"]);
                self.note(&run);
                Ok(())
            }
            (_, false) => Ok(()),
        }
    }

    fn add(&self, name: &str, size: usize, seed: u64) {
        self.bench.add_build(name, name, |dir| {
            fs::write(dir.join("content"), noise(seed, size)).expect("a file");
        });
    }

    fn status(&self, name: &str) -> String {
        self.bench.status(name).0
    }

    fn final_name(&self, name: &str) -> PathBuf {
        self.bench.payload(name)
    }

    /// Keeps what a run warns of, without what differs from site to site.
    fn note(&mut self, run: &Run) {
        for (_, warning) in run.stderr.lines().filter_map(|line| line.split_once("WARN ")) {
            let words = warning.split_whitespace().take_while(|word| !word.contains('='));
            let warning = words.collect::<Vec<_>>().join(" ");
            if !self.seen.warnings.contains(&warning) {
                self.seen.warnings.push(warning);
            }
        }
    }
}

/// Returns the subjects and words of what a site can do. There may be several lines on one subject.
fn abilities(check: &Run) -> BTreeMap<String, String> {
    let subjects = ["proof", "resuming", "names", "files", "connections"];
    let find = |line: &str| {
        let (head, words) = line.split_once(": ")?;
        let subject = subjects.iter().find(|subject| head.trim_end().ends_with(*subject))?;
        Some(((*subject).to_owned(), words.trim().to_owned()))
    };
    let mut abilities = BTreeMap::<String, String>::new();
    for (subject, words) in check.stdout.lines().filter_map(find) {
        let told = abilities.entry(subject).or_default();
        *told += if told.is_empty() { "" } else { "; " };
        *told += &words;
    }
    abilities
}

/// Returns what a run complained about: its status, and the first line that tells a failure.
fn said(run: &Run) -> String {
    let lines = || run.stderr.lines().chain(run.stdout.lines());
    let first = lines().find(|line| ["ERROR", "FAILED"].iter().any(|word| line.contains(word)));
    let first = first.or_else(|| lines().next()).unwrap_or("it says nothing");
    format!("{} (status {})", first.trim(), run.status)
}

/// Returns how much of a payload is on the server's disk under a temporary name.
fn arrived(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_part = |name: &str| name.contains(".tar.gz.") && name.ends_with(".part");
    let parts = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_part));
    parts.filter_map(|entry| entry.metadata().ok()).map(|seen| seen.blocks() * 512).max().unwrap_or(0)
}

/// Puts a file there as another client of the server might.
fn put_foreign(root: &Path, file: &Path) {
    let dir = file.parent().expect("a directory");
    fs::create_dir_all(dir).expect("a directory");
    fs::write(file, FOREIGN).expect("a file");
    // The server's user is not ours, and has to get on below.
    let owner = fs::metadata(root).expect("the site's base");
    for path in file.ancestors().take_while(|path| *path != root) {
        chown(path, Some(owner.uid()), Some(owner.gid())).expect("run this as root");
    }
}

/// A foreign file is where it was put, or beside it.
fn look_for_foreign(file: &Path, run: &Run) -> Result<(), String> {
    let dir = file.parent().expect("a directory");
    let mut entries = fs::read_dir(dir).expect("a directory").flatten();
    let is_there = entries.any(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| text == FOREIGN));
    if is_there {
        return Ok(());
    }
    Err(format!("the foreign file at {} is lost: {}", file.display(), said(run)))
}

/// Waits as long as this holds, but for a minute at most.
fn wait_while(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while holds() && began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
}

//! Session after session, until each package has its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::batch::fitting;
use super::conversation::{Broke, Sent, converse};
use super::outcome::{End, Failure, Outcome};
use super::package::{Check, Package};
use super::session::Server;
use super::target::Target;
use crate::shown;
use crate::wire::Verdict;

/// How many packages are announced together; what the server takes unless it is told otherwise.
const TOGETHER: usize = 64;
/// How often the server may find another digest.
const DIGEST_TRIES: u32 = 2;
/// How soon a request to stop is heard during a pause.
const LOOK: Duration = Duration::from_millis(50);

/// How to send.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is looked at before.
    pub check: Check,
    /// How many sessions in a row may fail without having got further.
    pub tries: u32,
    /// The pause after the first of them; it doubles with each further one.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let (pause, longest_pause) = (Duration::from_secs(1), Duration::from_secs(60));
        Self { check: Check::Content, tries: 6, pause, longest_pause }
    }
}

/// Shows people how far it is.
pub trait Progress {
    /// A step over so many bytes begins.
    fn begin(&self, what: &str, bytes: u64);
    /// So many bytes of it are done.
    fn advance(&self, bytes: u64);
    /// It has ended.
    fn end(&self);
}

/// Sends packages, and returns what became of each, in their order.
pub fn send(
    target: &Target,
    paths: &[PathBuf],
    options: &Options,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Vec<Outcome> {
    let mut items: Vec<Item> = Vec::with_capacity(paths.len());
    for path in paths {
        let read = read(path, &items, options, progress, stop);
        items.push(Item::new(path.clone(), read));
    }
    match Server::prepare(target) {
        Ok(server) => {
            Sending { server, target, items: &mut items, options, progress, stop, together: TOGETHER }.run()
        }
        Err(failure) => end_all(&mut items, &Arc::new(failure)),
    }
    items.into_iter().map(Item::outcome).collect()
}

fn read(
    path: &PathBuf,
    before: &[Item],
    options: &Options,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Package, Failure> {
    if before.iter().any(|item| item.outcome.path.file_name() == path.file_name()) {
        return Err(Failure::NoPackage("of the same name as another one of these".to_owned()));
    }
    let size = std::fs::metadata(path).map_or(0, |found| found.len());
    progress.begin(&format!("checking {}", shown::path(path)), size);
    let package = Package::read(path, options.check, stop, &mut |bytes| progress.advance(bytes));
    progress.end();
    package
}

/// A package on its way.
struct Item {
    package: Option<Package>,
    outcome: Outcome,
    has_ended: bool,
    wrong_digests: u32,
    /// What the server had in the last session.
    held: u64,
}

impl Item {
    fn new(path: PathBuf, read: Result<Package, Failure>) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        let name = path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        let (package, end) = match read {
            Ok(package) => (Some(package), End::Pass),
            Err(failure) => (None, End::Fail(Arc::new(failure))),
        };
        let announced = package.as_ref().map(|package| &package.announced);
        let (size, md5) =
            (announced.map_or(0, |announced| announced.size), announced.map(|announced| announced.md5));
        let outcome = Outcome {
            path,
            name,
            size,
            md5,
            resumed_from: 0,
            sent: 0,
            sessions: 0,
            session: Duration::ZERO,
            end,
        };
        Self { has_ended: package.is_none(), package, outcome, wrong_digests: 0, held: 0 }
    }

    fn end(&mut self, end: End) {
        (self.outcome.end, self.has_ended) = (end, true);
    }

    fn outcome(self) -> Outcome {
        self.outcome
    }
}

fn end_all(items: &mut [Item], failure: &Arc<Failure>) {
    items.iter_mut().filter(|item| !item.has_ended).for_each(|item| item.end(End::Fail(Arc::clone(failure))));
}

struct Sending<'a> {
    server: Server,
    target: &'a Target,
    items: &'a mut [Item],
    options: &'a Options,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    /// How many packages are announced together.
    together: usize,
}

impl Sending<'_> {
    fn run(&mut self) {
        let mut tries = 0;
        loop {
            let batch = self.batch();
            if batch.is_empty() {
                return;
            }
            let before: u64 = batch.iter().map(|index| self.items[*index].held).sum();
            let broke = match self.session(&batch) {
                Ok(verdicts) => {
                    tries = 0;
                    self.judge(&batch, &verdicts);
                    continue;
                }
                Err(broke) => broke,
            };
            let (failure, package) = (Arc::new(broke.failure), broke.package);
            tracing::info!("session with {} failed: {}", self.target.shown(), shown::chain(&*failure));
            if failure.is_too_many() && batch.len() > 1 {
                self.together = batch.len() / 2;
                continue;
            }
            let after: u64 = batch.iter().map(|index| self.items[*index].held).sum();
            tries = if after > before { 1 } else { tries + 1 };
            if failure.passes() && tries < self.options.tries {
                self.pause(tries);
            } else {
                self.give_up(&batch, &failure, package);
                tries = 0;
            }
            if self.stop.load(Ordering::Relaxed) {
                return end_all(self.items, &Arc::new(Failure::Stopped));
            }
        }
    }

    /// Returns the packages of the next session.
    fn batch(&self) -> Vec<usize> {
        let open: Vec<usize> = (0..self.items.len()).filter(|index| !self.items[*index].has_ended).collect();
        let announced = open.iter().filter_map(|index| self.items[*index].package.as_ref());
        let announced = announced.map(|package| &package.announced);
        let count = fitting(announced, self.target.dialect, self.together);
        open.into_iter().take(count).collect()
    }

    fn session(&mut self, batch: &[usize]) -> Result<Vec<Verdict>, Broke> {
        let packages: Vec<&Package> =
            batch.iter().filter_map(|index| self.items[*index].package.as_ref()).collect();
        let mut sent: Vec<Sent> = packages.iter().map(|_| Sent { held: 0, bytes: 0 }).collect();
        let what = match &packages[..] {
            [one] => format!("sending {}", shown::shown(&one.announced.name)),
            several => format!("sending {} packages", several.len()),
        };
        self.progress.begin(&what, packages.iter().map(|package| package.announced.size).sum());
        let mut done = 0;
        let mut advance = |bytes| {
            done += bytes;
            self.progress.advance(done);
        };
        let begin = Instant::now();
        let result = converse(&self.server, &packages, &mut sent, self.stop, &mut advance);
        self.progress.end();
        for (index, Sent { held, bytes }) in batch.iter().zip(sent) {
            let item = &mut self.items[*index];
            item.held = held;
            item.outcome.resumed_from = held;
            item.outcome.sent += bytes;
            item.outcome.sessions += 1;
            item.outcome.session = begin.elapsed();
        }
        result
    }

    fn judge(&mut self, batch: &[usize], verdicts: &[Verdict]) {
        for (index, verdict) in batch.iter().zip(verdicts) {
            let item = &mut self.items[*index];
            item.held = 0;
            match verdict {
                Verdict::Pass => item.end(End::Pass),
                Verdict::Fail => {
                    item.wrong_digests += 1;
                    if item.wrong_digests >= DIGEST_TRIES {
                        item.end(End::Fail(Arc::new(Failure::Digest)));
                    }
                }
            }
        }
    }

    /// Ends the package that a failure is about, or all that it concerns.
    fn give_up(&mut self, batch: &[usize], failure: &Arc<Failure>, package: Option<usize>) {
        let end = || End::Fail(Arc::clone(failure));
        match (&**failure, package.and_then(|package| batch.get(package))) {
            (_, Some(index)) => self.items[*index].end(end()),
            // It may take others.
            (Failure::Refused(_), None) => batch.iter().for_each(|index| self.items[*index].end(end())),
            (_, None) => end_all(self.items, failure),
        }
    }

    fn pause(&self, tries: u32) {
        let pause =
            self.options.pause.saturating_mul(1 << (tries - 1).min(16)).min(self.options.longest_pause);
        let mut left = pause;
        while !left.is_zero() && !self.stop.load(Ordering::Relaxed) {
            let step = left.min(LOOK);
            thread::sleep(step);
            left -= step;
        }
    }
}

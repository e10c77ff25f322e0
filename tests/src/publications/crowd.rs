//! Readers that come again and again, until they are told to go.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use intraware_tests::apt::Apt;
use intraware_tests::scene::Scene;
use intraware_tests::web::Web;

use crate::reader::{self, Fault};
use crate::world::SUITES;

/// The readers, and the server that they read from.
pub(crate) struct Crowd {
    web: Web,
    end: Arc<AtomicBool>,
    readers: Vec<JoinHandle<Seen>>,
}

/// What readers have met.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) reads: usize,
    pub(crate) files: usize,
    pub(crate) missing: usize,
    pub(crate) mismatches: usize,
    pub(crate) others: usize,
    /// The first of what was wrong.
    pub(crate) told: Vec<String>,
}

impl Crowd {
    /// Starts so many readers of a tree, which is served from there, every second one an apt-get.
    pub(crate) fn start(scene: &Scene, served: &Path, count: usize) -> Self {
        let web = Web::serve(served);
        let end = Arc::new(AtomicBool::new(false));
        let keyring = scene.path("archive.gpg");
        let readers = (0..count).map(|number| {
            let end = Arc::clone(&end);
            if number % 2 == 0 {
                let dir = scene.path(&format!("apt-{number}"));
                let apt = Apt::new(dir, &web.url(), &keyring, &SUITES);
                thread::spawn(move || until(&end, |seen| seen.update(&apt)))
            } else {
                let server = web.address();
                thread::spawn(move || {
                    until(&end, |seen| SUITES.iter().for_each(|suite| seen.take(reader::read(server, suite))))
                })
            }
        });
        let readers = readers.collect();
        Self { web, end, readers }
    }

    /// Lets each of them finish, and returns what they have met.
    pub(crate) fn end(self) -> Seen {
        self.end.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for reader in self.readers {
            let Seen { reads, files, missing, mismatches, others, told } =
                reader.join().expect("a reader that has not panicked");
            all.reads += reads;
            all.files += files;
            all.missing += missing;
            all.mismatches += mismatches;
            all.others += others;
            all.told.extend(told);
        }
        drop(self.web);
        if all.reads == 0 {
            all.told.push("nobody has read anything".into());
        }
        all
    }
}

fn until(end: &AtomicBool, mut read: impl FnMut(&mut Seen)) -> Seen {
    let mut seen = Seen::default();
    while !end.load(Ordering::Relaxed) {
        read(&mut seen);
    }
    seen
}

impl Seen {
    fn take(&mut self, read: Result<usize, Fault>) {
        self.reads += 1;
        let told = match read {
            Ok(count) => {
                self.files += count;
                return;
            }
            Err(Fault::Missing(what)) => {
                self.missing += 1;
                format!("missing: {what}")
            }
            Err(Fault::Mismatch(what)) => {
                self.mismatches += 1;
                format!("mismatch: {what}")
            }
            Err(Fault::Other(what)) => {
                self.others += 1;
                format!("fault: {what}")
            }
        };
        if self.told.len() < 10 {
            self.told.push(told);
        }
    }

    /// What apt says is counted by the words that it has for it.
    fn update(&mut self, apt: &Apt) {
        let told = apt.get(&["update"]);
        self.take(match told {
            Ok(()) => Ok(0),
            Err(text) if text.contains("404") => Err(Fault::Missing(text)),
            Err(text) if text.contains("Hash Sum mismatch") || text.contains("unexpected size") => {
                Err(Fault::Mismatch(text))
            }
            Err(text) => Err(Fault::Other(text)),
        });
    }
}

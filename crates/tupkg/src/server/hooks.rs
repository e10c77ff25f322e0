//! The separate program that takes packages on: a directory of hooks, run when packages have come in.
//!
//! By the rules of `intraware-run-parts`; one that fails does not keep the next from running.
//!
//! One thread runs all hooks, one after the other, so that no hook has to lock out itself. Packages that come
//! in meanwhile are told to the next round together. When the server starts and packages lie in `incoming`,
//! they are run with no package named: a crash may have come before their turn. So a hook may be told of a
//! package twice, and looks into the directory rather than at the names.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use intraware_run_parts::{Call, look, run};

use crate::shown;

/// The hooks of a server.
pub(super) struct Hooks(Mutex<Option<Running>>);

struct Running {
    sender: Sender<Vec<PathBuf>>,
    thread: JoinHandle<()>,
}

/// What hooks are run with.
struct Round {
    dir: PathBuf,
    incoming: PathBuf,
    time: Duration,
}

impl Hooks {
    /// Starts the thread that runs the hooks in `dir`, if there is one.
    pub(super) fn start(dir: Option<&Path>, incoming: PathBuf, time: Duration) -> io::Result<Self> {
        let Some(dir) = dir else { return Ok(Self(Mutex::default())) };
        let round = Round { dir: dir.to_owned(), incoming, time };
        let (sender, packages) = channel();
        let thread = thread::Builder::new().name("hooks".to_owned()).spawn(move || round.run(&packages))?;
        Ok(Self(Mutex::new(Some(Running { sender, thread }))))
    }

    /// Has the hooks run, for these packages.
    pub(super) fn arrived(&self, packages: Vec<PathBuf>) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread ends only after this.
        running.iter().for_each(|running| drop(running.sender.send(packages.clone())));
    }

    /// Waits until the hooks have run for all packages that came.
    pub(super) fn finish(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { sender, thread }) = running {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the thread of the hooks has panicked");
            }
        }
    }
}

impl Round {
    fn run(&self, packages: &Receiver<Vec<PathBuf>>) {
        while let Ok(mut all) = packages.recv() {
            all.extend(packages.try_iter().flatten());
            match look(&self.dir) {
                Ok(listing) => {
                    for left in listing.faults() {
                        tracing::error!("hook {}: not run: {}", shown::path(&left.path), left.why);
                    }
                    listing.hooks.iter().for_each(|hook| self.one(&hook.path, &all));
                }
                Err(error) => {
                    tracing::error!("hooks {}: not run: {}", shown::path(&self.dir), shown::chain(&error));
                }
            }
        }
    }

    fn one(&self, hook: &Path, packages: &[PathBuf]) {
        let names: Vec<&[u8]> = packages.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let environment = vec![
            ("TUPKG_INCOMING".into(), self.incoming.clone().into()),
            ("TUPKG_PACKAGES".into(), OsString::from_vec(names.join(&b'\n'))),
        ];
        let call = Call {
            arguments: Vec::new(),
            environment,
            current_dir: &self.incoming,
            time: self.time,
            output: None,
        };
        let outcome = run(hook, &call);
        let (name, told) = (shown::path(hook), outcome.told(|said| shown::shown(said)));
        if outcome.is_success() {
            tracing::info!("hook {name}: {told}");
        } else {
            tracing::error!("hook {name}: {told}");
        }
    }
}

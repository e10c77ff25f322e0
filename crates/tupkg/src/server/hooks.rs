//! The separate program that takes packages on: a directory of hooks, run when packages have come in.
//!
//! What is run, and in which order, follows run-parts: executable regular files whose whole name is letters, digits, `_` and
//! `-`, in the order of their bytes; one that fails does not keep the next from running. Against run-parts, symbolic links
//! are passed over, as are files that others can write.
//!
//! One thread runs all hooks, one after the other, so that no hook has to lock out itself. Packages that come in
//! meanwhile are told to the next round together. When the server starts and packages lie in `incoming`, they are run with
//! no package named: a crash may have come before their turn. So a hook may be told of a package twice, and looks into the
//! directory rather than at the names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::shown;

/// How much of what a hook says is kept.
const MAX_SAID: u64 = 16 << 10;
/// How often is looked whether a hook has ended.
const LOOK: Duration = Duration::from_millis(20);

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
            match hooks(&self.dir) {
                Ok(hooks) => hooks.iter().for_each(|hook| self.one(hook, &all)),
                Err(error) => tracing::error!("cannot read the hooks in {}: {error}", shown::path(&self.dir)),
            }
        }
    }

    fn one(&self, hook: &Path, packages: &[PathBuf]) {
        let name = shown::path(hook);
        match self.execute(hook, packages) {
            Ok((status, said)) if status.success() => {
                tracing::info!("hook {name}: done{}", tail(&said));
            }
            Ok((status, said)) => tracing::error!("hook {name}: ended with {status}{}", tail(&said)),
            Err(error) => tracing::error!("hook {name}: cannot be run: {error}"),
        }
    }

    /// Runs a hook to its end, or kills it with all that it has started when its time is over.
    fn execute(&self, hook: &Path, packages: &[PathBuf]) -> io::Result<(ExitStatus, Vec<u8>)> {
        let names: Vec<&[u8]> = packages.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let (mut said, ours) = io::pipe()?;
        let mut command = Command::new(hook);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TUPKG_INCOMING", &self.incoming)
            .env("TUPKG_PACKAGES", OsString::from_vec(names.join(&b'\n')))
            .current_dir(&self.incoming)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(ours.try_clone()?)
            .stderr(ours);
        let mut child = command.spawn()?;
        // Its ends of the pipe are open in the command until this.
        drop(command);
        let reader = thread::spawn(move || {
            let mut kept = Vec::new();
            let read = said.by_ref().take(MAX_SAID).read_to_end(&mut kept);
            // The rest is swallowed, so that the hook is not stopped by it.
            let _ = read.and_then(|_| io::copy(&mut said, &mut io::sink()));
            kept
        });
        let status = wait(&mut child, self.time)?;
        // What it has started and left behind would keep the pipe open.
        kill(&child);
        Ok((status, reader.join().unwrap_or_default()))
    }
}

/// Returns the hooks of a directory in their order.
fn hooks(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
        // One that has been removed since is no reason not to run the others.
        let Ok(seen) = entry.metadata() else { continue };
        if !name.as_bytes().iter().all(is_word) || !seen.is_file() || seen.mode() & 0o111 == 0 {
            continue;
        }
        if seen.mode() & 0o022 != 0 {
            tracing::error!(
                "hook {}: not run, because others can write it; use chmod go-w",
                shown::path(&entry.path())
            );
            continue;
        }
        found.insert(name.into_vec(), entry.path());
    }
    Ok(found.into_values().collect())
}

fn wait(child: &mut Child, time: Duration) -> io::Result<ExitStatus> {
    let end = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > end {
            kill(child);
            return child.wait();
        }
        thread::sleep(LOOK);
    }
}

fn kill(child: &Child) {
    // A group that is empty is as dead as wanted.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn tail(said: &[u8]) -> String {
    match said.trim_ascii_end() {
        [] => String::new(),
        said => format!("; it says: {}", shown::shown(said)),
    }
}

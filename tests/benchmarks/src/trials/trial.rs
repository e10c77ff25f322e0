//! One disturbed delivery, and what came of it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use intraware_test_support::dice::Dice;
use intraware_test_support::relay::{Fault, Relay};

use super::Tool;
use crate::delivery::check::{Sent, are_same};
use crate::delivery::far_end::{FarEnd, Way};
use crate::delivery::payloads::Payloads;
use crate::delivery::prepared::Prepared;
use crate::failure::{Doing as _, Failure};
use crate::ours::Key;
use crate::{process, tree};

/// How long a run may take before it counts as hanging and is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// How a delivery is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    how: How,
    /// At which byte of what the tool sends.
    at: u64,
    /// Which byte is changed, if any, of those that are there.
    changed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Cut,
    Kill,
    Corrupt,
}

/// What was wrong in a trial.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// After a run, the final name showed wrong bytes.
    pub(super) wrong_name: bool,
    /// A run said success, and the right bytes were not under the final name.
    pub(super) false_success: bool,
    /// After the second run they still were not.
    pub(super) repair: bool,
}

/// What a final name shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Wrong,
    Right,
}

impl Trial {
    /// Returns trials of a payload of so many bytes, the same for the same seed.
    pub(super) fn all(count: u32, seed: u64, bytes: u64) -> Vec<Self> {
        let mut dice = Dice(seed);
        let hows = [How::Cut, How::Kill, How::Corrupt].into_iter().cycle();
        let trial = |(_, how)| Self { how, at: 1 + dice.draw() % (bytes - 1), changed: dice.draw() };
        (0..count).zip(hows).map(trial).collect()
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at byte {}", self.how, self.at)
    }
}

impl Outcome {
    pub(super) fn is_wrong(&self) -> bool {
        self.wrong_name || self.false_success || self.repair
    }

    fn see(&mut self, success: bool, shown: Shown) {
        self.wrong_name |= shown == Shown::Wrong;
        self.false_success |= success && shown != Shown::Right;
        self.repair = shown != Shown::Right;
    }
}

/// Where the trials are made.
pub(super) struct Stand {
    dir: PathBuf,
    far_end: FarEnd,
    payloads: Payloads,
    prepared: Prepared,
}

impl Stand {
    /// Puts everything below `dir`.
    pub(super) fn set_up(dir: &Path, payloads: Payloads) -> Result<Self, Failure> {
        tree::clear(dir)?;
        let far_end = FarEnd::start(dir);
        let site = far_end.open(None)?.site(None);
        let prepared = Prepared::provide(dir, &payloads, &site, &Key::generate())?;
        Ok(Self { dir: dir.to_owned(), far_end, payloads, prepared })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes one trial with one tool.
    pub(super) fn one(&self, tool: Tool, trial: &Trial) -> Result<Outcome, Failure> {
        self.far_end.clear()?;
        tree::clear(&self.home())?;
        let mut outcome = Outcome::default();
        let fault = match trial.how {
            How::Cut => Fault::CutAfter(trial.at),
            // Nothing more passes, so that the kill comes at exactly this byte.
            How::Kill | How::Corrupt => Fault::StallAfter(trial.at),
        };
        let relay = Relay::start(self.far_end.server(), fault);
        let way = self.far_end.way(relay.addr())?;
        let ours = (tool == Tool::Ours).then(|| self.prepared.copy(&way.site(None))).transpose()?;
        let sent = ours.map_or(Sent::Peers, Sent::Ours);
        let success = self.run(tool, &way, |child| match trial.how {
            How::Cut if relay.sent() > 0 => relay.set(Fault::None),
            How::Kill | How::Corrupt if relay.sent() >= trial.at => drop(child.kill()),
            How::Cut | How::Kill | How::Corrupt => {}
        })?;
        drop(relay);
        self.far_end.settle();
        outcome.see(success, self.look(&sent)?);
        if trial.how == How::Corrupt && outcome.repair {
            corrupt(&way.base, trial.changed)?;
        }
        let way = self.far_end.way(self.far_end.server())?;
        if let Sent::Ours(ours) = &sent {
            ours.configure(&way.site(None))?;
        }
        let success = self.run(tool, &way, |_| {})?;
        self.far_end.settle();
        outcome.see(success, self.look(&sent)?);
        Ok(outcome)
    }

    /// Runs a tool to its end, with `meanwhile` done over and over. Returns whether it says success.
    fn run(&self, tool: Tool, way: &Way, mut meanwhile: impl FnMut(&mut Child)) -> Result<bool, Failure> {
        let words = match tool {
            Tool::Ours => self.prepared.last().words("upload", &["run"]),
            Tool::Peer(peer) => peer.words(&self.payloads, way, &self.home())?,
        };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.home());
        command.env_clear().envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")]).env("HOME", self.home());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().doing(|| format!("cannot start {}", tool.name()))?;
        let start = Instant::now();
        loop {
            let ended = child.try_wait().doing(|| format!("cannot wait for {}", tool.name()))?;
            if let Some(ended) = ended {
                return Ok(ended.success());
            }
            meanwhile(&mut child);
            if start.elapsed() > LIMIT {
                process::kill(i32::try_from(child.id()).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns what the final name of the payload shows.
    fn look(&self, sent: &Sent) -> Result<Shown, Failure> {
        let expected = sent.expected(&self.payloads)?;
        let (path, source) = expected.into_iter().next().ok_or_else(|| Failure::new("nothing to send"))?;
        let found = self.far_end.base().join(path);
        match are_same(&found, &source) {
            Ok(true) => Ok(Shown::Right),
            Ok(false) => Ok(Shown::Wrong),
            Err(error) if error.kind() == io::ErrorKind::NotFound && source.exists() => Ok(Shown::Nothing),
            Err(error) => Err(error).doing(|| format!("cannot compare {}", found.display())),
        }
    }

    fn home(&self) -> PathBuf {
        self.dir.join("home")
    }
}

/// Changes a byte in each file that an interrupted run has left.
fn corrupt(base: &Path, changed: u64) -> Result<(), Failure> {
    let flip = |path: &Path, len: u64| -> io::Result<()> {
        let file = File::options().read(true).write(true).open(path)?;
        let (mut byte, at) = ([0], changed % len);
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[!byte[0]], at)
    };
    let each = &mut |path: &Path, seen: &fs::Metadata| match seen.len() {
        0 => Ok(()),
        len => flip(path, len).doing(|| format!("cannot change {}", path.display())),
    };
    tree::walk(base, each).map(drop)
}

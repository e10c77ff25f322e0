//! Fragments of many machines, computed, and made by `manage fragment`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_test_support::dice::Dice;

use crate::failure::{Doing as _, Failure};
use crate::ours::program;
use crate::{measure, say, tree};

/// How many machines, and how many files each.
pub(crate) const MACHINES: u64 = 20;
const FILES: u64 = 2000;
/// How many of a machine's files all machines have.
const SHARED: u64 = 100;
/// No file is larger; the mean is half of it.
const MOST: usize = 16 << 10;
pub(crate) const NAME: &str = "bench";
pub(crate) const VERSION: &str = "1.0";

/// The fragments, and what is in them.
pub(crate) struct Corpus {
    dir: PathBuf,
    /// In all fragments.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// In the package.
    pub(crate) distinct_files: u64,
    pub(crate) distinct_bytes: u64,
}

impl Corpus {
    /// Makes the fragments below `dir` unless they are there.
    pub(crate) fn provide(dir: &Path) -> Result<Self, Failure> {
        let dir = dir.join("fragments");
        let (mut bytes, mut distinct_bytes) = (0, 0);
        for machine in 0..MACHINES {
            for number in 0..FILES {
                let length = content_len(machine, number) as u64;
                bytes += length;
                distinct_bytes += if number < SHARED && machine > 0 { 0 } else { length };
            }
        }
        let distinct_files = SHARED + MACHINES * (FILES - SHARED);
        let corpus = Self { dir, files: MACHINES * FILES, bytes, distinct_files, distinct_bytes };
        if !corpus.dir.join("complete").exists() {
            corpus.make()?;
        }
        Ok(corpus)
    }

    /// Returns the directory of the fragments.
    pub(crate) fn fragments(&self) -> PathBuf {
        self.dir.join("of")
    }

    fn make(&self) -> Result<(), Failure> {
        say::progress("making the fragments");
        tree::clear(&self.dir)?;
        tree::clear(&self.fragments())?;
        let build = self.dir.join("build");
        for machine in 0..MACHINES {
            tree::clear(&build)?;
            for number in 0..FILES {
                let path = build.join(path(machine, number));
                let write = || {
                    fs::create_dir_all(path.parent().unwrap_or(&build))?;
                    fs::write(&path, content(machine, number))
                };
                write().doing(|| format!("cannot write {}", path.display()))?;
            }
            let mut fragment = Command::new(program("manage"));
            fragment.arg("fragment").arg(&build).args(["--pname", NAME, "--pversion", VERSION, "--srcpath"]);
            fragment.arg(self.fragments()).args(["--machine", &format!("machine{machine:02}")]);
            measure::output(&mut fragment)?;
        }
        tree::remove(&build)?;
        let done = self.dir.join("complete");
        fs::write(&done, "").doing(|| format!("cannot write {}", done.display()))
    }
}

fn path(machine: u64, number: u64) -> String {
    let group = number / 100;
    if number < SHARED {
        format!("include/{number:04}.h")
    } else {
        format!("lib/m{machine:02}/{group:02}/{number:04}.txt")
    }
}

fn dice(machine: u64, number: u64) -> Dice {
    let machine = if number < SHARED { 0 } else { machine };
    Dice(machine << 32 | number)
}

fn content_len(machine: u64, number: u64) -> usize {
    dice(machine, number).below(MOST)
}

/// Returns lines that compress about as text does.
fn content(machine: u64, number: u64) -> Vec<u8> {
    let mut dice = dice(machine, number);
    let length = dice.below(MOST);
    let mut text = String::new();
    while text.len() < length {
        let value = dice.draw();
        text += &format!(
            "symbol_{:03}(value, {:#06x}); /* {} */\n",
            value % 512,
            value >> 48,
            value >> 20 & 0xffff
        );
    }
    text.truncate(length);
    text.into_bytes()
}

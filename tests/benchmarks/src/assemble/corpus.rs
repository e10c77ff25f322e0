//! Fragments of many machines, computed, and made by `manage fragment`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_test_support::dice::Dice;

use crate::failure::{Doing as _, Failure};
use crate::ours::program;
use crate::{measure, say, tree};

/// How much of what there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The directory, below that of the benchmarks.
    dir: &'static str,
    pub(crate) machines: u64,
    /// Of each machine.
    files: u64,
    /// How many of a machine's files all machines have.
    shared: u64,
    /// No file is larger; the mean is half of it.
    most: usize,
    /// Whether the builds are kept beside the fragments.
    keeps_builds: bool,
}

/// What a large product is like.
pub(crate) const USUAL: Shape =
    Shape { dir: "fragments", machines: 20, files: 2000, shared: 100, most: 16 << 10, keeps_builds: false };
/// A package of a million small files.
pub(crate) const MILLION: Shape =
    Shape { dir: "million", machines: 4, files: 252_000, shared: 2500, most: 2 << 10, keeps_builds: true };
/// A tenth of it, for a quick look.
pub(crate) const HUNDRED_THOUSAND: Shape =
    Shape { dir: "hundred-thousand", files: 25_200, shared: 250, ..MILLION };

pub(crate) const NAME: &str = "bench";
pub(crate) const VERSION: &str = "1.0";

/// The fragments, and what is in them.
pub(crate) struct Corpus {
    dir: PathBuf,
    pub(crate) shape: Shape,
    /// In all fragments.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// In the package.
    pub(crate) distinct_files: u64,
    pub(crate) distinct_bytes: u64,
}

impl Corpus {
    /// Makes the fragments below `dir` unless they are there.
    pub(crate) fn provide(dir: &Path, shape: Shape) -> Result<Self, Failure> {
        let dir = dir.join(shape.dir);
        let (mut bytes, mut distinct_bytes) = (0, 0);
        for machine in 0..shape.machines {
            for number in 0..shape.files {
                let length = shape.content_len(machine, number) as u64;
                bytes += length;
                distinct_bytes += if number < shape.shared && machine > 0 { 0 } else { length };
            }
        }
        let distinct_files = shape.shared + shape.machines * (shape.files - shape.shared);
        let files = shape.machines * shape.files;
        let corpus = Self { dir, shape, files, bytes, distinct_files, distinct_bytes };
        if !corpus.dir.join("complete").exists() {
            corpus.make()?;
        }
        Ok(corpus)
    }

    /// Returns the directory of the fragments.
    pub(crate) fn fragments(&self) -> PathBuf {
        self.dir.join("of")
    }

    /// Returns the directory of the builds, each named after its machine, if they are kept.
    pub(crate) fn builds(&self) -> PathBuf {
        self.dir.join("builds")
    }

    fn make(&self) -> Result<(), Failure> {
        say::progress("making the fragments");
        tree::clear(&self.dir)?;
        tree::clear(&self.fragments())?;
        let shape = self.shape;
        for machine in 0..shape.machines {
            let build = self.builds().join(format!("machine{machine:02}"));
            tree::clear(&build)?;
            for number in 0..shape.files {
                let path = build.join(shape.path(machine, number));
                let write = || {
                    fs::create_dir_all(path.parent().unwrap_or(&build))?;
                    fs::write(&path, shape.content(machine, number))
                };
                write().doing(|| format!("cannot write {}", path.display()))?;
            }
            let mut fragment = Command::new(program("manage"));
            fragment.arg("fragment").arg(&build).args(["--pname", NAME, "--pversion", VERSION, "--srcpath"]);
            fragment.arg(self.fragments()).args(["--machine", &format!("machine{machine:02}")]);
            measure::output(&mut fragment)?;
            if !shape.keeps_builds {
                tree::remove(&build)?;
            }
        }
        let done = self.dir.join("complete");
        fs::write(&done, "").doing(|| format!("cannot write {}", done.display()))
    }
}

impl Shape {
    fn path(&self, machine: u64, number: u64) -> String {
        let group = number / 100;
        if number < self.shared {
            format!("include/{number:04}.h")
        } else {
            format!("lib/m{machine:02}/{group:02}/{number:04}.txt")
        }
    }

    fn dice(&self, machine: u64, number: u64) -> Dice {
        let machine = if number < self.shared { 0 } else { machine };
        Dice(machine << 32 | number)
    }

    fn content_len(&self, machine: u64, number: u64) -> usize {
        self.dice(machine, number).below(self.most)
    }

    /// Returns lines that compress about as text does.
    fn content(&self, machine: u64, number: u64) -> Vec<u8> {
        let mut dice = self.dice(machine, number);
        let length = dice.below(self.most);
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
}

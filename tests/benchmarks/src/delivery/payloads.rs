//! What is delivered: files of random bytes, which no compression on the way changes anything about.
//!
//! Peers send the files as they are. Ours takes each as a build and sends the archive of it, which is as
//! large but for a few hundredths of a percent. Made once below the benchmark's directory, under another
//! name, and renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use intraware_test_support::dice::Dice;

use super::case::Load;
use crate::failure::{Doing as _, Failure};
use crate::{say, tree};

/// The files of a load.
#[derive(Debug, Clone)]
pub(crate) struct Payloads {
    dir: PathBuf,
    pub(crate) load: Load,
}

impl Payloads {
    /// Makes the files of a load unless they are there.
    pub(crate) fn provide(dir: &Path, load: Load) -> Result<Self, Failure> {
        let dir = dir.join(format!("payloads/{}x{}", load.files, load.file_bytes));
        let payloads = Self { dir, load };
        if !payloads.dir.is_dir() {
            say::progress(format_args!("making payloads in {}", payloads.dir.display()));
            let new = Self { dir: payloads.dir.with_extension("new"), load };
            tree::clear(&new.dir)?;
            new.make().doing(|| format!("cannot make {}", new.dir.display()))?;
            fs::rename(&new.dir, &payloads.dir).doing(|| format!("cannot rename {}", new.dir.display()))?;
        }
        Ok(payloads)
    }

    /// Returns the directory that holds all files.
    pub(crate) fn flat(&self) -> PathBuf {
        self.dir.join("flat")
    }

    /// Returns the directory that holds a directory for each file, named as [`Payloads::builds`] says.
    pub(crate) fn parent(&self) -> PathBuf {
        self.dir.join("builds")
    }

    pub(crate) fn builds(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.load.files).map(|number| format!("p{number:03}"))
    }

    /// Returns the names of the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> + use<> {
        self.builds().map(|build| build + ".bin")
    }

    fn make(&self) -> io::Result<()> {
        fs::create_dir_all(self.flat())?;
        for ((build, name), seed) in self.builds().zip(self.names()).zip(1..) {
            let file = self.flat().join(&name);
            random(&file, self.load.file_bytes, seed)?;
            let build = self.parent().join(build);
            fs::create_dir_all(&build)?;
            fs::hard_link(file, build.join(name))?;
        }
        Ok(())
    }
}

fn random(at: &Path, len: u64, seed: u64) -> io::Result<()> {
    let mut file = File::create(at)?;
    let mut dice = Dice(seed);
    let mut buffer = vec![0; 1 << 20];
    let mut left = len;
    while left > 0 {
        dice.fill(&mut buffer);
        let n = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(())
}

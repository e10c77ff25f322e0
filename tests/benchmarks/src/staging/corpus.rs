//! What is staged: trees that are made once below the benchmark's directory and then used again.
//!
//! Two are taken from the host's `/usr`, because nothing invented compresses as programs, libraries and
//! documentation do; they differ from host to host, so figures of two hosts are compared by their ratios. The
//! others are computed and are the same everywhere.
//!
//! A corpus appears whole: it is made under another name and renamed.

mod computed;
mod host;

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::failure::{Doing as _, Failure};
use crate::say;
use crate::tree::{self, Size};

/// To be counted up when a corpus is made in another way, so that none of the old way is used again.
const RECIPE: u32 = 1;

/// The size of the larger corpora.
const GIB: u64 = 1 << 30;

/// Something to stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Corpus {
    /// 1 GiB out of /usr: programs, libraries, text, many small files
    Release,
    /// One file of 1 GiB: programs and libraries out of /usr, one behind the other
    Binary,
    /// One file of 1 GiB of random bytes
    Incompressible,
    /// 100,000 files of 1 KiB in 1,000 directories
    Small,
    /// 12 GiB, for the peak of memory: copies of the first two in turn
    Large,
    /// 200,000 files of 1 KiB in 2,000 directories, for the peak of memory
    Many,
}

impl Corpus {
    /// Those that every tool is measured on.
    pub(crate) const TIMED: [Self; 4] = [Self::Release, Self::Binary, Self::Incompressible, Self::Small];

    /// Those that are about our own memory only.
    pub(crate) const MEMORY: [Self; 2] = [Self::Large, Self::Many];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Binary => "binary",
            Self::Incompressible => "incompressible",
            Self::Small => "small",
            Self::Large => "large",
            Self::Many => "many",
        }
    }

    /// Returns what it is, for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Release => "a release-like tree out of /usr",
            Self::Binary => "one large binary",
            Self::Incompressible => "one incompressible file",
            Self::Small => "small files",
            Self::Large => "a large build",
            Self::Many => "very many files",
        }
    }
}

/// Where the corpora lie.
#[derive(Debug)]
pub(crate) struct Corpora {
    dir: PathBuf,
}

impl Corpora {
    pub(crate) fn below(dir: &Path) -> Self {
        Self { dir: dir.join(format!("corpora.{RECIPE}")) }
    }

    /// Returns the directory that holds a directory for each corpus.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the directory of a corpus.
    pub(crate) fn path(&self, corpus: Corpus) -> PathBuf {
        self.dir.join(corpus.name())
    }

    /// Makes a corpus unless it is there. Returns its size.
    pub(crate) fn provide(&self, corpus: Corpus) -> Result<Size, Failure> {
        let path = self.path(corpus);
        if !path.is_dir() {
            let sources = match corpus {
                Corpus::Large => vec![Corpus::Release, Corpus::Binary],
                _ => Vec::new(),
            };
            sources.into_iter().try_for_each(|source| self.provide(source).map(drop))?;
            say::progress(format_args!("making the corpus {} in {}", corpus.name(), path.display()));
            let new = path.with_extension("new");
            tree::remove(&new)?;
            fs::create_dir_all(&new).doing(|| format!("cannot make {}", new.display()))?;
            self.make(corpus, &new)?;
            fs::rename(&new, &path).doing(|| format!("cannot rename {}", new.display()))?;
            // What is written back later would be written back during somebody's measurement.
            rustix::fs::sync();
        }
        tree::walk(&path, &mut |_, _| Ok(()))
    }

    fn make(&self, corpus: Corpus, at: &Path) -> Result<(), Failure> {
        match corpus {
            Corpus::Release => host::release(at, GIB),
            Corpus::Binary => host::image(&at.join("image.bin"), GIB),
            Corpus::Incompressible => computed::random(&at.join("random.bin"), GIB),
            Corpus::Small => computed::small_files(at, 1_000),
            Corpus::Many => computed::small_files(at, 2_000),
            Corpus::Large => {
                host::copies(&[self.path(Corpus::Release), self.path(Corpus::Binary)], at, 12 * GIB)
            }
        }
    }
}

//! A build directory for tests to fill.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::build_dir::{BuildDir, BuildRoots};

/// A build directory `p7` in a build root of its own.
pub(crate) struct Build {
    root: TempDir,
}

impl Build {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// Makes it on the file system that `dir` is on.
    pub(crate) fn within(dir: &Path) -> Self {
        let root = TempDir::new_in(dir).unwrap();
        fs::create_dir(root.path().join("p7")).unwrap();
        Self { root }
    }

    /// Returns the path of something in the build.
    pub(crate) fn at(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.path().join("p7").join(below)
    }

    /// Returns a path in the root that is not in the build.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Makes a small file and the directories above it.
    pub(crate) fn file(&self, below: impl AsRef<Path>) {
        fs::create_dir_all(self.at(&below).parent().unwrap()).unwrap();
        fs::write(self.at(below), "content").unwrap();
    }

    pub(crate) fn open(&self) -> BuildDir {
        let roots = BuildRoots::open(&[self.root.path().to_owned()]).unwrap();
        roots.resolve(self.outside("p7").to_str().unwrap()).unwrap()
    }
}

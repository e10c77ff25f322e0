//! Indexes by their digests, which readers who have an older Release ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::check::named_by_release;
use crate::error::PublishError;
use crate::layout::{Layout, make_dir};

/// The directory beside an index.
const DIR: &str = "by-hash/SHA256";

/// Gives each index of a suite its name by digest, and removes those that no tree names that is kept.
pub(super) fn renew(layout: &Layout, stage: &Path, suite: &str) -> Result<(), PublishError> {
    let dir = layout.dists_in(stage).join(suite);
    let named = named_by_release(&dir);
    let named = named.map_err(|wrong| PublishError::Tree { suite: suite.to_owned(), wrong })?;
    let mut kept: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    let mut keep = |path: &str, sha256: &str| {
        let parent = dir.join(path).parent().unwrap_or(&dir).join(DIR);
        kept.entry(parent).or_default().insert(sha256.to_owned());
    };
    for number in layout.trees()? {
        let former = layout.dists_in(&layout.tree(number)).join(suite);
        // A tree may be from before the suite.
        for (path, sha256) in named_by_release(&former).unwrap_or_default() {
            keep(&path, &sha256);
        }
    }
    for (path, sha256) in &named {
        keep(path, sha256);
        let index = dir.join(path);
        let parent = index.parent().unwrap_or(&dir);
        link(&index, parent, sha256).map_err(PublishError::io("name by its digest", &index))?;
    }
    for (parent, kept) in &kept {
        prune(parent, kept).map_err(PublishError::io("remove old indexes in", parent))?;
    }
    Ok(())
}

fn link(index: &Path, parent: &Path, sha256: &str) -> io::Result<()> {
    make_dir(&parent.join("by-hash"))?;
    make_dir(&parent.join(DIR))?;
    match fs::hard_link(index, parent.join(DIR).join(sha256)) {
        // What has this name has this content: it was copied from the former tree.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn prune(dir: &Path, kept: &BTreeSet<String>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

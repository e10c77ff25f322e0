//! Indexes by digest that no reader asks for any more, where a command renews the suites.
//!
//! Such a command adds the new ones beside those that it finds, and knows nothing of the trees that are kept.
//! They stay as long as the Release of a kept tree names them, as those of the publisher that is built in do.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::PublishError;
use crate::layout::Layout;
use crate::sum::is_digest;

/// The name of directories with files that are called by their digests, one below for each kind of digest.
const DIR: &str = "by-hash";
/// How many digits a digest may have: MD5, SHA-1, SHA-256, SHA-512.
const DIGITS: [usize; 4] = [32, 40, 64, 128];

/// Removes from a new tree's suite what neither its own Release nor that of a kept tree names by any digest.
pub(crate) fn remove(layout: &Layout, stage: &Path, suite: &str) -> Result<(), PublishError> {
    let dir = layout.dists_in(stage).join(suite);
    // One without a Release is refused for that when it is looked at.
    let Ok(release) = fs::read_to_string(dir.join("Release")) else { return Ok(()) };
    let mut named = digests(&release);
    for number in layout.trees()? {
        let former = layout.dists_in(&layout.tree(number)).join(suite).join("Release");
        // A tree may be from before the suite.
        named.extend(digests(&fs::read_to_string(former).unwrap_or_default()));
    }
    prune_below(&dir, &named).map_err(PublishError::io("remove old indexes in", &dir))
}

/// Returns all digests that a Release names files by.
fn digests(release: &str) -> BTreeSet<String> {
    let words = release.lines().filter_map(|line| line.strip_prefix(' ')?.split_whitespace().next());
    let is_one = |word: &&str| DIGITS.iter().any(|digits| is_digest(word, *digits));
    words.filter(is_one).map(str::to_lowercase).collect()
}

fn prune_below(dir: &Path, named: &BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // No link is followed: it leads to what is another's to remove.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if entry.file_name() != DIR {
            prune_below(&entry.path(), named)?;
            continue;
        }
        for kind in fs::read_dir(entry.path())? {
            prune(&kind?.path(), named)?;
        }
    }
    Ok(())
}

fn prune(dir: &Path, named: &BTreeSet<String>) -> io::Result<()> {
    if !fs::symlink_metadata(dir)?.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // What has another kind of name was put there for another reason.
        let is_outdated = |name: &str| DIGITS.contains(&name.len()) && !named.contains(&name.to_lowercase());
        if !entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(is_outdated) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

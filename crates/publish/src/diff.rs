//! What two trees that are kept have different packages and versions of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use intraware_config::TreeConfig;
use intraware_core::foreign::escape;
use serde::Serialize;

use crate::check::packages;
use crate::error::PublishError;
use crate::layout::{Layout, Live};

/// What one tree has that another has not, or has otherwise.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The number of the one.
    pub from: u64,
    /// The number of the other.
    pub to: u64,
    /// What is different, by suite, package and architecture.
    pub changes: Vec<Change>,
}

/// A package, for one architecture or as a source, of which the versions are not the same.
#[derive(Debug, Serialize)]
pub struct Change {
    /// The suite.
    pub suite: String,
    /// The package.
    pub package: String,
    /// Its architecture, `source` for a source.
    pub architecture: String,
    /// The versions that the one tree has; none, if it has no such package.
    pub old: BTreeSet<String>,
    /// The versions that the other has.
    pub new: BTreeSet<String>,
}

/// Suite, package and architecture, with the versions of it.
type Versions = BTreeMap<(String, String, String), BTreeSet<String>>;

/// Compares two trees that are kept: without numbers, the last before the one in place with that; with one,
/// that with the one in place.
pub fn difference(tree: &TreeConfig, from: Option<u64>, to: Option<u64>) -> Result<Difference, PublishError> {
    let layout = Layout::of(tree);
    layout.has_root()?;
    let (kept, live) = (layout.trees()?, layout.live()?);
    let in_place = match live {
        Live::Tree(number) => Some(number),
        Live::Nothing | Live::Directory => None,
    };
    let to = to.or(in_place);
    let from = from.or_else(|| kept.iter().rfind(|number| Some(**number) < to).copied());
    let known = |number: Option<u64>| number.filter(|number| kept.contains(number));
    let (Some(from), Some(to)) = (known(from), known(to)) else {
        let message = format!("there are no such two trees; see `manage publish snapshots {}`", tree.name);
        return Err(PublishError::Configuration(message));
    };
    let versions = |number| versions(tree, &layout.dists_in(&layout.tree(number)));
    let (mut old, mut new) = (versions(from)?, versions(to)?);
    let names: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (old.remove(&name).unwrap_or_default(), new.remove(&name).unwrap_or_default());
        let (suite, package, architecture) = name;
        (old != new).then_some(Change { suite, package, architecture, old, new })
    });
    Ok(Difference { from, to, changes: changes.collect() })
}

/// Returns what a tree has. A suite that is not there has nothing.
fn versions(tree: &TreeConfig, dists: &Path) -> Result<Versions, PublishError> {
    let mut found = Versions::new();
    for suite in tree.all_suites().filter(|suite| dists.join(suite).is_dir()) {
        let wrong = |wrong| PublishError::Tree { suite: suite.to_owned(), wrong };
        for (package, version, architecture) in packages(&dists.join(suite)).map_err(wrong)? {
            found.entry((suite.to_owned(), package, architecture)).or_default().insert(version);
        }
    }
    Ok(found)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suite, package, architecture, old, new } = self;
        let shown = |versions: &BTreeSet<String>| match versions.is_empty() {
            true => "-".to_owned(),
            false => escape(versions.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        let (package, architecture) = (escape(package), escape(architecture));
        write!(f, "{suite}  {package}  {architecture}  {} -> {}", shown(old), shown(new))
    }
}

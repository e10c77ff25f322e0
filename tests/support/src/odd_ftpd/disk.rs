//! The paths of an account whose root is a directory of this host.

use std::path::{Path, PathBuf};

/// Returns an absolute path of the account, from the directory that it is in.
pub(super) fn absolute(entered: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{entered}/{path}") };
    let mut names: Vec<&str> = Vec::new();
    for name in joined.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Returns where an absolute path of the account is on this host.
pub(super) fn real(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

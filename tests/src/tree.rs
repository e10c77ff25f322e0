//! Directory trees, for comparison byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// All that lies below some directories, with contents, modes, owners and times. Times of access are left
/// out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Node>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    mode: u32,
    owner: (u32, u32),
    links: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    content: Vec<u8>,
}

impl Tree {
    /// Reads everything below `dirs`, themselves included.
    ///
    /// # Panics
    /// If something cannot be read.
    pub fn read<'a>(dirs: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut nodes = BTreeMap::new();
        dirs.into_iter().for_each(|dir| add(&mut nodes, dir));
        Self(nodes)
    }

    /// Returns the paths of which something differs, and of what is only here or only there.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a Path> {
        let changed = self.0.iter().filter(|(path, node)| other.0.get(*path) != Some(node));
        let new = other.0.keys().filter(|path| !self.0.contains_key(*path));
        changed.map(|(path, _)| path.as_path()).chain(new.map(PathBuf::as_path)).collect()
    }

    /// Returns the paths of all that is no directory.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.0.iter().filter(|(_, node)| node.mode & 0o170_000 != 0o040_000);
        files.map(|(path, _)| path.as_path())
    }

    /// Returns the paths of the files that hold these bytes somewhere.
    pub fn holding(&self, needle: &[u8]) -> Vec<&Path> {
        let holds = |node: &Node| node.content.windows(needle.len()).any(|window| window == needle);
        self.0.iter().filter(|(_, node)| holds(node)).map(|(path, _)| path.as_path()).collect()
    }
}

fn add(nodes: &mut BTreeMap<PathBuf, Node>, path: &Path) {
    let seen = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let content = if seen.is_file() {
        fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    } else if seen.is_symlink() {
        fs::read_link(path).expect("a link").into_os_string().into_encoded_bytes()
    } else {
        Vec::new()
    };
    let node = Node {
        mode: seen.mode(),
        owner: (seen.uid(), seen.gid()),
        links: seen.nlink(),
        inode: seen.ino(),
        size: seen.size(),
        modified: (seen.mtime(), seen.mtime_nsec()),
        changed: (seen.ctime(), seen.ctime_nsec()),
        content,
    };
    nodes.insert(path.to_owned(), node);
    if seen.is_dir() {
        for name in crate::spool::names(path) {
            add(nodes, &path.join(name));
        }
    }
}

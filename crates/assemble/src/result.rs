//! What an assembly has done, for people and for programs.

use intraware_core::digest::Md5Hex;
use serde::{Serialize, Serializer};

use crate::merge::links::DeadLink;
use crate::merge::{Chosen, Conflict, Merged, Part, kind};
use crate::names::MachineName;
use crate::nodes::Node;

/// A package that stands.
#[derive(Debug, Serialize)]
pub struct Assembled {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The directory; escaped.
    pub target: String,
    /// The machines in their order.
    pub machines: Vec<Machine>,
    /// Files in the package, without its list.
    pub files: usize,
    /// Directories in it.
    pub directories: usize,
    /// Links in it.
    pub links: usize,
    /// Bytes in its files.
    pub bytes: u64,
    /// What the machines disagree on, and was settled because errors were allowed.
    pub conflicts: Vec<Conflict>,
    /// Links to nothing that are in the package because errors were allowed.
    pub dead_links: Vec<DeadLink>,
    /// What is odd; escaped.
    pub warnings: Vec<String>,
    /// Everything in the package; a directory is before what is in it.
    pub entries: Entries,
    /// Whether the fragments were deleted.
    pub fragments_deleted: bool,
}

/// A machine's part in a package.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Its name.
    pub machine: MachineName,
    /// Its fragment's file name.
    pub fragment: String,
    /// Files in the fragment.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
}

/// One path of a package.
#[derive(Debug, Serialize)]
pub struct Placed {
    /// The path.
    pub path: String,
    /// `file`, `dir` or `link`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The machine it comes from.
    pub machine: MachineName,
    /// The machines that provide it as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<MachineName>,
    /// A file's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5Hex>,
    /// A file's size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where a link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Everything in a package. It is kept as the merge has it, and each path is made when it is asked for.
#[derive(Default)]
pub struct Entries(Option<(Merged, Vec<Part>)>);

impl Entries {
    pub(crate) fn new(merged: Merged, parts: Vec<Part>) -> Self {
        Self(Some((merged, parts)))
    }

    /// Returns one after another.
    pub fn iter(&self) -> impl Iterator<Item = Placed> + '_ {
        self.0.iter().flat_map(|(merged, parts)| merged.chosen.iter().map(|one| placed(one, merged, parts)))
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

fn placed(one: &Chosen, merged: &Merged, parts: &[Part]) -> Placed {
    let node = &one.by.held(parts).node;
    let (md5, size, target) = match node {
        Node::Directory => (None, None, None),
        Node::File(content) => (Some(content.md5), Some(content.size), None),
        Node::Link(target) => (None, None, Some(target.to_string())),
    };
    Placed {
        path: one.by.path(parts),
        kind: kind(node),
        machine: one.by.part(parts).machine.clone(),
        also: merged.also(one).iter().map(|other| other.part(parts).machine.clone()).collect(),
        md5,
        size,
        target,
    }
}

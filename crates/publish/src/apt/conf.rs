//! What `apt-ftparchive` is told.

use std::io;
use std::path::Path;

use intraware_config::{AptConfig, TreeConfig};
use intraware_core::foreign;
use sha2::{Digest as _, Sha256};

use crate::error::PublishError;
use crate::layout::make_dir;
use crate::lists::{Item, SuiteList};

/// Returns what holds for all suites.
///
/// The database knows packages by where they are, so that is said from the root, which is always the same,
/// and not from the tree that is made.
pub(super) fn head(root: &Path, work: &Path) -> String {
    let (root, work) = (root.display(), work.display());
    format!(
        "Dir {{ ArchiveDir \"{root}\"; CacheDir \"{work}\"; FileListDir \"{work}\"; OverrideDir \"{work}\"; }};\n\
         Default {{ Packages::Compress \".\"; Sources::Compress \".\"; \
         Contents::Compress \".\"; LongDescription \"true\"; }};\n\
         TreeDefault {{ BinCacheDB \"packages.db\"; SrcCacheDB \"sources.db\"; }};\n"
    )
}

/// How many packages of an index are a batch.
const BATCH: usize = 500;

/// Returns what holds for one batch of a suite.
pub(super) fn tree(tree: &TreeConfig, dir: &Path, suite: &str, batch: usize, contents: bool) -> String {
    let (sections, architectures) = (tree.components.join(" "), tree.architectures.join(" "));
    let mut text = format!(
        "Tree \"{}\" {{\n  Sections \"{sections}\";\n  Architectures \"{architectures} source\";\n  \
         FileList \"{suite}_$(SECTION)_$(ARCH)_{batch}\";\n  \
         SourceFileList \"{suite}_$(SECTION)_source_{batch}\";\n",
        dir.display()
    );
    text.push_str(match contents {
        true => "  Contents \"$(DIST)/$(SECTION)/Contents-$(ARCH)\";\n};\n",
        // Without a name there is none.
        false => "  Contents \" \";\n};\n",
    });
    text
}

/// Returns the lists of files of each batch of a suite, by the names that they have there: one for each
/// component and architecture.
///
/// They are in an order that is always the same and has nothing to do with that of names: for Contents,
/// apt-ftparchive puts the files of packages into a tree of which it takes no care, and in the order of names
/// that is as slow as a list. What it has written is put in order afterwards ([`super::pieces`],
/// [`super::contents`]).
pub(super) fn file_lists(
    tree: &TreeConfig,
    suite: &str,
    list: &SuiteList,
) -> Result<Vec<Vec<(String, String)>>, PublishError> {
    let wrong = |what: &str, name: &str| {
        let wrong = format!("its list names the {what} {}, which the tree has not", foreign::escape(name));
        PublishError::Tree { suite: suite.to_owned(), wrong }
    };
    for item in list.items() {
        let (component, architecture) = (&item.component, &item.architecture);
        if !tree.components.contains(component) {
            return Err(wrong("component", component));
        }
        if !matches!(architecture.as_str(), "all" | "source") && !tree.architectures.contains(architecture) {
            return Err(wrong("architecture", architecture));
        }
    }
    let mut items: Vec<&Item> = list.items().iter().collect();
    items.sort_by_cached_key(|item| Sha256::digest(&item.package));
    let of_index = |component: &str, architecture: &str| -> Vec<&Item> {
        let of_index = items.iter().filter(|item| {
            let is_for_all = item.architecture == "all" && architecture != "source";
            item.component == component && (item.architecture == architecture || is_for_all)
        });
        of_index.copied().collect()
    };
    let all: Vec<_> = indexes(tree)
        .map(|index| (format!("{suite}_{}_{}", index.0, index.1), of_index(index.0, index.1)))
        .collect();
    let batch = |number: usize| {
        let list = |(name, items): &(String, Vec<&Item>)| {
            let batch = items.chunks(BATCH).nth(number).unwrap_or_default();
            (format!("{name}_{number}"), batch.iter().map(|item| item.path.clone() + "\n").collect())
        };
        all.iter().map(list).collect()
    };
    // One at least, which makes empty indexes.
    let count = all.iter().map(|(_, items)| items.len().div_ceil(BATCH)).fold(1, usize::max);
    Ok((0..count).map(batch).collect())
}

/// Returns component and architecture of each index of a suite.
pub(super) fn indexes(tree: &TreeConfig) -> impl Iterator<Item = (&str, &str)> {
    let architectures = || tree.architectures.iter().map(String::as_str).chain(["source"]);
    tree.components.iter().flat_map(move |component| {
        architectures().map(move |architecture| (component.as_str(), architecture))
    })
}

/// Returns where an index is, below its suite, without an ending.
pub(super) fn index(component: &str, architecture: &str) -> String {
    match architecture {
        "source" => format!("{component}/source/Sources"),
        architecture => format!("{component}/binary-{architecture}/Packages"),
    }
}

/// Returns where Contents is, below its suite, without an ending.
pub(super) fn contents(component: &str, architecture: &str) -> String {
    format!("{component}/Contents-{architecture}")
}

/// Makes the directories of indexes.
pub(super) fn make_dirs(tree: &TreeConfig, dir: &Path) -> io::Result<()> {
    make_dir(dir)?;
    for (component, architecture) in indexes(tree) {
        make_dir(&dir.join(component))?;
        let index = dir.join(index(component, architecture));
        index.parent().map_or(Ok(()), make_dir)?;
    }
    Ok(())
}

/// Returns the options for Release.
pub(super) fn release(tree: &TreeConfig, config: &AptConfig, suite: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            options.push(format!("APT::FTPArchive::Release::{name}={value}"));
        }
    };
    say("Origin", &config.origin);
    say("Label", &config.label);
    say("Suite", suite);
    say("Codename", suite);
    say("Architectures", &tree.architectures.join(" "));
    say("Components", &tree.components.join(" "));
    say("Acquire-By-Hash", "yes");
    // Readers want SHA-256, and each more takes as long again.
    ["MD5", "SHA1", "SHA512"].into_iter().for_each(|digest| say(digest, "false"));
    options
}

/// Returns the options for Packages and Sources: of digests, those that Debian's own have. They are most of a
/// compressed index.
pub(super) fn digests() -> Vec<String> {
    let off = |kind| ["SHA1", "SHA512"].map(|digest| format!("APT::FTPArchive::{kind}::{digest}=false"));
    ["Packages", "Sources"].into_iter().flat_map(off).collect()
}

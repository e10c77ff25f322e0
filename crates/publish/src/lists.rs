//! Which packages and sources a suite has: one file a suite, `ROOT/.publish/suites/SUITE`.
//!
//! A line is `COMPONENT ARCHITECTURE PACKAGE VERSION PATH`, the path beginning at the root; of a source the
//! architecture is `source`, and the path that of its `.dsc`. Uploads change the file, and so may people: a
//! package whose line is gone leaves the suite when that is published next. Its files stay in the pool, for
//! those who have an older index.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::check::is_below;
use crate::error::PublishError;
use crate::layout::Layout;
use crate::version::Version;

/// A package for one architecture, or a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) component: String,
    pub(crate) architecture: String,
    pub(crate) package: String,
    pub(crate) version: Version,
    /// From the root.
    pub(crate) path: String,
}

/// All that a suite has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SuiteList {
    items: Vec<Item>,
}

impl SuiteList {
    /// Reads the list of a suite; an empty one, if there is none.
    pub(crate) fn load(layout: &Layout, suite: &str) -> Result<Self, PublishError> {
        let path = path(layout, suite);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map_err(|line| {
                let wrong = format!("line {line} of {} cannot be understood", path.display());
                PublishError::Tree { suite: suite.to_owned(), wrong }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(PublishError::io("read", &path)(error)),
        }
    }

    /// Reads a list; fails with the number of a line that is none.
    fn parse(text: &str) -> Result<Self, usize> {
        let items = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
        let items = items.map(|(number, line)| Item::parse(line).ok_or(number + 1));
        Ok(Self { items: items.collect::<Result<_, _>>()? })
    }

    /// Writes the list, so that it survives a loss of power.
    pub(crate) fn save(&self, layout: &Layout, suite: &str) -> Result<(), PublishError> {
        let path = path(layout, suite);
        // No suite begins with a dot.
        let temp = layout.lists().join(".new");
        let text: String = self.items.iter().map(|item| item.line() + "\n").collect();
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o644).open(&temp)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temp, &path)?;
            File::open(layout.lists())?.sync_all()
        };
        write().map_err(PublishError::io("write", &path))
    }

    /// Returns what the suite has, by package and version.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Returns the later version of the same package that the suite has already, which a package for all
    /// architectures may be for each of them.
    pub(crate) fn later_than(&self, new: &Item) -> Option<&Item> {
        let covers = |old: &Item| match (old.architecture.as_str(), new.architecture.as_str()) {
            ("source", new) => new == "source",
            (_, "source") => false,
            ("all", _) | (_, "all") => true,
            (old, new) => old == new,
        };
        let mut same = self.items.iter().filter(|old| old.package == new.package && covers(old));
        same.find(|old| old.version > new.version)
    }

    /// Puts a package in the place of the one that it follows.
    pub(crate) fn put(&mut self, new: Item) {
        let follows = |old: &Item| {
            let to_all = new.architecture == "all" && old.architecture != "source";
            old.package == new.package && (old.architecture == new.architecture || to_all)
        };
        self.items.retain(|old| !follows(old));
        let key = |item: &Item| (item.package.clone(), item.architecture.clone());
        let at = self.items.partition_point(|item| key(item) <= key(&new));
        self.items.insert(at, new);
    }
}

impl Item {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [component, architecture, package, version, path] = words[..] else { return None };
        let is_sound = words.iter().all(|word| !word.is_empty()) && is_below(path);
        is_sound.then_some(())?;
        Some(Self {
            component: component.to_owned(),
            architecture: architecture.to_owned(),
            package: package.to_owned(),
            version: Version::parse(version)?,
            path: path.to_owned(),
        })
    }

    fn line(&self) -> String {
        let Self { component, architecture, package, version, path } = self;
        format!("{component} {architecture} {package} {} {path}", version.as_str())
    }
}

fn path(layout: &Layout, suite: &str) -> PathBuf {
    layout.lists().join(suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(line: &str) -> Item {
        Item::parse(line).unwrap_or_else(|| panic!("{line} is none"))
    }

    fn list(lines: &[&str]) -> SuiteList {
        let mut list = SuiteList::default();
        lines.iter().for_each(|line| list.put(item(line)));
        list
    }

    #[test]
    fn s1_08_a_suite_has_the_latest_of_each_architecture_and_the_source() {
        let list = list(&[
            "main source blast 1 pool/b_1.dsc",
            "main amd64 blast 1 pool/b_1_amd64.deb",
            "main arm64 blast 1 pool/b_1_arm64.deb",
            "main amd64 blast 2 pool/b_2_amd64.deb",
        ]);
        let found: Vec<String> = list.items().iter().map(Item::line).collect();
        assert_eq!(
            found,
            [
                "main amd64 blast 2 pool/b_2_amd64.deb",
                "main arm64 blast 1 pool/b_1_arm64.deb",
                "main source blast 1 pool/b_1.dsc",
            ]
        );
        let text: String = found.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(SuiteList::parse(&text), Ok(list));
    }

    #[test]
    fn s1_08_a_package_for_all_follows_those_for_each() {
        let mut all = list(&["main amd64 blast 2 pool/b", "main source blast 1 pool/b.dsc"]);
        assert!(all.later_than(&item("main all blast 1 pool/a")).is_some());
        assert!(all.later_than(&item("main arm64 blast 1 pool/a")).is_none());
        assert!(all.later_than(&item("main source blast 0 pool/a")).is_some());
        all.put(item("main all blast 3 pool/a"));
        assert_eq!(all.items().len(), 2);
        assert!(all.later_than(&item("main amd64 blast 2 pool/b")).is_some());
    }

    #[test]
    fn s1_08_a_line_that_is_none_is_told_by_its_number() {
        for line in ["x", "main amd64 blast 1 ../b", "main amd64 blast ? pool/b", "main  blast 1 pool/b"] {
            assert_eq!(SuiteList::parse(&format!("main amd64 glow 1 pool/g\n{line}\n")), Err(2), "{line}");
        }
    }
}

//! What one fragment holds, by path, small enough for a million files.
//!
//! Each path is kept as its last name and the number of the directory it is in, so that a node takes some 70
//! bytes whatever its depth: names lie one after another in one string, digests are bytes, and what a list
//! says besides is kept once for all nodes of which it says the same. A table of hashes finds a name in a
//! directory. When all is there, the numbers are sorted once, by directory and name, and from then on a
//! directory's content is a slice.
//!
//! Numbers are handed out in order and never again; a directory's is smaller than those of what is in it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use intraware_core::digest::Md5Hex;

use crate::list::More;
use crate::refused::Refused;

/// A node's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u32);

impl Id {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The package itself, which is no node.
pub(crate) const TOP: Id = Id(u32::MAX);

/// All that a fragment holds, without the package itself and without the list.
#[derive(Default)]
pub(crate) struct Nodes {
    names: String,
    held: Vec<Held>,
    /// The numbers by the hash of directory and name, next to each other where hashes agree; a power of two
    /// of places.
    table: Vec<u32>,
    hasher: RandomState,
    /// The numbers by directory and name, once it is sorted.
    sorted: Vec<u32>,
    said: Vec<Said>,
    numbers: HashMap<Said, u32>,
}

/// Something at a path.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) node: Node,
    parent: Id,
    /// Where its name begins.
    name: u32,
    length: u8,
    /// Whether the list has it.
    pub(crate) is_listed: bool,
    /// Whether the archive has no entry of it: a directory that something else is in.
    pub(crate) is_implied: bool,
    /// The number of what the list says besides, plus one; 0 is nothing.
    said: u32,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File(Content),
    Link(Box<str>),
}

/// A file's content and permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) md5: Md5Hex,
    pub(crate) size: u64,
    /// As they will be in the target.
    pub(crate) mode: u16,
    pub(crate) place: Place,
}

/// Where a content was put: into a file of its own with this number, or among others from this byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u64);

/// A place, to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// The number of its own file.
    Own(u32),
    /// The byte at which it begins.
    Among(u64),
}

/// What a list says of a path besides what has to agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Said {
    /// A type that is none of ours.
    pub(crate) odd_type: Option<Box<str>>,
    /// The further attributes.
    pub(crate) more: More,
}

impl Place {
    const OWN: u64 = 1 << 63;

    pub(crate) fn own(number: u32) -> Self {
        Self(Self::OWN | u64::from(number))
    }

    /// Takes a byte of a file, of which there are less than 2^63.
    pub(crate) fn among(start: u64) -> Self {
        Self(start & !Self::OWN)
    }

    pub(crate) fn look(self) -> Where {
        if self.0 & Self::OWN == 0 { Where::Among(self.0) } else { Where::Own(self.0 as u32) }
    }
}

impl Nodes {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn held(&self, id: Id) -> &Held {
        &self.held[id.index()]
    }

    pub(crate) fn held_mut(&mut self, id: Id) -> &mut Held {
        &mut self.held[id.index()]
    }

    /// Returns what is at a path.
    pub(crate) fn find(&self, path: &str) -> Option<Id> {
        path.split('/').try_fold(TOP, |dir, name| self.child(dir, name))
    }

    /// Returns what has this name in a directory.
    pub(crate) fn child(&self, dir: Id, name: &str) -> Option<Id> {
        let mut at = self.begin(dir, name)?;
        loop {
            match self.table[at] {
                NONE => return None,
                number if self.is(Id(number), dir, name) => return Some(Id(number)),
                _ => at = (at + 1) & (self.table.len() - 1),
            }
        }
    }

    /// Adds what is not there yet.
    pub(crate) fn add(&mut self, dir: Id, name: &str, node: Node) -> Result<Id, Refused> {
        let full = || Refused::from("it has too many entries");
        // A quarter of the places stays free.
        if self.table.len() * 3 <= self.held.len() * 4 {
            self.grow();
        }
        let number = u32::try_from(self.held.len()).ok().filter(|number| *number < TOP.0).ok_or_else(full)?;
        let start = u32::try_from(self.names.len()).map_err(|_| full())?;
        let length = u8::try_from(name.len()).map_err(|_| full())?;
        self.names.push_str(name);
        let (is_listed, is_implied) = (false, false);
        self.held.push(Held { node, parent: dir, name: start, length, is_listed, is_implied, said: 0 });
        self.put(Id(number));
        Ok(Id(number))
    }

    /// Returns the name of a node.
    pub(crate) fn name(&self, id: Id) -> &str {
        let Held { name, length, .. } = self.held(id);
        &self.names[*name as usize..][..usize::from(*length)]
    }

    /// Returns the path of a node.
    pub(crate) fn path(&self, id: Id) -> String {
        let up = |id: &Id| Some(self.held(*id).parent).filter(|parent| *parent != TOP);
        let chain: Vec<Id> = std::iter::successors(Some(id), up).collect();
        let names: Vec<&str> = chain.iter().rev().map(|id| self.name(*id)).collect();
        names.join("/")
    }

    /// Sorts, after which nothing is added.
    pub(crate) fn sort(&mut self) {
        let mut sorted: Vec<u32> = (0..self.held.len() as u32).collect();
        sorted.sort_unstable_by(|a, b| self.order(Id(*a), Id(*b)));
        self.sorted = sorted;
        self.numbers = HashMap::new();
    }

    /// Returns what is in a directory, by name. Only when it is sorted.
    pub(crate) fn children(&self, dir: Id) -> impl ExactSizeIterator<Item = Id> + Clone + '_ {
        let parent = |number: &u32| self.held(Id(*number)).parent;
        let start = self.sorted.partition_point(|number| parent(number) < dir);
        let behind = &self.sorted[start..];
        behind[..behind.partition_point(|number| parent(number) == dir)].iter().map(|number| Id(*number))
    }

    /// Returns all nodes, in no order that means anything.
    pub(crate) fn all(&self) -> impl Iterator<Item = Id> + '_ {
        (0..self.held.len() as u32).map(Id)
    }

    /// Keeps what the list says of a node besides.
    pub(crate) fn say(&mut self, id: Id, said: Said) {
        if said == Said::default() {
            return;
        }
        let number = match self.numbers.get(&said) {
            Some(number) => *number,
            None => {
                self.said.push(said.clone());
                // There are no more of them than nodes.
                let number = self.said.len() as u32;
                self.numbers.insert(said, number);
                number
            }
        };
        self.held_mut(id).said = number;
    }

    /// Returns what the list says of a node besides.
    pub(crate) fn said(&self, id: Id) -> Option<&Said> {
        self.said.get((self.held(id).said as usize).wrapping_sub(1))
    }

    fn order(&self, a: Id, b: Id) -> Ordering {
        self.held(a).parent.cmp(&self.held(b).parent).then_with(|| self.name(a).cmp(self.name(b)))
    }

    fn is(&self, id: Id, dir: Id, name: &str) -> bool {
        self.held(id).parent == dir && self.name(id) == name
    }

    /// Returns the place at which a name is looked for first, if there are any.
    fn begin(&self, dir: Id, name: &str) -> Option<usize> {
        let hash = self.hasher.hash_one((dir, name)) as usize;
        (!self.table.is_empty()).then(|| hash & (self.table.len() - 1))
    }

    fn put(&mut self, id: Id) {
        let Some(mut at) = self.begin(self.held(id).parent, self.name(id)) else { return };
        while self.table[at] != NONE {
            at = (at + 1) & (self.table.len() - 1);
        }
        self.table[at] = id.0;
    }

    fn grow(&mut self) {
        self.table = vec![NONE; (self.table.len() * 2).max(64)];
        for number in 0..self.held.len() as u32 {
            self.put(Id(number));
        }
    }
}

/// A free place of the table.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_found_and_sorted_by_directory_and_name() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.find("a"), None);
        let dir = nodes.add(TOP, "d", Node::Directory).unwrap();
        let numbers = (0..1000).rev().map(|number| nodes.add(dir, &format!("{number:03}"), Node::Directory));
        let numbers: Vec<Id> = numbers.map(Result::unwrap).collect();
        let top = nodes.add(TOP, "a", Node::Directory).unwrap();
        assert_eq!(nodes.find("d/007"), Some(numbers[992]));
        assert_eq!((nodes.find("d/1000"), nodes.find("a/007")), (None, None));
        assert_eq!(nodes.path(numbers[992]), "d/007");
        nodes.sort();
        assert_eq!(nodes.children(TOP).collect::<Vec<Id>>(), [top, dir]);
        assert!(nodes.children(dir).eq(numbers.into_iter().rev()));
        assert_eq!(nodes.children(top).len(), 0);
    }

    #[test]
    fn what_lists_say_of_many_is_kept_once() {
        let mut nodes = Nodes::default();
        let said =
            Said { odd_type: Some("pipe".into()), more: Box::new([("machtype".into(), "linux".into())]) };
        for name in ["a", "b"] {
            let id = nodes.add(TOP, name, Node::Directory).unwrap();
            nodes.say(id, said.clone());
            assert_eq!(nodes.said(id), Some(&said));
        }
        let plain = nodes.add(TOP, "c", Node::Directory).unwrap();
        nodes.say(plain, Said::default());
        assert_eq!((nodes.said(plain), nodes.said.len()), (None, 1));
    }

    #[test]
    fn k_3_a_node_takes_some_seventy_bytes() {
        assert!(size_of::<Held>() <= 64, "{}", size_of::<Held>());
    }

    #[test]
    fn a_place_is_a_number_or_a_byte() {
        assert_eq!(Place::own(7).look(), Where::Own(7));
        assert_eq!(Place::among(1 << 40).look(), Where::Among(1 << 40));
    }
}

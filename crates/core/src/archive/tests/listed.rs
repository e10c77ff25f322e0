//! Of any tree at all, GNU tar and Python's `tarfile` find every entry with all that an archive keeps of it.
//!
//! What they must find follows from what was generated, not from a walk. Nothing is unpacked, so paths may be
//! longer than the kernel takes.

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};

use intraware_test_support::readers::{self, Entry, Kind};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};

use super::generated::name;
use super::sample::{Filling, LIMITS};
use super::*;

/// What stands at a generated name.
#[derive(Debug, Clone)]
enum Node {
    File(Bytes, Marks),
    Link(Vec<u8>),
    /// A further name of the file that was made so many files ago, or, if there is none, an empty directory.
    HardLink(usize),
    Directory(BTreeMap<Vec<u8>, Node>, Marks),
}

/// What a file holds, in few words.
#[derive(Debug, Clone)]
enum Bytes {
    Full(Filling, usize, u64),
    /// A length, and a few bytes at some places; everything else is a hole.
    Sparse(usize, Vec<usize>),
}

#[derive(Debug, Clone, Copy)]
struct Marks {
    mode: u32,
    mtime: i64,
}

impl Bytes {
    fn all(&self) -> Vec<u8> {
        match self {
            Self::Full(content, len, seed) => content.bytes(*len, *seed),
            Self::Sparse(len, places) => {
                let mut bytes = vec![0; *len];
                places.iter().for_each(|&place| bytes[place % len] = b'x');
                bytes
            }
        }
    }

    fn write(&self, file: &File) {
        match self {
            Self::Full(..) => file.write_all_at(&self.all(), 0).unwrap(),
            Self::Sparse(len, places) => {
                file.set_len(*len as u64).unwrap();
                places.iter().for_each(|&place| file.write_all_at(b"x", (place % len) as u64).unwrap());
            }
        }
    }
}

fn marks() -> impl Strategy<Value = Marks> {
    // The latest that fits a header's digits, and what is clamped to it, are among them.
    let odd = [-5, 0, 1, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 33) - 1, 1 << 33, 9_000_000_000];
    let mtime = prop_oneof![prop::sample::select(odd.to_vec()), 0..1_i64 << 33];
    (0..=0o7777_u32, mtime).prop_map(|(mode, mtime)| Marks { mode: mode | 0o400, mtime })
}

fn size() -> impl Strategy<Value = usize> {
    let near = (prop::sample::select(LIMITS.to_vec()), 0..3_usize).prop_map(|(limit, by)| limit + by - 1);
    prop_oneof![2 => 0..2_000_usize, 2 => near]
}

fn content() -> impl Strategy<Value = Bytes> {
    let full = (prop::sample::select(Filling::ALL.to_vec()), size(), any::<u64>());
    let full = full.prop_map(|(content, len, seed)| Bytes::Full(content, len, seed));
    let sparse = (1..1_500_000_usize, vec(any::<usize>(), 0..4));
    prop_oneof![4 => full, 1 => sparse.prop_map(|(len, places)| Bytes::Sparse(len, places))]
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![1..20_usize, 98..103_usize, 510..514_usize, 4_090..=4_095_usize];
    (len, any::<u64>()).prop_map(|(len, seed)| {
        let mut target = Filling::Noise.bytes(len, seed);
        target.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b'/');
        target
    })
}

/// A directory with more in it than is read at a time: files, or directories with a file in each.
fn crowd() -> impl Strategy<Value = Node> {
    (prop_oneof![7..18_usize, 60..70_usize, 250..260_usize], any::<bool>(), marks()).prop_map(
        |(count, in_directories, marks)| {
            let file = |i: usize| Node::File(Bytes::Full(Filling::Text, i % 40, i as u64), marks);
            let node = |i: usize| match in_directories {
                true => Node::Directory([(b"file".to_vec(), file(i))].into(), marks),
                false => file(i),
            };
            Node::Directory((0..count).map(|i| (format!("{i:03}").into_bytes(), node(i))).collect(), marks)
        },
    )
}

fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        6 => (content(), marks()).prop_map(|(bytes, marks)| Node::File(bytes, marks)),
        2 => target().prop_map(Node::Link),
        2 => prop_oneof![0..5_usize, 0..270_usize].prop_map(Node::HardLink),
        1 => crowd(),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(3, 16, 5, |inner| {
        (btree_map(name(), inner, 0..5), marks()).prop_map(|(entries, marks)| Node::Directory(entries, marks))
    })
}

/// Something whose archive path is just so long: around what a header holds, what a block holds, and the
/// kernel's limit.
fn far() -> impl Strategy<Value = (usize, Node)> {
    let len =
        prop_oneof![97..104_usize, 154..159_usize, 509..515_usize, 1_020..1_027_usize, 4_090..4_100_usize];
    (len, leaf())
}

/// Puts `end` below directories with long names, so that its path has `len` bytes. `mark` begins the path.
fn lead_to(len: usize, end: Node, mark: u8) -> (Vec<u8>, Node) {
    let mut names = Vec::new();
    let mut left = len - b"p7/".len();
    while left > 255 {
        names.push(vec![b'l'; 200]);
        left -= 201;
    }
    names.push(vec![b'l'; left]);
    names[0][0] = mark;
    let marks = Marks { mode: 0o755, mtime: 1 };
    let last = (names.pop().unwrap(), end);
    names.into_iter().rev().fold(last, |inner, name| (name, Node::Directory([inner].into(), marks)))
}

/// A tree under construction, and what must be found of it. Works by descriptors, because paths are long.
#[derive(Default)]
struct Maker {
    /// With what tells one file from another.
    made: Vec<(Entry, Option<usize>)>,
    /// Where each file is, and its entry's place in `made`.
    files: Vec<(OwnedFd, Vec<u8>, usize)>,
}

impl Maker {
    fn make(&mut self, dir: BorrowedFd<'_>, above: &[u8], name: &[u8], node: &Node) {
        let path = [above, name].concat();
        match node {
            Node::File(bytes, marks) => {
                let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let file = rustix::fs::openat(dir, name, how, Mode::from_raw_mode(0o600)).unwrap();
                bytes.write(&file.into());
                let entry = entry(path, Kind::File, *marks, Vec::new(), bytes.all());
                self.files.push((dir.try_clone_to_owned().unwrap(), name.to_vec(), self.made.len()));
                self.made.push((entry, Some(self.files.len())));
                mark(dir, name, *marks);
            }
            Node::Link(target) => {
                rustix::fs::symlinkat(target.as_slice(), dir, name).unwrap();
                set_time(dir, name, 3);
                let marks = Marks { mode: 0o777, mtime: 3 };
                self.made.push((entry(path, Kind::Link, marks, target.clone(), Vec::new()), None));
            }
            Node::HardLink(ago) => match self.files.iter().rev().nth(*ago) {
                None => {
                    let marks = Marks { mode: 0o700, mtime: 5 };
                    self.make(dir, above, name, &Node::Directory(BTreeMap::new(), marks));
                }
                Some((there, first, place)) => {
                    rustix::fs::linkat(there, first.as_slice(), dir, name, AtFlags::empty()).unwrap();
                    let (entry, file) = &self.made[*place];
                    self.made.push((Entry { path, ..entry.clone() }, *file));
                }
            },
            Node::Directory(entries, marks) => {
                rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o700)).unwrap();
                let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let inner = rustix::fs::openat(dir, name, how, Mode::empty()).unwrap();
                let path = [&path, b"/".as_slice()].concat();
                for (name, node) in entries {
                    self.make(inner.as_fd(), &path, name, node);
                }
                let marks = Marks { mode: marks.mode | 0o700, ..*marks };
                self.made.push((entry(path, Kind::Directory, marks, Vec::new(), Vec::new()), None));
                mark(dir, name, marks);
            }
        }
    }

    /// Returns what must be found: the first of a file's names in the order of the archive has the content.
    fn expected(mut self) -> Vec<Entry> {
        self.made.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let mut first_names = BTreeMap::new();
        let link = |(mut entry, file): (Entry, Option<usize>)| {
            if let Some(file) = file {
                let first = first_names.entry(file).or_insert_with(|| entry.path.clone());
                if *first != entry.path {
                    (entry.kind, entry.target, entry.content) = (Kind::HardLink, first.clone(), Vec::new());
                }
            }
            entry
        };
        self.made.into_iter().map(link).collect()
    }
}

fn entry(path: Vec<u8>, kind: Kind, marks: Marks, target: Vec<u8>, content: Vec<u8>) -> Entry {
    // Special bits are not archived, and times are clamped to what a header holds.
    let (mode, mtime) = (marks.mode & 0o777, marks.mtime.clamp(0, (1 << 33) - 1));
    Entry { path, kind, mode, mtime, target, content }
}

fn mark(dir: BorrowedFd<'_>, name: &[u8], marks: Marks) {
    rustix::fs::chmodat(dir, name, Mode::from_raw_mode(marks.mode), AtFlags::empty()).unwrap();
    set_time(dir, name, marks.mtime);
}

fn set_time(dir: BorrowedFd<'_>, name: &[u8], mtime: i64) {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s0_30_gnu_tar_and_python_find_every_entry_of_any_tree(
        entries in btree_map(name(), node(), 1..6),
        far in vec(far(), 0..3),
        level in 1..=7_u8,
        marks in marks(),
    ) {
        let build = Build::new();
        fs::remove_dir(build.at("")).unwrap();
        let mut entries = entries;
        entries.insert(b"always".to_vec(), Node::File(Bytes::Full(Filling::Text, 10, 1), marks));
        for (i, (len, end)) in far.into_iter().enumerate() {
            entries.extend([lead_to(len, end, b'0' + i as u8)]);
        }
        let mut maker = Maker::default();
        let above = rustix::fs::openat(CWD, build.outside(""), OFlags::RDONLY, Mode::empty()).unwrap();
        maker.make(above.as_fd(), b"", b"p7", &Node::Directory(entries, marks));
        let expected = maker.expected();

        let keep = TreePolicy { links: LinkPolicy::Keep, ..TreePolicy::default() };
        let (archived, payload) = pack_at(&build, &keep, effort(level, 2), &mut |_| {}).unwrap();
        let files = expected.iter().filter(|entry| matches!(entry.kind, Kind::File | Kind::HardLink));
        prop_assert_eq!(archived.files, files.count() as u64);
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("payload");
        fs::write(&file, &payload).unwrap();
        readers::assert_same("GNU tar", &readers::gnu_tar(&file), &expected);
        readers::assert_same("Python", &readers::python(&file), &expected);
        let (_, again) = pack_at(&build, &keep, effort(level, 3), &mut |_| {}).unwrap();
        prop_assert!(payload == again, "the same bytes with another number of threads");
    }
}

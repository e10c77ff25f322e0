//! Any tree at all comes back from GNU tar as it was.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

/// What stands at a generated path.
#[derive(Debug, Clone)]
enum Node {
    File { content: Vec<u8>, mode: u32, mtime: i64 },
    Link { target: Vec<u8> },
    HardLink,
    Directory { entries: BTreeMap<Vec<u8>, Node>, mode: u32, mtime: i64 },
}

/// Names of all kinds that a file system takes.
pub(super) fn name() -> impl Strategy<Value = Vec<u8>> {
    let any = vec(any::<u8>().prop_filter("a name", |&b| b != 0 && b != b'/'), 1..12);
    let close = vec(
        prop::sample::select(b"a-./0b\n\xff".iter().filter(|&&b| b != b'/').copied().collect::<Vec<_>>()),
        1..4,
    );
    let long = (90..=255_usize).prop_map(|len| vec![b'n'; len]);
    prop_oneof![3 => close, 2 => any, 1 => long].prop_filter("not a name of its own", |name| {
        !matches!(name.as_slice(), b"." | b"..") && !name.starts_with(b".nfs")
    })
}

fn node() -> impl Strategy<Value = Node> {
    let sizes = prop_oneof![Just(0_usize), 1..20_usize, 500..530_usize, Just(100_000)];
    let file = (sizes, any::<u8>(), 0..0o1000_u32, 0..1_i64 << 33).prop_map(|(size, byte, mode, mtime)| {
        let content = (0..size).map(|i| byte.wrapping_add((i / 7) as u8)).collect();
        Node::File { content, mode: mode | 0o400, mtime }
    });
    let target = vec(name(), 1..3).prop_map(|names| names.join(&b'/'));
    let link = target.prop_map(|target| Node::Link { target });
    let leaf = prop_oneof![4 => file, 1 => link, 1 => Just(Node::HardLink)];
    leaf.prop_recursive(4, 40, 6, |inner| {
        (btree_map(name(), inner, 0..6), 0o700..0o1000_u32, 0..1_i64 << 33)
            .prop_map(|(entries, mode, mtime)| Node::Directory { entries, mode, mtime })
    })
}

/// Makes what was generated; the first file made is what hard links are further names of.
fn make(path: &Path, node: &Node, first: &mut Option<PathBuf>) {
    match node {
        Node::File { content, mode, mtime } => {
            fs::write(path, content).unwrap();
            set_mtime(path, *mtime);
            fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
            first.get_or_insert_with(|| path.to_owned());
        }
        Node::Link { target } => symlink(OsStr::from_bytes(target), path).unwrap(),
        Node::HardLink => match first {
            Some(first) => fs::hard_link(first, path).unwrap(),
            None => fs::create_dir(path).unwrap(),
        },
        Node::Directory { entries, mode, mtime } => {
            fs::create_dir(path).unwrap();
            for (name, node) in entries {
                make(&path.join(OsStr::from_bytes(name)), node, first);
            }
            set_mtime(path, *mtime);
            fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s0_30_any_tree_comes_back(entries in btree_map(name(), node(), 1..8)) {
        let build = Build::new();
        build.file("always");
        let mut first = None;
        for (name, node) in entries.iter().filter(|(name, _)| name.as_slice() != b"always") {
            make(&build.at(OsStr::from_bytes(name)), node, &mut first);
        }
        let (_, payload) = round_trip(&build);
        prop_assert!(pack(&build).unwrap().1 == payload);
    }
}

//! What `manage fragment` makes, `manage assemble` takes: for any tree, either no fragment is made, or the
//! package is that tree again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use intraware_assemble::fragment::{FragmentRequest, fragment};
use intraware_assemble::merge::Rules;
use intraware_assemble::names::{MachineName, Package};
use intraware_assemble::{AssembleError, Limits, Modes, Request, assemble};
use intraware_core::run::{Identity, NoProgress, RunContext, Stop, SystemClock};
use proptest::prelude::*;

/// Something in a generated tree.
#[derive(Debug, Clone)]
enum Thing {
    Directory,
    File {
        length: usize,
        byte: u8,
        mode: u32,
    },
    Link(String),
    /// A further name of the first file or link of the tree.
    HardLink,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        40 => "[a-c]",
        4 => Just("für alle".to_owned()),
        4 => Just(".hidden".to_owned()),
        4 => Just("with\\backslash&\"<'>".to_owned()),
        1 => Just("built.files.ebb.xml".to_owned()),
        1 => Just("two\nlines".to_owned()),
        1 => Just("right\u{200e}to".to_owned()),
        8 => "x{90,255}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(name(), 1..5).prop_map(|names| names.join("/"))
}

fn thing() -> impl Strategy<Value = Thing> {
    let mode = prop_oneof![Just(0o644), Just(0o755), Just(0o400), Just(0o666), Just(0o4711)];
    let untidy = "(\\./|\\.//){0,40}([a-c]/|[a-c]//|\\./){0,3}[a-c.]/?";
    prop_oneof![
        2 => Just(Thing::Directory),
        5 => (0..70_000_usize, any::<u8>(), mode).prop_map(|(length, byte, mode)| Thing::File { length, byte, mode }),
        6 => untidy.prop_map(Thing::Link),
        2 => path().prop_map(Thing::Link),
        1 => "(\\.\\./){1,2}[a-c]".prop_map(Thing::Link),
        1 => Just(Thing::HardLink),
    ]
}

/// Puts what can be put; a path may be taken, or below a file.
fn plant(root: &Path, things: &[(String, Thing)]) {
    let mut first = None;
    for (path, thing) in things {
        let path = root.join(path);
        if path.parent().is_none_or(|parent| fs::create_dir_all(parent).is_err()) {
            continue;
        }
        let put = match thing {
            Thing::Directory => fs::create_dir(&path),
            Thing::File { length, byte, mode } if !path.exists() => fs::write(&path, vec![*byte; *length])
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode))),
            Thing::File { .. } => continue,
            Thing::Link(target) => symlink(target, &path),
            Thing::HardLink => match &first {
                Some(first) => fs::hard_link(first, &path),
                None => continue,
            },
        };
        if put.is_ok() && !matches!(thing, Thing::Directory) {
            first.get_or_insert(path);
        }
    }
}

/// Returns what is at each path: a file's content, or where a link leads.
fn seen(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("what was planted") {
            let path = entry.expect("what was planted").path();
            let kind = fs::symlink_metadata(&path).expect("what was planted").file_type();
            let what = if kind.is_dir() {
                dirs.push(path.clone());
                b"directory".to_vec()
            } else if kind.is_symlink() {
                fs::read_link(&path).expect("what was planted").into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).expect("what was planted")
            };
            let path = path.strip_prefix(root).expect("below the root");
            let path = path.to_str().expect("a name of ours").to_owned();
            // Lists are no part of a package.
            if !path.starts_with("built.files.") {
                all.insert(path, what);
            }
        }
    }
    all
}

fn context() -> RunContext {
    let identity = Identity {
        program: "manage".into(),
        host: "ebb".into(),
        pid: std::process::id(),
        run: "r".into(),
        command: "manage".into(),
    };
    RunContext {
        identity,
        clock: Arc::new(SystemClock),
        stop: Stop::default(),
        progress: Arc::new(NoProgress),
    }
}

fn request(dir: &Path, package: Package) -> Request {
    Request {
        package,
        source: dir.join("fragments"),
        output: dir.join("out"),
        work: None,
        machines: None,
        merge_errors: false,
        predelete: false,
        keep_fragments: false,
        delete_on_error: false,
        modes: Modes::Readable,
        rules: Rules::default(),
        threads: 1,
        limits: Limits::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn r_1_r_3_what_becomes_a_fragment_is_assembled_again(
        things in proptest::collection::vec((path(), thing()), 1..12)
    ) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["fragments", "out", "foo/1.0"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let build = dir.path().join("foo/1.0");
        plant(&build, &things);
        let package = Package::new("foo", "1.0").unwrap();
        let machine = MachineName::new("ebb").unwrap();
        let source = dir.path().join("fragments");
        let wanted = FragmentRequest { dir: build.clone(), package: package.clone(), machine, source };
        if fragment(&wanted, &context()).is_ok() {
            match assemble(&request(dir.path(), package), &context(), &|_| ()) {
                Ok(_) => prop_assert_eq!(seen(&dir.path().join("out/foo/1.0")), seen(&build)),
                // A link that leads nowhere is a fragment's business only together with the others.
                Err(AssembleError::Conflicts { conflicts, .. }) => prop_assert!(conflicts.is_empty()),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}

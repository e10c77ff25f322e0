//! The builds: together they have all that our archives can hold.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use intraware_tests::support::dice::noise;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use rustix::process::geteuid;

/// A build of this name, and what fills it.
pub(crate) struct Tree {
    pub(crate) name: &'static str,
    pub(crate) fill: fn(&Path),
}

pub(crate) static TREES: [Tree; 11] = [
    Tree { name: "plain", fill: plain },
    Tree { name: "long", fill: long },
    Tree { name: "odd", fill: odd },
    Tree { name: "links", fill: links },
    Tree { name: "up", fill: up },
    Tree { name: "untidy", fill: untidy },
    Tree { name: "hard", fill: hard },
    Tree { name: "modes", fill: modes },
    Tree { name: "times", fill: times },
    Tree { name: "owners", fill: owners },
    Tree { name: "data", fill: data },
];

/// A file whose size has no room in eleven octal digits. It is a hole, but no archive of ours has holes.
pub(crate) static LARGE: Tree = Tree { name: "large", fill: large };

fn write(dir: &Path, below: impl AsRef<OsStr>, content: impl AsRef<[u8]>) {
    let path = dir.join(below.as_ref());
    fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
    fs::write(path, content).expect("a file");
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

/// Sets the time of whatever it is, and not of what it leads to.
fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

fn text(size: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|line: u64| format!("line {line} of {}\n", line * line).into_bytes());
    lines.take(size).collect()
}

/// Sizes around a block of tar, a sparse file, and directories without files.
fn plain(dir: &Path) {
    fs::create_dir_all(dir.join("empty/within/empty")).expect("directories");
    for size in [0, 1, 511, 512, 513, 10_240, 70_000] {
        write(dir, format!("bytes-{size}"), text(size));
    }
    let sparse = File::create(dir.join("sparse")).expect("a file");
    sparse.set_len(5 << 20).expect("a hole");
    sparse.write_all_at(b"in the middle", 2 << 20).expect("room");
    sparse.write_all_at(b"at the end", (5 << 20) - 10).expect("room");
    for i in 0..1_500 {
        write(dir, format!("many/{}/{i}", i % 30), format!("{i}"));
    }
}

/// Names around 100 bytes and the longest there are, and a path that the system just takes.
fn long(dir: &Path) {
    for len in [94, 95, 96, 99, 100, 101, 155, 156, 255] {
        write(dir, "n".repeat(len), format!("{len}"));
    }
    write(dir, format!("{}/file", vec!["e".repeat(50); 5].join("/")), "over 255");
    let (level, mut deep) = ("d".repeat(200), PathBuf::new());
    while "long/".len() + deep.as_os_str().len() + 2 * level.len() < 3_650 {
        deep.push(&level);
    }
    let left = 3_650 - "long/".len() - deep.as_os_str().len() - 1;
    write(dir, deep.join("f".repeat(left)), "3,650");
}

/// Bytes in names that mean something to a shell, a terminal, another system, or a character set.
fn odd(dir: &Path) {
    let names = [
        &b" before"[..],
        b"after ",
        b"in between",
        b"-rf",
        b"new\nline",
        b"tab\t",
        b"return\r",
        b"\x01\x1b[31m\x7f",
        b"back\\slash",
        b"\"quoted\"",
        b"'$(x)`y`",
        b"*?[a]",
        b"~",
        b"dot.",
        b"...",
        b"\xff\xfe not UTF-8",
        b"composed \xc3\xa9",
        b"decomposed e\xcc\x81",
        "日本語".as_bytes(),
        "\u{202e}turned".as_bytes(),
        "💣".as_bytes(),
        b"a%2e",
        b"c:x",
        b"CON",
        b"a|b<c>d",
        b"Case",
        b"case",
        b"@LongLink",
    ];
    for name in names {
        write(dir, OsStr::from_bytes(name), name);
    }
    link(dir, OsStr::from_bytes(b"\xff\xfe not UTF-8"), "to bytes");
}

fn link(dir: &Path, target: impl AsRef<Path>, name: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
    symlink(target, &path).expect("a link");
    set_time(&path, 1_234_567_890, 0);
}

/// Links to what is below them, or would be, with targets as long as they get.
fn links(dir: &Path) {
    write(dir, "a/file", "content");
    for (target, name) in [("a/file", "file"), ("a", "directory"), ("missing", "dead"), ("dead", "to dead")] {
        link(dir, target, name);
    }
    for len in [99, 100, 101, 255, 1_500, 3_000] {
        let name = "t".repeat(50) + "/";
        link(dir, &name.repeat(len / 51 + 1)[..len - 1], &format!("to-{len}"));
    }
    // Two names of one link; they are archived as two links.
    fs::hard_link(dir.join("file"), dir.join("same link")).expect("a hard link");
}

/// Links up and down again.
fn up(dir: &Path) {
    write(dir, "a/file", "content");
    link(dir, "../a/file", "z/file");
    link(dir, "../../a", "z/y/directory");
    link(dir, "../missing", "z/dead");
}

/// Links that could be said in fewer bytes.
fn untidy(dir: &Path) {
    write(dir, "a/file", "content");
    for (target, name) in [("./a//file", "file"), ("a/", "directory"), (".", "here"), ("a/./file", "dot")] {
        link(dir, target, name);
    }
}

fn hard(dir: &Path) {
    let long = "l".repeat(150);
    for (first, content) in [("a/file", "content"), (&long, "long"), ("nothing", "")] {
        write(dir, first, content);
    }
    fs::create_dir(dir.join("z")).expect("a directory");
    for (first, name) in [
        ("a/file", "a/other"),
        ("a/file", "z/other"),
        (&long, "short"),
        (&long, &"m".repeat(150)),
        ("nothing", "z/nothing"),
    ] {
        fs::hard_link(dir.join(first), dir.join(name)).expect("a hard link");
    }
}

/// Rights of all kinds. What nobody may read only root can archive.
fn modes(dir: &Path) {
    let is_root = geteuid().is_root();
    let unreadable = |mode: &u32| is_root || mode & 0o400 != 0;
    for mode in
        [0, 0o200, 0o400, 0o444, 0o500, 0o555, 0o644, 0o664, 0o666, 0o711, 0o755, 0o777, 0o4755, 0o6711]
            .into_iter()
            .filter(unreadable)
    {
        let path = dir.join(format!("file-{mode:o}"));
        write(dir, &path, "mode");
        chmod(&path, mode);
    }
    for mode in [0, 0o500, 0o555, 0o700, 0o750, 0o775, 0o777, 0o1777, 0o2755].into_iter().filter(unreadable) {
        let path = dir.join(format!("directory-{mode:o}"));
        write(dir, path.join("in/file"), "mode");
        chmod(&path, mode);
    }
}

/// Before 1970, after what 31, 32 and 33 bits hold, and with nanoseconds, which are left out.
fn times(dir: &Path) {
    let all = [
        (-2_000_000_000, 0),
        (-1, 999_999_999),
        (0, 0),
        (0, 1),
        (1, 999_999_999),
        ((1 << 31) - 1, 0),
        (1 << 31, 0),
        ((1 << 32) + 1, 500_000_000),
        ((1 << 33) - 1, 999_999_999),
        ((1 << 33) + 5, 0),
    ];
    for (seconds, nanoseconds) in all {
        let (file, below) =
            (format!("file {seconds} {nanoseconds}"), format!("directory {seconds} {nanoseconds}"));
        write(dir, &file, "time");
        write(dir, format!("{below}/file"), "time");
        for path in [file, format!("{below}/file"), below] {
            set_time(&dir.join(path), seconds, nanoseconds);
        }
    }
}

/// Owners whose numbers have no room in seven octal digits. Archives name none.
fn owners(dir: &Path) {
    for owner in [0, 1, 65_534, 0o777_7777, 0o1000_0000, u32::MAX - 1] {
        let path = dir.join(format!("of {owner}"));
        write(dir, &path, "owner");
        if geteuid().is_root() {
            chown(&path, Some(owner), Some(owner)).expect("chown");
        }
    }
}

/// Some megabytes of each kind, enough to be inflated at several places at a time.
fn data(dir: &Path) {
    write(dir, "text", text(8 << 20));
    write(dir, "noise", noise(1, 8 << 20));
    write(dir, "zeros", vec![0; 4 << 20]);
    write(dir, "mixed", [text(1 << 19), noise(1, 1 << 19)].concat().repeat(4));
}

fn large(dir: &Path) {
    let hole = File::create(dir.join("hole")).expect("a file");
    hole.set_len((8 << 30) + 7).expect("a hole");
    let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1_234_567_890));
    hole.set_times(times).expect("a time");
}

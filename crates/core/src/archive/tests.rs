use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use intraware_test_support::unprivileged;
use tempfile::TempDir;

use super::content::{self, Content};
use super::hard_links::HardLinks;
use super::tape::{Head, Tape};
use super::*;
use crate::fingerprint::{LinkPolicy, TreePolicy};
use crate::tree::sample::Build;
use crate::tree::{EntryKind, Walk, WarningKind};

mod changing;
mod failing;
mod generated;
mod limits;
mod listed;
mod same_bytes;
mod sample;

/// Archives a build as `manage` does, into memory.
fn pack(build: &Build) -> Result<(Archived, Vec<u8>), ArchiveError> {
    pack_with(build, &TreePolicy::default(), &mut |_| {})
}

fn pack_with(
    build: &Build,
    policy: &TreePolicy,
    progress: &mut dyn FnMut(Amount),
) -> Result<(Archived, Vec<u8>), ArchiveError> {
    pack_at(build, policy, effort(6, 2), progress)
}

fn pack_at(
    build: &Build,
    policy: &TreePolicy,
    effort: Effort,
    progress: &mut dyn FnMut(Amount),
) -> Result<(Archived, Vec<u8>), ArchiveError> {
    let dir = build.open();
    let surveyed = survey(&dir, policy)?;
    let (mut out, mut also) = (Vec::new(), Vec::new());
    let archived = archive(&dir, &surveyed, effort, &mut out, &mut also, progress)?;
    assert!(out == also, "the signature covers other bytes than the file has");
    assert_eq!((archived.files, archived.bytes), (surveyed.files, surveyed.bytes));
    Ok((archived, out))
}

fn effort(level: u8, threads: usize) -> Effort {
    Effort { level: Level::new(level).unwrap(), threads: threads.try_into().unwrap() }
}

fn changed(result: Result<(Archived, Vec<u8>), ArchiveError>) -> &'static str {
    match result {
        Err(ArchiveError::Build(error @ BuildError::Changed { what, .. })) => {
            assert_eq!(error.fault(), Fault::Build);
            what
        }
        other => panic!("expected a change to be noticed, found {:?}", other.map(|(archived, _)| archived)),
    }
}

/// Unpacks with GNU tar, as a customer does.
fn unpack(payload: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("payload"), payload).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--warning=no-timestamp", "-xzpf", "payload", "-C", "out"]).current_dir(dir.path());
    let output = tar.output().expect("tar is installed");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    dir
}

/// Everything about a tree that an archive keeps: one line an entry, with content, links resolved to the
/// first name.
fn listing(tree: &Path) -> Vec<(PathBuf, String)> {
    let mut lines = Vec::new();
    let mut first_names = std::collections::HashMap::new();
    let mut stack = vec![tree.to_owned()];
    while let Some(path) = stack.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let below = path.strip_prefix(tree).unwrap().to_owned();
        let (mode, mtime) = (meta.mode() & 0o7777, meta.mtime());
        let line = if meta.is_dir() {
            let mut inside: Vec<_> =
                fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            inside.sort_by(|a, b| b.cmp(a));
            stack.extend(inside);
            format!("directory {mode:o} {mtime}")
        } else if meta.is_symlink() {
            format!("link {:?} {mtime}", fs::read_link(&path).unwrap())
        } else {
            let first = first_names.entry(meta.ino()).or_insert_with(|| below.clone());
            let digest = sha256(&path);
            format!("file {mode:o} {mtime} {} {digest} first name {first:?}", meta.len())
        };
        lines.push((below, line));
    }
    lines.sort();
    lines
}

fn sha256(path: &Path) -> String {
    let mut digester = crate::digest::Digester::default();
    let (mut file, mut buffer) = (File::open(path).unwrap(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return digester.finish().sha256.to_string(),
            read => digester.update(&buffer[..read]),
        }
    }
}

/// Checks that GNU tar makes the same tree of an archive of `build`, and returns the archive.
fn round_trip(build: &Build) -> (Archived, Vec<u8>) {
    let (archived, payload) = pack(build).unwrap();
    let unpacked = unpack(&payload);
    assert_eq!(listing(&unpacked.path().join("out/p7")), listing(&build.at("")));
    let tops: Vec<_> =
        fs::read_dir(unpacked.path().join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(tops, ["p7"], "everything is below the build's own name");
    (archived, payload)
}

fn gunzip(payload: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(payload).read_to_end(&mut tar).unwrap();
    tar
}

fn set_mtime(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A tree with everything that has tripped an archiver.
fn odd_build() -> Build {
    let build = Build::new();
    let names: [&[u8]; 9] = [
        b"new\nline",
        b"\xff\xfe\x80",
        b"-rf",
        b"~",
        b"*?[",
        b"back\\slash",
        b" ",
        "\u{202e}é".as_bytes(),
        b"a%2e",
    ];
    for name in names {
        build.file(OsStr::from_bytes(name));
    }
    let longest = "n".repeat(255);
    build.file("m".repeat(255));
    build.file([longest.as_str(); 3].join("/") + "/file");
    for len in 88..104 {
        build.file("d/".to_owned() + &"l".repeat(len));
        symlink("t".repeat(len), build.at(format!("to-{len}"))).unwrap();
    }
    symlink("x/".repeat(1_500), build.at("to-far")).unwrap();
    symlink(OsStr::from_bytes(b"./d//\xff/"), build.at("untidy")).unwrap();
    fs::create_dir_all(build.at("empty/within/empty")).unwrap();
    fs::write(build.at("nothing"), "").unwrap();
    fs::write(build.at("one-block"), vec![b'x'; 512]).unwrap();
    fs::write(build.at("large"), vec![b'y'; 3 << 20]).unwrap();
    for (name, mode) in [("-rf", 0o755), ("~", 0o600), ("*?[", 0o444), (" ", 0o400)] {
        fs::set_permissions(build.at(name), Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(build.at("empty/within"), Permissions::from_mode(0o750)).unwrap();
    for (name, time) in
        [("-rf", 0), ("~", 1), ("large", 4_000_000_000), ("to-far", 1_000_000_000), ("empty", 5)]
    {
        set_mtime(&build.at(name), time);
    }
    build
}

#[test]
fn s0_30_gnu_tar_gives_the_tree_back() {
    let build = odd_build();
    fs::hard_link(build.at("large"), build.at("d/again")).unwrap();
    fs::hard_link(build.at("large"), build.at("zz-again")).unwrap();
    fs::hard_link(build.at("nothing"), build.outside("elsewhere")).unwrap();
    let (archived, payload) = round_trip(&build);
    assert!(payload.len() < 1 << 20, "a file with three names is stored once");
    assert_eq!(archived.warnings.len(), 1, "{:?}", archived.warnings);

    let mut tar = Command::new("diff");
    let unpacked = unpack(&payload);
    tar.args(["-r", "--no-dereference"]).arg(build.at("")).arg(unpacked.path().join("out/p7"));
    assert!(tar.status().expect("diff is installed").success());
}

fn tar_list(payload: &[u8]) -> String {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("payload"), payload).unwrap();
    let output = Command::new("tar").args(["tzf", "payload"]).current_dir(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn s0_30_the_same_build_gives_the_same_bytes() {
    let build = odd_build();
    let (first, payload) = pack(&build).unwrap();
    let (second, again) = pack(&build).unwrap();
    assert_eq!((first.digests, first.fingerprint), (second.digests, second.fingerprint));
    assert!(payload == again);

    let copy = Build::new();
    let status = Command::new("cp").args(["-a", "-T"]).arg(build.at("")).arg(copy.at("")).status();
    assert!(status.unwrap().success());
    let (elsewhere, _) = pack(&copy).unwrap();
    assert_eq!(elsewhere.digests, first.digests, "a copy in another place, with other inodes");
    assert_ne!(elsewhere.fingerprint, first.fingerprint);
}

#[test]
fn s0_30_the_archive_says_nothing_about_the_host() {
    let build = odd_build();
    let (_, payload) = pack(&build).unwrap();
    assert_eq!(&payload[..4], [0x1f, 0x8b, 8, 0], "no name in the gzip header");
    assert_eq!(&payload[4..8], [0; 4], "no time in the gzip header");
    let tar = gunzip(&payload);
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut paths = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!((header.username_bytes(), header.groupname_bytes()), (Some(&b""[..]), Some(&b""[..])));
        let gnu = header.as_gnu().expect("GNU format throughout");
        assert_eq!((gnu.dev_major, gnu.dev_minor, gnu.atime, gnu.ctime), ([0; 8], [0; 8], [0; 12], [0; 12]));
        paths.push(entry.path_bytes().into_owned());
    }
    assert!(paths.is_sorted(), "sorted by bytes");
    assert_eq!(paths[0], b"p7/");
}

#[test]
fn s0_32_digests_are_those_of_coreutils() {
    let (archived, payload) = pack(&odd_build()).unwrap();
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("payload"), &payload).unwrap();
    let sum = |tool: &str| {
        let output = Command::new(tool).arg("payload").current_dir(dir.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    };
    let Digests { size, md5, sha1, sha256 } = archived.digests;
    assert_eq!(size, payload.len() as u64);
    assert_eq!(
        [md5.to_string(), sha1.to_string(), sha256.to_string()],
        [sum("md5sum"), sum("sha1sum"), sum("sha256sum")]
    );
}

#[test]
fn a_link_out_of_the_build_is_kept_as_it_is_when_configured() {
    let build = Build::new();
    build.file("a");
    symlink("/etc/../etc//passwd/", build.at("out")).unwrap();
    let keep = TreePolicy { links: LinkPolicy::Keep, ..TreePolicy::default() };
    let (archived, payload) = pack_with(&build, &keep, &mut |_| {}).unwrap();
    let unpacked = unpack(&payload);
    assert_eq!(fs::read_link(unpacked.path().join("out/p7/out")).unwrap(), Path::new("/etc/../etc//passwd/"));
    assert_eq!(archived.warnings[0].kind, WarningKind::LinkOut);
    assert!(matches!(pack(&build), Err(ArchiveError::Build(BuildError::Link { .. }))));
}

#[test]
fn progress_ends_at_the_surveys_bytes() {
    let build = odd_build();
    fs::hard_link(build.at("large"), build.at("zz-again")).unwrap();
    let mut heard = Vec::new();
    let (archived, _) = pack_with(&build, &TreePolicy::default(), &mut |done| heard.push(done)).unwrap();
    assert!(heard.is_sorted_by_key(|done| done.bytes) && heard.is_sorted_by_key(|done| done.files));
    assert_eq!(heard.last(), Some(&Amount { files: archived.files, bytes: archived.bytes }));
}

#[test]
fn a_full_disk_is_the_spools_fault_and_a_failing_hash_is_ours() {
    let build = odd_build();
    let dir = build.open();
    let surveyed = survey(&dir, &TreePolicy::default()).unwrap();
    let mut full = File::options().write(true).open("/dev/full").unwrap();
    let into = |out: &mut (dyn Write + Send), also: &mut (dyn Write + Send)| {
        archive(&dir, &surveyed, effort(6, 2), out, also, &mut |_| {}).unwrap_err()
    };
    let error = into(&mut full, &mut io::sink());
    assert!(
        matches!(&error, ArchiveError::Write(cause) if cause.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
    assert_eq!(error.fault(), Fault::Spool);
    let error = into(&mut io::sink(), &mut full);
    assert!(matches!(error, ArchiveError::Hash(_)) && error.fault() == Fault::Bug, "{error:?}");
}

//! What depends on the file system, and on whose files are: each test mounts, or gives files away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use intraware_core::archive::{Effort, Level, archive};
use intraware_core::build_dir::BuildRoots;
use intraware_core::exit::Fault;
use intraware_core::fingerprint::{TreePolicy, survey};
use intraware_core::owner::{self, User};
use intraware_core::run::{Identity, NoProgress, RunContext, Stop, SystemClock};
use intraware_core::spool::Spool;
use intraware_core::txlog::{Step, Subject, TxLog};
use intraware_test_support::dice::noise;
use intraware_test_support::disk::SmallDisk;
use rustix::fs::{Advice, fadvise};

/// Returns the payload of a build below `root`.
fn payload(root: &Path, threads: usize) -> Vec<u8> {
    let dir = BuildRoots::open(&[root.to_owned()]).unwrap();
    let dir = dir.resolve(root.join("p7").to_str().unwrap()).unwrap();
    let surveyed = survey(&dir, &TreePolicy::default()).unwrap();
    let effort = Effort { level: Level::new(6).unwrap(), threads: threads.try_into().unwrap() };
    let mut payload = Vec::new();
    archive(&dir, &surveyed, effort, &mut payload, &mut io::sink(), &mut |_| {}).unwrap();
    payload
}

/// Makes a build of files with lengths around those at which the archiver passes work on.
fn build(root: &Path) {
    let file = |name: String, content: &[u8]| {
        let path = root.join("p7").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    for limit in [512, 64 << 10, 256 << 10, 1 << 20, 2 << 20] {
        (limit - 1..=limit + 1).for_each(|len| file(format!("{limit}/{len}"), &noise(len as u64, len)));
    }
    (0..300).for_each(|i| file(format!("many/{i}/{}", i * 7), i.to_string().as_bytes()));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Returns how many bytes of files are in the cache.
fn cached(files: &[PathBuf]) -> u64 {
    let mut fincore = Command::new("fincore");
    let output = fincore.args(["--bytes", "--noheadings", "--output", "RES"]).args(files).output();
    let output = output.expect("fincore (util-linux) is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.split_whitespace().map(|bytes| bytes.parse::<u64>().unwrap()).sum()
}

/// The contents of a build's files go out of the cache by `posix_fadvise`, and not all that the host has
/// cached, since others work on it. On a tmpfs, files are nowhere but in memory.
#[test]
fn s0_30_file_systems_and_caches_change_nothing() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["original", "ext4", "tmpfs"] {
        fs::create_dir(at(name)).unwrap();
    }
    build(&at("original"));
    let expected = payload(&at("original"), 2);
    let _ext4 = SmallDisk::mount_ext4(&at("ext4"), &at("image"), 64 << 20);
    let _tmpfs = SmallDisk::mount(&at("tmpfs"), 64 << 20);
    for to in ["ext4", "tmpfs"] {
        let mut cp = Command::new("cp");
        assert!(cp.arg("-a").arg(at("original/p7")).arg(at(to)).status().unwrap().success());
    }
    let kind = |name: &str| rustix::fs::statfs(at(name)).unwrap().f_type;
    assert_eq!((kind("ext4"), kind("tmpfs")), (0xef53, 0x0102_1994), "ext4 and tmpfs");
    let files = files(&at("ext4/p7"));
    for threads in [1, 3] {
        for file in files.iter().map(|path| File::open(path).unwrap()) {
            file.sync_all().unwrap();
            fadvise(&file, 0, None::<NonZeroU64>, Advice::DontNeed).unwrap();
        }
        assert_eq!(cached(&files), 0, "the cache is cold");
        assert!(payload(&at("ext4"), threads) == expected, "{threads} threads, ext4, cold");
        assert!(cached(&files) > 1 << 20, "the cache is warm");
        assert!(payload(&at("ext4"), threads) == expected, "{threads} threads, ext4, warm");
        assert!(payload(&at("tmpfs"), threads) == expected, "{threads} threads, tmpfs");
    }
}

#[test]
fn s0_04_a_room_on_another_file_system_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Spool::init(dir.path(), "2026-11-21T12:00:00Z".parse().unwrap()).unwrap();
    let _disk = SmallDisk::mount(&dir.path().join("upload"), 65_536);
    let error = Spool::open(dir.path(), true).unwrap_err();
    assert_eq!(error.fault, Fault::Configuration);
    assert!(error.message.contains("upload is on another file system than the spool"), "{}", error.message);
}

#[test]
fn a_log_on_a_full_disk_stops_no_step_and_is_reported_at_the_end() {
    #[derive(Debug, thiserror::Error)]
    #[error("never")]
    struct Never;
    let dir = tempfile::tempdir().unwrap();
    let _disk = SmallDisk::mount(dir.path(), 16 * 1024);
    let identity = Identity {
        program: "upload".into(),
        host: "ebb".into(),
        pid: 7,
        run: "20261121T120000Z-0a1b2c3d".into(),
        command: "upload".into(),
    };
    let (clock, progress) = (Arc::new(SystemClock), Arc::new(NoProgress));
    let log = TxLog::open(dir.path(), &RunContext { identity, clock, stop: Stop::default(), progress });
    let subject = Subject { record: "r1", job: "r1.0123456789ab" };
    for _ in 0..40 {
        log.record(subject, Step::U4, &"x".repeat(1024), || Ok::<_, Never>(())).unwrap();
    }
    assert_eq!(log.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn advice_names_the_owner_of_the_file_or_of_the_directory_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("note.json");
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    assert_eq!(owner::advice(&path, &denied), "", "the directory is ours");
    chown(dir.path(), Some(4_000_111), None).unwrap();
    let shown = dir.path().display();
    let me = User::of_process().name().unwrap();
    assert_eq!(
        owner::advice(&path, &denied),
        format!("; {shown} belongs to the user with the number 4000111, so as root: `chown {me} {shown}`")
    );
    assert_eq!(owner::advice(&path, &io::Error::from(io::ErrorKind::NotFound)), "");
}

//! What `manage` stages can be unpacked by everybody, and its bytes depend on the build and the level alone.
//!
//! Every program that a receiver may have is run on every payload: GNU tar (by `assert_delivered`), gzip,
//! pigz, Python, bsdtar and 7z. All of them must find the same names, contents and links.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use intraware_tests::support::dice::noise;
use intraware_tests::support::readers::{self, Entry};
use intraware_tests::support::setcap;
use intraware_tests::{Bench, Program, Running};

const MIB: usize = 1 << 20;

fn write(dir: &Path, below: impl AsRef<OsStr>, content: impl AsRef<[u8]>) {
    let path = dir.join(below.as_ref());
    fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
    fs::write(path, content).expect("a file");
}

fn text(size: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|line: u64| format!("line {line} of {}\n", line * line).into_bytes());
    lines.take(size).collect()
}

/// A build's name, what fills it, and the level at which it is compressed.
type Build = (&'static str, fn(&Path), u8);

/// Names, links and modes that archives get wrong. No link has `..`, since 7z refuses to make such a one.
fn odd(dir: &Path) {
    for name in
        [&b"new\nline"[..], b"\xff\xfe", b"-rf", b"*", b" ", b"\\", b"'\"", b"\xc3\xa4", b"a:b", b"tab\t"]
    {
        write(dir, OsStr::from_bytes(name), name);
    }
    for len in [93, 94, 95, 96, 97, 98, 155, 156, 255] {
        write(dir, "l".repeat(len), "long");
        symlink("t".repeat(len), dir.join(format!("to-{len}"))).expect("a link");
    }
    let deep = (0..40).map(|level| format!("{level:0>40}")).collect::<Vec<_>>().join("/");
    write(dir, format!("{deep}/file"), "deep");
    symlink(format!("{deep}/file"), dir.join("to-deep")).expect("a link");
    symlink("nowhere", dir.join(format!("{deep}/dangling"))).expect("a link");
    symlink(OsStr::from_bytes(b"\xff\xfe"), dir.join("to-odd")).expect("a link");
    fs::create_dir_all(dir.join("empty/within")).expect("directories");
    fs::hard_link(dir.join("-rf"), dir.join("empty/again")).expect("a hard link");
    fs::hard_link(dir.join("-rf"), dir.join("zz-again")).expect("a hard link");
    for mode in [0o400, 0o555, 0o640, 0o777] {
        write(dir, format!("mode-{mode:o}"), "mode");
        fs::set_permissions(dir.join(format!("mode-{mode:o}")), Permissions::from_mode(mode)).expect("chmod");
    }
}

/// Lengths around what is written, read or compressed as one, of text, of noise and of what is compressed
/// already.
fn limits(dir: &Path) {
    let kinds = [("text", text(MIB + 1)), ("noise", noise(1, MIB + 1)), ("gz", gzip(&text(8 * MIB)))];
    for limit in [512, 10_240, 65_535, 64 << 10, 256 << 10, MIB] {
        for len in limit - 1..=limit + 1 {
            for (kind, bytes) in &kinds {
                write(dir, format!("{kind}-{len}"), &bytes[..len]);
            }
        }
    }
    let mixed: Vec<u8> =
        kinds.iter().cycle().take(9).flat_map(|(_, bytes)| &bytes[..100_001]).copied().collect();
    write(dir, "mixed", mixed);
    let sparse = File::create(dir.join("sparse")).expect("a file");
    sparse.set_len(5 * MIB as u64 + 3).expect("a hole");
    sparse.write_all_at(b"in the middle", 2 * MIB as u64 - 5).expect("some bytes");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plain = dir.path().join("plain");
    fs::write(&plain, bytes).expect("a file");
    let output = Command::new("gzip").args(["-1", "-c"]).arg(plain).output().expect("gzip");
    assert!(output.status.success() && output.stdout.len() > MIB);
    output.stdout
}

/// Thousands of tiny files and many directories, with hard links far apart.
fn crowd(dir: &Path) {
    for i in 0..2_000 {
        write(dir, format!("files/{i}"), format!("{i}").repeat(i % 9));
    }
    for i in 0..65 {
        write(dir, format!("directories/{i}/file"), "x");
        fs::hard_link(dir.join(format!("files/{i}")), dir.join(format!("z{i}"))).expect("a hard link");
    }
}

/// Headers, content and end fill whole chunks of a MiB.
fn whole_chunks(dir: &Path) {
    write(dir, "file", text(3 * MIB - 4 * 512));
}

fn empty_files(dir: &Path) {
    (0..70).for_each(|i| write(dir, format!("{i}"), ""));
}

fn next_to_nothing(dir: &Path) {
    fs::create_dir(dir.join("empty")).expect("a directory");
    write(dir, "file", "content");
}

/// Checks that all programs that unpack find in a payload what is in the build directory.
#[track_caller]
fn assert_all_read(payload: &Path, build: &Path) {
    let expected = readers::of_tree(build);
    readers::assert_same("Python", &readers::python(payload), &expected);
    readers::assert_same("GNU tar", &readers::gnu_tar(payload), &expected);
    let paths: Vec<_> = expected.iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(readers::bsdtar_paths(payload), paths);

    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("tar"), readers::inflated(payload)).expect("a file");
    let as_7z_shows = |path: &Vec<u8>| {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        path.iter().map(|&b| if b == b'\n' { b'_' } else { b }).collect()
    };
    assert_eq!(readers::seven_zip_paths(&at("tar")), paths.iter().map(as_7z_shows).collect::<Vec<Vec<u8>>>());
    let unpacked = |program: &str, words: &[&str], archive: &Path| {
        fs::create_dir(at(program)).expect("a directory");
        readers::unpack(program, words, archive, &at(program));
        readers::of_tree(&at(program).join(build.file_name().expect("a name")))
    };
    readers::assert_same("bsdtar", &unpacked("bsdtar", &["-xpf"], payload), &expected);
    // It leaves others no rights that the umask takes from them.
    let owners = |mut entries: Vec<Entry>| {
        entries.iter_mut().for_each(|entry| entry.mode &= 0o700);
        entries
    };
    readers::assert_same("7z", &owners(unpacked("7z", &["x", "-y"], &at("tar"))), &owners(expected));
}

#[test]
fn s0_30_every_program_that_unpacks_finds_the_same_in_every_payload() {
    let mut bench = Bench::builder().build();
    let builds: [Build; 6] = [
        ("odd", odd, 5),
        ("limits", limits, 6),
        ("crowd", crowd, 9),
        ("whole-chunks", whole_chunks, 1),
        ("empty-files", empty_files, 12),
        ("next-to-nothing", next_to_nothing, 5),
    ];
    for (name, fill, level) in builds {
        bench.set("archive.level", level);
        bench.add_build(name, &format!("blast/{name}"), fill);
        bench.manage(&["run"]).expect(0);
    }
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    for (name, ..) in builds {
        bench.assert_delivered(name);
        assert_all_read(&bench.payload(name), &bench.build_root().join(format!("blast/{name}")));
    }
}

#[test]
fn s0_30_the_configured_number_of_threads_does_not_change_a_payload() {
    let mut bench = Bench::builder().build();
    let original = tempfile::tempdir().expect("a temporary directory");
    limits(original.path());
    for i in 0..300 {
        write(original.path(), format!("{}/{i}", i / 3), format!("{i}").repeat(i % 9));
    }
    let names: Vec<_> = [0, 1, 2, 3, 16].map(|threads| (threads, format!("with-{threads}"))).into();
    for (threads, name) in &names {
        bench.set("archive.threads", *threads);
        // The directory's own name is in the archive.
        bench.add_build(name, &format!("{name}/p7"), |dir| {
            let mut copy = Command::new("cp");
            assert!(copy.args(["-a", "-T"]).arg(original.path()).arg(dir).status().expect("cp").success());
        });
        bench.manage(&["run"]).expect(0);
    }
    bench.upload(&["run"]).expect_silence();
    let first = fs::read(bench.payload("with-0")).expect("a payload");
    for (_, name) in &names {
        assert!(fs::read(bench.payload(name)).expect("a payload") == first, "{name}: other bytes");
    }
}

/// Runs `manage` with so few descriptors.
fn manage_with_descriptors(bench: &Bench, limit: u32) {
    let manage = bench.command(Program::Manage, &["run"]);
    let mut limited = Command::new("/usr/bin/prlimit");
    limited.arg(format!("--nofile={limit}")).arg(manage.get_program()).args(manage.get_args()).env_clear();
    limited.current_dir(bench.path("home"));
    Running::start(limited).wait().expect(0);
}

#[test]
fn few_descriptors_are_enough_for_many_directories() {
    let bench = Bench::builder().build();
    bench.add_build("wide", "blast/wide", |dir| {
        (0..1_000).for_each(|i| write(dir, format!("{i:04}/file"), format!("{i}")));
    });
    manage_with_descriptors(&bench, 256);
    assert_eq!(bench.status("wide").0, "In Process");
}

#[test]
fn usual_descriptors_are_enough_for_five_hundred_levels() {
    let bench = Bench::builder().build();
    bench.add_build("deep", "blast/deep", |dir| {
        let mut dir = dir.to_owned();
        for _ in 0..500 {
            dir.push("d");
            for name in ["a", "d/z/a", "z/a"] {
                write(&dir, name, name);
            }
        }
    });
    manage_with_descriptors(&bench, 1_024);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("deep");
}

#[test]
fn f_19_what_an_archive_does_not_keep_of_programs_is_warned_of_and_shown_by_why() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "p7", |dir| {
        for (name, mode) in [("ping", 0o755), ("sudo", 0o4755)] {
            write(dir, name, name);
            fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).expect("chmod");
        }
        setcap::set(&dir.join("ping"));
    });
    let warnings =
        [("capabilities of programs (setcap)", "p7/ping"), ("setuid, setgid or sticky bits", "p7/sudo")].map(
            |(what, path)| {
                format!(
                    "{what} are not archived: 1 of them, the first {}/{path}",
                    bench.build_root().display()
                )
            },
        );
    let run = bench.manage(&["run"]).expect(0);
    assert!(warnings.iter().all(|warning| run.stderr.contains(warning)), "{run:?}");
    // Once, and from then on for whoever asks.
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    let why = bench.manage(&["why", "p7"]).expect(0).stdout;
    assert!(warnings.iter().all(|warning| why.contains(&format!("warned    {warning}"))), "{why}");
}

//! Fragments as the archivers and list makers of build machines write them: all that does no harm is taken.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::Packages;
use intraware_tests::fragment::{Archive, gzip, md5};

use crate::common;

/// A directory that other programs archive.
struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a tree of the test's") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts the list of all that is in the directory beside it, as the original makes it.
    fn list(&self) {
        let mut xml = String::from("<files>\n");
        list(&mut xml, self.dir.path(), "");
        fs::write(self.path("built.files.ebb.xml"), xml + "</files>\n").expect("a tree of the test's");
    }

    /// Lists the directory, has `script` write the archive `$OUT` in it, and assembles that. Returns the
    /// packages.
    #[track_caller]
    fn assemble(&self, script: &str) -> Packages {
        self.list();
        let packages = Packages::default();
        let out = packages.fragments().join("foo_1.0_ebb.tar.gz");
        let mut command = Command::new("bash");
        command.args(["-euc", script]).env("OUT", &out).current_dir(self.dir.path());
        let written = command.output().expect("a tree of the test's");
        assert!(written.status.success(), "{script}: {written:?}");
        packages.assemble(&[]).expect(0);
        packages
    }
}

fn list(xml: &mut String, dir: &Path, below: &str) {
    let names = fs::read_dir(dir).expect("a tree of the test's").map(|entry| {
        entry.expect("a tree of the test's").file_name().into_string().expect("a tree of the test's")
    });
    for name in names {
        let (path, shown) = (dir.join(&name), format!("{below}{name}"));
        let seen = fs::symlink_metadata(&path).expect("a tree of the test's");
        if seen.is_dir() {
            *xml += &format!("<file fullname=\"{shown}\" type=\"dir\" />\n");
            list(xml, &path, &format!("{shown}/"));
        } else if seen.is_symlink() {
            *xml += &format!("<file fullname=\"{shown}\" type=\"link\" />\n");
        } else {
            let (md5, size) = (md5(&fs::read(&path).expect("a tree of the test's")), seen.len());
            let rest = format!("md5sum=\"{md5}\" size=\"{size}\" type=\"file\" />\n");
            *xml += &format!("<file fullname=\"{shown}\" {rest}");
        }
    }
}

#[test]
fn f_11_r_2_what_compresses_well_is_no_attack() {
    let packages = Packages::default();
    packages.put("ebb", common().file("zeros", 0o644, vec![0; 80 << 20]));
    let tail = [common().tar("flow"), vec![0; 80 << 20]].concat();
    packages.put_bytes("foo_1.0_flow.tar.gz", &gzip(&tail));
    packages.assemble(&[]).expect(0);
    assert_eq!(fs::metadata(packages.root().join("foo/1.0/zeros")).unwrap().len(), 80 << 20);
}

#[test]
fn r_3_a_list_may_be_as_long_as_a_fragment_has_entries() {
    let packages = Packages::default();
    let mut archive = common();
    for i in 0..100_000 {
        archive = archive.file(&format!("{:a<85}/{i}", i / 1000), 0o644, "");
    }
    assert!(archive.xml().len() > 16 << 20);
    packages.put("ebb", archive);
    packages.assemble(&[]).expect(0);
}

#[test]
fn r_4_files_with_holes_are_unpacked_whole() {
    let tree = Tree::new();
    let mut file = File::create(tree.path("image")).unwrap();
    // More stretches than GNU's header has room for, a hole at the end, and a file that is one hole.
    for i in 1..40_u64 {
        file.seek(SeekFrom::Start(i << 17)).unwrap();
        file.write_all(format!("stretch {i}").as_bytes()).unwrap();
    }
    file.set_len(6 << 20).unwrap();
    File::create(tree.path("hole")).unwrap().set_len(1 << 20).unwrap();
    let content = fs::read(tree.path("image")).unwrap();
    for script in [
        "tar --format=gnu -S -czf $OUT *",
        "tar --format=posix -S -czf $OUT *",
        "bsdtar --read-sparse -czf $OUT *",
    ] {
        let packages = tree.assemble(script);
        let target = packages.root().join("foo/1.0");
        assert!(fs::read(target.join("image")).unwrap() == content, "{script}");
        assert_eq!(fs::read(target.join("hole")).unwrap(), vec![0; 1 << 20], "{script}");
        fs::remove_file(tree.path("built.files.ebb.xml")).unwrap();
    }
}

#[test]
fn r_5_a_second_name_of_a_link_is_a_link() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path("a/b")).unwrap();
    fs::write(tree.path("a/lib.so.1"), "lib").unwrap();
    fs::write(tree.path("lib.so.1"), "other").unwrap();
    symlink("lib.so.1", tree.path("a/lib.so")).unwrap();
    fs::hard_link(tree.path("a/lib.so"), tree.path("lib.so")).unwrap();
    for script in ["tar -czf $OUT *", "bsdtar -czf $OUT *"] {
        let packages = tree.assemble(script);
        assert_eq!((packages.read("a/lib.so"), packages.read("lib.so")), ("lib".into(), "other".into()));
        fs::remove_file(tree.path("built.files.ebb.xml")).unwrap();
    }
    // Where it would lead out of the package, it may not.
    let packages = Packages::default();
    let out = common().link("include/up", "../include/a.h").entry(b'1', b"up", b"include/up", 0o777, b"");
    packages.put("ebb", out.list("up", "link", ""));
    let run = packages.assemble(&[]).expect(1);
    assert!(run.stderr.contains("up: the link leads out of the package"), "{run:?}");
}

#[test]
fn r_6_a_gzip_file_of_several_members_is_one_stream() {
    let tree = Tree::new();
    fs::write(tree.path("f"), "x".repeat(5000)).unwrap();
    let packages = tree.assemble(
        "tar -cf t *; head -c 3000 t | gzip >$OUT; tail -c +3001 t | gzip >>$OUT; printf '' | gzip >>$OUT; rm t",
    );
    assert_eq!(packages.read("f").len(), 5000);
}

#[test]
fn r_7_names_in_utf_8_are_taken_from_a_machine_without_a_locale() {
    let tree = Tree::new();
    fs::write(tree.path("für-alle"), "x").unwrap();
    let packages = tree.assemble("LC_ALL=C bsdtar -czf $OUT *");
    assert_eq!(packages.read("für-alle"), "x");
}

#[test]
fn r_8_r_9_r_12_lists_as_other_programs_write_them() {
    let packages = Packages::default();
    let digest = md5(b"x").to_uppercase();
    let archive =
        Archive::new().entry(b'5', b"d/", b"", 0o755, b"").list("d", "dir", "size=\"\" md5sum=\"\"");
    let archive = archive.entry(b'0', b"d/f", b"", 0o644, b"x");
    let archive = archive.list("d/f", "file", &format!("md5sum=\"{digest}\" size=\"\""));
    // The name is that of another machine, as hosts and their names change.
    packages.put_bytes("foo_1.0_ebb.tar.gz", &archive.gz("EBB.example.com"));
    packages.assemble(&[]).expect(0);
    assert_eq!(packages.read("d/f"), "x");
}

#[test]
fn r_10_a_directory_may_be_archived_again() {
    let tree = Tree::new();
    fs::create_dir(tree.path("bin")).unwrap();
    fs::write(tree.path("bin/tool"), "x").unwrap();
    let packages = tree
        .assemble("find . -type d | tar -czf $OUT --no-recursion -T - ./bin built.files.ebb.xml bin/tool");
    assert_eq!(packages.read("bin/tool"), "x");
}

#[test]
fn r_11_keys_that_nobody_needs_are_passed_over() {
    let tree = Tree::new();
    fs::write(tree.path("f"), "x").unwrap();
    let script = "tar --format=posix --pax-option=mtime=1700000000,VENDOR.thing:=yes -czf $OUT *";
    assert_eq!(tree.assemble(script).read("f"), "x");
}

#[test]
fn r_13_what_stays_refused_says_what_it_is() {
    let packages = Packages::default();
    packages.put("ebb", common().entry(b'V', b"my label", b"", 0, b""));
    let run = packages.assemble(&[]).expect(1);
    assert!(run.stderr.contains("it is the label of a volume, as `tar --label` makes it"), "{run:?}");
}

#[test]
fn r_1_untidy_targets_of_links_are_kept_as_they_are() {
    let packages = Packages::default();
    let tree = Tree::new();
    let dir = tree.path("foo/1.0");
    fs::create_dir_all(dir.join("lib")).unwrap();
    fs::create_dir(dir.join("doc")).unwrap();
    fs::write(dir.join("lib/x"), "x").unwrap();
    let long = format!("{}lib/x", "./".repeat(60));
    let targets = ["./lib//x", ".//lib/./x", "lib/x", &long, "doc/.", "./lib/"];
    for (i, target) in targets.iter().enumerate() {
        symlink(target, dir.join(format!("link{i}"))).unwrap();
    }
    let fragments = packages.fragments();
    let (dir, fragments) = (dir.to_str().unwrap(), fragments.to_str().unwrap());
    packages.manage(&["fragment", dir, "--machine", "ebb", "--srcpath", fragments]).expect(0);
    packages.assemble(&[]).expect(0);
    for (i, target) in targets.iter().enumerate() {
        let made = fs::read_link(packages.root().join(format!("foo/1.0/link{i}"))).unwrap();
        assert_eq!(made.as_os_str(), *target);
    }
}

//! Indexes of which most is taken from the former tree, beside those that are made of nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use intraware_test_support::dice::Dice;
use intraware_tests::apt::Apt;
use intraware_tests::archive::{Archive, ok};
use intraware_tests::web::Web;
use intraware_tests::{Program, Running};

/// How many packages there are at first: with their long descriptions, several pieces of an index.
const PACKAGES: u64 = 40;

/// The files of a suite that readers ask for, but Release, which has a time in it.
const FILES: [&str; 7] = [
    "binary-amd64/Packages",
    "binary-amd64/Packages.gz",
    "binary-amd64/Packages.xz",
    "source/Sources",
    "source/Sources.gz",
    "source/Sources.xz",
    "Contents-amd64.gz",
];

/// What a suite has: the path of each package, by name and version.
#[derive(Default)]
struct Suite(BTreeMap<String, (String, String)>);

impl Suite {
    /// Makes a package, and puts it in the place of the one of that name.
    fn put(&mut self, root: &Path, name: &str, dice: &mut Dice) {
        let version = format!("1.{}", dice.below(1_000_000));
        let work = root.parent().expect("a parent").join("package");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(work.join("DEBIAN")).expect("a directory");
        fs::create_dir_all(work.join("usr/share")).expect("a directory");
        fs::write(work.join("usr/share").join(name), &version).expect("a file");
        let mut control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Ann <ann@example.com>\nDescription: a package\n"
        );
        for _ in 0..dice.below(3000) {
            writeln!(control, " {:016x}{:016x}{:016x}", dice.draw(), dice.draw(), dice.draw()).expect("text");
        }
        fs::write(work.join("DEBIAN/control"), control).expect("a file");
        let path = format!("pool/{name}_{version}_amd64.deb");
        ok(Command::new("dpkg-deb").args(["-Znone", "--build"]).arg(&work).arg(root.join(&path)));
        self.0.insert(name.to_owned(), (version, path));
    }

    fn save(&self, root: &Path) {
        let lines =
            self.0.iter().map(|(name, (version, path))| format!("main amd64 {name} {version} {path}\n"));
        fs::create_dir_all(root.join(".publish/suites")).expect("a directory");
        fs::write(root.join(".publish/suites/stable"), lines.collect::<String>()).expect("a list");
    }
}

#[test]
fn s1_13_indexes_made_of_former_ones_are_those_made_of_nothing_byte_for_byte() {
    let archive = Archive::new();
    let root = archive.path("root");
    let (mut suite, mut dice) = (Suite::default(), Dice(16));
    for number in 0..PACKAGES {
        suite.put(&root, &format!("blast{number:02}"), &mut dice);
    }
    for round in 0..6 {
        for _ in 0..=dice.below(3) {
            let name = format!("blast{:02}", dice.below(60));
            match dice.below(4) {
                0 => drop(suite.0.remove(&name)),
                _ => suite.put(&root, &name, &mut dice),
            }
        }
        suite.save(&root);
        archive.ask("stable");
        archive.publish(&[]).expect_silence();
        // Another root with the same packages, in which nothing was published yet.
        let fresh = archive.path(&format!("fresh{round}"));
        fs::create_dir_all(fresh.join("pool")).expect("a directory");
        for (_, path) in suite.0.values() {
            fs::hard_link(root.join(path), fresh.join(path)).expect("a link");
        }
        suite.save(&fresh);
        publish_anew(&archive, &fresh);
        assert!(files(&root) == files(&fresh), "round {round}");
        is_what_apt_ftparchive_says(&fresh);
        assert!(blocks(&fresh) > 2, "{}", blocks(&fresh));
    }
    apt_reads_it(&archive, &suite);
}

/// Returns of how many blocks an index is.
fn blocks(root: &Path) -> usize {
    let index = root.join("dists/stable/main/binary-amd64/Packages.xz");
    let said = ok(Command::new("xz").args(["--robot", "--list"]).arg(index)).stdout;
    let said = String::from_utf8(said).expect("text");
    let line = said.lines().find(|line| line.starts_with("file\t")).expect("a line");
    line.split('\t').nth(2).and_then(|blocks| blocks.parse().ok()).expect("a number")
}

/// Has apt find the last package of the last block.
fn apt_reads_it(archive: &Archive, suite: &Suite) {
    let web = Web::serve(&archive.path("root"));
    let apt = Apt::new(archive.path("apt"), &web.url(), &archive.path("archive.gpg"), &["stable"]);
    apt.get(&["update"]).expect("a tree that apt accepts");
    let (name, (version, _)) = suite.0.last_key_value().expect("a package");
    apt.get(&["download", name]).expect("a package");
    assert!(apt.takes(&format!("{name}_{version}_amd64.deb")));
}

/// Publishes what is in another root, by the same configuration.
fn publish_anew(archive: &Archive, root: &Path) {
    let text = fs::read_to_string(archive.path("conf.toml")).expect("a configuration");
    let text = text.replace(&format!("{:?}", archive.path("root")), &format!("{root:?}"));
    let path = root.join("conf.toml");
    fs::write(&path, text).expect("a configuration");
    let mut command = Command::new(Program::Manage.path());
    command.env_clear().arg("--config").arg(path).args(["publish", "--suite", "stable"]);
    Running::start(command).wait().expect_silence();
}

/// Returns the indexes that readers get.
fn files(root: &Path) -> Vec<Vec<u8>> {
    let main = root.join("dists/stable/main");
    FILES
        .iter()
        .map(|name| fs::read(main.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}

/// Compares what readers get with what `apt-ftparchive` says of all packages in the pool.
fn is_what_apt_ftparchive_says(root: &Path) {
    let run = |words: &[&str]| ok(Command::new(words[0]).args(&words[1..]).current_dir(root)).stdout;
    let off = ["-o", "APT::FTPArchive::SHA1=false", "-o", "APT::FTPArchive::SHA512=false"];
    let packages = run(&[&["apt-ftparchive"], &off[..], &["packages", "pool"]].concat());
    let packages = String::from_utf8(packages).expect("text");
    let mut stanzas: Vec<&str> = packages.split_inclusive("\n\n").collect();
    stanzas.sort_unstable();
    let main = root.join("dists/stable/main");
    let unpacked = |program: &str, name: &str| {
        let path = main.join(name).into_os_string().into_string().expect("text");
        String::from_utf8(run(&[program, &path])).expect("text")
    };
    for (program, name) in [("cat", ""), ("zcat", ".gz"), ("xzcat", ".xz")] {
        assert!(unpacked(program, &format!("binary-amd64/Packages{name}")) == stanzas.concat(), "{name}");
    }
    let contents = String::from_utf8(run(&["apt-ftparchive", "contents", "pool"])).expect("text");
    assert_eq!(unpacked("zcat", "Contents-amd64.gz"), contents);
}

#[test]
fn s1_13_a_former_index_that_is_spoiled_spoils_no_new_one() {
    let archive = Archive::new();
    let root = archive.path("root");
    let (mut suite, mut dice) = (Suite::default(), Dice(17));
    for number in 0..PACKAGES {
        suite.put(&root, &format!("blast{number:02}"), &mut dice);
    }
    suite.save(&root);
    archive.ask("stable");
    archive.publish(&[]).expect_silence();
    let whole = files(&root);
    for name in ["Packages", "Packages.xz"] {
        let path = root.join("dists/stable/main/binary-amd64").join(name);
        let mut spoiled = fs::read(&path).expect("an index");
        let middle = spoiled.len() / 2;
        spoiled[middle] ^= 1;
        // Not by its other names.
        fs::remove_file(&path).expect("an index");
        fs::write(&path, spoiled).expect("an index");
        archive.ask("stable");
        archive.publish(&[]).expect_silence();
        assert!(whole == files(&root), "{name}");
    }
}

#[test]
fn s1_13_what_stays_the_same_is_one_file_in_several_trees_where_nobody_else_writes() {
    for (hooks, is_one) in [(true, false), (false, true)] {
        let archive = Archive::new();
        let path = archive.path("conf.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        let without = text.lines().filter(|line| hooks || !line.starts_with("pre_publication"));
        fs::write(&path, without.collect::<Vec<_>>().join("\n")).expect("a configuration");
        archive.upload("stable", "blast", "1.0");
        archive.upload("testing", "forge", "1.0");
        archive.publish(&[]).expect_silence();
        let first = archive.path("root/.publish/trees/1/dists");
        let before = (read_all(&first.join("stable")), read_all(&first.join("testing")));
        archive.upload("stable", "blast", "1.1");
        archive.publish(&[]).expect_silence();
        assert_eq!((read_all(&first.join("stable")), read_all(&first.join("testing"))), before);
        let inode = |tree: &Path| fs::metadata(tree.join("testing/InRelease")).expect("a file").ino();
        assert_eq!(inode(&first) == inode(&archive.path("root/dists")), is_one);
        assert!(archive.publish(&["fsck", "deb"]).status == 0);
    }
}

/// Returns path, time and digest of every file below a directory.
fn read_all(dir: &Path) -> String {
    let script = "find . -type f -printf '%p %T@\\n' -exec sha256sum {} + | sort";
    let said = ok(Command::new("sh").args(["-c", script]).current_dir(dir));
    String::from_utf8(said.stdout).expect("text")
}

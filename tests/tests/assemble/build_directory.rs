//! From a build directory on each machine, through fragments and a package, to the delivery site.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use intraware_tests::{Bench, Packages};

/// Makes what a machine builds.
fn build(dir: &Path, machine: &str) {
    fs::create_dir_all(dir.join("bin")).expect("a build on disk");
    fs::write(dir.join("README"), "the same everywhere\n").expect("a build on disk");
    fs::write(dir.join("descpkg"), format!("built on {machine}\n")).expect("a build on disk");
    let tool = dir.join(format!("bin/tool.{machine}"));
    fs::write(&tool, format!("#!/bin/sh\necho {machine}\n")).expect("a build on disk");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("a build on disk");
    symlink(format!("tool.{machine}"), dir.join(format!("bin/{machine}"))).expect("a build on disk");
    fs::write(dir.join(format!("{}.txt", "long-".repeat(40))), "a long name").expect("a build on disk");
    fs::write(dir.join(format!("bin/\u{e9} & <{machine}>")), "an odd name").expect("a build on disk");
}

#[test]
fn s3_13_fragments_are_made_of_build_directories_and_tar_reads_them() {
    let packages = Packages::default();
    for machine in ["ebb", "flow"] {
        let dir = packages.path(&format!("build-{machine}/foo/1.0"));
        build(&dir, machine);
        let made = packages.manage(&["fragment", dir.to_str().unwrap(), "--machine", machine]).expect(0);
        assert!(made.stdout.contains(&format!("foo_1.0_{machine}.tar.gz: 5 files, ")), "{made:?}");
    }
    let fragment = packages.fragments().join("foo_1.0_ebb.tar.gz");
    let first = fs::read(&fragment).unwrap();
    let unpacked = packages.path("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let status = Command::new("tar").arg("xzf").arg(&fragment).arg("-C").arg(&unpacked).status().unwrap();
    assert!(status.success());
    fs::remove_file(unpacked.join("built.files.ebb.xml")).unwrap();
    let dir = packages.path("build-ebb/foo/1.0");
    let status = Command::new("diff").arg("-r").arg(&unpacked).arg(&dir).status().unwrap();
    assert!(status.success());
    // The same again, and under another name.
    let again = ["fragment", dir.to_str().unwrap(), "--machine", "ebb", "--pname", "bar", "--pversion", "2"];
    packages.manage(&again).expect(0);
    assert_eq!(fs::read(packages.fragments().join("bar_2_ebb.tar.gz")).unwrap(), first);
    packages.assemble(&[]).expect(0);
    assert_eq!(packages.read("bin/flow"), "#!/bin/sh\necho flow\n");
    assert_eq!(packages.read("bin/\u{e9} & <ebb>"), "an odd name");
}

#[test]
fn a_build_that_no_fragment_may_hold_is_refused() {
    let packages = Packages::default();
    let dir = packages.path("build/foo/1.0");
    fs::create_dir_all(&dir).unwrap();
    let make = || packages.manage(&["fragment", dir.to_str().unwrap(), "--machine", "ebb"]);
    make().expect(1).complains(&["holds no file"]);
    fs::write(dir.join("a\nb"), "").unwrap();
    make().expect(1).complains(&["a\\x0ab: the path has control characters; no fragment may hold it"]);
    fs::remove_file(dir.join("a\nb")).unwrap();
    symlink("/etc/passwd", dir.join("l")).unwrap();
    make().expect(1).complains(&["link", "is absolute"]);
    fs::remove_file(dir.join("l")).unwrap();
    fs::write(dir.join("built.files.packageAssembly.xml"), "").unwrap();
    fs::write(dir.join("f"), "").unwrap();
    make()
        .expect(0)
        .complains(&["built.files.packageAssembly.xml is a list of another assembly and is left out"]);
    packages.manage(&["fragment", "/nowhere", "--machine", "ebb"]).expect(1).complains(&["/nowhere"]);
    packages.manage(&["fragment", dir.to_str().unwrap(), "--machine", "a/b"]).expect(2);
    assert_eq!(packages.left(), ["foo_1.0_ebb.tar.gz"]);
}

#[test]
fn s3_01_an_assembled_package_is_a_build_and_is_delivered() {
    let bench = Bench::builder().build();
    let archive = bench.build_root().to_owned();
    let fragments = bench.path("fragments");
    fs::create_dir(&fragments).unwrap();
    for machine in ["ebb", "flow"] {
        let dir = bench.path(&format!("on-{machine}/blast/5.1"));
        build(&dir, machine);
        let fragment = [
            "fragment",
            dir.to_str().unwrap(),
            "--machine",
            machine,
            "--srcpath",
            fragments.to_str().unwrap(),
        ];
        bench.manage(&fragment).expect(0);
    }
    let arguments = [
        "assemble",
        "blast",
        "5.1",
        "--srcpath",
        fragments.to_str().unwrap(),
        "--output",
        archive.to_str().unwrap(),
    ];
    bench.manage(&arguments).expect(0);
    bench.add_record("b51", archive.join("blast/5.1").to_str().unwrap());
    bench.deliver();
    bench.assert_delivered("b51");
}

//! What a package is when the machines agree.

use intraware_tests::Packages;
use intraware_tests::fragment::{Archive, md5};

use crate::{common, of};

#[test]
fn s3_01_s3_02_s3_03_fragments_of_three_machines_become_one_package() {
    let packages = Packages::default();
    for machine in ["ebb", "flow", "granite"] {
        packages.put(machine, of(machine));
    }
    let run = packages.assemble(&[]).expect(0);
    assert_eq!(run.stderr, "");
    // Progress is on standard output, step by step.
    for step in
        ["Package fragments found:", "Extracting all files from foo_1.0_flow.tar.gz", "Package Target: "]
    {
        assert!(run.stdout.contains(step), "{step}: {run:?}");
    }
    let tools = ["ebb", "flow", "granite"].map(|machine| packages.read(&format!("bin.{machine}/tool")));
    assert_eq!(tools.concat(), "program of ebb\nprogram of flow\nprogram of granite\n");
    assert_eq!(packages.assemble(&[]).expect(1).stdout.matches("Package Target").count(), 0);
}

#[test]
fn s3_07_s3_28_the_target_holds_the_merged_tree_and_one_list() {
    let packages = Packages::default();
    ["ebb", "flow"].into_iter().for_each(|machine| packages.put(machine, of(machine)));
    packages.assemble(&[]).expect(0);
    let names: Vec<String> =
        packages.target().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    let expected = [
        "bin.ebb/",
        "bin.ebb/tool",
        "bin.flow/",
        "bin.flow/tool",
        "built.files.packageAssembly.xml",
        "descpkg",
        "include/",
        "include/a.h",
    ];
    assert_eq!(names, expected);
}

#[test]
fn s3_17_s3_18_s3_20_the_list_says_who_provided_what_and_drops_what_is_there_twice() {
    let packages = Packages::default();
    let with_link = |machine: &str| {
        of(machine).link("include/b.h", "a.h").list("built.files.x.xml", "file", "md5sum=\"x\"")
    };
    ["flow", "ebb"].into_iter().for_each(|machine| packages.put(machine, with_link(machine)));
    packages.assemble(&[]).expect(0);
    let list = packages.read("built.files.packageAssembly.xml");
    let entry = |path: &str, host: &str, more: &str| {
        format!("  <file fullname=\"{path}\"\n        host=\"{host}\"{more} />\n")
    };
    let file = |path: &str, host: &str, content: &str| {
        let (md5, size) = (md5(content.as_bytes()), content.len());
        entry(
            path,
            host,
            &format!("\n        md5sum=\"{md5}\"\n        size=\"{size}\"\n        type=\"file\""),
        )
    };
    let merge = |path: &str, host: &str| entry(path, host, "\n        type=\"merge\"");
    let dir = |path: &str, host: &str| entry(path, host, "\n        type=\"dir\"");
    let expected = [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<files>\n".to_owned(),
        dir("bin.ebb", "ebb"),
        file("bin.ebb/tool", "ebb", "program of ebb\n"),
        dir("bin.flow", "flow"),
        file("bin.flow/tool", "flow", "program of flow\n"),
        file("descpkg", "ebb", "built on ebb\n"),
        merge("descpkg", "flow"),
        dir("include", "ebb"),
        file("include/a.h", "ebb", "int a;\n"),
        merge("include/a.h", "flow"),
        entry("include/b.h", "ebb", "\n        target=\"a.h\"\n        type=\"link\""),
        "</files>\n".to_owned(),
    ];
    assert_eq!(list, expected.concat());
}

#[test]
fn s3_28_what_a_list_says_besides_is_kept() {
    let packages = Packages::default();
    let archive = Archive::new().entry(b'0', b"a", b"", 0o644, b"x").list(
        "a",
        "file",
        &format!("machtype=\"l&amp;x\" md5sum=\"{}\"", md5(b"x")),
    );
    packages.put("ebb", archive);
    packages.assemble(&[]).expect(0);
    assert!(packages.read("built.files.packageAssembly.xml").contains("\n        machtype=\"l&amp;x\"\n"));
}

#[test]
fn s3_21_s3_27_s3_30_the_first_machine_provides_what_may_differ() {
    let packages = Packages::default();
    for machine in ["granite", "flow", "ebb"] {
        let version = format!("#define ON \"{machine}\"\n");
        packages.put(machine, of(machine).file("include/version_x.h", 0o644, version));
    }
    packages.assemble(&[]).expect(0);
    assert_eq!(packages.read("descpkg"), "built on ebb\n");
    assert_eq!(packages.read("include/version_x.h"), "#define ON \"ebb\"\n");
    // At the top a version header is a file like any other.
    let packages = Packages::default();
    for machine in ["ebb", "flow"] {
        packages.put(machine, common().file("version.h", 0o644, machine));
    }
    packages.assemble(&[]).expect(1).complains(&["File Name: version.h"]);
}

#[test]
fn s3_21_the_configuration_says_what_else_may_differ_and_who_wins() {
    let packages = Packages::default();
    for machine in ["ebb", "flow", "granite"] {
        let archive =
            of(machine).dir("log").file("log/build.log", 0o644, machine).file("log/a.txt", 0o644, machine);
        packages.put(machine, archive);
    }
    let rules = "[assemble.may_differ]\n\"**/build.log\" = \"last\"\n\"log/*.txt\" = \"flow\"\ndescpkg = \"granite\"\n";
    let config = packages.path("rules.toml");
    std::fs::write(&config, rules).unwrap();
    packages.assemble(&["--config", config.to_str().unwrap()]).expect(0);
    let read = ["log/build.log", "log/a.txt", "descpkg"].map(|path| packages.read(path));
    assert_eq!(read, ["granite", "flow", "built on granite\n"]);
    std::fs::write(&config, "[assemble]\nline_endings = 5\n").unwrap();
    packages
        .assemble(&["--config", config.to_str().unwrap()])
        .expect(78)
        .complains(&["assemble.line_endings"]);
}

#[test]
fn s3_29_s3_36_all_can_read_the_package_and_execute_what_somebody_could() {
    let packages = Packages::default();
    let archive = Archive::new()
        .dir("d")
        .file("d/program", 0o4700, "p")
        .file("d/private", 0o600, "q")
        .file("d/open", 0o666, "r")
        .file("d/fixed", 0o444, "s");
    packages.put("ebb", archive.clone());
    let run = packages.assemble(&[]).expect(0);
    assert!(run.stderr.contains("setuid, setgid or sticky bits of 1 entries are left out"), "{run:?}");
    let modes = |packages: &Packages| -> Vec<String> {
        let lines = packages.target();
        lines
            .iter()
            .map(|line| line.rsplit_once(' ').map_or(line.as_str(), |(head, _)| head).to_owned())
            .collect()
    };
    let list = "0644 built.files.packageAssembly.xml";
    let readable = [list, "0755", "0444 d/fixed", "0644 d/open", "0644 d/private", "0755 d/program"];
    assert_eq!(modes(&packages), readable);
    // As the original did.
    let packages = Packages::default();
    packages.put("ebb", archive);
    packages.assemble(&["--original-modes"]).expect(0);
    let list = "0755 built.files.packageAssembly.xml";
    let executable = [list, "0755", "0555 d/fixed", "0755 d/open", "0755 d/private", "0755 d/program"];
    assert_eq!(modes(&packages), executable);
}

#[test]
fn s3_19_an_unknown_type_is_a_warning() {
    let packages = Packages::default();
    let archive = common().entry(b'0', b"odd", b"", 0o644, b"x").list("odd", "pipe\u{1b}[2J", "");
    packages.put("ebb", archive);
    packages.assemble(&[]).expect(1).complains(&["control characters"]);
    let archive = common().entry(b'0', b"odd", b"", 0o644, b"x").list("odd", "whatever", "");
    packages.put("ebb", archive);
    packages.assemble(&[]).expect(0).complains(&["unknown type whatever of odd"]);
    assert_eq!(packages.read("odd"), "x");
}

#[test]
fn hard_links_within_a_fragment_are_files_of_the_package() {
    let packages = Packages::default();
    let more = format!("md5sum=\"{}\" size=\"1\"", md5(b"x"));
    let archive =
        common().file("a", 0o755, "x").entry(b'1', b"b", b"./a", 0o755, b"").list("b", "file", &more);
    packages.put("ebb", archive);
    packages.put("flow", common().file("b", 0o755, "x"));
    packages.assemble(&[]).expect(0);
    assert_eq!([packages.read("a"), packages.read("b")], ["x", "x"]);
}

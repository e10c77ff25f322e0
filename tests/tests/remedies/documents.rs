//! What is installed, as the documents say: pages, guide, units, and nothing secret left in the source tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::Program;

const GUIDE: &str = "/usr/local/share/doc/intraware/operations.md";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).expect("a document")
}

fn said(program: Program, arguments: &[&str]) -> String {
    let output = Command::new(program.path()).args(arguments).env_clear().output().expect("the program");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn newcomer_m5_the_guide_is_installed_where_each_help_and_page_says() {
    let install = read("cron/README.md");
    let line = install.lines().find(|line| line.contains("install -m 0644 docs/operations.md"));
    assert!(line.is_some_and(|line| line.ends_with(" /usr/local/share/doc/intraware/")), "{line:?}");
    for program in [Program::Manage, Program::Upload] {
        for arguments in
            [&["--help"][..], &["run", "--help"], &["status", "--help"], &["check", "--help"], &["man"]]
        {
            assert!(said(program, arguments).contains(GUIDE), "{program:?} {arguments:?}");
        }
    }
}

#[test]
fn newcomer_m15_each_command_has_a_page_of_its_own_with_its_sections() {
    let dir = tempfile::tempdir().expect("a directory");
    for program in [Program::Manage, Program::Upload] {
        said(program, &["man", dir.path().to_str().expect("a path")]);
    }
    for name in ["manage", "manage-run", "manage-records-add", "manage-hold", "upload", "upload-serve-passwd"]
    {
        let page = fs::read_to_string(dir.path().join(format!("{name}.1"))).expect("a page");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "SEE ALSO"] {
            assert!(sections.iter().any(|found| found.trim_matches('"') == section), "{name}: {sections:?}");
        }
        assert!(!sections.contains(&"EXTRA"), "{name}: {sections:?}");
        let has = |section: &str| sections.iter().filter(|found| found.trim_matches('"') == section).count();
        assert!(has("EXIT STATUS") <= 1, "{name}: {sections:?}");
    }
    let page = fs::read_to_string(dir.path().join("manage-hold.1")).expect("a page");
    assert!(page.contains(".nf\n  manage hold p7 \\-\\-reason 'wrong licence file'\n"), "{page}");
}

#[test]
fn newcomer_m16_options_of_the_command_stand_before_the_global_ones_and_the_short_help_is_short() {
    let help = said(Program::Manage, &["log", "--help"]);
    let (own, rest) = help.split_once("Global options:").expect("a heading");
    let (global, _) = rest.split_once("EXAMPLES:").expect("examples");
    assert!(own.contains("--host") && own.contains("--last") && !own.contains("--config"), "{help}");
    assert!(
        global.contains("--config") && global.contains("--color") && !global.contains("--host"),
        "{help}"
    );
    for program in [Program::Manage, Program::Upload] {
        let short = said(program, &["-h"]);
        assert!(short.lines().count() <= 56 && !short.contains("EXIT STATUS"), "{short}");
        assert!(said(program, &["--help"]).contains("EXIT STATUS"));
    }
}

#[test]
fn newcomer_m6_units_are_installed_with_all_they_need_and_have_the_same_sandbox() {
    let install = read("cron/README.md");
    for line in install.lines().filter(|line| line.contains(" cron/systemd/")) {
        for glob in line.split(' ').filter(|word| word.starts_with("cron/systemd/")) {
            let stem = glob.strip_prefix("cron/systemd/").and_then(|name| name.split(['*', '.']).next());
            let stem = stem.expect("a name").trim_end_matches('.');
            assert!(
                stem.starts_with("intraware-") && stem.len() > 12,
                "{line}: it takes what is not asked for"
            );
            assert!(
                fs::read_dir(top().join("cron/systemd"))
                    .expect("units")
                    .any(|unit| { unit.expect("a unit").file_name().to_string_lossy().starts_with(stem) })
            );
        }
    }
    let manage = read("cron/systemd/intraware-manage.service");
    let sandbox = manage.split_once("# All else it can do without.\n").expect("its sandbox").1;
    for name in ["upload", "logrotate", "activity", "dispatch", "dispatch-watch"] {
        let unit = read(&format!("cron/systemd/intraware-{name}.service"));
        for line in sandbox.lines().filter(|line| !line.starts_with("RestrictAddressFamilies=")) {
            assert!(unit.lines().any(|found| found == line), "intraware-{name}.service lacks {line}");
        }
    }
}

#[test]
fn newcomer_m7_secrets_that_an_installation_makes_are_no_part_of_the_source_tree() {
    if !top().join(".git").exists() {
        return;
    }
    for name in
        ["signing-key.asc", "signing-key.secret", "sfdc.key", "id_ed25519", "config/salesforce/sfdc.key"]
    {
        let ignored = Command::new("git").args(["check-ignore", "--quiet", name]).current_dir(top()).status();
        assert!(ignored.expect("git").success(), "git would take {name}");
    }
}

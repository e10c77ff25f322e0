//! The page for newcomers, command by command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use intraware_tests::Program;
use intraware_tests::apt::Apt;
use intraware_tests::archive::{Archive, ok};
use intraware_tests::web::Web;

const PAGE: &str = include_str!("../../../config/publish/README.md");

/// Returns what stands between fences, in its order.
pub(crate) fn blocks() -> Vec<&'static str> {
    PAGE.split("```\n").skip(1).step_by(2).collect()
}

#[test]
fn s1_01_the_page_takes_two_packages_to_apt_get_update() {
    let archive = Archive::new();
    let top = archive.path("top");
    let here = |text: &str| text.replace("/srv/", &format!("{}/srv/", top.display()));
    let here = |text: &str| here(text).replace("/etc/intraware/", &format!("{}/etc/", top.display()));
    for dir in ["srv", "etc", "bin", "gnupg"] {
        fs::create_dir_all(top.join(dir)).expect("a directory");
    }
    fs::set_permissions(top.join("gnupg"), fs::Permissions::from_mode(0o700)).expect("a mode");
    for package in [("blast", "1.0"), ("forge", "1.1")] {
        archive.package(&top, package.0, package.1, "amd64");
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let link = |from: &Path, name: &str| {
        std::os::unix::fs::symlink(from, top.join("bin").join(name)).expect("a link");
    };
    link(&repository.join("config/publish/make-changes"), "make-changes");
    link(Program::Manage.path(), "manage");
    let run = |script: &str| {
        let mut sh = Command::new("sh");
        sh.arg("-euc").arg(here(script)).current_dir(&top).env_clear().env("GNUPGHOME", top.join("gnupg"));
        sh.env("PATH", format!("{}:/usr/bin:/bin", top.join("bin").display()));
        ok(sh.env("INTRAWARE_CONFIG", top.join("etc/intraware.toml")))
    };
    let blocks = blocks();
    let [prepare, keys, configuration, publish, readers, pool, ..] = blocks[..] else {
        panic!("{blocks:#?}")
    };
    // What only root can do was done.
    let prepare: Vec<&str> = prepare.lines().filter(|line| !line.contains("# as root")).collect();
    run(&prepare.join("\n"));
    run(keys);
    fs::write(top.join("etc/intraware.toml"), here(configuration)).expect("a configuration");
    let said = run(publish);
    let plan = String::from_utf8_lossy(&said.stdout);
    assert!(plan.contains("take in blast_1.0_amd64.changes for stable"), "{plan}");
    let suites: Vec<&str> = readers.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!(suites, ["stable", "stable-security", "stable"]);
    let web = Web::serve(&top.join("srv/debian"));
    let keyring = top.join("srv/debian/archive.gpg");
    let apt = Apt::new(archive.path("apt"), &web.url(), &keyring, &["stable", "stable-security"]);
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast", "forge"]).expect("packages");
    assert!(apt.takes("blast_1.0_amd64.deb") && apt.takes("forge_1.1_amd64.deb"));
    // The list of a pool that is there is what uploads have made of it, with the other suite's package.
    let list = top.join("srv/debian/.publish/suites/stable");
    let before = fs::read_to_string(&list).expect("a list");
    run(pool);
    let after = fs::read_to_string(&list).expect("a list");
    assert!(after.contains(before.trim_end()) && after.lines().count() == 2, "{before}{after}");
}

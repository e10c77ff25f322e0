//! The page for newcomers, command by command.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use intraware_tests::Program;

const PAGE: &str = include_str!("../../../config/dispatch/README.md");

/// The machines of a test, which end with it.
struct Machines<'a>(&'a Path, &'a Path);

impl Drop for Machines<'_> {
    fn drop(&mut self) {
        // What has ended already is as well.
        let _ = Command::new(self.0).arg("stop").arg(self.1).status();
    }
}

#[test]
fn s2_01_the_page_takes_packages_to_two_machines_that_it_starts() {
    let home = tempfile::tempdir().expect("a directory");
    let top = home.path();
    for dir in ["srv", "etc", "bin", "tmp"] {
        fs::create_dir(top.join(dir)).expect("a directory");
    }
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join("config/dispatch");
    symlink(beside.join("two-machines"), top.join("bin/two-machines")).expect("a link");
    symlink(Program::Upload.path(), top.join("bin/upload")).expect("a link");
    let port = || {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port().to_string()
    };
    let (one, two) = (port(), port());
    let here = |text: &str| {
        let text = text.replace("/srv/", &format!("{}/srv/", top.display()));
        let text = text.replace("/etc/intraware/", &format!("{}/etc/", top.display()));
        let text = text.replace("/tmp/app", &format!("{}/tmp/app", top.display()));
        text.replace("2201", &one).replace("2202", &two)
    };
    let run = |script: &str| {
        let mut sh = Command::new("sh");
        sh.arg("-euc").arg(here(script)).current_dir(&beside).env_clear().env("HOME", top).env("TZ", "UTC");
        sh.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", top.join("bin").display()));
        let ended = sh.env("INTRAWARE_CONFIG", top.join("etc/intraware.toml")).output().expect("sh");
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{script}{said}");
        said
    };
    let (script, machines) = (beside.join("two-machines"), top.join("srv/machines"));
    let _machines = Machines(&script, &machines);
    let blocks: Vec<&str> = PAGE.split("```\n").skip(1).step_by(2).collect();
    let [prepare, pin, named, configuration, dropped, away, hook] = blocks[..] else { panic!("{blocks:#?}") };
    // What only root can do was done.
    let prepare: Vec<&str> = prepare.lines().filter(|line| !line.contains("# as root")).collect();
    let route = run(&prepare.join("\n"));
    assert!(route.contains(&format!("127.0.0.1:{one}")) && route.contains("~/newcx/"), "{route}");
    let pinned = run(pin);
    assert!(pinned.contains("SHA256:") && !pinned.contains("wrong"), "{pinned}");
    let said = run(named);
    assert_eq!(said.matches("the first package").count(), 2, "{said}");
    assert_eq!(said.matches(" verified ").count(), 2, "{said}");
    fs::write(top.join("etc/intraware.toml"), here(configuration)).expect("a configuration");
    let said = run(dropped);
    assert!(said.contains("exit status 78") && said.contains("app-1.1.tar.gz"), "{said}");
    assert_eq!(said.matches("matches the package notes.txt").count(), 1, "{said}");
    let said = run(away);
    assert!(said.contains("exit status 69") && said.contains("state      planned"), "{said}");
    assert_eq!(said.matches(" verified ").count(), 6, "{said}");
    run(hook);
    assert!(top.join("srv/packages.git/hooks/post-receive").exists());
}

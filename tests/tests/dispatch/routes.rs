//! From names to machines, offline; and the keys of machines.

use std::fs;

use intraware_tests::support::sshd::{Access, Sshd};

use crate::scene::{CANARY, Scene, chmod};

/// The file of the source, as its README has it.
pub(crate) const SOURCE: &str =
    "  [example]\n  host = 10.8.6.2\n  login = \"ibpsusr\"\n  password = \"123456\"\n";

#[test]
fn s2_04_the_file_of_the_source_works_as_it_is() {
    for routes in [SOURCE.to_owned(), SOURCE.replace("  ", ""), SOURCE.replace('\n', "\r\n")] {
        let scene = Scene::new(&routes);
        let run = scene.run(&["route", "example-1.2.tar.gz", "--json"]).expect(0);
        let row = &run.json()["routes"][0];
        assert_eq!((row["section"].as_str(), row["line"].as_u64()), (Some("example"), Some(1)));
        assert_eq!(row["machine"], "10.8.6.2");
        assert_eq!(row["login"], "ibpsusr", "without the quotes");
        assert_eq!(row["password_from"], "section");
        assert_eq!(row["protocol"], "auto");
        let directory = row["directory"].as_str().unwrap_or_default();
        assert!(directory.starts_with("~/newcx/20") && directory.len() == "~/newcx/20261201/".len());
        assert!(!run.stdout.contains("123456"));
        let shown = scene.run(&["route", "/srv/in/example-1.2.tar.gz"]).expect(0).stdout;
        assert!(shown.contains("ibpsusr (section)") && !shown.contains("123456"), "{shown}");
    }
}

#[test]
fn s2_04_the_file_that_comes_with_the_programs_has_the_section_of_the_source() {
    let scene = Scene::new(include_str!("../../../config/dispatch/general-dispatch-info.cfg"));
    let run = scene.run(&["route", "example-1.2.tar.gz", "--json"]).expect(0);
    assert_eq!(run.json()["routes"][0]["login"], "ibpsusr");
}

#[test]
fn s2_13_the_example_with_upgrades_takes_a_package_to_its_five_machines() {
    let scene = Scene::new("");
    scene.keep("dispatch.toml", include_str!("../../../config/dispatch/dispatch.toml"));
    let run = scene.run(&["--routes", "dispatch.toml", "route", "app-1.2.tar.gz", "--json"]).expect(0);
    assert_eq!(run.json()["routes"].as_array().map(Vec::len), Some(5));
}

#[test]
fn s2_04_a_section_is_an_expression_for_names_of_packages() {
    let routes = "\
# Two kinds of packages.
[DEFAULT]
login = deploy
password = 'canary-4711 %d'
protocol: sftp

[app-[0-9.]+\\.t(ar\\.)?gz$]
host = a.example, b.example:2222
   [::1]:22
; only the directory differs
[db-\\d+$]
HOST = c.example
dest_dir = /srv/in/{date}
";
    let toml = "\
[DEFAULT]
login = 'deploy'
password = { env = 'canary-4711' }
protocol = 'sftp'
['app-[0-9.]+\\.t(ar\\.)?gz$']
host = ['a.example', 'b.example:2222', '[::1]:22']
[\"db-\\\\d+$\"]
host = 'c.example'
dest_dir = '/srv/in/{date}'
";
    let scene = Scene::new(routes);
    scene.keep("r.toml", toml);
    for file in ["general-dispatch-info.cfg", "r.toml"] {
        let run = scene.run(&["--routes", file, "route", "--json", "app-1.2.tar.gz", "db-7"]).expect(0);
        let rows = run.json()["routes"].clone();
        let machines: Vec<_> =
            rows.as_array().into_iter().flatten().map(|row| row["machine"].clone()).collect();
        assert_eq!(machines, ["a.example", "b.example:2222", "[::1]:22", "c.example"], "{file}");
        assert_eq!(rows[0]["section"], "app-[0-9.]+\\.t(ar\\.)?gz$");
        let directory = rows[3]["directory"].as_str().unwrap_or_default();
        assert!(directory.starts_with("/srv/in/20"), "{directory}");
        for other in ["xapp-1.tgz", "app-1.tgz.bak", "db-7x", "DB-7"] {
            scene
                .run(&["--routes", file, "route", other])
                .expect(78)
                .complains(&["no section matches", other]);
        }
    }
}

#[test]
fn s2_10_what_has_no_route_is_named_with_file_line_section_and_package() {
    let scene =
        Scene::new("[app]\nhost = h\nlogin = u\npassword = canary-4711\n[app-x]\nhost = h\nlogin = u\n");
    scene.run(&["route", "other.tgz"]).expect(78).complains(&["general-dispatch-info.cfg", "other.tgz"]);
    let both = ["several sections match", "app-x.tgz", "[app] on line 1", "[app-x] on line 5"];
    scene.run(&["route", "app-x.tgz"]).expect(78).complains(&both);
    for name in ["a\nb.tgz", ".app.tgz", "/", "app\u{202e}.tgz"] {
        scene.run(&["route", "--", name]).expect(1).complains(&["package ", "rename it"]);
    }
    scene.run(&["route", "app-1", "other.tgz"]).expect(78).complains(&["other.tgz"]);
    scene.run(&["--dry-run", "route", "app"]).expect(2).complains(&["./NAME"]);
    scene.run(&["route", "--", "-app.tgz"]).expect(78).complains(&["no section", "-app.tgz"]);
}

#[test]
fn s2_10_what_is_wrong_in_the_file_is_said_at_once_with_its_lines() {
    let routes = "\
host = early
[a(b]
host = h
[app]
host = a b c:99999
pasword = canary-4711
login = u
login = v
protocol = ftp
allow_plaintext = perhaps
[app]
host = h
[none]
login = u
[cut
canary-4711
";
    let scene = Scene::new(routes);
    let form = [
        ":1: stands in no section",
        ":8: [app] login is set on line 7",
        ":11: [app] there is such a section",
    ];
    scene
        .run(&["route", "app"])
        .expect(78)
        .complains(&form)
        .complains(&[":15: a section's line", ":16: is neither"]);
    let rest: String = routes
        .lines()
        .skip(1)
        .filter(|line| !["login = v", "[cut", CANARY].contains(line))
        .collect::<Vec<_>>()
        .join("\n");
    let scene = Scene::new(&rest.replacen("[app]\nhost = h\n", "", 1));
    let values = [
        ":1: [a(b] is no regular expression",
        ":4: [app] host: must be a name or an address",
        ":5: [app] pasword: is no known key; did you mean password?",
        ":7: [app] protocol: ftp sends the password and the package in the clear",
        ":8: [app] allow_plaintext: must be yes or no",
        "[none] host must be set",
    ];
    scene.run(&["route", "app"]).expect(78).complains(&values);
    scene.keep("r.toml", "a = 1\n[x]\nhost = 1.5\n[\"y\"\n");
    scene.run(&["--routes", "r.toml", "route", "x"]).expect(78).complains(&["r.toml:4: is not valid TOML"]);
    scene.keep("r.toml", "a = 1\n[x]\nhost = 1.5\n");
    let said = ["r.toml:1: stands in no section", "r.toml:3: [x] host: has a value of no known kind"];
    scene.run(&["--routes", "r.toml", "route", "x"]).expect(78).complains(&said);
    Scene::new("# nothing\n").run(&["check"]).expect(78).complains(&["has no section"]);
}

#[test]
fn s2_04_a_package_goes_to_one_section_of_each_group() {
    let routes = "\
[DEFAULT]
login = u
password = canary-4711
[app to the test machines]
packages = app-.*
group = test
host = t1
[app-.*]
group = production
after = test
host = p1 p2
canary = 1
batch = 25%
pause = 10 min
stop_at = 10%
freeze = Fri 16:00-Mon 08:00, 2026-12-24..2027-01-01
time_zone = Europe/Berlin
";
    let scene = Scene::new(routes);
    let shown = scene.run(&["route", "app-1", "--json"]).expect(0).json()["routes"].clone();
    let machines: Vec<&str> =
        shown.as_array().into_iter().flatten().filter_map(|r| r["machine"].as_str()).collect();
    assert_eq!(machines, ["t1", "p1", "p2"]);
    let wrong = |from: &str, to: &str, says: &str| {
        assert!(routes.contains(from), "{from}");
        Scene::new(&routes.replace(from, to)).run(&["route", "app-1"]).expect(78).complains(&[says]);
    };
    wrong("group = production\nafter = test\n", "group = test\n", "several sections match the package app-1");
    wrong("host = p1 p2", "host = p1 t1", "goes to t1 twice, the second time by [app-.*] on line 8");
    wrong("packages = app-.*", "packages = db-.*", "and no section of that group matches it");
    wrong("after = test", "after = tests", ":8: [app-.*] after: no section says `group = tests`");
    wrong("group = test", "group = test\nafter = production", "the group test would wait for itself");
    wrong("batch = 25%", "batch = 0", ":13: [app-.*] batch: must be a number of machines, 1 or more");
    wrong("stop_at = 10%", "stop_at = 101%", ":15: [app-.*] stop_at: must be a number of machines");
    wrong("10 min", "2 days", ":14: [app-.*] pause: must be a time up to a day");
    wrong("Fri 16:00-Mon", "Fri-Mon", ":16: [app-.*] freeze: must be windows such as");
    wrong(
        "Europe/Berlin",
        "Europe/Bonn",
        ":17: [app-.*] time_zone: must be a time zone that this host knows",
    );
    wrong("canary = 1\nbatch = 25%\n", "", ":12: [app-.*] pause: needs batch or canary beside it");
}

#[test]
fn s2_05_what_is_missing_for_logging_in_comes_from_netrc() {
    let scene =
        Scene::new("[app]\nhost = 10.8.6.2\n[web]\nhost = 10.8.6.3\nlogin = \"www\"\n[old]\nhost = x\n");
    let netrc = "machine 10.8.6.2 login ibps password canary-4711 account a\n\
                 machine 10.8.6.3 login other password canary-4711\n\nmachine 10.8.6.3 login www password canary-4711\n\
                 default login any password canary-4711\n";
    scene.keep(".netrc", netrc);
    let rows = scene.run(&["route", "--json", "app", "web"]).expect(0).json()["routes"].clone();
    assert_eq!(rows[0]["login"], "ibps");
    assert_eq!(rows[0]["account_from"]["netrc"], 1);
    assert_eq!(rows[1]["login_from"], "section");
    assert_eq!(rows[1]["password_from"]["netrc"], 4);
    let missing = [".cfg:6: [old] package old: there is no login for x", ".netrc"];
    scene.run(&["route", "old"]).expect(78).complains(&missing);
    scene.keep(".netrc", &netrc.replace("login www password canary-4711", "login www"));
    scene.run(&["route", "web"]).expect(78).complains(&["no password or private_key for 10.8.6.3"]);
    fs::remove_file(scene.path(".netrc")).expect("a file");
    scene.run(&["route", "app"]).expect(78).complains(&["there is no login for 10.8.6.2"]);
}

#[test]
fn s2_05_a_file_that_others_can_read_is_refused() {
    let scene = Scene::new("[app]\nhost = h\n");
    let netrc = scene.keep(".netrc", "machine h login u password canary-4711\n");
    scene.run(&["route", "app"]).expect(0);
    chmod(&netrc, 0o640);
    scene.run(&["route", "app"]).expect(77).complains(&[".netrc has mode 0640", "chmod 600"]);
    chmod(&netrc, 0o600);
    chmod(&scene.path("general-dispatch-info.cfg"), 0o644);
    scene.run(&["route", "app"]).expect(77).complains(&["general-dispatch-info.cfg has mode 0644"]);
}

#[test]
fn s2_04_check_names_what_sections_do_to_one_another() {
    let routes = "\
[DEFAULT]
login = u
password = canary-4711
protocol = ftps
[app-.*]
host = a
[app-1\\.0$]
host = b
[.*\\.tgz$]
host = c
[x/y]
host = d
[free]
host = e
";
    let scene = Scene::new(routes);
    let run = scene.run(&["check", "--json"]).expect(78);
    let found: Vec<String> = run.json()["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|found| found["message"].to_string())
        .collect();
    let has = |part: &str| assert!(found.iter().any(|found| found.contains(part)), "{part}: {found:?}");
    has("is never used: all it matches, such as app-1.0, is matched by [app-.*] on line 5");
    has("matches app-.tgz, as [app-.*] on line 5 does");
    has("[x/y] matches no name that a package can have");
    has("[free] matches beginnings, so free-other as well");
    assert!(!found.iter().any(|found| found.starts_with("\"[app-.*]")), "{found:?}");
    // Each name that it tells is one of which `route` says the same.
    scene.run(&["route", "app-.tgz"]).expect(78).complains(&["several sections match"]);
    scene.run(&["route", "free-other"]).expect(0);
    let scene = Scene::new("[a$]\nhost = h\nprotocol = ftps\n");
    scene.keep(
        ".netrc",
        "machine h login u password canary-4711\nmachine H login u password x\ndefault login y\n",
    );
    let run = scene.run(&["check"]).expect(0);
    assert!(
        run.stdout.contains(".netrc:2: H has an entry on line 1")
            && run.stdout.contains(".netrc:3: a default")
    );
}

#[test]
fn s2_12_a_machine_s_key_is_stored_when_its_fingerprint_is_named() {
    let sshd = Sshd::start(Access::Shell);
    let addr = sshd.addr();
    let scene = Scene::new(&format!("[app$]\nhost = {addr}\nlogin = u\npassword = canary-4711\n"));
    fs::create_dir(scene.path(".ssh")).expect("a directory");
    let pin = format!("upload dispatch pin {addr}");
    let checked = scene.run(&["check"]).expect(77);
    assert!(checked.stdout.contains(&format!("has no key for {addr}: `{pin}`")), "{checked:?}");
    let shown = scene.run(&["pin", &addr.to_string()]).expect(0).stdout;
    let fingerprint =
        shown.split_whitespace().find(|word| word.starts_with("SHA256:")).expect("a fingerprint");
    assert!(shown.contains(&format!("{pin} --store {fingerprint}")), "{shown}");
    assert!(!scene.path(".ssh/known_hosts").exists(), "nothing is stored by looking");
    let other = format!("SHA256:{}", "x".repeat(43));
    scene
        .run(&["pin", "127.0.0.1", "--store", &other])
        .expect(77)
        .complains(&["another key; nothing is stored"]);
    assert!(!scene.path(".ssh/known_hosts").exists());
    scene.run(&["pin", "127.0.0.1", "--store", fingerprint]).expect_silence();
    let stored = fs::read_to_string(scene.path(".ssh/known_hosts")).expect("a file");
    assert!(sshd.known_host_lines(&["host_ed25519", "host_ecdsa"]).contains(stored.trim()), "{stored}");
    assert_eq!(scene.run(&["check"]).expect(0).stdout, "");
    sshd.change_host_key(true);
    let shown = scene.run(&["pin", "127.0.0.1"]).expect(0).stdout;
    assert!(shown.contains(&format!("has {fingerprint} on line 1")), "{shown}");
    let offered = shown.split_whitespace().find(|word| word.starts_with("SHA256:")).expect("a fingerprint");
    scene
        .run(&["pin", "127.0.0.1", "--store", offered])
        .expect(77)
        .complains(&["remove what is no more right"]);
    scene.run(&["pin", "elsewhere"]).expect(2).complains(&["no section sends anything to elsewhere"]);
}

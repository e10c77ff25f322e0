//! From files to machines, over real servers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use intraware_tests::support::ftpd::{Ftpd, Kind, Security};
use intraware_tests::support::sshd::{Access, Sshd};
use serde_json::Value;

use crate::scene::{CANARY, Scene};

/// A section for a server, by its key.
pub(crate) fn section(expression: &str, sshd: &Sshd, more: &str) -> String {
    let (addr, user) = (sshd.addr(), sshd.user());
    let (key, known) = (sshd.client_key(), sshd.known_hosts());
    format!(
        "[{expression}]\nhost = {addr}\nlogin = {user}\nprivate_key = {}\nknown_hosts = {}\ndest_dir = {}/{{date}}\n{more}\n",
        key.display(),
        known.display(),
        sshd.base()
    )
}

/// Returns the one directory of a day below a server's root.
pub(crate) fn day(sshd: &Sshd) -> std::path::PathBuf {
    let mut days =
        fs::read_dir(sshd.root()).expect("a directory").map(|entry| entry.expect("an entry").path());
    let day = days.next().expect("a directory of the day");
    assert!(days.next().is_none(), "one day");
    day
}

pub(crate) fn names(dir: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn s2_01_a_package_gets_to_the_machines_that_its_name_says() {
    let (first, second) = (Sshd::start(Access::Chrooted), Sshd::start(Access::Chrooted));
    let known = first.known_host_lines(&["host_ed25519"]) + &second.known_host_lines(&["host_ed25519"]);
    let routes = section("app-.*", &first, "").replace("\nhost = ", &format!("\nhost = {}, ", second.addr()));
    let scene = Scene::new(
        &routes.replace(&format!("known_hosts = {}", first.known_hosts().display()), "known_hosts = ~/known"),
    );
    scene.keep("known", &known);
    // Both servers let the first one's key in, and have a directory of that name.
    fs::copy(
        first.client_key().with_file_name("authorized_keys"),
        second.client_key().with_file_name("authorized_keys"),
    )
    .expect("a copy");
    let package = scene.keep("in/app-1.tar.gz", "the first content");
    let dry = scene.run(&["--dry-run", "in/app-1.tar.gz"]).expect(0);
    assert!(
        dry.stdout.contains("send") && fs::read_dir(first.root()).expect("a directory").next().is_none(),
        "{dry:?}"
    );
    scene.run(&["in/app-1.tar.gz"]).expect_silence();
    let sent = day(&first).join("app-1.tar.gz");
    assert_eq!(fs::read_to_string(&sent).expect("a file"), "the first content");
    assert_eq!(fs::metadata(&sent).expect("a file").permissions().mode() & 0o777, 0o644);
    let status = scene.run(&["--status", "--json"]).expect(0).json()["packages"].clone();
    let states: Vec<&Value> = status.as_array().into_iter().flatten().map(|row| &row["state"]).collect();
    assert_eq!(states, ["verified", "verified"]);
    // The same content again is nothing to do; another one takes its place, and what was there is kept.
    let again = scene.run(&["--json", "in/app-1.tar.gz"]).expect(0).json()["packages"].clone();
    assert_eq!((again[0]["action"].as_str(), again[0]["sent"].as_u64()), (Some("nothing"), Some(0)));
    fs::write(&package, "the second content").expect("a file");
    scene.run(&["in/app-1.tar.gz"]).expect_silence();
    assert_eq!(fs::read_to_string(&sent).expect("a file"), "the second content");
    assert_eq!(names(&day(&first)).len(), 2, "{:?}", names(&day(&first)));
    // And back to the first one, as after a revert.
    fs::write(&package, "the first content").expect("a file");
    scene.run(&["in/app-1.tar.gz"]).expect_silence();
    assert_eq!(fs::read_to_string(&sent).expect("a file"), "the first content");
}

#[test]
fn s2_10_nothing_is_sent_if_one_of_the_packages_has_no_route() {
    let sshd = Sshd::start(Access::Shell);
    let scene = Scene::new(&section("app-.*", &sshd, ""));
    scene.keep("app-1", "x");
    scene.keep("other", "x");
    scene.run(&["app-1", "other"]).expect(78).complains(&["no section matches the package other"]);
    scene.run(&["app-1", "app-2"]).expect(1).complains(&["cannot read the package app-2"]);
    assert_eq!(names(&sshd.root()), [""; 0]);
    assert!(scene.run(&["--status"]).expect(0).stdout.contains("nothing was dispatched"));
}

#[test]
fn s2_11_over_ftp_the_directory_of_the_day_is_made_below_the_login_directory() {
    for (kind, security) in [(Kind::PureFtpd, Security::Explicit), (Kind::Vsftpd, Security::Plain)] {
        let ftpd = Ftpd::start(kind, security);
        let (protocol, more) = match security {
            Security::Plain => ("ftp", "allow_plaintext = yes".to_owned()),
            _ => ("ftps", format!("ca_file = {}", ftpd.certificates().authority().display())),
        };
        let login = format!("login = {}\npassword = \"{}\"", ftpd.user(), ftpd.password());
        let dest = if kind == Kind::PureFtpd {
            String::new()
        } else {
            format!("dest_dir = {}/newcx/{{date}}", ftpd.base())
        };
        let scene = Scene::new(&format!(
            "[.*\\.tgz$]\nhost = {}\nprotocol = {protocol}\n{login}\n{more}\n{dest}\n",
            ftpd.addr()
        ));
        scene.keep("a b.tgz", "content");
        scene.run(&["a b.tgz"]).expect_silence();
        let newcx = ftpd.root().join("newcx");
        let [day] = &names(&newcx)[..] else { panic!("one day: {:?}", names(&newcx)) };
        assert_eq!(names(&newcx.join(day)), ["a b.tgz"]);
        scene.run(&["a b.tgz"]).expect_silence();
    }
}

#[test]
fn s2_12_where_nobody_answers_by_ssh_it_is_ftp_and_plain_only_where_that_is_allowed() {
    let ftpd = Ftpd::start(Kind::PureFtpd, Security::Plain);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port");
    let routes = format!(
        "[a]\nhost = {closed}\nftp_port = {}\nlogin = {}\npassword = {}\n",
        ftpd.addr().port(),
        ftpd.user(),
        ftpd.password()
    );
    let scene = Scene::new(&routes);
    scene.keep("a", "content");
    scene.run(&["a"]).expect(78).complains(&["asking for TLS", "no login was tried"]);
    assert!(!ftpd.root().join("newcx").exists());
    scene.keep("general-dispatch-info.cfg", &format!("{routes}allow_plaintext = yes\n"));
    scene.run(&["a"]).expect_silence();
    assert!(ftpd.root().join("newcx").exists());
}

#[test]
fn s2_12_a_refused_key_or_password_leads_to_no_other_protocol() {
    let sshd = Sshd::start(Access::Shell);
    let ftpd = Ftpd::start(Kind::PureFtpd, Security::Plain);
    let more = format!("allow_plaintext = yes\nftp_port = {}\npassword = {CANARY}", ftpd.addr().port());
    let scene = Scene::new(&section("a", &sshd, &more));
    scene.keep("a", "content");
    sshd.change_host_key(true);
    scene.run(&["a"]).expect(77).complains(&["checking the host key", "no login was tried"]);
    sshd.change_host_key(false);
    sshd.refuse_client(true);
    scene.run(&["a"]).expect(77).complains(&["refused"]);
    assert_eq!(ftpd.accepted(), 0, "{}", ftpd.log());
    // What was refused is not repeated by cron, but when a person says so.
    sshd.refuse_client(false);
    scene.run(&[]).expect_silence();
    assert_eq!(names(&sshd.root()), [""; 0]);
    let label = format!("a@{}", sshd.addr());
    let why = scene.run(&["--why", &label]).expect(0).stdout;
    assert!(why.contains("failed") && why.contains(&format!("`upload dispatch --retry {label}`")), "{why}");
    scene.run(&["--retry", &label]).expect_silence();
    scene.run(&[]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a"]);
}

#[test]
fn s2_14_no_terminal_is_asked_and_no_secret_is_kept() {
    let sshd = Sshd::start(Access::Shell);
    let routes =
        section("a", &sshd, "").replace(&format!("private_key = {}\n", sshd.client_key().display()), "");
    let scene = Scene::new(&routes);
    scene.keep(".netrc", &format!("machine 127.0.0.1 login {} password {CANARY}\n", sshd.user()));
    scene.keep("a", "content");
    scene.run(&["a", "-vv"]).expect(77).complains(&["the password refused"]);
    for file in ["state.sqlite", "log"] {
        let path = scene.path(".local/state/intraware/dispatch").join(file);
        let files = if path.is_dir() {
            fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()).collect()
        } else {
            vec![path]
        };
        for file in files {
            let text = String::from_utf8_lossy(&fs::read(&file).expect("a file")).into_owned();
            assert!(!text.contains(CANARY), "{}", file.display());
        }
    }
}

#[test]
fn s2_01_what_is_away_waits_for_the_next_run_and_a_hold_for_a_person() {
    let sshd = Sshd::start(Access::Shell);
    let scene = Scene::new(&section("[ab]", &sshd, "protocol = sftp"));
    scene.keep("a", "content");
    scene.keep("b", "content");
    sshd.limit_connections(0);
    let run = scene.run(&["a", "b"]);
    assert!([69, 75].contains(&run.status), "{run:?}");
    scene.run(&["--hold", "b"]).expect_silence();
    sshd.limit_connections(100);
    scene.run(&[]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a"]);
    let status = scene.run(&["--status"]).expect(0).stdout;
    assert!(status.contains("planned, held"), "{status}");
    scene.run(&["--retry", "b"]).expect_silence();
    scene.run(&[]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a", "b"]);
}

#[test]
fn s2_11_a_name_is_never_a_command() {
    let sshd = Sshd::start(Access::Shell);
    let scene = Scene::new(&section(".*", &sshd, ""));
    let hostile = ["a'; touch x #.tar.gz", "$(touch x).tgz", "-rf", "a \"b\" `touch x`.tgz", "ä b.tgz"];
    hostile.iter().for_each(|name| drop(scene.keep(name, "content")));
    let mut arguments = vec!["--"];
    arguments.extend(hostile);
    scene.run(&arguments).expect_silence();
    let mut wanted: Vec<String> = hostile.iter().map(|name| (*name).to_owned()).collect();
    wanted.sort();
    assert_eq!(names(&day(&sshd)), wanted);
    assert!(!scene.path("x").exists());
}

#[test]
fn s2_11_of_a_name_one_former_content_is_kept() {
    let sshd = Sshd::start(Access::Shell);
    for dir in ["{date}", ""] {
        let routes = section("a", &sshd, "").replace("{date}", dir);
        let scene = Scene::new(&routes);
        for content in ["first", "second", "third", "fourth"] {
            scene.keep("a", content);
            scene.run(&["a"]).expect_silence();
        }
        let there = if dir.is_empty() { sshd.root() } else { day(&sshd) };
        let files: Vec<_> =
            names(&there).into_iter().map(|name| there.join(name)).filter(|path| path.is_file()).collect();
        let [former, present] = &files[..] else { panic!("{files:?}") };
        assert_eq!(fs::read_to_string(present).expect("a file"), "fourth");
        assert_eq!(fs::read_to_string(former).expect("a file"), "third");
    }
}

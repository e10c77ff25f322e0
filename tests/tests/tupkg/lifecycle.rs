//! The server as a process: start, stop, sockets from systemd, hooks, accounts.

use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::raw::{Raw, announce, md5};
use crate::scene::{PATIENCE, Scene, Tls, USER, content, private};

#[test]
fn a_stop_lets_sessions_end_and_takes_no_new_ones() {
    let scene = Scene::new("");
    let mut server = scene.serve();
    let mut raw = Raw::logged_in(server.address());
    raw.say(&announce("p.pkg.tar.gz", 6, &md5(b"abcdef")));
    assert!(raw.hear().is_some());
    raw.send(b"abc");
    server.signal(Signal::TERM);
    server.wait_for("asked to stop");
    assert!(std::net::TcpStream::connect(server.address()).is_err(), "it still listens");
    raw.send(b"def");
    assert_eq!(raw.hear().as_deref(), Some("np=1&m1=PASS"));
    raw.say("ack");
    let (status, log) = server.wait();
    assert!(status == Some(0) && log.contains("stopped; 0 sessions were ended"), "{status:?} {log}");
}

#[test]
fn s4_19_a_stop_ends_sessions_that_do_not_end_and_keeps_what_they_have_brought() {
    let scene = Scene::new("limits.stop_s = 1");
    let server = scene.serve();
    let mut raw = Raw::logged_in(server.address());
    raw.say(&announce("p.pkg.tar.gz", 6, &md5(b"abcdef")));
    assert!(raw.hear().is_some());
    raw.send(b"abc");
    let begin = Instant::now();
    while scene.partial() < 3 {
        assert!(begin.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert!(status == Some(0) && log.contains("stopped; 1 sessions were ended"), "{status:?} {log}");
    assert_eq!(scene.partial(), 3);
}

#[test]
fn s4_05_the_socket_may_come_from_systemd() {
    let scene = Scene::new("listen = [\"127.0.0.1:1\"]");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // As systemd does it: the socket is descriptor 3, and LISTEN_PID names the process that it is for.
    let served = scene.serve_command_for_systemd();
    let mut command = Command::new("/bin/sh");
    let duplicate =
        format!("exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", listener.as_raw_fd());
    command.args(["-c", &duplicate, "sh"]).arg(served.get_program()).args(served.get_args());
    command.env_clear().current_dir(scene.dir.path());
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).expect("a descriptor that is handed on");
    let server = scene.serve_by(command);
    drop(listener);
    assert_eq!(server.addresses(), [address]);
    scene.package("p.pkg.tar.xz", 1000, 1);
    let account = scene.account("account", address, Tls::Yes, "");
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
}

#[test]
fn s4_07_s4_21_hooks_take_packages_on_in_their_order() {
    let scene = Scene::new("");
    let hooks = scene.path("hooks");
    fs::create_dir(&hooks).expect("a directory");
    let hook = |name: &str, mode: u32, text: &str| {
        let path = hooks.join(name);
        fs::write(&path, text).expect("a hook");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let say =
        |word: &str| format!("#!/bin/sh\necho {word} $TUPKG_PACKAGES >>{}\n", scene.path("said").display());
    hook(
        "20-second",
        0o755,
        &format!("{}mv $TUPKG_INCOMING/u1/* {}\necho moved\n", say("second"), scene.path("").display()),
    );
    hook("10_first", 0o755, &format!("{}exit 3\n", say("first")));
    hook("30.sh", 0o755, &say("no-name"));
    hook("40-plain", 0o644, &say("not-executable"));
    hook("50-shared", 0o777, &say("others-can-write"));
    scene.configure(&format!("hooks = {hooks:?}"));
    let mut server = scene.serve();
    scene.package("p.pkg.tar.xz", 1000, 1);
    let account = scene.account("account", server.address(), Tls::Yes, "");
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    server.wait_for("20-second: done; it says: moved");
    let log = server.log();
    assert!(log.contains("10_first: ended with exit status: 3"), "{log}");
    assert!(log.contains("50-shared: not run: others can write it"), "{log}");
    let incoming = scene.path("root/incoming/u1/p.pkg.tar.xz");
    let said = fs::read_to_string(scene.path("said")).expect("what hooks said");
    assert_eq!(said, format!("first {0}\nsecond {0}\n", incoming.display()));
    assert!(
        !incoming.exists() && fs::read(scene.path("p.pkg.tar.xz")).expect("taken on") == content(1000, 1)
    );

    // A crash came before the hooks' turn.
    fs::write(&incoming, "left").expect("a package");
    drop(server);
    let mut server = scene.serve();
    server.wait_for("20-second: done");
    assert!(!incoming.exists());
}

#[test]
fn s1_05_hooks_of_the_server_follow_the_rules_of_run_parts() {
    let scene = Scene::new("");
    let hooks = scene.path("hooks");
    fs::create_dir(&hooks).expect("a directory");
    let hook = |name: &str, text: &str| {
        fs::write(hooks.join(name), text).expect("a hook");
        fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    hook("10-daemon", "#!/bin/sh\nsetsid sleep 20 &\n");
    hook("20-mask", "#!/bin/sh\numask\n");
    hook("30-empty", "");
    std::os::unix::fs::symlink("20-mask", hooks.join("40-link")).expect("a link");
    scene.configure(&format!("hooks = {hooks:?}"));
    let mut server = scene.serve();
    scene.package("p.pkg.tar.xz", 1000, 1);
    let account = scene.account("account", server.address(), Tls::Yes, "");
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    // What has a session of its own and the output open keeps no other hook waiting.
    server.wait_for("40-link: done; it says: 0022");
    let log = server.log();
    assert!(log.contains("20-mask: done; it says: 0022"), "{log}");
    assert!(log.contains("30-empty: cannot be run: Exec format error"), "{log}");
    fs::set_permissions(&hooks, fs::Permissions::from_mode(0o777)).expect("a mode");
    scene.package("q.pkg.tar.xz", 1000, 2);
    scene.send(&account, &["q.pkg.tar.xz"]).expect(0);
    server.wait_for("hooks: not run: others can write the directory of hooks; use chmod go-w");
}

#[test]
fn accounts_change_while_the_server_runs() {
    let scene = Scene::new("limits.failure_pause_ms = 1");
    let server = scene.serve();
    scene.package("p.pkg.tar.xz", 1000, 1);
    scene.add_account(USER, "changed", &[]);
    let account = scene.account("account", server.address(), Tls::Yes, "");
    scene.send(&account, &["p.pkg.tar.xz"]).expect(77);
    let text = fs::read_to_string(&account).expect("a file").replace("= B0b", "= changed");
    private(&account, &text);
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    assert_eq!(fs::metadata(scene.path("accounts")).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_wrong_with_settings_is_said_and_nothing_listens() {
    let scene = Scene::new("");
    let serve = || intraware_tests::Running::start(scene.serve_command_for_systemd()).wait();
    for (settings, status, says) in [
        ("lisen = []", 78, "unknown field `lisen`"),
        ("limits.idle_s = 0", 78, "limits.idle_s = 0: must be seconds"),
        ("hooks = \"/none\"\nlisten = []", 78, "there is nothing to listen on"),
    ] {
        scene.configure(settings);
        serve().expect(status).complains(&[says]);
    }
    scene.configure("");
    fs::set_permissions(scene.path("accounts"), fs::Permissions::from_mode(0o644)).expect("a mode");
    serve()
        .expect(77)
        .complains(&["accounts has mode 0644, so others can read it; make it private: `chmod 600 "]);
    fs::set_permissions(scene.path("accounts"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let _first = scene.serve();
    serve().expect(75).complains(&["another server works there"]);
}

#[test]
fn f_23_a_key_that_others_can_read_is_refused() {
    let scene = Scene::new("");
    let key = scene.key();
    for mode in [0o644, 0o666, 0o604, 0o660] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("a mode");
        let run = intraware_tests::Running::start(scene.serve_command_for_systemd()).wait().expect(77);
        run.complains(&[&format!(
            "has mode {mode:04o}, so others can read it; make it private: `chmod 600 "
        )]);
    }
    // Those that renew certificates name the key by a link.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    let moved = scene.path("live.pem");
    fs::rename(&key, &moved).expect("a key");
    std::os::unix::fs::symlink(&moved, &key).expect("a link");
    drop(scene.serve());
}

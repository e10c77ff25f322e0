//! Servers with habits that OpenSSH's has not.

use intraware_test_support::odd_sftp::{Commands, OddSftp};

use super::*;
use intraware_core::exit;
use intraware_core::site::Habits;

/// What a shell that never answers may cost once, on a loaded machine.
const SOME: Duration = Duration::from_secs(40);

fn connect(server: &OddSftp) -> Box<dyn Session> {
    Sftp::new(settings(server)).connect().unwrap()
}

fn put(session: &mut dyn Session, at: &str, bytes: &[u8]) -> Result<u64, SiteError> {
    session.put(&path(at), 0, &mut &bytes[..], &mut |_| ())
}

#[test]
fn a_server_without_habits_keeps_the_contract_of_a_site() {
    let server = OddSftp::start("", Commands::Run);
    let subject = Subject::new(Sftp::new(settings(&server)), server.root());
    conformance(&Subject { tells_space: false, ..subject });
}

#[test]
fn n_3_a_taken_name_is_looked_at_before_a_rename_whatever_the_program_behind_openssh() {
    let server = OddSftp::start("overwrites", Commands::Run);
    let base = server.root();
    let peer = connect(&server).peer();
    assert!(peer.contains("OpenSSH_"), "{peer}");
    // Of another peer it may be known.
    let guards = Habits { guards_names: Some(true), ..Habits::default() };
    for known in [Known::default(), Known::of("another".into(), guards)] {
        let mut session = Sftp::new(SftpSettings { known, ..settings(&server) }).connect().unwrap();
        std::fs::write(base.join("ours"), "ours").unwrap();
        std::fs::write(base.join("theirs"), "theirs").unwrap();
        let err = session.rename_new(&path("ours"), &path("theirs")).unwrap_err();
        assert_eq!(err.kind, SiteErrorKind::Exists, "{err:?}");
        assert_eq!(std::fs::read(base.join("theirs")).unwrap(), b"theirs");
        session.rename_new(&path("ours"), &path("free")).unwrap();
        session.remove(&path("free")).unwrap();
    }
}

#[test]
fn n_3_a_server_that_is_known_to_guard_names_is_not_asked_before() {
    let server = OddSftp::start("", Commands::Run);
    let (plain, relay) = (settings(&server), Relay::start(server.addr(), Fault::None));
    let asked = |known: Known| {
        let site = Sftp::new(SftpSettings { known, ..through(plain.clone(), &relay) });
        let mut session = site.connect().unwrap();
        std::fs::write(server.root().join("from"), "").unwrap();
        let before = relay.sent();
        session.rename_new(&path("from"), &path("to")).unwrap();
        let sent = relay.sent() - before;
        session.remove(&path("to")).unwrap();
        (sent, session.peer())
    };
    let (looking, peer) = asked(Known::default());
    let guards = Habits { guards_names: Some(true), ..Habits::default() };
    let (sure, _) = asked(Known::of(peer, guards));
    assert!(sure < looking, "{sure} bytes and {looking}");
}

#[test]
fn f_09_commands_that_are_never_answered_cost_a_short_time_once() {
    let server = OddSftp::start("", Commands::Mute);
    let io_timeout = Duration::from_secs(60);
    let site = Sftp::new(SftpSettings { io_timeout, ..settings(&server) });
    let bytes = noise(2 << 20);
    let mut session = site.connect().unwrap();
    put(session.as_mut(), "x", &bytes).unwrap();
    let begin = Instant::now();
    assert_eq!(session.sha256(&path("x"), bytes.len() as u64).unwrap(), None);
    assert!(begin.elapsed() < SOME, "{:?}", begin.elapsed());
    // It is the same connection, and all connections know.
    let mut back = Vec::new();
    assert_eq!(session.get(&path("x"), 0, &mut back).unwrap(), bytes.len() as u64);
    assert_eq!(session.peer(), site.connect().unwrap().peer());
    let begin = Instant::now();
    for session in [&mut session, &mut site.connect().unwrap()] {
        session.begin_hash(&path("x")).unwrap();
        assert_eq!(session.end_hash(7).unwrap(), None);
        assert_eq!(session.sha256(&path("x"), bytes.len() as u64).unwrap(), None);
        let blocks = session.sha256_of_blocks(&path("x"), bytes.len() as u64, 1 << 20);
        assert_eq!(blocks.unwrap(), None);
    }
    drop((session, site));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(server.log().matches("Starting session: forced-command").count(), 4, "{}", server.log());
}

#[test]
fn n_4_a_connection_that_ends_when_a_shell_is_asked_for_is_made_anew_once() {
    let server = OddSftp::start("", Commands::Kill);
    let site = Sftp::new(settings(&server));
    let mut session = site.connect().unwrap();
    put(session.as_mut(), "x", b"12345").unwrap();
    assert!(session.is_flushed());
    assert_eq!(session.sha256(&path("x"), 5).unwrap(), None);
    let mut back = Vec::new();
    assert_eq!(session.get(&path("x"), 0, &mut back).unwrap(), 5);
    assert!(session.is_flushed());
    session.begin_hash(&path("x")).unwrap();
    let mut other = site.connect().unwrap();
    assert_eq!(other.sha256(&path("x"), 5).unwrap(), None);
    assert_eq!(server.log().matches("Accepted publickey").count(), 3, "{}", server.log());
}

#[test]
fn n_4_a_shell_that_works_is_used() {
    let server = OddSftp::start("", Commands::Run);
    let site = Sftp::new(settings(&server));
    for _ in 0..2 {
        let mut session = site.connect().unwrap();
        session.begin_hash(&path("x")).unwrap();
        put(session.as_mut(), "x", b"12345").unwrap();
        assert!(session.sha256(&path("x"), 5).unwrap().is_some());
    }
    let refuses = OddSftp::start("", Commands::Refused);
    let mut session = connect(&refuses);
    put(session.as_mut(), "x", b"12345").unwrap();
    assert_eq!(session.sha256(&path("x"), 5).unwrap(), None);
}

#[test]
fn n_7_directories_may_be_made_in_any_order() {
    let server = OddSftp::start("mkdir-any-order", Commands::Run);
    let mut session = connect(&server);
    for (dir, made) in [("a/b/c/d", 4), ("a/b/x/y", 2), ("a/b/c/d", 0)] {
        assert_eq!(session.make_dirs(&path(dir)).unwrap(), made, "{dir}");
        assert!(server.root().join(dir).is_dir());
    }
}

#[test]
fn n_8_what_a_server_misses_though_it_was_to_make_it_is_no_fault_of_a_build() {
    let server = OddSftp::start("mkdir-missing open-missing", Commands::Run);
    let mut session = connect(&server);
    std::fs::create_dir(server.root().join("there")).unwrap();
    let made = session.make_dirs(&path("a")).map(|_| ());
    let put = put(session.as_mut(), "there/x", b"x").map(|_| ());
    for result in [made, put] {
        let err = result.unwrap_err();
        assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
        assert_eq!(err.kind.fault().exit_status(), exit::TRY_LATER);
    }
    // Nor is what somebody has removed there meanwhile.
    let err = session.rename_new(&path("gone"), &path("there/y")).unwrap_err();
    assert_eq!((err.kind, err.kind.fault().exit_status()), (SiteErrorKind::NotFound, exit::TRY_LATER));
}

#[test]
fn n_9_a_file_of_which_nothing_is_said_while_it_is_open_is_read() {
    let server = OddSftp::start("no-fstat", Commands::Refused);
    let mut session = connect(&server);
    let bytes = noise(300_001);
    put(session.as_mut(), "x", &bytes).unwrap();
    let mut back = Vec::new();
    assert_eq!(session.get(&path("x"), 0, &mut back).unwrap(), bytes.len() as u64);
    assert!(back == bytes);
    session.truncate(&path("x"), 7).unwrap();
    assert_eq!(std::fs::read(server.root().join("x")).unwrap(), bytes[..7]);
    std::os::unix::fs::symlink("x", server.root().join("link")).unwrap();
    let err = session.get(&path("link"), 0, &mut back).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::NotRegular);
}

#[test]
fn n_10_servers_that_know_few_ways_to_open_a_file_are_served() {
    for habit in ["flags-by-table", "write-truncates"] {
        let server = OddSftp::start(habit, Commands::Run);
        let mut session = connect(&server);
        put(session.as_mut(), "x", b"hello world").unwrap();
        assert_eq!(session.put(&path("x"), 6, &mut &b"W"[..], &mut |_| ()).unwrap(), 1);
        assert_eq!(std::fs::read(server.root().join("x")).unwrap(), b"hello World", "{habit}");
        session.truncate(&path("x"), 5).unwrap();
        assert_eq!(std::fs::read(server.root().join("x")).unwrap(), b"hello", "{habit}");
        let err = session.put_new(&path("x"), &mut &b"new"[..], &mut |_| ()).unwrap_err();
        assert_eq!(err.kind, SiteErrorKind::Exists, "{habit}");
        session.put_new(&path("y"), &mut &b"new"[..], &mut |_| ()).unwrap();
        assert_eq!(std::fs::read(server.root().join("x")).unwrap(), b"hello", "{habit}");
    }
}

#[test]
fn f_10_a_flush_or_a_close_has_the_more_time_the_larger_the_file_is() {
    let bytes = noise(65 << 20);
    for habit in ["slow-flush=6", "slow-close=6"] {
        let server = OddSftp::start(habit, Commands::Refused);
        let site = Sftp::new(SftpSettings { io_timeout: Duration::from_secs(4), ..settings(&server) });
        let mut session = site.connect().unwrap();
        // Four seconds more than for any answer.
        put(session.as_mut(), "large", &bytes).expect(habit);
        assert_eq!(put(session.as_mut(), "small", b"x").unwrap_err().kind, SiteErrorKind::Timeout, "{habit}");
    }
}

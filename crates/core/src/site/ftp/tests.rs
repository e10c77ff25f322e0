//! The FTP site against real servers, whole and with faults in between.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use intraware_test_support::disk::SmallDisk;
use intraware_test_support::ftp_relay::FtpRelay;
use intraware_test_support::ftpd::{Ftpd, Kind, Security};
use intraware_test_support::relay::{Fault, Relay};
use intraware_test_support::sshd::{Access, Sshd};

use super::*;
use crate::site::conformance::{Hashes, Subject, conformance, noise};
use crate::site::{RemotePath, SiteErrorKind};

/// Short enough to wait for in a test. A loaded machine may take longer for what it does: it is for those who say nothing.
const SHORT: Duration = Duration::from_millis(1_500);

/// How long anything else may take on a loaded machine; less than the time allowed where nothing is to run out.
const LATE: Duration = Duration::from_secs(15);

fn settings(ftpd: &Ftpd) -> FtpSettings {
    let trust = Trust::Authorities(Some(ftpd.certificates().authority()));
    FtpSettings {
        name: "intraware".into(),
        host: "127.0.0.1".into(),
        port: ftpd.addr().port(),
        user: ftpd.user().into(),
        password: Secret::new(ftpd.password()),
        base: BasePath::Absolute(ftpd.base()),
        protection: match ftpd.security() {
            Security::Plain => Protection::None,
            Security::Explicit => Protection::Explicit(trust),
            Security::Implicit => Protection::Implicit(trust),
        },
        connect_timeout: Duration::from_secs(20),
        io_timeout: Duration::from_secs(20),
        min_rate: 1024,
        file_mode: 0o640,
    }
}

fn keeps_the_contract(kind: Kind, securities: &[Security]) {
    for &security in securities {
        let ftpd = Ftpd::start(kind, security);
        let subject = Subject::new(Ftp::new(settings(&ftpd)), ftpd.root());
        let hashes = if kind == Kind::ProFtpd { Hashes::Files } else { Hashes::Nothing };
        let keeps_tails = kind != Kind::PureFtpd;
        let refuses: &[&str] = if kind == Kind::PureFtpd { &["back\\slash"] } else { &[] };
        let subject = Subject { hashes, keeps_tails, refuses, ..subject };
        let subject = Subject { guards_names: false, flushes: false, ..subject };
        conformance(&Subject { cuts: false, tells_space: false, ..subject });
    }
}

#[test]
fn s0_46_proftpd_keeps_the_contract_of_a_site() {
    keeps_the_contract(Kind::ProFtpd, &[Security::Plain, Security::Explicit, Security::Implicit]);
}

#[test]
fn s0_46_vsftpd_keeps_the_contract_of_a_site() {
    keeps_the_contract(Kind::Vsftpd, &[Security::Plain, Security::Explicit, Security::Implicit]);
}

#[test]
fn s0_46_pure_ftpd_keeps_the_contract_of_a_site() {
    keeps_the_contract(Kind::PureFtpd, &[Security::Plain, Security::Explicit]);
}

fn through(ftpd: &Ftpd, port: u16) -> FtpSettings {
    FtpSettings { port, ..settings(ftpd) }
}

fn fails(settings: FtpSettings) -> SiteError {
    Ftp::new(settings).connect().err().expect("no session")
}

fn connect(settings: FtpSettings) -> Box<dyn Session> {
    Ftp::new(settings).connect().expect("a session")
}

fn path(text: &str) -> RemotePath {
    RemotePath::new(text).unwrap()
}

fn put(session: &mut dyn Session, at: &str, bytes: &[u8]) -> Result<u64, SiteError> {
    session.put(&path(at), 0, &mut &bytes[..], &mut |_| ())
}

/// Returns the fingerprint as the configuration has it.
fn pin(ftpd: &Ftpd, identity: &str) -> Trust {
    Trust::Certificate(ftpd.certificates().fingerprint(identity).replace(':', "").parse().unwrap())
}

#[test]
fn a_certificate_that_is_not_trusted_ends_the_connection_before_any_login() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    let with =
        |trust: &Trust| FtpSettings { protection: Protection::Explicit(trust.clone()), ..settings(&ftpd) };
    let ours = Trust::Authorities(Some(ftpd.certificates().authority()));
    for (identity, trust, what) in [
        ("server", Trust::Authorities(None), "an unknown authority"),
        ("elsewhere", ours.clone(), "another host's"),
        ("ca", ours.clone(), "an authority's own"),
        ("server", pin(&ftpd, "elsewhere"), "another one than named"),
    ] {
        ftpd.present(identity);
        let err = fails(with(&trust));
        assert_eq!(err.kind, SiteErrorKind::HostKey, "{what}: {err:?}");
        let shown = ftpd.certificates().fingerprint(identity).replace(':', "").to_lowercase();
        assert!(err.message.contains(&shown), "{what}: {err}");
    }
    assert!(!ftpd.log().contains("USER"), "{}", ftpd.log());
    for (identity, trust) in
        [("server", &ours), ("ca", &pin(&ftpd, "ca")), ("elsewhere", &pin(&ftpd, "elsewhere"))]
    {
        ftpd.present(identity);
        let mut session = connect(with(trust));
        assert_eq!(put(session.as_mut(), identity, b"x").unwrap(), 1, "data connections as well");
    }
    assert_eq!(ftpd.log().matches("USER upload").count(), 3, "{}", ftpd.log());
}

#[test]
fn a_server_without_tls_gets_no_password() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let trust = Trust::Authorities(None);
    let protection = Protection::Explicit(trust.clone());
    let err = fails(FtpSettings { protection, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Configuration, "{err:?}");
    assert_eq!(relay.commands(), ["AUTH TLS"]);
    let protection = Protection::Implicit(trust);
    let err = fails(FtpSettings { protection, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
    assert!(relay.commands().iter().all(|command| !command.contains("USER") && !command.contains("PASS")));
}

#[test]
fn a_server_that_takes_its_leave_has_not_refused_tls() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let protection = Protection::Explicit(Trust::Authorities(None));
    let settings = FtpSettings { protection, ..through(&ftpd, relay.addr().port()) };
    // As Pure-FTPd does when the line is gone, and as RFC 4217 has it for a server that is busy.
    for answer in ["220 Logout.", "431 not now"] {
        relay.answer("AUTH", answer);
        let err = fails(settings.clone());
        assert_eq!(err.kind.fault(), crate::exit::Fault::TryLater, "{answer}: {err:?}");
    }
}

#[test]
fn what_is_said_before_tls_is_not_taken_for_said_in_it() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("AUTH", "234 go on\r\n230 logged in");
    let protection = Protection::Explicit(Trust::Authorities(None));
    let err = fails(FtpSettings { protection, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
}

#[test]
fn a_server_of_tls_1_3_alone_is_met_too() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    ftpd.configure("TLSProtocol TLSv1.3\nTLSOptions NoSessionReuseRequired");
    let mut session = connect(settings(&ftpd));
    for name in ["a", "b", "c", "d"] {
        put(session.as_mut(), name, b"x").unwrap();
    }
    assert!(session.peer().contains("TLSv1_3"), "{}", session.peer());
}

#[test]
fn a_refused_password_is_not_repeated() {
    for (kind, security) in [
        (Kind::ProFtpd, Security::Explicit),
        (Kind::Vsftpd, Security::Implicit),
        (Kind::PureFtpd, Security::Explicit),
    ] {
        let ftpd = Ftpd::start(kind, security);
        let with = |password: &str| FtpSettings { password: Secret::new(password), ..settings(&ftpd) };
        let err = fails(with("canary-5d41"));
        assert!(
            err.kind == SiteErrorKind::Auth && !format!("{err:?}").contains("canary"),
            "{kind:?}: {err:?}"
        );
        let err = fails(with("canary-5d41\r\nDELE x"));
        assert_eq!(err.kind, SiteErrorKind::Configuration, "{kind:?}: {err:?}");
        assert!(!format!("{err:?}").contains("canary"), "{kind:?}: {err:?}");
        assert!(!format!("{:?}", settings(&ftpd)).contains(ftpd.password()));
    }
}

#[test]
fn a_password_that_was_cut_has_not_been_refused() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Plain);
    let relay = Relay::start(ftpd.addr(), Fault::LoseAfter("USER upload\r\nPASS can".len() as u64));
    let err = fails(through(&ftpd, relay.addr().port()));
    assert_eq!(err.kind, SiteErrorKind::Disconnected, "{err:?}");
    assert!(err.source.is_some_and(|said| said.to_string().contains("530 ")));
}

#[test]
fn a_connection_for_data_that_fails_is_not_that_for_commands() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let mut session = connect(through(&ftpd, relay.addr().port()));
    for answer in ["425 cannot open it", "426 it broke"] {
        relay.answer("STOR", answer);
        let err = put(session.as_mut(), "x", b"hello").unwrap_err();
        assert_eq!(err.kind, SiteErrorKind::Protocol, "{answer}: {err:?}");
        assert!(err.to_string().contains("its connection for data failed"), "{err}");
        assert_eq!(session.stat(&path("x")).unwrap(), None, "the session goes on");
    }
}

#[test]
fn a_password_that_the_server_repeats_is_not_told() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    for code in [421, 500, 530] {
        relay.answer("PASS", &format!("{code} 'PASS {}' is no command", ftpd.password()));
        let err = fails(through(&ftpd, relay.addr().port()));
        let said = format!("{err:?}");
        assert!(said.contains(&code.to_string()) && !said.contains(ftpd.password()), "{said}");
    }
}

#[test]
fn a_base_may_be_relative_to_the_login_directory_and_must_exist() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let mut session = connect(FtpSettings { base: BasePath::Home(String::new()), ..settings(&ftpd) });
    put(session.as_mut(), "here", b"x").unwrap();
    assert!(ftpd.root().join("here").exists());
    let err = fails(FtpSettings { base: BasePath::Home("no/such".into()), ..settings(&ftpd) });
    assert_eq!(err.kind, SiteErrorKind::Configuration);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("PWD", "257 \"/a\u{1b}[2J\"");
    let base = BasePath::Home(String::new());
    let err = fails(FtpSettings { base, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
}

#[test]
fn who_speaks_no_ftp_is_not_understood() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    assert_eq!(fails(through(&ftpd, free)).kind, SiteErrorKind::Unreachable);
    let sshd = Sshd::start(Access::SftpOnly);
    let err = fails(through(&ftpd, sshd.addr().port()));
    assert!(err.kind == SiteErrorKind::Protocol && err.message.contains("another protocol"), "{err:?}");
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("USER", &"x".repeat(100_000));
    let err = fails(through(&ftpd, relay.addr().port()));
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
}

#[test]
fn a_server_without_extensions_is_used_as_it_is() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    for verb in ["FEAT", "EPSV", "SIZE", "STAT", "SITE", "OPTS", "REST"] {
        relay.answer(verb, "500 what");
    }
    let mut session = connect(through(&ftpd, relay.addr().port()));
    let session = session.as_mut();
    // The address in the answer to PASV is nobody's; the relay makes sure of that.
    put(session, "x", b"hello").unwrap();
    assert_eq!(session.put(&path("x"), 5, &mut &b" world"[..], &mut |_| ()).unwrap(), 6);
    assert_eq!(std::fs::read(ftpd.root().join("x")).unwrap(), b"hello world");
    assert_eq!(session.stat(&path("x")).unwrap().unwrap().size, 11);
    assert_eq!(session.stat(&path("y")).unwrap(), None);
    assert_eq!(session.list(&RemotePath::base()).unwrap(), ["x"]);
    assert!(relay.commands().iter().any(|command| command == "PASV"));
}

#[test]
fn free_space_is_asked_for_where_the_server_tells_it() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("FEAT", "211-Features\r\n SIZE\r\n AVBL\r\n211 End");
    relay.answer("AVBL", "213 4711");
    let mut session = connect(through(&ftpd, relay.addr().port()));
    assert_eq!(session.free_space(&RemotePath::base()).unwrap(), Some(4711));
    relay.answer("STOR", "451 something is wrong here");
    std::fs::write(ftpd.root().join("x"), "").unwrap();
    relay.answer("DELE", "550 no");
    let err = put(session.as_mut(), "x", b"x").unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::NoSpace, "{err:?}");
}

#[test]
fn a_rename_that_nobody_asked_for_is_none() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let mut session = connect(through(&ftpd, relay.addr().port()));
    put(session.as_mut(), "x", b"x").unwrap();
    relay.answer("RNFR", "250 done");
    let err = session.rename_new(&path("x"), &path("y")).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
    assert!(ftpd.root().join("x").exists());
}

#[test]
fn a_mute_server_is_given_up_in_time() {
    for security in [Security::Plain, Security::Explicit, Security::Implicit] {
        let ftpd = Ftpd::start(Kind::Vsftpd, security);
        let relay = Relay::start(ftpd.addr(), Fault::Mute);
        let begin = Instant::now();
        let err = fails(FtpSettings { connect_timeout: SHORT, ..through(&ftpd, relay.addr().port()) });
        assert_eq!(err.kind, SiteErrorKind::Timeout);
        assert!(begin.elapsed() >= SHORT && begin.elapsed() < SHORT + LATE, "{:?}", begin.elapsed());
    }
}

#[test]
fn a_file_that_is_longer_than_the_server_has_said_is_not_read_on() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let mut session = connect(through(&ftpd, relay.addr().port()));
    std::fs::write(ftpd.root().join("x"), noise(5 << 20)).unwrap();
    let line = |mode: &str, size: u32, name: &str| format!("{mode} 1 u g {size} Nov 21 10:09 {name}\r\n");
    let lines = line("drwxr-xr-x", 9, ".") + &line("-rw-r--r--", 5, "x");
    relay.answer("STAT", &format!("213-Status\r\n{lines}213 End"));
    assert_eq!(session.stat(&path("x")).unwrap().unwrap().size, 5);
    let mut back = Vec::new();
    let err = session.get(&path("x"), 0, &mut back).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
    assert!(back.is_empty());
    assert_dead(session);
}

#[test]
fn the_time_to_connect_includes_that_to_find_the_base() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = Relay::start(ftpd.addr(), Fault::None);
    let base = BasePath::Home(String::new());
    let settings = FtpSettings { base, ..through(&ftpd, relay.addr().port()) };
    let session = connect(settings.clone());
    let whole = relay.sent();
    drop(session);
    relay.set(Fault::StallAfter(whole - 1));
    let (connect_timeout, io_timeout) = (SHORT, SHORT * 20);
    let begin = Instant::now();
    let err = fails(FtpSettings { connect_timeout, io_timeout, ..settings });
    assert_eq!(err.kind, SiteErrorKind::Timeout, "{err:?}");
    assert!(begin.elapsed() < io_timeout, "{:?}", begin.elapsed());
}

#[test]
fn a_server_that_never_stops_talking_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let begin = Instant::now();
        let words = "120 soon\r\n".repeat(1_000);
        while begin.elapsed() < SHORT * 15 && client.write_all(words.as_bytes()).is_ok() {}
    });
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let err = fails(FtpSettings { connect_timeout: SHORT, ..through(&ftpd, port) });
    assert_eq!(err.kind, SiteErrorKind::Timeout, "{err:?}");
    server.join().unwrap();
}

/// Asserts that a session that has just failed fails from now on, and costs no time.
fn assert_dead(mut session: Box<dyn Session>) {
    let after = Instant::now();
    for _ in 0..3 {
        assert_eq!(session.stat(&path("x")).unwrap_err().kind, SiteErrorKind::Disconnected);
    }
    drop(session);
    // Less than any of them would have waited.
    assert!(after.elapsed() < SHORT, "{:?}", after.elapsed());
}

#[test]
fn a_stall_ends_the_session_in_time_and_for_good() {
    let bytes = noise(30 << 20);
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let with = || FtpSettings { io_timeout: SHORT, ..through(&ftpd, relay.addr().port()) };
    let stalls = |what: &str, action: &mut dyn FnMut(&mut dyn Session) -> SiteError| {
        let mut session = connect(with());
        let begin = Instant::now();
        let err = action(session.as_mut());
        assert_eq!(err.kind, SiteErrorKind::Timeout, "{what}: {err:?}");
        assert!(begin.elapsed() >= SHORT && begin.elapsed() < SHORT + LATE, "{what}: {:?}", begin.elapsed());
        assert_dead(session);
    };
    std::fs::write(ftpd.root().join("there"), &bytes).unwrap();
    for after in [0, 1_000_000] {
        relay.set_data(Fault::StallAfter(after));
        stalls("a put", &mut |session| put(session, "x", &bytes).unwrap_err());
    }
    // A stalled line passes nothing in either direction; nothing is sent to a server that is read from.
    relay.set_data(Fault::StallAfter(0));
    stalls("a get", &mut |session| session.get(&path("there"), 0, &mut std::io::sink()).unwrap_err());
    relay.set_data(Fault::Mute);
    stalls("a put into nothing", &mut |session| put(session, "y", &bytes).unwrap_err());
}

#[test]
fn a_get_that_drips_is_given_up_in_time_though_something_is_always_heard() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    std::fs::write(ftpd.root().join("there"), noise(30 << 20)).unwrap();
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let io_timeout = Duration::from_secs(1);
    let settings = FtpSettings { io_timeout, min_rate: 1 << 20, ..through(&ftpd, relay.addr().port()) };
    let mut session = connect(settings);
    relay.set_fetched(Fault::DripAfter(1_000_000, 200 << 10));
    let err = session.get(&path("there"), 0, &mut std::io::sink()).unwrap_err();
    let (end, met) = (Instant::now(), relay.met().expect("it dripped"));
    assert_eq!(err.kind, SiteErrorKind::Timeout, "{err:?}");
    // What moved fast before it began makes up for nothing.
    assert!(end - met >= io_timeout / 2 && end - met < io_timeout + LATE, "{:?}", end - met);
    assert_dead(session);
}

#[test]
fn a_connection_may_be_cut_or_stall_at_any_byte() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    let relay = Relay::start(ftpd.addr(), Fault::None);
    let port = relay.addr().port();
    let patient = through(&ftpd, port);
    let hasty = FtpSettings { connect_timeout: SHORT, io_timeout: SHORT, ..patient.clone() };
    let bytes = noise(1 << 20);
    let talk = |settings: &FtpSettings| -> Result<(), SiteError> {
        // What the server of the last round has left, or would still do.
        ftpd.kill_connections();
        for entry in std::fs::read_dir(ftpd.root()).unwrap() {
            std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        let mut session = Ftp::new(settings.clone()).connect()?;
        session.make_dirs(&path("d"))?;
        put(session.as_mut(), "d/x", &bytes)?;
        session.list(&path("d"))?;
        assert_eq!(session.get(&path("d/x"), 0, &mut std::io::sink())?, bytes.len() as u64);
        session.rename_new(&path("d/x"), &path("d/y"))?;
        session.remove(&path("d/y"))
    };
    talk(&patient).unwrap();
    let whole = relay.sent();
    // How long the last commands are varies a little; a cut behind all of them is none.
    for (round, at) in (0..whole - 200).step_by(usize::try_from(whole / 40).unwrap()).enumerate() {
        let stall = round % 10 == 0;
        relay.set(match round % 2 {
            _ if stall => Fault::StallAfter(at),
            0 => Fault::CutAfter(at),
            _ => Fault::ResetAfter(at),
        });
        let begin = Instant::now();
        let err = talk(if stall { &hasty } else { &patient }).expect_err("the cut is noticed");
        match stall {
            true => assert!(matches!(err.kind, SiteErrorKind::Timeout), "stalled after {at}: {err:?}"),
            // Not when some time is up, but at once.
            false => assert!(
                matches!(err.kind, SiteErrorKind::Disconnected | SiteErrorKind::Unreachable),
                "cut after {at} of {whole}: {err:?}"
            ),
        }
        assert!(begin.elapsed() < SHORT + LATE, "cut after {at}: {:?}", begin.elapsed());
    }
    relay.set(Fault::None);
    talk(&patient).unwrap();
}

#[test]
fn data_that_is_cut_is_never_taken_for_whole() {
    for kind in [Kind::ProFtpd, Kind::Vsftpd, Kind::PureFtpd] {
        let ftpd = Ftpd::start(kind, Security::Plain);
        let relay = FtpRelay::start(ftpd.addr(), Fault::None);
        let bytes = noise(3 << 20);
        for fault in [Fault::CutAfter(1_000_000), Fault::ResetAfter(1_000_000), Fault::LoseAfter(1_000_000)] {
            relay.set_data(fault);
            let mut session = connect(through(&ftpd, relay.addr().port()));
            let err = put(session.as_mut(), "x", &bytes).unwrap_err();
            assert!(
                matches!(err.kind, SiteErrorKind::Disconnected | SiteErrorKind::Protocol),
                "{fault:?} at {kind:?}: {err:?}"
            );
            if fault == Fault::LoseAfter(1_000_000) {
                // The server has said that all went well.
                assert!(err.message.contains("it has 1000000 of 3145728 bytes"), "{kind:?}: {err:?}");
            }
            relay.set_data(Fault::None);
            let mut session = connect(through(&ftpd, relay.addr().port()));
            session.remove(&path("x")).unwrap();
        }
    }
}

#[test]
fn a_killed_server_is_noticed_at_once() {
    let ftpd = Ftpd::start(Kind::PureFtpd, Security::Explicit);
    let mut session = connect(settings(&ftpd));
    ftpd.kill_connections();
    let begin = Instant::now();
    assert_eq!(session.stat(&path("x")).unwrap_err().kind, SiteErrorKind::Disconnected);
    assert_dead(session);
    assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
}

#[test]
fn a_full_disk_passes() {
    for kind in [Kind::ProFtpd, Kind::Vsftpd, Kind::PureFtpd] {
        let ftpd = Ftpd::start(kind, Security::Explicit);
        let disk = SmallDisk::mount(&ftpd.root(), 2 << 20);
        let bytes = noise(5 << 20);
        let err = put(connect(settings(&ftpd)).as_mut(), "x", &bytes).unwrap_err();
        assert_eq!(err.kind.fault(), crate::exit::Fault::TryLater, "{kind:?}: {err:?}");
        ftpd.kill_connections();
        let mut session = connect(settings(&ftpd));
        session.remove(&path("x")).unwrap();
        assert_eq!(put(session.as_mut(), "x", &bytes[..1 << 20]).unwrap(), 1 << 20, "{kind:?}");
        drop(disk);
    }
}

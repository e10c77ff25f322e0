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
use crate::servers::ftp_settings as settings;
use intraware_core::site::conformance::{Hashes, Subject, conformance, noise};
use intraware_core::site::{Entry, EntryKind, RemotePath, SiteErrorKind};

mod line;
mod login;
mod odd;

/// Short enough to wait for in a test. A loaded machine may take longer for what it does: it is for those who
/// say nothing.
const SHORT: Duration = Duration::from_millis(1_500);

/// How long anything else may take on a loaded machine; less than the time allowed where nothing is to run
/// out.
const LATE: Duration = Duration::from_secs(15);

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
fn a_full_disk_passes() {
    for kind in [Kind::ProFtpd, Kind::Vsftpd, Kind::PureFtpd] {
        let ftpd = Ftpd::start(kind, Security::Explicit);
        let disk = SmallDisk::mount(&ftpd.root(), 2 << 20);
        let bytes = noise(5 << 20);
        let err = put(connect(settings(&ftpd)).as_mut(), "x", &bytes).unwrap_err();
        assert_eq!(err.kind.fault(), intraware_core::exit::Fault::TryLater, "{kind:?}: {err:?}");
        ftpd.kill_connections();
        let mut session = connect(settings(&ftpd));
        session.remove(&path("x")).unwrap();
        assert_eq!(put(session.as_mut(), "x", &bytes[..1 << 20]).unwrap(), 1 << 20, "{kind:?}");
        drop(disk);
    }
}

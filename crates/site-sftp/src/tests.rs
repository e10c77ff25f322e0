//! The SFTP site against real OpenSSH servers, whole and with faults in between.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use intraware_test_support::proftpd::ModSftp;
use intraware_test_support::relay::{Fault, Relay};
use intraware_test_support::sshd::{Access, Sshd};

use super::*;
use crate::servers::{mod_sftp_settings as at_proftpd, sftp_settings as settings, through};
use intraware_core::site::conformance::{Hashes, Subject, conformance, noise};
use intraware_core::site::{RemotePath, SiteErrorKind};

mod login;
mod odd;
mod scripts;
mod windows;

/// Long enough for a loaded machine to answer, short enough to wait for in a test.
const SHORT: Duration = Duration::from_millis(1_500);

/// How long anything else may take on a loaded machine; less than the time allowed where nothing is to run
/// out.
const LATE: Duration = Duration::from_secs(15);

fn key(file: PathBuf) -> Credential {
    Credential::Key { key: Secret::new(fs::read(&file).unwrap()), file, passphrase: None }
}

fn fails(settings: SftpSettings) -> SiteError {
    Sftp::new(settings).connect().err().expect("no session")
}

fn path(text: &str) -> RemotePath {
    RemotePath::new(text).unwrap()
}

#[test]
fn s0_46_openssh_keeps_the_contract_of_a_site() {
    let sshd = Sshd::start(Access::Shell);
    conformance(&Subject::new(Sftp::new(settings(&sshd)), sshd.root()));
}

#[test]
fn s0_46_openssh_without_commands_keeps_the_contract_of_a_site() {
    for access in [Access::SftpOnly, Access::Chrooted] {
        let sshd = Sshd::start(access);
        let subject = Subject::new(Sftp::new(settings(&sshd)), sshd.root());
        conformance(&Subject { hashes: Hashes::Nothing, ..subject });
    }
}

#[test]
fn s0_46_openssh_without_attributes_and_extensions_keeps_the_contract_of_a_site() {
    let sshd = Sshd::start(Access::Bare);
    let subject = Subject::new(Sftp::new(settings(&sshd)), sshd.root());
    let (hashes, file_mode) = (Hashes::Nothing, None);
    let subject = Subject { hashes, file_mode, flushes: false, ..subject };
    conformance(&Subject { cuts: false, tells_space: false, ..subject });
}

#[test]
fn s0_46_proftpd_keeps_the_contract_of_a_site_with_and_without_extensions() {
    for lines in ["", "SFTPExtensions -fsync -posixRename -statvfs -vendorID -hardlink -homeDirectory"] {
        let server = ModSftp::start(lines);
        let subject = Subject::new(Sftp::new(at_proftpd(&server)), server.root());
        let subject = Subject { flushes: lines.is_empty(), ..subject };
        conformance(&Subject { hashes: Hashes::Nothing, tells_space: lines.is_empty(), ..subject });
    }
}

#[test]
fn s0_46_proftpd_takes_a_password() {
    let server = ModSftp::start("");
    let credentials = vec![Credential::Password(Secret::new(server.password()))];
    assert!(Sftp::new(SftpSettings { credentials, ..at_proftpd(&server) }).connect().is_ok());
}

#[test]
fn a_base_may_be_relative_to_the_login_directory_and_must_exist() {
    let sshd = Sshd::start(Access::Shell);
    let session =
        Sftp::new(SftpSettings { base: BasePath::Home(String::new()), ..settings(&sshd) }).connect();
    assert!(session.unwrap().stat(&RemotePath::base()).unwrap().is_some());
    let err = fails(SftpSettings { base: BasePath::Home("no/such/place".into()), ..settings(&sshd) });
    assert_eq!(err.kind, SiteErrorKind::Configuration);
}

#[test]
fn a_changed_host_key_ends_the_connection_before_any_login() {
    let sshd = Sshd::start(Access::Shell);
    sshd.change_host_key(true);
    let err = fails(settings(&sshd));
    assert_eq!(err.kind, SiteErrorKind::HostKey);
    for key in ["host_ed25519", "other_ed25519"] {
        assert!(err.message.contains(&sshd.fingerprint(key)), "{err} lacks the fingerprint of {key}");
    }
    sshd.change_host_key(false);
    assert!(Sftp::new(settings(&sshd)).connect().is_ok());
    let log = sshd.log();
    let (first, second) = log.split_at(log.rfind("Connection from").unwrap());
    assert!(first.contains("Connection from") && second.contains("Accepted publickey"), "{log}");
    assert!(!first.contains("key") && !first.contains("user"), "a login was tried: {first}");
}

#[test]
fn an_unknown_or_revoked_host_key_is_refused() {
    let sshd = Sshd::start(Access::Shell);
    let known_hosts = sshd.known_hosts().with_file_name("known_hosts.edited");
    let mut settings = settings(&sshd);
    settings.known_hosts = known_hosts.clone();
    assert_eq!(fails(settings.clone()).kind, SiteErrorKind::Configuration, "no file");
    std::fs::write(&known_hosts, "other.example ssh-ed25519 AAAA\n").unwrap();
    let err = fails(settings.clone());
    assert_eq!(err.kind, SiteErrorKind::HostKey);
    assert!(err.message.contains(&sshd.fingerprint("host_ed25519")), "{err}");
    let lines = sshd.known_host_lines(&["host_ed25519"]);
    std::fs::write(&known_hosts, format!("{lines}@revoked {lines}")).unwrap();
    let err = fails(settings.clone());
    assert!(err.kind == SiteErrorKind::HostKey && err.message.contains("revoked by line 2"), "{err}");
    std::fs::write(&known_hosts, sshd.known_host_lines(&["host_ecdsa"])).unwrap();
    assert!(Sftp::new(settings).connect().is_ok(), "the server has the known key besides its preferred one");
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1);
}

#[test]
fn s0_46_credentials_are_tried_in_their_order() {
    let sshd = Sshd::start(Access::Shell);
    let err = fails(SftpSettings { credentials: vec![key(sshd.stranger_key())], ..settings(&sshd) });
    assert_eq!(err.kind, SiteErrorKind::Auth);
    let password = Credential::Password(Secret::new("canary-5d41"));
    let err = fails(SftpSettings { credentials: vec![password], ..settings(&sshd) });
    assert!(err.kind == SiteErrorKind::Auth && !format!("{err:?}").contains("canary"), "{err:?}");
    let credentials = vec![key(sshd.stranger_key()), key(sshd.client_key())];
    assert!(Sftp::new(SftpSettings { credentials, ..settings(&sshd) }).connect().is_ok());
    assert_eq!(fails(SftpSettings { credentials: vec![], ..settings(&sshd) }).kind, SiteErrorKind::Auth);
    let rubbish = Credential::Key { key: Secret::new("no key"), file: "rubbish".into(), passphrase: None };
    let err = fails(SftpSettings { credentials: vec![rubbish], ..settings(&sshd) });
    assert_eq!(err.kind, SiteErrorKind::Auth);
    assert!(err.message.contains("key rubbish: the key cannot be read"), "{err:?}");
}

#[test]
fn s0_46_a_protected_key_needs_its_passphrase() {
    for cipher in ["aes256-ctr", "chacha20-poly1305@openssh.com"] {
        let sshd = Sshd::start(Access::Shell);
        let file = sshd.protected_key("correct horse", cipher);
        let with = |passphrase: Option<&str>| {
            let passphrase = passphrase.map(Secret::new);
            let key = Secret::new(fs::read(&file).unwrap());
            let credentials = vec![Credential::Key { key, file: file.clone(), passphrase }];
            Sftp::new(SftpSettings { credentials, ..settings(&sshd) }).connect()
        };
        assert!(with(Some("correct horse")).is_ok(), "{cipher}");
        for wrong in [None, Some("canary-9c1f")] {
            let err = with(wrong).err().expect("no session");
            assert_eq!(err.kind, SiteErrorKind::Auth, "{cipher}");
            assert!(!format!("{err:?}").contains("canary"), "{err:?}");
        }
    }
}

#[test]
fn s0_46_an_agent_may_hold_the_key() {
    let sshd = Sshd::start(Access::Shell);
    let agent = sshd.agent(&[sshd.stranger_key(), sshd.client_key()]);
    let credentials = vec![Credential::Agent { socket: agent.socket().into() }];
    assert!(Sftp::new(SftpSettings { credentials, ..settings(&sshd) }).connect().is_ok());
    let credentials = vec![Credential::Agent { socket: "/nonexistent/agent".into() }];
    assert_eq!(fails(SftpSettings { credentials, ..settings(&sshd) }).kind, SiteErrorKind::Auth);
}

#[test]
fn nobody_listening_is_unreachable() {
    let sshd = Sshd::start(Access::Shell);
    let settings = settings(&sshd);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(fails(SftpSettings { port: free, ..settings.clone() }).kind, SiteErrorKind::Unreachable);
    let host = "no-such-host.invalid".to_owned();
    assert_eq!(fails(SftpSettings { host, ..settings }).kind, SiteErrorKind::Unreachable);
}

#[test]
fn a_mute_server_is_given_up_in_time() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), Fault::Mute);
    let begin = Instant::now();
    let err = fails(SftpSettings { connect_timeout: SHORT, ..through(settings(&sshd), &relay) });
    assert_eq!(err.kind, SiteErrorKind::Timeout);
    assert!(begin.elapsed() >= SHORT && begin.elapsed() < SHORT + LATE, "{:?}", begin.elapsed());
}

#[test]
fn the_time_to_connect_includes_that_to_find_the_base() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), Fault::None);
    let settings = SftpSettings { connect_timeout: SHORT, ..through(settings(&sshd), &relay) };
    let session = Sftp::new(settings.clone()).connect().unwrap();
    let asked = relay.pieces();
    drop(session);
    // The last questions are for the channel, the subsystem, its version and the base.
    for end in asked.into_iter().rev().take(4) {
        relay.set(Fault::StallAfter(end - 1));
        let begin = Instant::now();
        assert_eq!(fails(settings.clone()).kind, SiteErrorKind::Timeout, "stalled after {end}");
        assert!(begin.elapsed() < SHORT + LATE, "stalled after {end}: {:?}", begin.elapsed());
    }
}

#[test]
fn a_stall_ends_the_session_in_time_and_for_good() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), Fault::StallAfter(1_000_000));
    let site = Sftp::new(SftpSettings { io_timeout: SHORT, ..through(settings(&sshd), &relay) });
    let mut session = site.connect().unwrap();
    let bytes = noise(8 << 20);
    let begin = Instant::now();
    let err = session.put(&path("x"), 0, &mut &bytes[..], &mut |_| ()).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::Timeout);
    assert!(begin.elapsed() >= SHORT && begin.elapsed() < SHORT + LATE, "{:?}", begin.elapsed());
    let after = Instant::now();
    for _ in 0..3 {
        assert_eq!(session.stat(&path("x")).unwrap_err().kind, SiteErrorKind::Disconnected);
    }
    drop(session);
    // Less than any of them would have waited.
    assert!(after.elapsed() < SHORT, "{:?}", after.elapsed());
}

#[test]
fn a_put_or_get_that_drips_is_given_up_in_time_though_something_is_always_heard() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), Fault::None);
    let io_timeout = Duration::from_secs(1);
    let site = Sftp::new(SftpSettings { io_timeout, min_rate: 1 << 20, ..through(settings(&sshd), &relay) });
    let bytes = noise(30 << 20);
    std::fs::write(sshd.root().join("there"), &bytes).unwrap();
    let given_up = |what: &str, fault: Fault, action: &mut dyn FnMut(&mut dyn Session) -> SiteError| {
        relay.set(fault);
        let mut session = site.connect().unwrap();
        let err = action(session.as_mut());
        let (end, met) = (Instant::now(), relay.met().expect("it dripped"));
        assert_eq!(err.kind, SiteErrorKind::Timeout, "{what}: {err:?}");
        // What moved fast before it began makes up for nothing.
        assert!(end - met >= io_timeout / 2 && end - met < io_timeout + LATE, "{what}: {:?}", end - met);
        assert_eq!(session.stat(&path("x")).unwrap_err().kind, SiteErrorKind::Disconnected);
    };
    let rate = 200 << 10;
    given_up("a put", Fault::DripAfter(1_000_000, rate), &mut |session| {
        session.put(&path("x"), 0, &mut &bytes[..], &mut |_| ()).unwrap_err()
    });
    given_up("a get", Fault::DripAfter(6_000, rate), &mut |session| {
        session.get(&path("there"), 0, &mut std::io::sink()).unwrap_err()
    });
}

#[test]
fn a_connection_may_be_cut_at_any_byte() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), Fault::None);
    let settings = through(settings(&sshd), &relay);
    let bytes = noise(3 << 20);
    let talk = || -> Result<(), SiteError> {
        // What the server of the last round has left, or would still do.
        sshd.kill_connections();
        std::fs::remove_dir_all(sshd.root()).unwrap();
        std::fs::create_dir(sshd.root()).unwrap();
        let mut session = Sftp::new(settings.clone()).connect()?;
        session.make_dirs(&path("d"))?;
        session.put(&path("d/x"), 0, &mut &bytes[..], &mut |_| ())?;
        session.sha256(&path("d/x"), bytes.len() as u64)?;
        session.list(&path("d"))?;
        assert_eq!(session.get(&path("d/x"), 0, &mut std::io::sink())?, bytes.len() as u64);
        session.rename_new(&path("d/x"), &path("d/y"))?;
        session.remove(&path("d/y"))
    };
    talk().unwrap();
    let whole = relay.sent();
    // Densely through greeting, key exchange and login; then through the transfer; then through what follows.
    let early = (0..6_000).step_by(333);
    let late = (whole - 1_500..whole).step_by(111);
    for (round, at) in early.chain([700_000, 2_000_000]).chain(late).enumerate() {
        relay.set(if round % 2 == 0 { Fault::CutAfter(at) } else { Fault::ResetAfter(at) });
        let names = ["d/x", "d/y"].map(|name| sshd.root().join(name));
        // An earlier round may have been cut between its last two steps.
        let _ = std::fs::remove_file(&names[1]);
        let begin = Instant::now();
        match talk() {
            Err(err) => assert!(
                matches!(err.kind, SiteErrorKind::Disconnected | SiteErrorKind::Unreachable),
                "cut after {at} of {whole}: {err:?}"
            ),
            // How much is said after the transfer varies, so that the last cuts may come too late.
            Ok(()) => assert!(at > bytes.len() as u64, "cut after {at} of {whole}: nobody noticed"),
        }
        assert!(begin.elapsed() < LATE, "cut after {at}: {:?}", begin.elapsed());
    }
    relay.set(Fault::None);
    talk().unwrap();
}

#[test]
fn a_killed_server_is_noticed_at_once() {
    let sshd = Sshd::start(Access::Shell);
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    sshd.kill_connections();
    let begin = Instant::now();
    assert_eq!(session.stat(&path("x")).unwrap_err().kind, SiteErrorKind::Disconnected);
    drop(session);
    assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
}

#[test]
fn a_long_line_is_kept_full() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), Fault::Delay(Duration::from_millis(25)));
    let mut session = Sftp::new(through(settings(&sshd), &relay)).connect().unwrap();
    let bytes = noise(24 << 20);
    let begin = Instant::now();
    session.put(&path("x"), 0, &mut &bytes[..], &mut |_| ()).unwrap();
    // At 50 ms a round trip, one packet at a time would take 40 s, and a window of 1 MiB at a time 1.2 s more
    // than the window of the server's channel, which is 2 MiB, allows.
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert!(std::fs::read(sshd.root().join("x")).unwrap() == bytes);
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let sshd = Sshd::start(Access::Shell);
    let disk = intraware_test_support::disk::SmallDisk::mount(&sshd.root(), 2 << 20);
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    let free = session.free_space(&RemotePath::base()).unwrap().unwrap();
    assert!(free <= 2 << 20, "{free}");
    let bytes = noise(5 << 20);
    let err = session.put(&path("x"), 0, &mut &bytes[..], &mut |_| ()).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::NoSpace, "{err:?}");
    session.remove(&path("x")).expect("the session is still of use");
    // The server keeps the space until it has closed the file.
    sshd.kill_connections();
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    assert_eq!(session.put(&path("x"), 0, &mut &bytes[..1 << 20], &mut |_| ()).unwrap(), 1 << 20);
    drop(disk);
}

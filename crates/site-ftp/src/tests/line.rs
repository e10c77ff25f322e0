//! Lines that are cut, stall or drip, and servers that do.

use super::*;

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

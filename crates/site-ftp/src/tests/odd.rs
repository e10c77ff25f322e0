//! Servers with habits of their own.

use intraware_test_support::odd_ftpd::{Habits as Odd, Listing, OddFtpd, Ports, Tls};

use super::*;
use crate::servers::odd_settings;

fn start(habits: Odd) -> (OddFtpd, FtpSettings) {
    let ftpd = OddFtpd::start(habits);
    let settings = odd_settings(&ftpd);
    (ftpd, settings)
}

/// Does with a site what a delivery does, and asserts that each answer is true.
fn serves(session: &mut dyn Session) {
    assert_eq!(session.stat(&path("a")).unwrap(), None);
    assert_eq!(session.make_dirs(&path("a/b")).unwrap(), 2);
    assert_eq!(session.make_dirs(&path("a/b")).unwrap(), 0);
    assert_eq!(session.stat(&path("a/b")).unwrap().unwrap().kind, EntryKind::Directory);
    assert_eq!(session.list(&path("a/b")).unwrap(), [""; 0]);
    put(session, "a/b/.part", b"12345").unwrap();
    assert_eq!(session.stat(&path("a/b/.part")).unwrap(), Some(Entry { kind: EntryKind::File, size: 5 }));
    assert_eq!(session.list(&path("a/b")).unwrap(), [".part"]);
    session.rename_new(&path("a/b/.part"), &path("a/b/x y")).unwrap();
    put(session, "a/b/z", b"other").unwrap();
    assert_eq!(session.rename_new(&path("a/b/z"), &path("a/b/x y")).unwrap_err().kind, SiteErrorKind::Exists);
    let mut back = Vec::new();
    session.get(&path("a/b/x y"), 0, &mut back).unwrap();
    assert_eq!(back, b"12345");
    assert_eq!(session.stat(&path("a/b/none")).unwrap(), None);
    assert_eq!(session.stat(&path("none/b")).unwrap(), None);
    session.remove(&path("a/b/z")).unwrap();
    assert_eq!(session.remove(&path("a/b/z")).unwrap_err().kind, SiteErrorKind::NotFound);
}

#[test]
fn f_12_listings_of_all_forms_serve() {
    for listing in [Listing::Unix, Listing::DomainUsers, Listing::Iso, Listing::Dos] {
        for (lists_itself, stat_lists) in [(true, true), (false, true), (false, false)] {
            let (_ftpd, settings) = start(Odd { listing, lists_itself, stat_lists, ..Odd::default() });
            serves(connect(settings).as_mut());
        }
    }
}

#[test]
fn p_2_what_a_listing_shows_is_there_whatever_facts_say() {
    let (ftpd, settings) = start(Odd {
        lists_itself: false,
        lacks: &["MLSD"],
        features: Some(&["SIZE", "MLST type*;size*;"]),
        facts_are_local: true,
        ..Odd::default()
    });
    std::fs::write(ftpd.root().join("released"), "12345").unwrap();
    let mut session = connect(settings.clone());
    assert_eq!(session.stat(&path("released")).unwrap().unwrap().size, 5);
    put(session.as_mut(), "new", b"x").unwrap();
    let mut session = connect(settings);
    let taken = session.rename_new(&path("new"), &path("released")).unwrap_err();
    assert_eq!(taken.kind, SiteErrorKind::Exists, "{taken:?}");
    assert_eq!(std::fs::read(ftpd.root().join("released")).unwrap(), b"12345");
}

#[test]
fn p_2_absence_is_said_by_both_while_facts_have_shown_nothing() {
    // It says of every name that nothing is there, and is right by its sizes alone.
    let (ftpd, settings) = start(Odd {
        listing: Listing::Own,
        lists_itself: false,
        features: Some(&["SIZE", "MLST type*;size*;"]),
        lacks: &["MLSD"],
        ..Odd::default()
    });
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("MLST", "550 no such thing");
    std::fs::write(ftpd.root().join("released"), "12345").unwrap();
    let mut session = connect(FtpSettings { port: relay.addr().port(), ..settings });
    assert_eq!(session.stat(&path("released")).unwrap().unwrap().size, 5);
    assert_eq!(session.stat(&path("none")).unwrap(), None);
}

#[test]
fn p_3_sizes_and_unannounced_facts_are_enough() {
    for (listing, absent) in [(Listing::Unix, 550), (Listing::Dos, 450), (Listing::Unix, 451)] {
        let stat_lists = false;
        let (_ftpd, settings) =
            start(Odd { listing, lists_itself: false, stat_lists, absent, ..Odd::default() });
        serves(connect(settings).as_mut());
    }
    // It has facts, and says so to nobody.
    let own = Odd { listing: Listing::Own, lists_itself: false, stat_lists: false, ..Odd::default() };
    let (_ftpd, settings) = start(Odd { features: None, lacks: &["FEAT"], ..own });
    serves(connect(settings).as_mut());
}

#[test]
fn p_4_a_misfit_is_no_passing_fault() {
    let own = Odd { listing: Listing::Own, lists_itself: false, ..Odd::default() };
    for (verb, odd) in [
        ("stat", own.clone()),
        ("list", own.clone()),
        ("put", Odd { lacks: &["EPSV", "PASV"], ..Odd::default() }),
        ("stat", Odd { lists_itself: false, lacks: &["SIZE", "MLST"], ..Odd::default() }),
    ] {
        let (ftpd, settings) = start(odd.clone());
        std::fs::write(ftpd.root().join("other"), "x").unwrap();
        let mut session = connect(settings);
        let err = match verb {
            "stat" => session.stat(&path("x")).unwrap_err(),
            "list" => session.list(&RemotePath::base()).unwrap_err(),
            _ => put(session.as_mut(), "x", b"x").unwrap_err(),
        };
        assert_eq!(err.kind, SiteErrorKind::Unsupported, "{verb} {odd:?}: {err:?}");
        assert!(!err.to_string().contains("port and tls"), "{err}");
        assert_eq!(session.stat(&RemotePath::base()).unwrap().unwrap().kind, EntryKind::Directory);
    }
}

#[test]
fn p_6_a_directory_is_made_whatever_is_said_of_its_absence() {
    let (ftpd, settings) = start(Odd { absent: 451, ..Odd::default() });
    serves(connect(settings).as_mut());
    assert!(ftpd.root().join("a/b").is_dir());
}

#[test]
fn p_5_a_server_that_takes_the_beginning_of_tls_for_a_command_is_met_once_more() {
    let (ftpd, settings) = start(Odd { tls: Tls::ExplicitRaced(1), ..Odd::default() });
    serves(connect(settings.clone()).as_mut());
    assert_eq!(ftpd.take_commands().iter().filter(|line| *line == "AUTH TLS").count(), 2);
    let (ftpd, settings) = start(Odd { tls: Tls::ExplicitRaced(9), ..Odd::default() });
    let err = fails(settings);
    assert_eq!(err.kind, SiteErrorKind::Disconnected, "{err:?}");
    assert_eq!(ftpd.take_commands(), ["AUTH TLS", "AUTH TLS"], "twice, and no password");
}

#[test]
fn p_7_an_answer_in_two_pieces_costs_no_pause() {
    let (ftpd, settings) = start(Odd { answers_in_pieces: true, ..Odd::default() });
    let mut session = connect(settings);
    let begin = Instant::now();
    for _ in 0..50 {
        assert_eq!(session.stat(&path("none")).unwrap(), None);
    }
    // Twice as many answers, each of which took some 40 ms.
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    drop(ftpd);
}

#[test]
fn p_11_tls_of_data_begins_before_the_answer() {
    for tls in [Tls::Explicit, Tls::ExplicitDataFirst] {
        let (_ftpd, settings) = start(Odd { tls, stat_lists: false, ..Odd::default() });
        let mut session = connect(settings);
        let begin = Instant::now();
        serves(session.as_mut());
        let refused = session.get(&path("a"), 0, &mut Vec::new()).unwrap_err();
        assert_eq!(refused.kind, SiteErrorKind::NotRegular, "{refused:?}");
        assert!(begin.elapsed() < LATE, "{tls:?}: {:?}", begin.elapsed());
    }
}

#[test]
fn p_12_data_that_is_not_protected_is_a_matter_of_configuration() {
    let (ftpd, settings) = start(Odd { tls: Tls::ExplicitControlOnly, ..Odd::default() });
    let err = fails(settings);
    assert_eq!(err.kind, SiteErrorKind::Configuration, "{err:?}");
    assert!(err.message.contains("PBSZ 0") && err.message.contains("TLS for data"), "{err}");
    assert!(!ftpd.take_commands().iter().any(|line| line.starts_with("STOR")));
}

#[test]
fn f_13_ports_of_pasv_are_tried_where_those_of_epsv_are_dead_and_from_then_on() {
    for ports in [Ports::ExtendedRefused, Ports::ExtendedSilent] {
        let (ftpd, settings) = start(Odd { ports, lists_itself: false, stat_lists: false, ..Odd::default() });
        let settings = FtpSettings { io_timeout: SHORT * 2, ..settings };
        serves(connect(settings.clone()).as_mut());
        put(connect(settings.clone()).as_mut(), "a/new", b"x").unwrap();
        let asked = |lines: Vec<String>| lines.iter().filter(|line| *line == "EPSV").count();
        assert_eq!(asked(ftpd.take_commands()), 1, "{ports:?}");
        // Another filter now: what is known is asked again, after a failure.
        ftpd.change(|odd| odd.ports = Ports::PassiveRefused);
        put(connect(settings.clone()).as_mut(), "a/newer", b"x").unwrap_err();
        put(connect(settings.clone()).as_mut(), "a/newer", b"x").unwrap();
        // Another server: it is asked for both.
        let (_ftpd, other) = start(Odd { lacks: &["MLST", "MLSD", "PASV"], ..Odd::default() });
        settings.known.learn(&connect(other.clone()).peer(), |habits| habits.takes_epsv = Some(false));
        put(connect(FtpSettings { known: settings.known, ..other }).as_mut(), "new", b"x").unwrap();
    }
}

#[test]
fn f_13_a_put_begins_once_more_in_its_directory() {
    let (ftpd, settings) = start(Odd { ports: Ports::ExtendedRefused, ..Odd::default() });
    std::fs::create_dir(ftpd.root().join("dir")).unwrap();
    std::fs::write(ftpd.root().join("dir/x"), "hello").unwrap();
    let mut session = connect(settings);
    assert_eq!(session.put(&path("dir/x"), 5, &mut &b" world"[..], &mut |_| ()).unwrap(), 6);
    assert_eq!(std::fs::read(ftpd.root().join("dir/x")).unwrap(), b"hello world");
}

#[test]
fn p_8_a_server_that_sets_no_modes_is_asked_once() {
    let (ftpd, settings) = start(Odd { lacks: &["MLST", "MLSD", "SITE"], ..Odd::default() });
    for name in ["a", "b"] {
        put(connect(settings.clone()).as_mut(), name, b"x").unwrap();
    }
    assert_eq!(ftpd.take_commands().iter().filter(|line| line.starts_with("SITE")).count(), 1);
}

#[test]
fn f_10_a_server_may_take_the_time_that_its_disk_needs_for_what_was_sent() {
    let bytes = noise(48 << 20);
    for tls in [Tls::None, Tls::Explicit] {
        let (ftpd, settings) = start(Odd { tls, flush_ns_per_byte: 45, ..Odd::default() });
        let mut session = connect(FtpSettings { io_timeout: SHORT, ..settings });
        assert_eq!(put(session.as_mut(), "x", &bytes).unwrap(), bytes.len() as u64);
        drop(ftpd);
    }
    // It is not waited for without end.
    let (_ftpd, settings) = start(Odd { flush_ns_per_byte: 1_000, ..Odd::default() });
    let mut session = connect(FtpSettings { io_timeout: SHORT, ..settings });
    let begin = Instant::now();
    let err = put(session.as_mut(), "x", &bytes[..16 << 20]).unwrap_err();
    assert!(err.kind == SiteErrorKind::Timeout && begin.elapsed() < LATE, "{err:?}");
}

//! Deliveries to SFTP servers with habits that OpenSSH's has not.

use intraware_test_support::odd_sftp::{Commands, OddSftp};

use super::*;
use intraware_core::site::{Habits, Known, Link, Pool};

/// So much that it takes longer to send, far away, than to make another connection.
const LARGE: usize = 80_000_001;

fn fetch(server: &OddSftp, payload: &Payload) -> Vec<u8> {
    fs::read(server.root().join(payload.place.payload().as_str())).unwrap()
}

#[test]
fn n_3_what_comes_to_stand_at_the_final_name_meanwhile_is_never_overwritten() {
    let server = OddSftp::start("overwrites", Commands::Run);
    let site = Sftp::new(sftp_settings(&server));
    let (payload, mut session) = (Payload::noise(), site.connect().unwrap());
    let at = server.root().join(payload.place.payload().as_str());
    let staged = stage(session.as_mut(), &payload.delivery(), &payload.file, &mut |_| ()).unwrap();
    fs::write(&at, "somebody else's").unwrap();
    let refused = commit(session.as_mut(), &payload.delivery(), staged).unwrap_err();
    assert!(matches!(refused, DeliverError::Foreign(_)), "{refused}");
    assert_eq!(fs::read(&at).unwrap(), b"somebody else's");
}

#[test]
fn n_6_a_server_that_makes_each_file_anew_gets_a_payload_over_one_connection() {
    let server = OddSftp::start("makes-anew", Commands::Refused);
    let relay = Relay::start(server.addr(), LineFault::Delay(Duration::from_millis(20)));
    let site = Sftp::new(through(sftp_settings(&server), &relay));
    let payload = Payload::new(noise(LARGE));
    let pool = Pool::new(&site, 4);
    let delivery = Delivery { pool: Some(&pool), ..payload.delivery() };
    payload.deliver_as(Link::new(&pool).open().unwrap(), &delivery).expect("a delivery");
    assert!(relay.accepted() > 1, "others were to help");
    assert!(fetch(&server, &payload) == payload.bytes);
}

#[test]
fn n_6_what_several_connections_have_spoiled_is_sent_over_one_and_that_is_remembered() {
    let server = OddSftp::start("one-writer", Commands::Refused);
    let relay = Relay::start(server.addr(), LineFault::Delay(Duration::from_millis(20)));
    let known = Known::default();
    let site = Sftp::new(SftpSettings { known: known.clone(), ..through(sftp_settings(&server), &relay) });
    let pool = Pool::new(&site, 4);
    let payload = Payload::new(noise(LARGE));
    let delivery = Delivery { pool: Some(&pool), ..payload.delivery() };
    let mut link = Link::new(&pool);
    let delivered = payload.deliver_as(link.open().unwrap(), &delivery).expect("a delivery");
    assert_eq!(delivered.sent, 2 * LARGE as u64);
    assert!(fetch(&server, &payload) == payload.bytes);
    fs::remove_file(server.root().join(payload.place.payload().as_str())).unwrap();
    assert_eq!(known.habits(&link.open().unwrap().peer()).writes_anywhere, Some(false));
    let delivered = payload.deliver_as(link.open().unwrap(), &delivery).expect("a delivery");
    assert_eq!(delivered.sent, LARGE as u64);
}

#[test]
fn n_6_a_partial_file_is_not_gone_on_with_where_that_is_known_to_be_in_vain() {
    let server = OddSftp::start("makes-anew", Commands::Refused);
    let peer = Sftp::new(sftp_settings(&server)).connect().unwrap().peer();
    let habits = Habits { appends: Some(false), writes_anywhere: Some(false), ..Habits::default() };
    let site = Sftp::new(SftpSettings { known: Known::of(peer, habits), ..sftp_settings(&server) });
    let (payload, mut session) = (Payload::noise(), site.connect().unwrap());
    session.make_dirs(payload.place.dir()).unwrap();
    fs::write(server.root().join(payload.part().as_str()), &payload.bytes[..SIZE / 2]).unwrap();
    let delivered = payload.deliver(session.as_mut()).unwrap();
    assert_eq!((delivered.resumed_from, delivered.sent), (0, SIZE as u64));
    assert!(fetch(&server, &payload) == payload.bytes);
}

#[test]
fn f_10_a_payload_that_is_whole_gets_its_name_though_each_flush_is_too_slow() {
    for habit in ["slow-flush=7", "slow-close=7"] {
        let server = OddSftp::start(habit, Commands::Refused);
        let io_timeout = Duration::from_secs(3);
        let site = Sftp::new(SftpSettings { io_timeout, ..sftp_settings(&server) });
        let payload = Payload::noise();
        let err = payload.deliver(site.connect().unwrap().as_mut()).unwrap_err();
        assert_eq!(err.fault(), Fault::TryLater, "{err:?}");
        let delivered = payload.deliver(site.connect().unwrap().as_mut()).expect(habit);
        assert_eq!((delivered.resumed_from, delivered.sent), (SIZE as u64, 0), "{habit}");
        assert!(fetch(&server, &payload) == payload.bytes);
    }
}

#[test]
fn n_4_a_payload_is_proven_by_reading_it_back_where_a_shell_never_answers() {
    for commands in [Commands::Mute, Commands::Kill] {
        let server = OddSftp::start("", commands);
        let io_timeout = Duration::from_secs(60);
        let site = Sftp::new(SftpSettings { io_timeout, ..sftp_settings(&server) });
        let (pool, begin) = (Pool::new(&site, 1), std::time::Instant::now());
        for path in ["a/b", "a/c"] {
            let payload = Payload { place: Place::of_build(path.as_bytes()).unwrap(), ..Payload::noise() };
            let delivered = payload.deliver(Link::new(&pool).open().unwrap()).expect("a delivery");
            assert_eq!(delivered.verified_by, Strength::ReadBack, "{commands:?}");
            assert!(fetch(&server, &payload) == payload.bytes);
        }
        assert!(begin.elapsed() < Duration::from_secs(40), "{commands:?}: {:?}", begin.elapsed());
    }
}

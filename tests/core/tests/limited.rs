//! Real transfers, and how long they take.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use intraware_test_support::ftpd::{Ftpd, Kind, Security};
use intraware_test_support::relay::{Fault, Relay};
use intraware_test_support::sshd::{Access, Sshd};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use intraware_core::bandwidth::{Rate, Timetable};
use intraware_core::run::Clock;
use intraware_core::site::conformance::noise;
use intraware_core::site::{
    Directory, Known, Limited, Limiter, RemotePath, Session, Site, SiteError, SiteErrorKind,
};
use intraware_site_ftp::servers::ftp_settings;
use intraware_site_ftp::{Ftp, FtpSettings};
use intraware_site_sftp::servers::{sftp_settings, through};
use intraware_site_sftp::{Sftp, SftpSettings};

const MIB: usize = 1 << 20;

/// A clock that a test puts forward.
#[derive(Default)]
struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        // Midnight at the beginning of a Monday.
        let begin: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        begin + jiff::SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

fn limited(site: impl Site + 'static, entries: &[&str], clock: &Arc<Told>) -> Limited {
    let timetable = Timetable::parse(entries.iter().copied()).unwrap();
    Limited::new(Box::new(site), Limiter::new(timetable, TimeZone::UTC, Arc::clone(clock) as Arc<dyn Clock>))
}

fn always(site: impl Site + 'static, rate: &str) -> Limited {
    limited(site, &[&format!("00:00 {rate}")], &Arc::default())
}

fn path(text: &str) -> RemotePath {
    RemotePath::new(text).unwrap()
}

fn put(session: &mut dyn Session, at: &str, bytes: &[u8]) -> Result<u64, SiteError> {
    session.put(&path(at), 0, &mut &*bytes, &mut |_| ())
}

/// Asserts that so many bytes took the time that they take at a rate, to a tenth.
fn assert_pace(what: &str, bytes: usize, rate: usize, took: Duration) {
    let measured = bytes as f64 / took.as_secs_f64() / rate as f64;
    assert!((0.9..1.1).contains(&measured), "{what}: {measured:.3} of the rate, in {took:?}");
}

#[test]
fn what_is_sent_and_read_back_keeps_to_the_rate_at_each_kind_of_site() {
    let (sshd, dir) = (Sshd::start(Access::Shell), tempfile::tempdir().unwrap());
    let far = Relay::start(sshd.addr(), Fault::Delay(Duration::from_millis(50)));
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let directory = Directory {
        name: "dir".into(),
        base: dir.path().into(),
        file_mode: 0o644,
        dir_mode: 0o755,
        known: Known::default(),
    };
    let rate = 4 * MIB;
    let sites = [
        ("a directory", always(directory, "4 MiB/s")),
        ("openssh", always(Sftp::new(sftp_settings(&sshd)), "4 MiB/s")),
        ("openssh far away", always(Sftp::new(through(sftp_settings(&sshd), &far)), "4 MiB/s")),
        ("vsftpd", always(Ftp::new(ftp_settings(&ftpd)), "4 MiB/s")),
    ];
    let bytes = noise(10 * MIB);
    thread::scope(|scope| {
        for (what, site) in sites {
            let bytes = &bytes;
            scope.spawn(move || {
                let mut session = site.connect().unwrap();
                // Opening and closing the file takes time far away.
                let mut heard = Vec::new();
                let mut progress = |sent: u64| heard.push((sent as usize, Instant::now()));
                session.put(&path(what), 0, &mut &bytes[..], &mut progress).unwrap();
                let (first, last) = (heard[0], heard[heard.len() - 1]);
                assert_pace(&format!("sent to {what}"), last.0 - first.0, rate, last.1 - first.1);
                // What it has not used meanwhile is half a second's.
                let (begin, mut back) = (Instant::now(), Vec::new());
                session.get(&path(what), 0, &mut back).unwrap();
                assert!(back == *bytes, "{what}");
                let took = begin.elapsed();
                assert!(took >= Duration::from_millis(1_950), "read from {what}: {took:?}");
                assert!(took <= Duration::from_millis(3_000), "read from {what}: {took:?}");
            });
        }
    });
}

#[test]
fn several_connections_share_one_limit_and_get_the_same() {
    let sshd = Sshd::start(Access::Shell);
    let site = always(Sftp::new(sftp_settings(&sshd)), "6 MiB/s");
    let bytes = noise(6 * MIB);
    let sessions: Vec<_> = (0..3).map(|_| site.connect().unwrap()).collect();
    let begin = Instant::now();
    let ends: Vec<Duration> = thread::scope(|scope| {
        let transfer = |(n, mut session): (usize, Box<dyn Session>)| {
            let bytes = &bytes;
            scope.spawn(move || {
                put(session.as_mut(), &n.to_string(), bytes).unwrap();
                begin.elapsed()
            })
        };
        let transfers: Vec<_> = sessions.into_iter().enumerate().map(transfer).collect();
        transfers.into_iter().map(|transfer| transfer.join().unwrap()).collect()
    });
    let (first, last) = (*ends.iter().min().unwrap(), *ends.iter().max().unwrap());
    assert_pace("three connections", 18 * MIB, 6 * MIB, last);
    assert!(first >= last.mul_f64(0.85), "{ends:?}");
}

#[test]
fn a_boundary_counts_in_the_middle_of_a_transfer() {
    let sshd = Sshd::start(Access::Shell);
    let clock = Arc::new(Told::default());
    let entries = ["00:00 2 MiB/s", "08:00 8 MiB/s", "18:00 off"];
    let site = limited(Sftp::new(sftp_settings(&sshd)), &entries, &clock);
    let bytes = noise(44 * MIB);
    let mut session = site.connect().unwrap();
    let begin = Instant::now();
    let (mut at_eight, mut at_six) = (None, None);
    let mut progress = |sent: u64| {
        // After two seconds of the first rate, and two of the second.
        if sent >= 4 << 20 && at_eight.is_none() {
            clock.0.store(8 * 3600, Ordering::SeqCst);
            at_eight = Some((sent as usize, begin.elapsed()));
        }
        if sent >= 20 << 20 && at_six.is_none() {
            clock.0.store(18 * 3600, Ordering::SeqCst);
            at_six = Some(begin.elapsed());
        }
    };
    session.put(&path("x"), 0, &mut &bytes[..], &mut progress).unwrap();
    let ((sent, at_eight), at_six, end) = (at_eight.unwrap(), at_six.unwrap(), begin.elapsed());
    // What is acknowledged is heard of when the next piece is read, up to 255 KiB, which was waited for as
    // well.
    assert_pace("until eight", sent + (255 << 10), 2 * MIB, at_eight);
    // The timetable is looked at five times a second, and what was granted before passes as it was. With the
    // first rate it would take eight seconds, and the rest three with the second; a busy host takes its time
    // as well.
    let second = at_six - at_eight;
    assert!(second >= Duration::from_millis(1_800) && second <= Duration::from_secs(4), "{second:?}");
    assert!(end - at_six < Duration::from_millis(2_500), "24 MiB without a limit took {:?}", end - at_six);
}

#[test]
fn a_limit_below_the_slowest_rate_is_no_stall() {
    let sshd = Sshd::start(Access::Shell);
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let (io_timeout, min_rate) = (Duration::from_secs(1), MIB as u64);
    let over_sftp = Sftp::new(SftpSettings { io_timeout, min_rate, ..sftp_settings(&sshd) });
    let over_ftp = Ftp::new(FtpSettings { io_timeout, min_rate, ..ftp_settings(&ftpd) });
    let bytes = noise(300 << 10);
    let sites: [Box<dyn Site>; 2] = [Box::new(over_sftp), Box::new(over_ftp)];
    thread::scope(|scope| {
        for site in sites {
            let bytes = &bytes;
            scope.spawn(move || {
                let timetable = Timetable::always(Rate::parse("100 KiB/s").unwrap());
                let limiter = Limiter::new(timetable, TimeZone::UTC, Arc::new(Told::default()));
                let mut session = Limited::new(site, limiter).connect().unwrap();
                let begin = Instant::now();
                put(session.as_mut(), "x", bytes).unwrap();
                assert_pace("slowly", bytes.len(), 100 << 10, begin.elapsed());
                let mut back = Vec::new();
                session.get(&path("x"), 0, &mut back).unwrap();
                assert!(back == *bytes);
                // It is a stall of the line that ends a session.
                assert!(session.stat(&path("y")).is_ok_and(|entry| entry.is_none()));
                assert_eq!(session.remove(&path("y")).unwrap_err().kind, SiteErrorKind::NotFound);
            });
        }
    });
}

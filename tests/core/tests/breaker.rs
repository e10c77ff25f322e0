//! The breaker before real servers: what it costs a site that is away, and what its hosts are told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::sync::{Arc, Mutex};

use intraware_test_support::relay::{Fault, Relay};
use intraware_test_support::sshd::{Access, Sshd};

use intraware_core::breaker::*;
use intraware_core::lock::Lock;
use intraware_core::run::RunContext;
use intraware_core::run::{Clock, Identity, NoProgress, Stop};
use intraware_core::site::{Site as _, SiteError, SiteErrorKind};
use intraware_core::spool::Spool;
use intraware_site_sftp::Sftp;
use intraware_site_sftp::servers::{sftp_settings, through};
use jiff::{SignedDuration, Timestamp};

/// A clock that is moved by hand.
#[derive(Clone)]
struct ByHand(Arc<Mutex<Timestamp>>);

impl Clock for ByHand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A spool, and a site behind a relay that counts.
struct World {
    _dir: tempfile::TempDir,
    spool: Spool,
    clock: ByHand,
    sshd: Sshd,
    relay: Relay,
    site: Sftp,
}

const RUN: Caution = Caution { skips_pause: false, only_looks: false };

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ByHand(Arc::new(Mutex::new("2026-11-21T03:00:00Z".parse().unwrap())));
        Spool::init(dir.path(), clock.now()).unwrap();
        let spool = Spool::open(dir.path(), true).unwrap();
        let sshd = Sshd::start(Access::SftpOnly);
        let relay = Relay::start(sshd.addr(), Fault::None);
        let site = Sftp::new(through(sftp_settings(&sshd), &relay));
        Self { _dir: dir, spool, clock, sshd, relay, site }
    }

    fn later(&self, minutes: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
    }

    /// Connects as a run on `host` does; returns why not. What other tests start holds for a moment what is
    /// locked here, so somebody else's attempt is waited for.
    fn run(&self, host: &str, caution: Caution) -> Option<SiteErrorKind> {
        loop {
            let error = self.connect(host, caution);
            if !error.as_ref().is_some_and(|error| error.message.contains("is being tried")) {
                return error.map(|error| error.kind);
            }
        }
    }

    fn connect(&self, host: &str, caution: Caution) -> Option<SiteError> {
        let identity = Identity {
            program: "upload".into(),
            host: host.into(),
            pid: 7,
            run: "r1".into(),
            command: "upload run".into(),
        };
        let context = RunContext {
            identity,
            clock: Arc::new(self.clock.clone()),
            stop: Stop::default(),
            progress: Arc::new(NoProgress),
        };
        Guarded::new(Box::new(self.site.clone()), &self.spool, &context, caution).connect().err()
    }

    fn outage(&self) -> Option<(u32, String)> {
        let outage = self.spool.outage("intraware")?;
        Some((outage.count, outage.host))
    }
}

#[test]
fn a_site_that_is_away_costs_one_attempt_a_pause_over_all_hosts_and_the_first_success_ends_it() {
    let world = World::new();
    assert_eq!((world.run("ebb", RUN), world.outage()), (None, None));
    let resting = Some(SiteErrorKind::Resting);
    world.relay.set(Fault::CutAfter(0));
    let before = world.relay.accepted();
    // The runs that cron starts at the same time: each sees it, and it counts once.
    for host in ["ebb", "flow", "granite"] {
        assert_eq!(world.run(host, RUN), Some(SiteErrorKind::Disconnected));
        assert_eq!(world.outage(), Some((1, "ebb".into())));
    }
    world.later(15);
    assert_eq!(world.run("flow", RUN), Some(SiteErrorKind::Disconnected));
    assert_eq!(world.outage(), Some((2, "flow".into())));
    let attempts = world.relay.accepted() - before;
    assert_eq!(attempts, 4);
    // Half an hour, and a tenth of it at most, in which nobody connects.
    for _ in 0..2 {
        world.later(14);
        for host in ["ebb", "flow", "granite"] {
            assert_eq!(world.run(host, RUN), resting);
        }
    }
    assert_eq!(world.relay.accepted() - before, attempts);
    world.later(6);
    assert_eq!(world.run("granite", RUN), Some(SiteErrorKind::Disconnected));
    assert_eq!(["ebb", "flow"].map(|host| world.run(host, RUN)), [resting, resting]);
    assert_eq!(world.relay.accepted() - before, attempts + 1);
    assert_eq!(world.outage(), Some((3, "granite".into())));
    world.relay.set(Fault::None);
    world.later(50);
    assert_eq!(world.run("ebb", RUN), resting);
    world.later(20);
    assert_eq!((world.run("ebb", RUN), world.outage()), (None, None));
    assert_eq!(world.run("flow", RUN), None);
}

#[test]
fn when_the_pause_is_over_one_host_tries_and_the_others_wait_for_what_it_finds() {
    let world = World::new();
    world.relay.set(Fault::CutAfter(0));
    world.run("ebb", RUN);
    world.later(15);
    world.run("ebb", RUN);
    world.later(40);
    world.relay.set(Fault::None);
    let identity = Identity {
        program: "upload".into(),
        host: "flow".into(),
        pid: 7,
        run: "r2".into(),
        command: "upload run".into(),
    };
    let context = RunContext {
        identity,
        clock: Arc::new(world.clock.clone()),
        stop: Stop::default(),
        progress: Arc::new(NoProgress),
    };
    let before = world.relay.accepted();
    let lock = loop {
        if let Ok(lock) = Lock::take(&world.spool.site_lock("intraware"), &context) {
            break lock;
        }
    };
    let error = world.connect("ebb", RUN).unwrap();
    assert!(error.kind == SiteErrorKind::Resting && error.message.contains("flow, process 7"), "{error}");
    assert_eq!(world.relay.accepted(), before);
    // Whoever is asked for something by name does not wait for another.
    assert_eq!(world.run("ebb", Caution { skips_pause: true, ..RUN }), None);
    drop(lock);
    assert_eq!(world.run("ebb", RUN), None);
}

#[test]
fn a_refused_login_counts_each_time_and_who_asks_by_name_tries_at_once_and_makes_no_pause_longer() {
    let world = World::new();
    world.sshd.refuse_client(true);
    for (host, count) in [("ebb", 1), ("flow", 2)] {
        assert_eq!(world.run(host, RUN), Some(SiteErrorKind::Auth));
        assert_eq!(world.outage(), Some((count, host.into())));
        world.later(1);
    }
    assert_eq!(world.run("granite", RUN), Some(SiteErrorKind::Resting));
    let asked = Caution { skips_pause: true, ..RUN };
    for _ in 0..3 {
        assert_eq!(world.run("granite", asked), Some(SiteErrorKind::Auth));
    }
    assert_eq!(world.outage(), Some((2, "flow".into())));
    world.sshd.refuse_client(false);
    let looks = Caution { skips_pause: true, only_looks: true };
    assert_eq!(world.run("granite", looks), None);
    assert_eq!(world.outage(), Some((2, "flow".into())), "who only looks writes nothing down");
    assert_eq!((world.run("granite", asked), world.outage()), (None, None));
}

#[test]
fn a_note_that_cannot_be_used_stops_nobody() {
    let world = World::new();
    world.relay.set(Fault::CutAfter(0));
    world.run("ebb", RUN);
    let outage = world.spool.outage("intraware").unwrap();
    let told =
        "site intraware cannot be reached since 2026-11-21T03:00:00Z, as seen on ebb; each run tries again, ";
    assert!(outage.to_string().starts_with(told), "{outage}");
    let file = fs::read_dir(world.spool.root().join("sites")).unwrap().next().unwrap().unwrap().path();
    for wrong in ["{", &fs::read_to_string(&file).unwrap().replace("\"format\": 1", "\"format\": 2")] {
        fs::write(&file, wrong).unwrap();
        assert_eq!(world.outage(), None);
        world.relay.set(Fault::None);
        assert_eq!(world.run("ebb", RUN), None);
    }
    // What a newer version wrote is not written over.
    world.relay.set(Fault::CutAfter(0));
    world.run("ebb", RUN);
    assert!(fs::read_to_string(&file).unwrap().contains("\"format\": 2"));
}

#[test]
fn f_05_a_note_from_the_future_stops_nobody_and_the_next_failure_corrects_it() {
    let world = World::new();
    world.relay.set(Fault::CutAfter(0));
    let now = world.clock.now();
    for _ in 0..2 {
        world.later(365 * 24 * 60);
        world.run("ahead", RUN);
    }
    assert_eq!(world.outage(), Some((2, "ahead".into())));
    *world.clock.0.lock().unwrap() = now;
    let before = world.relay.accepted();
    assert_eq!(world.run("ebb", RUN), Some(SiteErrorKind::Disconnected));
    assert_eq!(world.relay.accepted() - before, 1);
    let outage = world.spool.outage("intraware").unwrap();
    assert_eq!((outage.count, &*outage.host, outage.at), (3, "ebb", now));
    assert_eq!(world.run("flow", RUN), Some(SiteErrorKind::Resting), "the note is right again");
}

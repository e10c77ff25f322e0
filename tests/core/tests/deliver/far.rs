//! Large payloads to sites that are far away, and partial files with gaps.

use std::thread;
use std::time::Instant;

use super::*;
use intraware_core::site::{EntryKind, Link, Pool};

/// Enough for several connections, and not a multiple of anything.
const LARGE: usize = 40_000_001;

/// A site behind a line on which a question takes 20 ms.
struct Far {
    sshd: Sshd,
    relay: Relay,
    site: Sftp,
}

impl Far {
    fn new() -> Self {
        let sshd = Sshd::start(Access::Shell);
        let relay = Relay::start(sshd.addr(), LineFault::Delay(Duration::from_millis(10)));
        let settings = through(sftp_settings(&sshd), &relay);
        let site = Sftp::new(SftpSettings { io_timeout: Duration::from_secs(2), ..settings });
        Self { sshd, relay, site }
    }

    /// Delivers a payload over as many connections as `pool` has, of which the first one is open.
    fn deliver(&self, payload: &Payload, pool: &Pool<'_>) -> Result<Delivered, DeliverError> {
        let delivery = Delivery { pool: Some(pool), ..payload.delivery() };
        payload.deliver_as(Link::new(pool).open().unwrap(), &delivery)
    }

    /// Opens the first of three connections while the others are made; returns whether it was to be had.
    fn open_of_three<'s>(&self, site: &'s Sftp) -> (bool, Pool<'s>) {
        let (pool, mut told, before) = (Pool::new(site, 3), Vec::new(), self.relay.accepted());
        let is_open = thread::scope(|scope| {
            let mut met = |distance| {
                told.push(distance);
                prepare(scope, &pool, LARGE as u64, distance);
            };
            Link::new(&pool).open_and_tell(&mut met).is_ok()
        });
        assert!(matches!(told[..], [distance] if distance >= Duration::from_millis(15)), "{told:?}");
        assert_eq!(self.relay.accepted() - before, 3);
        (is_open, pool)
    }

    fn at(&self, path: &RemotePath) -> PathBuf {
        self.sshd.root().join(path.as_str())
    }

    fn assert_there(&self, payload: &Payload) {
        assert!(fs::read(self.at(&payload.place.payload())).unwrap() == payload.bytes);
        assert_eq!(fs::read_dir(self.at(payload.place.dir())).unwrap().count(), 1);
    }
}

#[test]
fn a_large_payload_goes_over_several_connections_to_a_site_that_is_far_away() {
    let (far, payload) = (Far::new(), Payload::new(noise(LARGE)));
    let pool = Pool::new(&far.site, 4);
    let delivered = far.deliver(&payload, &pool).unwrap();
    assert_eq!((delivered.sent, delivered.resumed_from), (LARGE as u64, 0));
    assert!((2..=4).contains(&far.relay.accepted()), "{}", far.relay.accepted());
    far.assert_there(&payload);
    // Nearby, and small ones anywhere, one is enough.
    for (delay, payload) in [(0, payload), (10, Payload::noise())] {
        fs::remove_dir_all(far.at(payload.place.dir())).unwrap();
        far.relay.set(LineFault::Delay(Duration::from_millis(delay)));
        let (before, pool) = (far.relay.accepted(), Pool::new(&far.site, 4));
        far.deliver(&payload, &pool).unwrap();
        assert_eq!(far.relay.accepted() - before, 1);
        far.assert_there(&payload);
    }
}

#[test]
fn further_connections_are_made_beside_the_first_and_log_in_after_it() {
    let far = Far::new();
    // So long that the others have come before the first is let in.
    far.relay.set(LineFault::Delay(Duration::from_millis(100)));
    let (is_open, pool) = far.open_of_three(&far.site);
    assert!(is_open);
    assert_eq!(far.sshd.log().matches("Accepted publickey").count(), 3);
    // Where enough are open already, none is added.
    let before = far.relay.accepted();
    thread::scope(|scope| prepare(scope, &pool, LARGE as u64, Duration::from_millis(20)));
    assert_eq!(far.relay.accepted(), before);
    // A login that is refused is refused once.
    let stranger = Sftp::new(SftpSettings {
        user: "nobody-here".into(),
        ..through(sftp_settings(&far.sshd), &far.relay)
    });
    let (is_open, pool) = far.open_of_three(&stranger);
    assert!(!is_open && pool.refusal().is_some_and(|refusal| refusal.kind == SiteErrorKind::Auth));
    assert_eq!(far.sshd.log().matches("Invalid user nobody-here").count(), 1);
}

#[test]
fn a_large_payload_goes_over_several_channels_of_an_only_connection() {
    let (far, payload) = (Far::new(), Payload::new(noise(LARGE)));
    let pool = Pool::new(&far.site, 1);
    let delivered = far.deliver(&payload, &pool).unwrap();
    assert_eq!((delivered.sent, delivered.verified_by), (LARGE as u64, Strength::ServerHash));
    assert_eq!(far.relay.accepted(), 1);
    assert_eq!(far.sshd.log().matches("Starting session: subsystem 'sftp'").count(), 3);
    far.assert_there(&payload);
    // What is small later on, or has to be read back, finds the connection as it was.
    for payload in [Payload::noise(), Payload::new(noise(LARGE + 1))] {
        fs::remove_dir_all(far.at(payload.place.dir())).unwrap();
        far.deliver(&payload, &pool).unwrap();
        far.assert_there(&payload);
    }
    assert_eq!(far.relay.accepted(), 1);
}

#[test]
fn connections_that_break_leave_their_part_to_the_others() {
    let (far, payload) = (Far::new(), Payload::new(noise(LARGE)));
    let pool = Pool::new(&far.site, 4);
    Link::new(&pool).open().unwrap();
    for fault in
        [LineFault::CutAfter(2_000_000), LineFault::ResetAfter(3_000_000), LineFault::CutAfter(2_000)]
    {
        far.relay.set(fault);
        let delivered = far.deliver(&payload, &pool).unwrap();
        assert!(delivered.sent == LARGE as u64 && delivered.resumed_from == 0, "{fault:?}");
        far.assert_there(&payload);
        fs::remove_dir_all(far.at(payload.place.dir())).unwrap();
    }
}

#[test]
fn a_connection_that_stalls_among_several_ends_in_time_and_the_others_send_its_part() {
    let (far, payload) = (Far::new(), Payload::new(noise(LARGE)));
    let pool = Pool::new(&far.site, 3);
    Link::new(&pool).open().unwrap();
    far.relay.set(LineFault::StallAfter(4_000_000));
    let begin = Instant::now();
    let delivered = far.deliver(&payload, &pool).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(delivered.sent, LARGE as u64);
    far.assert_there(&payload);
}

#[test]
fn a_stop_while_several_connections_send_is_resumed_without_sending_anything_twice() {
    let (far, payload) = (Far::new(), Payload::new(noise(LARGE)));
    let pool = Pool::new(&far.site, 4);
    let part = far.at(&payload.part());
    // The end of the file is written early on, which says nothing about what is before it.
    let stop = || match fs::metadata(&part) {
        Ok(part) if part.len() > LARGE as u64 / 2 => Err(Stop("enough".into())),
        _ => Ok(()),
    };
    let mut link = Link::new(&pool);
    let session = link.open().unwrap();
    let delivery = Delivery { pool: Some(&pool), go_on: &stop, ..payload.delivery() };
    let stopped = payload.deliver_as(session, &delivery).unwrap_err();
    assert!(matches!(stopped, DeliverError::Stopped { .. }), "{stopped}");
    // What was under way arrives after that.
    let there = fs::read(&part).unwrap();
    let blocks = there.chunks(1 << 20).zip(payload.bytes.chunks(1 << 20));
    let right: usize = blocks.filter(|(there, ours)| there == ours).map(|(there, _)| there.len()).sum();
    assert!(right < there.len(), "there are gaps");
    let delivered = payload.deliver(session).unwrap();
    assert_eq!(delivered.resumed_from + delivered.sent, LARGE as u64);
    assert!(delivered.resumed_from >= right as u64, "{right} bytes were there: {delivered:?}");
    far.assert_there(&payload);
}

#[test]
fn n_1_a_stop_is_heard_while_a_site_is_waited_for() {
    let (sshd, payload) = (Sshd::start(Access::Shell), Payload::new(noise(LARGE)));
    let relay = Relay::start(sshd.addr(), LineFault::StallAfter(5_000_000));
    let site = Sftp::new(through(sftp_settings(&sshd), &relay));
    let stop = || match relay.met() {
        Some(_) => Err(Stop("enough".into())),
        None => Ok(()),
    };
    let (pool, begin) = (Pool::new(&site, 1), Instant::now());
    let delivery = Delivery { pool: Some(&pool), go_on: &stop, ..payload.delivery() };
    let stopped = payload.deliver_as(Link::new(&pool).open().unwrap(), &delivery).unwrap_err();
    assert!(matches!(stopped, DeliverError::Stopped { .. }), "{stopped}");
    // The site is given more time than that.
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
}

#[test]
fn only_the_blocks_that_are_wrong_are_sent_again() {
    let payload = Payload::new(noise(10_000_000));
    let mut partial = payload.bytes[..9_000_000].to_vec();
    for at in [0, 3 << 20, (4 << 20) - 1, 7_500_000] {
        partial[at] ^= 1;
    }
    // The first, the fourth and the eighth mebibyte, and what follows.
    let missing = 3 * (1 << 20) + 1_000_000;
    for world in [directory(), server(Access::Shell), server(Access::SftpOnly), server(Access::Bare)] {
        world.plant(&payload.part(), &partial);
        let delivered = payload.deliver(world.session().as_mut()).unwrap();
        assert_eq!(delivered.sent, missing, "{}", world.what);
        assert_eq!(delivered.resumed_from, 10_000_000 - missing, "{}", world.what);
        world.assert_delivered(&payload);
    }
}

#[test]
fn a_run_makes_do_with_the_connections_that_a_site_gives() {
    let far = Far::new();
    let pool = Pool::new(&far.site, 5);
    assert!(pool.spare().is_none(), "nobody has connected yet");
    let mut first = Link::new(&pool);
    first.open().unwrap();
    let second = pool.spare().unwrap();
    far.relay.set(LineFault::CutAfter(0));
    assert!(pool.spare().is_none());
    assert_eq!(pool.most(), 2);
    drop(second);
    let mut second = Link::new(&pool);
    second.open().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Link::new(&pool).open().map(|_| ()));
        drop(first);
        waiting.join().unwrap().unwrap();
    });
    second.heard(SiteErrorKind::Disconnected);
    assert!(pool.refusal().is_none() && Link::new(&pool).open().is_ok());
    assert_eq!(far.relay.accepted(), 3);
}

#[test]
fn a_site_that_is_away_costs_a_run_one_attempt() {
    let far = Far::new();
    far.relay.set(LineFault::CutAfter(0));
    let pool = Pool::new(&far.site, 4);
    std::thread::scope(|scope| {
        let try_it = || Link::new(&pool).open().map(|_| ()).unwrap_err().kind;
        let tries: Vec<_> = (0..4).map(|_| scope.spawn(try_it)).collect();
        let kinds: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(kinds, [SiteErrorKind::Disconnected; 4]);
    });
    assert!(pool.spare().is_none() && pool.refusal().is_some());
    assert_eq!(far.relay.accepted(), 1);
}

/// After a little more than that a connection counts as rested.
const RESTED: Duration = Duration::from_millis(3_200);

#[test]
fn f_03_a_connection_that_rested_and_was_ended_makes_way_for_a_new_one() {
    let far = Far::new();
    far.relay.set(LineFault::None);
    for (most, is_kept) in [(1, true), (3, false)] {
        let (pool, before) = (Pool::new(&far.site, most), far.relay.accepted());
        let mut link = Link::new(&pool);
        link.open().unwrap();
        // One that rests in somebody's hands, or with the pool.
        if !is_kept {
            link = Link::new(&pool);
        }
        far.sshd.kill_connections();
        thread::sleep(RESTED);
        assert_eq!(
            link.open().unwrap().stat(&RemotePath::base()).unwrap().unwrap().kind,
            EntryKind::Directory
        );
        assert_eq!(far.relay.accepted() - before, 2);
        // One that answers is kept.
        thread::sleep(RESTED);
        drop(link);
        pool.spare().unwrap().open().unwrap();
        assert_eq!(far.relay.accepted() - before, 2);
        // The pool lends none that is of no use.
        far.sshd.kill_connections();
        thread::sleep(RESTED);
        assert!(pool.spare().is_none());
        Link::new(&pool).open().unwrap().list(&RemotePath::base()).unwrap();
        assert_eq!(far.relay.accepted() - before, 3);
    }
}

#[test]
fn f_02_what_the_sidecars_are_of_is_asked_with_a_small_payload_and_costs_no_time() {
    let (far, payload) = (Far::new(), Payload::new(noise(1_000)));
    let settings = through(sftp_settings(&far.sshd), &far.relay);
    let site = Sftp::new(SftpSettings { io_timeout: Duration::from_secs(20), ..settings });
    let mut session = site.connect().unwrap();
    session.make_dirs(payload.place.dir()).unwrap();
    let sidecars = sidecars_of(&payload, b"signature");
    put_sidecars(session.as_mut(), &payload.place, payload.digests.generation(), &sidecars).unwrap();
    // The session has done each of its things once, and its server is known.
    let first = payload.deliver(session.as_mut()).unwrap();
    assert_eq!(first.verified_by, Strength::ServerHash);
    let trip = Duration::from_millis(400);
    far.relay.set(LineFault::Delay(trip / 2));
    let mut session = site.connect().unwrap();
    session.sha256(&payload.place.payload(), 1_000).unwrap();
    fs::remove_file(far.at(&payload.place.payload())).unwrap();
    let begin = Instant::now();
    payload.deliver(session.as_mut()).unwrap();
    let trips = begin.elapsed().as_millis() / trip.as_millis();
    assert!(trips <= 7, "{trips} round trips");
}

#[test]
fn n_3_that_a_name_is_free_is_asked_beside_the_hash_of_a_small_payload() {
    let (far, payload) = (Far::new(), Payload::new(noise(1_000)));
    let trip = Duration::from_millis(400);
    let took = |guards_names: Option<bool>| {
        let known = Known::default();
        let settings = through(sftp_settings(&far.sshd), &far.relay);
        let io_timeout = Duration::from_secs(20);
        let site = Sftp::new(SftpSettings { known: known.clone(), io_timeout, ..settings });
        far.relay.set(LineFault::None);
        let mut session = site.connect().unwrap();
        known.learn(&session.peer(), |habits| habits.guards_names = guards_names);
        session.make_dirs(payload.place.dir()).unwrap();
        let sidecars = sidecars_of(&payload, b"signature");
        put_sidecars(session.as_mut(), &payload.place, payload.digests.generation(), &sidecars).unwrap();
        payload.deliver(session.as_mut()).unwrap();
        far.relay.set(LineFault::Delay(trip / 2));
        let mut session = site.connect().unwrap();
        // The shell that hashes has come when the time is taken.
        session.sha256(&payload.place.payload(), 1_000).unwrap();
        fs::remove_file(far.at(&payload.place.payload())).unwrap();
        let begin = Instant::now();
        payload.deliver(session.as_mut()).unwrap();
        let took = begin.elapsed();
        fs::remove_file(far.at(&payload.place.payload())).unwrap();
        took
    };
    let (asked, known) = (took(None), took(Some(true)));
    assert!(asked < known + trip * 3 / 4, "{asked:?} and {known:?}");
}

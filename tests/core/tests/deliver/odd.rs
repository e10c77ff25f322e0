//! Delivery to FTP servers with habits of their own.

use intraware_test_support::odd_ftpd::{GoingOn, Habits as Odd, OddFtpd};

use super::*;
use intraware_core::site::{Habits, Known};
use intraware_site_ftp::servers::odd_settings;

/// How much of a payload an earlier run has left.
const LEFT: usize = 1_000_000;

/// A server, and the site that it is.
struct OddWorld {
    ftpd: OddFtpd,
    site: Ftp,
    known: Known,
}

impl OddWorld {
    fn start(habits: Odd) -> Self {
        let ftpd = OddFtpd::start(habits);
        let settings = FtpSettings { io_timeout: Duration::from_secs(2), ..odd_settings(&ftpd) };
        let known = settings.known.clone();
        Self { ftpd, site: Ftp::new(settings), known }
    }

    fn leave(&self, payload: &Payload, bytes: usize) {
        let part = self.ftpd.root().join(payload.part().as_str());
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(part, &payload.bytes[..bytes]).unwrap();
    }

    fn left(&self, payload: &Payload) -> u64 {
        fs::metadata(self.ftpd.root().join(payload.part().as_str())).map_or(0, |meta| meta.len())
    }

    /// Delivers as a run does that knows what the one before has noted in the job.
    fn deliver(&self, payload: &Payload, stuck: &mut Option<Stuck>) -> Result<Delivered, DeliverError> {
        let mut session = self.site.connect().unwrap();
        let before = stuck.clone();
        let delivery = Delivery { stuck: before.as_ref(), ..payload.delivery() };
        let delivered = payload.deliver_as(session.as_mut(), &delivery);
        if let Err(error) = &delivered {
            *stuck = Stuck::after(before.as_ref(), "odd", error);
        }
        delivered
    }

    fn habits(&self) -> Habits {
        self.known.habits(&self.site.connect().unwrap().peer())
    }

    fn assert_delivered(&self, payload: &Payload) {
        let at = self.ftpd.root().join(payload.place.payload().as_str());
        assert!(fs::read(&at).unwrap() == payload.bytes);
        fs::remove_file(at).unwrap();
    }
}

#[test]
fn p_1_a_server_that_reads_nothing_at_the_end_of_a_file_gets_all_of_it_in_the_next_run() {
    let world = OddWorld::start(Odd { going_on: GoingOn::Stalls, ..Odd::default() });
    let payload = Payload::noise();
    world.leave(&payload, LEFT);
    let mut stuck = None;
    let error = world.deliver(&payload, &mut stuck).unwrap_err();
    assert_eq!(error.fault(), Fault::TryLater);
    assert!(error.to_string().contains("from byte 1000000 on"), "{error}");
    let delivered = world.deliver(&payload, &mut stuck).unwrap();
    assert_eq!((delivered.resumed_from, delivered.sent), (0, SIZE as u64));
    world.assert_delivered(&payload);
    // From now on nothing is tried in vain.
    assert_eq!(world.habits().appends, Some(false));
    world.leave(&payload, LEFT);
    world.ftpd.take_commands();
    assert_eq!(world.deliver(&payload, &mut None).unwrap().resumed_from, 0);
    assert!(!world.ftpd.take_commands().iter().any(|line| line.starts_with("REST")));
    world.assert_delivered(&payload);
}

#[test]
fn p_1_a_server_that_refuses_after_the_transfer_gets_all_of_it_at_once() {
    let world = OddWorld::start(Odd { going_on: GoingOn::Fails, ..Odd::default() });
    let payload = Payload::noise();
    world.leave(&payload, LEFT);
    let delivered = world.deliver(&payload, &mut None).unwrap();
    assert_eq!((delivered.resumed_from, delivered.sent), (0, SIZE as u64));
    world.assert_delivered(&payload);
    assert_eq!(world.habits().appends, Some(false));
    // A payload that is whole is not written to at all.
    world.leave(&payload, SIZE);
    assert_eq!(world.deliver(&payload, &mut None).unwrap().sent, 0);
    world.assert_delivered(&payload);
}

#[test]
fn p_1_one_that_was_seen_to_append_is_believed_for_three_tries() {
    let world = OddWorld::start(Odd { going_on: GoingOn::Stalls, ..Odd::default() });
    let peer = world.site.connect().unwrap().peer();
    world.known.learn(&peer, |habits| habits.appends = Some(true));
    let payload = Payload::noise();
    world.leave(&payload, LEFT);
    let mut stuck = None;
    for times in 1..=3 {
        world.deliver(&payload, &mut stuck).unwrap_err();
        assert_eq!(stuck.as_ref().map(|stuck| (stuck.at, stuck.times)), Some((LEFT as u64, times)));
        assert_eq!(world.left(&payload), LEFT as u64);
    }
    world.deliver(&payload, &mut stuck).unwrap();
    world.assert_delivered(&payload);
}

#[test]
fn f_07_a_site_that_lets_no_file_be_longer_pauses_and_is_sent_all_of_it_no_more_than_once() {
    let world = OddWorld::start(Odd { longest: LEFT as u64, ..Odd::default() });
    let payload = Payload::noise();
    let mut stuck = None;
    let mut pauses = Vec::new();
    let mut anew = 0;
    for run in 0..6 {
        world.ftpd.take_commands();
        let error = world.deliver(&payload, &mut stuck).unwrap_err();
        assert_eq!(error.fault(), Fault::TryLater, "{error:?}");
        assert!(
            run == 0 || error.to_string().contains("sending blast/5.1/p7/p7.tar.gz from byte"),
            "{error}"
        );
        assert_eq!(world.left(&payload), LEFT as u64, "run {run}");
        anew += usize::from(world.ftpd.take_commands().iter().any(|line| line.starts_with("DELE")));
        pauses.push(stuck.as_ref().and_then(Stuck::pauses));
    }
    assert_eq!(anew, 1, "given up once");
    assert_eq!(pauses, [None, None, None, Some(2), Some(3), Some(4)]);
}

/// Pure-FTPd with `-x`, and what its account sees.
fn without_dots() -> (Ftpd, FtpSettings) {
    let ftpd = Ftpd::start(Kind::PureFtpd, Security::Explicit);
    ftpd.configure("-x");
    let settings = ftp_settings(&ftpd);
    (ftpd, settings)
}

fn sidecars_of(payload: &Payload) -> Sidecars {
    Sidecars::new(payload.place.payload_name(), &payload.digests, b"signature".to_vec())
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn f_14_where_dots_are_refused_temporary_names_have_none() {
    let (ftpd, settings) = without_dots();
    let site = Ftp::new(settings.clone());
    let payload = Payload::noise();
    let generation = payload.digests.generation();
    let mut session = site.connect().unwrap();
    session.make_dirs(payload.place.dir()).unwrap();
    // What another generation has left goes, and what is a customer's stays.
    let dir = ftpd.root().join(payload.place.dir().as_str());
    for name in ["p7.tar.gz.0123456789ab.part", "p7.tar.gz.asc.0123456789ab.part", "p7.tar.gz.part", "p7.tar"]
    {
        fs::write(dir.join(name), "left").unwrap();
    }
    let sidecars = sidecars_of(&payload);
    for written in [5, 0] {
        let put = put_sidecars(session.as_mut(), &payload.place, generation, &sidecars).unwrap();
        assert_eq!(put, written);
    }
    let delivered = payload.deliver(session.as_mut()).unwrap();
    assert_eq!(delivered.sent, SIZE as u64);
    assert!(fs::read(dir.join("p7.tar.gz")).unwrap() == payload.bytes);
    let suffixes = SidecarKind::ALL.map(|kind| format!("p7.tar.gz{}", kind.suffix()));
    let mut expected: Vec<String> = suffixes.to_vec();
    expected.extend(["p7.tar", "p7.tar.gz", "p7.tar.gz.part"].map(str::to_owned));
    expected.sort();
    assert_eq!(names_in(&dir), expected);
    assert_eq!(settings.known.habits(&session.peer()).takes_dot_names, Some(false));
    // A later run knows, and goes on with what is there.
    fs::rename(dir.join("p7.tar.gz"), dir.join(format!("p7.tar.gz.{generation}.part"))).unwrap();
    let delivered = payload.deliver(site.connect().unwrap().as_mut()).unwrap();
    assert_eq!((delivered.resumed_from, delivered.sent), (SIZE as u64, 0));
    assert_eq!(names_in(&dir), expected);
}

#[test]
fn f_14_a_payload_alone_finds_out_that_dots_are_refused() {
    let (ftpd, settings) = without_dots();
    let payload = Payload::noise();
    payload.deliver(Ftp::new(settings).connect().unwrap().as_mut()).unwrap();
    assert!(fs::read(ftpd.root().join(payload.place.payload().as_str())).unwrap() == payload.bytes);
}

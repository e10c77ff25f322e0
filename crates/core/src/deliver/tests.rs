//! Delivery to a real directory and to real OpenSSH servers, with what is found there and what goes wrong.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use intraware_test_support::disk::SmallDisk;
use intraware_test_support::ftp_relay::FtpRelay;
use intraware_test_support::ftpd::{Ftpd, Kind, Security};
use intraware_test_support::relay::{Fault as LineFault, Relay};
use intraware_test_support::sshd::{Access, Sshd};

use super::*;
use crate::digest::Digester;
use crate::secret::Secret;
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::conformance::noise;
use crate::site::{
    BasePath, Credential, Directory, Ftp, FtpSettings, Protection, Session, Sftp, SftpSettings, Site,
    SiteErrorKind, Trust,
};

mod cut_lines;
mod harm;
mod places;

const SIZE: usize = 3_000_000;

/// A site, the directory in which its files can be seen, and what keeps it alive.
struct World {
    what: &'static str,
    site: Box<dyn Site>,
    base: PathBuf,
    /// How it proves contents by itself or with our help.
    strength: Strength,
    _keep: Keep,
}

enum Keep {
    Dir { _dir: tempfile::TempDir },
    Sshd { _sshd: Box<Sshd> },
    Ftpd { _ftpd: Box<Ftpd> },
}

fn sftp(sshd: &Sshd, port: u16, known_hosts: PathBuf) -> Sftp {
    Sftp::new(sftp_settings(sshd, port, known_hosts))
}

fn sftp_settings(sshd: &Sshd, port: u16, known_hosts: PathBuf) -> SftpSettings {
    SftpSettings {
        name: "intraware".into(),
        host: "127.0.0.1".into(),
        port,
        user: sshd.user().into(),
        base: BasePath::Absolute(sshd.base()),
        known_hosts,
        credentials: vec![Credential::Key { file: sshd.client_key(), passphrase: None }],
        connect_timeout: Duration::from_secs(20),
        io_timeout: Duration::from_secs(20),
        min_rate: 1024,
        file_mode: 0o644,
        dir_mode: 0o755,
        exec_hash: true,
    }
}

/// Returns a file that has the server's keys under the relay's address.
fn known_hosts_of(sshd: &Sshd, relay: &Relay) -> PathBuf {
    let known_hosts = sshd.known_hosts().with_file_name("known_hosts.relay");
    let address = |port: u16| format!("[127.0.0.1]:{port}");
    let lines = fs::read_to_string(sshd.known_hosts()).unwrap();
    let lines = lines.replace(&address(sshd.addr().port()), &address(relay.addr().port()));
    fs::write(&known_hosts, lines).unwrap();
    known_hosts
}

fn directory() -> World {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_owned();
    let site = Directory { name: "dir".into(), base: base.clone(), file_mode: 0o644, dir_mode: 0o755 };
    let (site, strength) = (Box::new(site), Strength::ServerHash);
    World { what: "directory", site, base, strength, _keep: Keep::Dir { _dir: dir } }
}

fn server(access: Access) -> World {
    let sshd = Box::new(Sshd::start(access));
    let site = Box::new(sftp(&sshd, sshd.addr().port(), sshd.known_hosts()));
    let (what, strength) = match access {
        Access::Shell => ("openssh", Strength::ServerHash),
        Access::SftpOnly => ("openssh without commands", Strength::ReadBack),
        Access::Chrooted => ("openssh in a jail", Strength::ReadBack),
        Access::Bare => ("openssh without attributes and extensions", Strength::ReadBack),
    };
    World { what, site, base: sshd.root(), strength, _keep: Keep::Sshd { _sshd: sshd } }
}

fn ftp(ftpd: &Ftpd) -> Ftp {
    Ftp::new(ftp_settings(ftpd))
}

fn ftp_settings(ftpd: &Ftpd) -> FtpSettings {
    let trust = Trust::Authorities(Some(ftpd.certificates().authority()));
    FtpSettings {
        name: "intraware".into(),
        host: "127.0.0.1".into(),
        port: ftpd.addr().port(),
        user: ftpd.user().into(),
        password: Secret::new(ftpd.password()),
        base: BasePath::Absolute(ftpd.base()),
        protection: Protection::Explicit(trust),
        connect_timeout: Duration::from_secs(20),
        io_timeout: Duration::from_secs(20),
        min_rate: 1024,
        file_mode: 0o644,
    }
}

fn ftps(kind: Kind) -> World {
    let ftpd = Box::new(Ftpd::start(kind, Security::Explicit));
    let (what, strength) = match kind {
        Kind::ProFtpd => ("proftpd over ftps", Strength::ServerHash),
        Kind::Vsftpd => ("vsftpd over ftps", Strength::ReadBack),
        Kind::PureFtpd => ("pure-ftpd over ftps", Strength::ReadBack),
    };
    let (site, base) = (Box::new(ftp(&ftpd)), ftpd.root());
    World { what, site, base, strength, _keep: Keep::Ftpd { _ftpd: ftpd } }
}

/// Runs a test at each kind of site.
fn at_each_site(test: impl Fn(&World)) {
    let servers = [Access::Shell, Access::SftpOnly, Access::Bare].map(server);
    let ftp_servers = [Kind::ProFtpd, Kind::Vsftpd, Kind::PureFtpd].map(ftps);
    for world in [directory()].into_iter().chain(servers).chain(ftp_servers) {
        test(&world);
    }
}

/// Both halves of a delivery to one site.
fn deliver(
    session: &mut dyn Session,
    delivery: &Delivery<'_>,
    payload: &fs::File,
    progress: &mut dyn FnMut(u64),
) -> Result<Delivered, DeliverError> {
    let staged = stage(session, delivery, payload, progress)?;
    commit(session, delivery, staged)
}

/// A prepared payload.
struct Payload {
    bytes: Vec<u8>,
    digests: Digests,
    file: fs::File,
    place: Place,
}

impl Payload {
    fn new(bytes: Vec<u8>) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let digests = digests(&bytes);
        Self { bytes, digests, file, place: Place::of_build(b"blast/5.1/p7").unwrap() }
    }

    fn noise() -> Self {
        Self::new(noise(SIZE))
    }

    fn delivery(&self) -> Delivery<'_> {
        Delivery {
            place: &self.place,
            digests: &self.digests,
            verify: Verify::Strong,
            released: Released::Never,
            go_on: &|| Ok(()),
            pool: None,
            may_commit: &|| Ok(()),
        }
    }

    fn deliver(&self, session: &mut dyn Session) -> Result<Delivered, DeliverError> {
        self.deliver_as(session, &self.delivery())
    }

    fn deliver_as(
        &self,
        session: &mut dyn Session,
        delivery: &Delivery<'_>,
    ) -> Result<Delivered, DeliverError> {
        deliver(session, delivery, &self.file, &mut |_| ())
    }

    fn part(&self) -> RemotePath {
        self.place.part(self.digests.generation())
    }
}

fn digests(bytes: &[u8]) -> Digests {
    let mut digester = Digester::default();
    digester.update(bytes);
    digester.finish()
}

impl World {
    fn session(&self) -> Box<dyn Session> {
        self.site.connect().unwrap_or_else(|err| panic!("{}: {err}", self.what))
    }

    fn local(&self, path: &RemotePath) -> PathBuf {
        self.base.join(path.as_str())
    }

    /// Puts a file where the site keeps it, behind the site's back.
    fn plant(&self, path: &RemotePath, bytes: &[u8]) {
        self.make_dir(&path.parent());
        fs::write(self.local(path), bytes).unwrap();
        self.own(&self.local(path));
    }

    /// Makes a directory and those above it behind the site's back.
    fn make_dir(&self, path: &RemotePath) {
        for dir in path.with_parents() {
            let at = self.local(&dir);
            fs::create_dir_all(&at).unwrap();
            self.own(&at);
        }
    }

    /// Makes a file or directory the property of whoever the site's account is there.
    fn own(&self, at: &Path) {
        let base = fs::metadata(&self.base).unwrap();
        chown(at, Some(base.uid()), Some(base.gid())).unwrap();
    }

    fn names(&self, payload: &Payload) -> Vec<String> {
        let entries = fs::read_dir(self.local(payload.place.dir())).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Asserts that the payload is at its final name and nothing else is beside it.
    fn assert_delivered(&self, payload: &Payload) {
        assert!(fs::read(self.local(&payload.place.payload())).unwrap() == payload.bytes, "{}", self.what);
        assert_eq!(self.names(payload), ["p7.tar.gz"], "{}", self.what);
    }
}

#[test]
fn s0_46_a_payload_is_delivered_once_and_adopted_afterwards() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let mut session = world.session();
        let mut heard = Vec::new();
        let first =
            deliver(session.as_mut(), &payload.delivery(), &payload.file, &mut |done| heard.push(done))
                .unwrap();
        let strength = world.strength;
        let expected = Delivered {
            verified_by: strength,
            resumed_from: 0,
            sent: SIZE as u64,
            moved_aside: None,
            adopted: false,
        };
        assert_eq!(first, expected, "{}", world.what);
        assert!(heard.is_sorted() && heard.first() == Some(&0) && heard.last() == Some(&(SIZE as u64)));
        world.assert_delivered(&payload);
        let again = payload.deliver(session.as_mut()).unwrap();
        assert_eq!(again, Delivered { sent: 0, adopted: true, ..expected }, "{}", world.what);
    });
}

#[test]
fn size_is_enough_only_where_it_is_asked_for_and_nothing_better_is_free() {
    for (world, expected) in
        [(server(Access::SftpOnly), Strength::Size), (server(Access::Shell), Strength::ServerHash)]
    {
        let payload = Payload::noise();
        let delivery = Delivery { verify: Verify::Size, ..payload.delivery() };
        let delivered = payload.deliver_as(world.session().as_mut(), &delivery).unwrap();
        assert_eq!(delivered.verified_by, expected, "{}", world.what);
        // But other content of the same size is not taken for ours.
        let mut other = payload.bytes.clone();
        other[7] ^= 1;
        world.plant(&payload.place.payload(), &other);
        let delivered = payload.deliver_as(world.session().as_mut(), &delivery).unwrap();
        assert!(!delivered.adopted && delivered.moved_aside.is_some(), "{}", world.what);
    }
}

#[test]
fn a_partial_file_is_resumed_behind_a_proven_prefix_only() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let whole = SIZE as u64;
        let mut wrong = payload.bytes[..2_000_000].to_vec();
        wrong[1_234_567] ^= 1;
        let mut same_size = payload.bytes.clone();
        same_size[0] ^= 1;
        let longer = [payload.bytes.as_slice(), b"more"].concat();
        for (what, partial, from) in [
            ("a prefix", &payload.bytes[..1_500_001], 1_500_001),
            ("nothing", &[][..], 0),
            ("other bytes", &wrong, 1 << 20),
            (
                "the same size",
                &same_size,
                if world.session().writes_anywhere() { whole - (1 << 20) } else { 0 },
            ),
            ("a longer one", &longer, 0),
            ("the whole", &payload.bytes, whole),
        ] {
            world.plant(&payload.part(), partial);
            let delivered = payload.deliver(world.session().as_mut()).unwrap();
            let told = (delivered.resumed_from, delivered.sent, delivered.verified_by);
            assert_eq!(told, (from, whole - from, world.strength), "{what} at {}", world.what);
            world.assert_delivered(&payload);
            fs::remove_file(world.local(&payload.place.payload())).unwrap();
        }
    });
}

#[test]
fn a_site_that_takes_no_file_from_the_middle_gets_it_from_the_beginning() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    let payload = Payload::noise();
    let part = ftpd.root().join(payload.part().as_str());
    let (neither, no_restart) = ("AllowOverwrite off\nAllowStoreRestart off", "AllowStoreRestart off");
    for (lines, partial) in [
        (neither, &payload.bytes[..1_000_000]),
        (neither, &[]),
        (no_restart, &payload.bytes[..1_000_000]),
        (no_restart, &[]),
    ] {
        ftpd.configure(lines);
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, partial).unwrap();
        for at in part.ancestors().take_while(|at| *at != ftpd.root()) {
            chown(at, Some(65_534), Some(65_534)).unwrap();
        }
        let delivered = payload.deliver(ftp(&ftpd).connect().unwrap().as_mut()).unwrap();
        assert_eq!((delivered.resumed_from, delivered.sent), (0, SIZE as u64));
        let at = ftpd.root().join(payload.place.payload().as_str());
        assert!(fs::read(&at).unwrap() == payload.bytes);
        fs::remove_file(at).unwrap();
    }
}

#[test]
fn a_temporary_name_that_is_no_file_is_left_alone() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let part = world.local(&payload.part());
        world.plant(&RemotePath::new("victim").unwrap(), b"precious");
        world.make_dir(payload.place.dir());
        symlink(world.base.join("victim"), &part).unwrap();
        let refused = |what: &str| {
            let err = payload.deliver(world.session().as_mut()).unwrap_err();
            assert!(
                matches!(&err, DeliverError::NotRegular(path) if *path == payload.part()),
                "{what}: {err}"
            );
            assert!(!world.local(&payload.place.payload()).exists());
        };
        refused("a link");
        assert!(part.is_symlink());
        assert_eq!(fs::read(world.base.join("victim")).unwrap(), b"precious");
        fs::remove_file(&part).unwrap();
        fs::create_dir(&part).unwrap();
        refused("a directory");
        assert!(part.is_dir());
    });
}

#[test]
fn other_content_gives_way_if_it_was_never_released_and_stays_if_it_was() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let at = payload.place.payload();
        world.plant(&at, b"other");
        let delivery = Delivery { released: Released::Before(None), ..payload.delivery() };
        let err = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
        assert!(matches!(err, DeliverError::Conflict(_)), "{err}");
        assert_eq!(err.fault(), Fault::Build);
        assert_eq!(fs::read(world.local(&at)).unwrap(), b"other");
        assert_eq!(world.names(&payload), ["p7.tar.gz"], "{}", world.what);

        let delivered = payload.deliver(world.session().as_mut()).unwrap();
        let aside = payload.place.superseded(payload.digests.generation());
        assert_eq!(delivered.moved_aside.as_ref(), Some(&aside));
        assert_eq!(fs::read(world.local(&aside)).unwrap(), b"other");
        assert!(fs::read(world.local(&at)).unwrap() == payload.bytes);
        // Released or not, the same content is adopted.
        assert!(payload.deliver_as(world.session().as_mut(), &delivery).unwrap().adopted);

        fs::remove_file(world.local(&at)).unwrap();
        symlink("elsewhere", world.local(&at)).unwrap();
        let err = payload.deliver(world.session().as_mut()).unwrap_err();
        assert!(matches!(&err, DeliverError::NotRegular(path) if *path == at), "{err}");
        assert!(world.local(&at).is_symlink());
    });
}

#[test]
fn content_that_appears_during_the_upload_is_dealt_with_before_the_rename() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let at = payload.place.payload();
        let same = || {
            world.plant(&at, &payload.bytes);
            Ok(())
        };
        let delivery = Delivery { may_commit: &same, ..payload.delivery() };
        let delivered = payload.deliver_as(world.session().as_mut(), &delivery).unwrap();
        assert!(delivered.adopted && delivered.sent == SIZE as u64, "{}", world.what);
        world.assert_delivered(&payload);
        fs::remove_file(world.local(&at)).unwrap();
        let other = || {
            world.plant(&at, b"other");
            Ok(())
        };
        let released = Released::Before(None);
        let delivery = Delivery { may_commit: &other, released, ..payload.delivery() };
        let err = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
        assert!(matches!(err, DeliverError::Conflict(_)), "{err}");
        assert_eq!(fs::read(world.local(&at)).unwrap(), b"other");
    });
}

#[test]
fn bytes_that_change_at_the_site_are_sent_again_once() {
    at_each_site(|world| {
        for (times, name) in [(1, "once"), (2, "each time")] {
            let payload = Payload::noise();
            let part = world.local(&payload.part());
            let mut left = times;
            let mut spoil = |done: u64| {
                if done == SIZE as u64 && left > 0 {
                    left -= 1;
                    let mut file = fs::OpenOptions::new().write(true).open(&part).unwrap();
                    file.seek(std::io::SeekFrom::Start(1_000_000)).unwrap();
                    file.write_all(b"rotten").unwrap();
                }
            };
            let result = deliver(world.session().as_mut(), &payload.delivery(), &payload.file, &mut spoil);
            assert_eq!(left, 0, "{name} at {}", world.what);
            if times == 1 {
                assert_eq!(result.unwrap().sent, 2 * SIZE as u64);
                world.assert_delivered(&payload);
                fs::remove_file(world.local(&payload.place.payload())).unwrap();
            } else {
                assert!(matches!(result, Err(DeliverError::Corrupt(_))), "{result:?}");
                assert!(world.names(&payload).is_empty(), "{:?}", world.names(&payload));
            }
        }
    });
}

#[test]
fn s0_46_a_delivery_over_ftp_with_data_cut_at_any_byte_is_completed_by_the_next() {
    for kind in [Kind::ProFtpd, Kind::Vsftpd, Kind::PureFtpd] {
        let ftpd = Ftpd::start(kind, Security::Plain);
        let relay = FtpRelay::start(ftpd.addr(), LineFault::None);
        let (protection, port) = (Protection::None, relay.addr().port());
        let site = Ftp::new(FtpSettings { protection, port, ..ftp_settings(&ftpd) });
        let payload = Payload::noise();
        let at = ftpd.root().join(payload.place.payload().as_str());
        for cut in [0, 1, 70_000, 1_000_000, 1_500_001, SIZE as u64 - 1] {
            for fault in [LineFault::CutAfter(cut), LineFault::ResetAfter(cut), LineFault::LoseAfter(cut)] {
                relay.set_data(fault);
                relay.set_data(fault);
                let result = payload.deliver(site.connect().unwrap().as_mut());
                let err = result.expect_err("the cut is noticed");
                assert_eq!(err.fault(), Fault::TryLater, "{fault:?} at {kind:?}: {err}");
                assert!(!at.exists(), "{fault:?} at {kind:?}: a final name of what did not arrive");
                // What the server had taken in when it noticed.
                ftpd.kill_connections();
                relay.set_data(LineFault::None);
                let part = ftpd.root().join(payload.part().as_str());
                let there = fs::metadata(part).map_or(0, |part| part.len());
                let delivered = payload.deliver(site.connect().unwrap().as_mut()).unwrap();
                let told = (delivered.resumed_from, delivered.sent);
                assert_eq!(told, (there, SIZE as u64 - there), "{fault:?} at {kind:?}");
                assert!(
                    there <= cut && (there == cut || !matches!(fault, LineFault::LoseAfter(_))),
                    "{there}"
                );
                assert!(fs::read(&at).unwrap() == payload.bytes, "{fault:?} at {kind:?}");
                fs::remove_file(&at).unwrap();
            }
        }
    }
}

#[test]
fn a_damaged_local_payload_never_gets_a_name() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let mut file = payload.file.try_clone().unwrap();
        file.seek(std::io::SeekFrom::Start(2_999_999)).unwrap();
        file.write_all(&[!payload.bytes[2_999_999]]).unwrap();
        let damaged = |what: &str| {
            let err = payload.deliver(world.session().as_mut()).unwrap_err();
            assert!(matches!(err, DeliverError::Damaged { .. }), "{what} at {}: {err}", world.what);
            assert!(world.names(&payload).is_empty(), "{:?}", world.names(&payload));
        };
        damaged("other bytes");
        file.set_len(1_000_000).unwrap();
        world.plant(&payload.part(), &payload.bytes[..10]);
        damaged("cut");
        file.set_len(SIZE as u64 + 1).unwrap();
        damaged("longer");
    });
}

#[test]
fn a_hold_stops_before_the_rename_and_nothing_is_sent_twice() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let hold = || Err(Stop("held by an operator".into()));
        let delivery = Delivery { may_commit: &hold, ..payload.delivery() };
        let err = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
        assert!(
            matches!(&err, DeliverError::Stopped { stop, .. } if stop.0 == "held by an operator"),
            "{err}"
        );
        assert!(!world.local(&payload.place.payload()).exists());
        let delivered = payload.deliver(world.session().as_mut()).unwrap();
        assert_eq!((delivered.sent, delivered.resumed_from), (0, SIZE as u64), "{}", world.what);
        world.assert_delivered(&payload);
    });
}

#[test]
fn what_other_generations_left_is_removed_and_nothing_else() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let beside = |name: &str| RemotePath::new(&format!("{}/{name}", payload.place.dir())).unwrap();
        world.plant(&beside(".p7.tar.gz.0123456789ab.part"), b"old");
        let kept =
            [".p7.tar.gz.0123456789.part", ".p7.tar.gz.notes", ".p8.tar.gz.0123456789ab.part", "notes"];
        for name in kept {
            world.plant(&beside(name), b"not ours");
        }
        symlink("notes", world.local(&beside(".p7.tar.gz.ba9876543210.part"))).unwrap();
        payload.deliver(world.session().as_mut()).unwrap();
        let names = world.names(&payload);
        assert!(!names.iter().any(|name| name == ".p7.tar.gz.0123456789ab.part"), "{names:?}");
        assert_eq!(names.len(), kept.len() + 2, "{names:?}");
    });
}

#[test]
fn a_full_disk_is_noticed_before_anything_is_sent() {
    let world = server(Access::Shell);
    let disk = SmallDisk::mount(&world.base, 2 << 20);
    let payload = Payload::noise();
    let err = payload.deliver(world.session().as_mut()).unwrap_err();
    assert!(matches!(err, DeliverError::NoSpace { needed, .. } if needed == SIZE as u64), "{err}");
    assert_eq!(err.fault(), Fault::TryLater);
    assert!(world.names(&payload).is_empty());
    drop(disk);
    assert!(payload.deliver(world.session().as_mut()).is_ok(), "there is room again");
}

#[test]
fn s0_46_a_delivery_cut_at_any_byte_is_completed_by_the_next() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), LineFault::None);
    let site = sftp(&sshd, relay.addr().port(), known_hosts_of(&sshd, &relay));
    let payload = Payload::noise();
    let at = sshd.root().join(payload.place.payload().as_str());
    payload.deliver(site.connect().unwrap().as_mut()).unwrap();
    let whole = relay.sent();
    let ends = (whole - 1_200..whole).step_by(120);
    let cuts = [3_000, 40_000, 500_000, 1_500_000, 2_500_000, 2_990_000].into_iter().chain(ends);
    let mut resumed = 0;
    for cut in cuts {
        fs::remove_file(&at).unwrap();
        relay.set(LineFault::CutAfter(cut));
        let result = site
            .connect()
            .map_err(DeliverError::from)
            .and_then(|mut session| payload.deliver(session.as_mut()));
        // Whatever happened, a final name shows the whole payload or nothing (I4).
        assert!(!at.exists() || fs::read(&at).unwrap() == payload.bytes, "cut after {cut}");
        if let Err(err) = result {
            assert_eq!(err.fault(), Fault::TryLater, "cut after {cut}: {err}");
        }
        relay.set(LineFault::None);
        sshd.kill_connections();
        let delivered = payload.deliver(site.connect().unwrap().as_mut()).unwrap();
        assert!(fs::read(&at).unwrap() == payload.bytes, "cut after {cut}");
        assert_eq!(fs::read_dir(at.parent().unwrap()).unwrap().count(), 1, "cut after {cut}");
        resumed += u64::from(delivered.resumed_from > 0);
        if cut > whole - 300 {
            assert_eq!(delivered.sent, 0, "cut after {cut} of {whole}");
        }
    }
    assert!(resumed > 3, "only {resumed} were resumed");
}

mod far;

fn sidecars_of(payload: &Payload, signature: &[u8]) -> Sidecars {
    Sidecars::new(payload.place.payload_name(), &payload.digests, signature.to_vec())
}

#[test]
fn s0_35_sidecars_are_put_whole_and_replaced_when_they_differ() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let (place, generation) = (&payload.place, payload.digests.generation());
        let mut session = world.session();
        session.make_dirs(place.dir()).unwrap();
        let ours = sidecars_of(&payload, b"signature");
        let put = |session: &mut dyn Session, sidecars: &Sidecars| {
            put_sidecars(session, place, generation, sidecars)
        };
        world.plant(&place.sidecar_part(SidecarKind::Md5, generation), &[b'x'; 5_000]);
        let old = "0123456789ab".parse().unwrap();
        world.plant(&place.sidecar_part(SidecarKind::Signature, old), b"stale");
        assert_eq!(put(session.as_mut(), &ours).unwrap(), 5, "{}", world.what);
        assert_eq!(put(session.as_mut(), &ours).unwrap(), 0, "{}", world.what);
        let names = world.names(&payload);
        assert_eq!(names.len(), 5, "{names:?}");
        // Of the same size, and yet another one.
        assert_eq!(put(session.as_mut(), &sidecars_of(&payload, b"SIGNATURE")).unwrap(), 1);
        assert_eq!(fs::read(world.local(&place.sidecar(SidecarKind::Signature))).unwrap(), b"SIGNATURE");
        for (kind, content) in ours.iter().skip(1) {
            assert_eq!(fs::read(world.local(&place.sidecar(kind))).unwrap(), content, "{kind:?}");
        }
        let md5 = world.local(&place.sidecar(SidecarKind::Md5));
        fs::remove_file(&md5).unwrap();
        fs::create_dir(&md5).unwrap();
        assert_eq!(put(session.as_mut(), &ours).unwrap_err().kind, SiteErrorKind::NotRegular);
        assert!(md5.is_dir());
    });
}

#[test]
fn s0_21_the_payload_and_its_sidecars_are_seen_as_they_are() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let place = &payload.place;
        let ours = sidecars_of(&payload, b"signature");
        let mut session = world.session();
        let record = Expected {
            size: payload.digests.size,
            md5: Some(payload.digests.md5),
            sha1: Some(payload.digests.sha1),
            sha256: None,
            sidecars: None,
            depth: Inspect::ReadBack,
        };
        let manifest = Expected { sha256: Some(payload.digests.sha256), sidecars: Some(&ours), ..record };
        let mut see = |expected: &Expected<'_>| inspect(session.as_mut(), place, expected).unwrap();
        let nothing = see(&manifest);
        assert_eq!(nothing.payload, PayloadView::Absent);
        assert!(nothing.sidecars.iter().all(|(_, view)| *view == SidecarView::Absent));

        payload.deliver(world.session().as_mut()).unwrap();
        put_sidecars(world.session().as_mut(), place, payload.digests.generation(), &ours).unwrap();
        for (expected, strength) in [
            (manifest, world.strength),
            (record, Strength::ReadBack),
            (Expected { depth: Inspect::SizeAndServerHash, ..record }, Strength::Size),
        ] {
            let view = see(&expected);
            assert_eq!(view.payload, PayloadView::Right(strength), "{}", world.what);
            assert!(
                view.sidecars.iter().all(|(_, seen)| *seen == SidecarView::Present),
                "{view:?} at {}",
                world.what
            );
        }

        let other = Payload::new(b"other".to_vec());
        for (kind, content) in sidecars_of(&other, b"").iter() {
            world.plant(&place.sidecar(kind), content);
        }
        let wrong = |view: &SiteView| view.sidecars.map(|(_, view)| view == SidecarView::Wrong);
        assert_eq!(wrong(&see(&manifest)), [true; 5], "{}", world.what);
        // The record does not know the SHA-256, so it cannot say that it is wrong.
        assert_eq!(wrong(&see(&record)), [true, true, true, true, false], "{}", world.what);

        let mut spoilt = payload.bytes.clone();
        spoilt[SIZE / 2] ^= 1;
        world.plant(&place.payload(), &spoilt);
        assert_eq!(see(&manifest).payload, PayloadView::WrongContent);
        assert_eq!(see(&record).payload, PayloadView::WrongContent);
        world.plant(&place.payload(), &spoilt[1..]);
        assert_eq!(see(&record).payload, PayloadView::WrongSize { found: SIZE as u64 - 1 });
        replace_by_link(&world.local(&place.payload()));
        assert_eq!(see(&record).payload, PayloadView::NotRegular);
    });
}

fn replace_by_link(path: &Path) {
    fs::remove_file(path).unwrap();
    symlink("elsewhere", path).unwrap();
}

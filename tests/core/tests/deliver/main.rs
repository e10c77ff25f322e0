//! Delivery to a real directory and to real OpenSSH servers, with what is found there and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

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

use intraware_core::deliver::*;
use intraware_core::digest::{Digester, Digests};
use intraware_core::exit::Fault;
use intraware_core::sidecar::{SidecarKind, Sidecars};
use intraware_core::site::conformance::noise;
use intraware_core::site::{Directory, Known, Place, RemotePath, Session, Site, SiteError, SiteErrorKind};
use intraware_site_ftp::servers::ftp_settings;
use intraware_site_ftp::{Ftp, FtpSettings, Protection};
use intraware_site_sftp::servers::{mod_sftp_settings, sftp_settings, through};
use intraware_site_sftp::{Sftp, SftpSettings};

mod cut_lines;
mod far;
mod harm;
mod odd;
mod odd_sftp;
mod others;
mod places;
mod resumed;
mod sidecars;

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

fn directory() -> World {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_owned();
    let site = Directory {
        name: "dir".into(),
        base: base.clone(),
        file_mode: 0o644,
        dir_mode: 0o755,
        known: Known::default(),
    };
    let (site, strength) = (Box::new(site), Strength::ServerHash);
    World { what: "directory", site, base, strength, _keep: Keep::Dir { _dir: dir } }
}

fn server(access: Access) -> World {
    let sshd = Box::new(Sshd::start(access));
    let site = Box::new(Sftp::new(sftp_settings(&sshd)));
    let (what, strength) = match access {
        Access::Shell | Access::Asked => ("openssh", Strength::ServerHash),
        Access::SftpOnly => ("openssh without commands", Strength::ReadBack),
        Access::Chrooted => ("openssh in a jail", Strength::ReadBack),
        Access::Bare => ("openssh without attributes and extensions", Strength::ReadBack),
    };
    World { what, site, base: sshd.root(), strength, _keep: Keep::Sshd { _sshd: sshd } }
}

fn ftps(kind: Kind) -> World {
    let ftpd = Box::new(Ftpd::start(kind, Security::Explicit));
    let (what, strength) = match kind {
        Kind::ProFtpd => ("proftpd over ftps", Strength::ServerHash),
        Kind::Vsftpd => ("vsftpd over ftps", Strength::ReadBack),
        Kind::PureFtpd => ("pure-ftpd over ftps", Strength::ReadBack),
    };
    let (site, base) = (Box::new(Ftp::new(ftp_settings(&ftpd))), ftpd.root());
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
            released: Released::NotKnown,
            ours: &|| Ok(Ours::default()),
            go_on: &|| Ok(()),
            pool: None,
            stuck: None,
            may_commit: &|| Ok(()),
        }
    }

    fn deliver(&self, session: &mut dyn Session) -> Result<Delivered, DeliverError> {
        self.deliver_as(session, &self.delivery())
    }

    /// Delivers it where this is known to be ours.
    fn deliver_over(&self, session: &mut dyn Session, ours: &Ours) -> Result<Delivered, DeliverError> {
        self.deliver_as(session, &Delivery { ours: &|| Ok(ours.clone()), ..self.delivery() })
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

    /// Puts the `.SHA256` of a payload, as `manage` does before the payload comes.
    fn plant_sha256(&self, place: &Place, of: &Payload) {
        self.plant(&place.sidecar(SidecarKind::Sha256), sidecars_of(of, b"").get(SidecarKind::Sha256));
    }

    /// Asserts that the payload is at its final name and nothing else is beside it.
    fn assert_delivered(&self, payload: &Payload) {
        assert!(fs::read(self.local(&payload.place.payload())).unwrap() == payload.bytes, "{}", self.what);
        assert_eq!(self.names(payload), ["p7.tar.gz"], "{}", self.what);
    }
}

fn sidecars_of(payload: &Payload, signature: &[u8]) -> Sidecars {
    Sidecars::new(payload.place.payload_name(), &payload.digests, signature.to_vec())
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
        let refused = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
        assert!(matches!(refused, DeliverError::Foreign(_)), "{refused} at {}", world.what);
    }
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

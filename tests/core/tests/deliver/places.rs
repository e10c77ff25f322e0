//! A connection that is cut, reset, stalls or drips, at places all over a delivery and at each step of it.
//!
//! Between us and a real server stands a relay for each of its connections, which needs not understand what
//! passes, so that TLS and SSH are disturbed as well. An undisturbed delivery shows what each side says, and
//! when: the places are spread over the bytes of each direction of a large payload, the steps are the
//! messages around a small one. After each fault the outcome must be an error or true, in time, and the next
//! delivery complete it.
//!
//! All faults at all of them take most of an hour. A usual run takes a part, and `tests/places` as many as
//! are wanted.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use intraware_test_support::ftpd::NAMESAKE;
use intraware_test_support::proftpd::ModSftp;
use intraware_test_support::relay::Side;

use super::*;

/// The longest time without any progress, and how much later a delivery may end.
const IO_TIMEOUT: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(5);

/// The payloads: one of which 4 MiB are a small part, and one that is a message among others.
const LARGE: usize = 24_000_001;
const SMALL: usize = 20_001;

/// Places in the stream, of all its directions together.
const PLACES: u64 = 64;

/// How much of what it was sent may be lost by a server: what lies in its and the system's buffers.
const IN_BUFFERS: u64 = 8 << 20;

/// A drip so slow that the shortest message takes longer than it may, and so fast that something is always
/// heard.
const DRIP: u64 = 10;

/// How many deliveries are disturbed at the same time. Most of them wait.
const AT_ONCE: usize = 4;

/// Of how many trials a usual run takes one; no multiple of how many faults there are, so that each is among
/// them.
const ONE_OF: usize = 37;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Ssh(Access),
    ModSftp,
    Ftp(Kind, Security),
}

/// Which connection is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// The only one, or the one for commands.
    Control,
    Data,
}

/// What is done to a delivery.
#[derive(Debug, Clone, Copy)]
struct Trial {
    on: On,
    side: Side,
    fault: LineFault,
}

/// A server behind relays.
struct Line {
    control: Relay,
    /// The one for data, where that has its own.
    data: Option<Relay>,
    /// Whose time is short.
    hasty: Box<dyn Site>,
    /// Whose is not: a loaded machine is no fault.
    patient: Box<dyn Site>,
    root: PathBuf,
    server: Running,
}

enum Running {
    Ssh(Box<Sshd>),
    ModSftp(Box<ModSftp>),
    Ftp(Box<Ftpd>),
}

impl Line {
    fn to(server: Server) -> Self {
        match server {
            Server::Ssh(access) => {
                let sshd = Box::new(Sshd::start(access));
                let control = Relay::start(sshd.addr(), LineFault::None);
                let settings = through(sftp_settings(&sshd), &control);
                Self::over_sftp(control, settings, sshd.root(), Running::Ssh(sshd))
            }
            Server::ModSftp => {
                let server = Box::new(ModSftp::start(""));
                let control = Relay::start(server.addr(), LineFault::None);
                let settings = through(mod_sftp_settings(&server), &control);
                Self::over_sftp(control, settings, server.root(), Running::ModSftp(server))
            }
            Server::Ftp(kind, security) => {
                let data = Relay::to_namesakes(IpAddr::V4(NAMESAKE));
                let ftpd = Box::new(Ftpd::start_behind(data.addr().port(), kind, security));
                let control = Relay::start(ftpd.addr(), LineFault::None);
                let port = control.addr().port();
                let patient = FtpSettings { port, ..ftp_settings(&ftpd) };
                let hasty =
                    FtpSettings { connect_timeout: IO_TIMEOUT, io_timeout: IO_TIMEOUT, ..patient.clone() };
                Self {
                    control,
                    data: Some(data),
                    hasty: Box::new(Ftp::new(hasty)),
                    patient: Box::new(Ftp::new(patient)),
                    root: ftpd.root(),
                    server: Running::Ftp(ftpd),
                }
            }
        }
    }

    fn over_sftp(control: Relay, patient: SftpSettings, root: PathBuf, server: Running) -> Self {
        let hasty = SftpSettings { connect_timeout: IO_TIMEOUT, io_timeout: IO_TIMEOUT, ..patient.clone() };
        let (hasty, patient) = (Box::new(Sftp::new(hasty)), Box::new(Sftp::new(patient)));
        Self { control, data: None, hasty, patient, root, server }
    }

    fn relay(&self, on: On) -> Option<&Relay> {
        match on {
            On::Control => Some(&self.control),
            On::Data => self.data.as_ref(),
        }
    }

    /// Removes all payloads, ends what serves them, and mends the line.
    fn clear(&self) {
        self.mend();
        for entry in fs::read_dir(&self.root).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
    }

    fn mend(&self) {
        match &self.server {
            Running::Ssh(sshd) => sshd.kill_connections(),
            Running::ModSftp(server) => server.kill_connections(),
            Running::Ftp(ftpd) => ftpd.kill_connections(),
        }
        self.control.set(LineFault::None);
        self.data.iter().for_each(|data| data.set(LineFault::None));
    }

    fn deliver(&self, site: &dyn Site, payload: &Payload) -> Result<Delivered, DeliverError> {
        payload.deliver(site.connect()?.as_mut())
    }

    /// Delivers over a line that is mended. Under load Pure-FTPd may take those that have gone for users
    /// still, and say so at its door (421), which is no part of a delivery.
    fn complete(&self, payload: &Payload) -> Delivered {
        let is_full = |error: &SiteError| {
            std::error::Error::source(error).is_some_and(|said| said.to_string().contains("(the maximum)"))
        };
        for _ in 0..50 {
            match self.patient.connect() {
                Err(error) if is_full(&error) => thread::sleep(Duration::from_millis(100)),
                connected => return payload.deliver(connected.unwrap().as_mut()).unwrap(),
            }
        }
        panic!("the server stays full")
    }

    /// Disturbs one delivery, and completes it by the next.
    fn suffer(&self, trial: Trial, payload: &Payload) {
        self.clear();
        let relay = self.relay(trial.on).unwrap();
        relay.set_counting(trial.fault, trial.side);
        let (final_name, part) =
            [payload.place.payload(), payload.part()].map(|path| self.root.join(path.as_str())).into();
        let before = relay.talks().len();
        let begin = Instant::now();
        let outcome = self.deliver(self.hasty.as_ref(), payload);
        let (end, met) = (Instant::now(), relay.met());
        match &outcome {
            Ok(_) => assert!(fs::read(&final_name).unwrap() == payload.bytes, "a false success"),
            Err(error) => assert!(
                matches!(error.fault(), Fault::TryLater | Fault::Unreachable),
                "{error}, since {:?}",
                std::error::Error::source(error)
            ),
        }
        let late = end - met.unwrap_or(begin).max(begin);
        assert!(met.is_none() || outcome.is_ok() || late <= IO_TIMEOUT + LATE, "{late:?} too late");
        // A final name shows the whole payload or nothing (I4).
        assert!(!final_name.exists() || fs::read(&final_name).unwrap() == payload.bytes, "half a payload");
        let passed: u64 = relay.talks()[before..].iter().map(|talk| talk[0]).max().unwrap_or(0);
        self.mend();
        let size = payload.bytes.len() as u64;
        let stored = match (fs::metadata(&final_name), fs::metadata(&part)) {
            (Ok(_), _) => size,
            (_, Ok(part)) => part.len(),
            _ => 0,
        };
        if trial.side == Side::Client && payload.bytes.len() == LARGE {
            // What is encrypted has more bytes, by less than a tenth.
            let arrived = (passed - passed / 10).min(size);
            assert!(stored + IN_BUFFERS >= arrived, "{stored} bytes are left of {arrived}");
        }
        let delivered = self.complete(payload);
        assert!(fs::read(&final_name).unwrap() == payload.bytes, "other bytes in the end");
        let bound = size - stored + (4 << 20);
        assert!(delivered.sent <= bound, "{stored} bytes were there, and {} were sent", delivered.sent);
        let names: Vec<_> = fs::read_dir(final_name.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
}

/// All that is done to deliveries of a large payload: each fault at each of the places.
fn over_the_stream(line: &Line, payload: &Payload) -> Vec<Trial> {
    line.clear();
    line.deliver(line.patient.as_ref(), payload).unwrap();
    let talks = |relay: &Relay, side: Side| relay.talks().iter().map(|talk| talk[side as usize]).max();
    // Half of the places where the payload goes, the others where answers and what is read back come from.
    let streams: Vec<_> = match &line.data {
        None => vec![(On::Control, Side::Client, 32), (On::Control, Side::Server, 32)],
        Some(_) => vec![
            (On::Data, Side::Client, 24),
            (On::Data, Side::Server, 16),
            (On::Control, Side::Client, 12),
            (On::Control, Side::Server, 12),
        ],
    };
    assert_eq!(streams.iter().map(|(_, _, places)| places).sum::<u64>(), PLACES);
    let mut trials = Vec::new();
    for (on, side, places) in streams {
        let whole = line.relay(on).and_then(|relay| talks(relay, side)).unwrap_or(0);
        let at = (0..places).map(|place| whole * place / places);
        trials.extend(at.flat_map(|at| faults(at).map(|fault| Trial { on, side, fault })));
    }
    trials
}

/// The same around a small payload, at each message: before its last byte and behind it.
fn at_the_steps(line: &Line, payload: &Payload) -> Vec<Trial> {
    line.clear();
    let heard = [Side::Client, Side::Server].map(|side| line.control.pieces_of(side).len());
    line.deliver(line.patient.as_ref(), payload).unwrap();
    let mut trials = Vec::new();
    for side in [Side::Client, Side::Server] {
        let pieces = line.control.pieces_of(side).split_off(heard[side as usize]);
        for at in pieces.into_iter().flat_map(|end| [end - 1, end]) {
            trials.extend(faults(at).map(|fault| Trial { on: On::Control, side, fault }));
        }
    }
    trials
}

fn faults(at: u64) -> [LineFault; 5] {
    [
        LineFault::CutAfter(at),
        LineFault::ResetAfter(at),
        LineFault::StallAfter(at),
        LineFault::DripAfter(at, DRIP),
        LineFault::LoseAfter(at),
    ]
}

#[expect(clippy::disallowed_methods, reason = "how many are tried is said by who starts the test")]
fn one_of() -> usize {
    let said = std::env::var("INTRAWARE_PLACES");
    said.map_or(ONE_OF, |said| said.parse().expect("INTRAWARE_PLACES is a number: one of so many is tried"))
}

/// Does all that is to be done to deliveries at a kind of server, and reports all that went wrong.
#[expect(clippy::disallowed_macros, reason = "how many there were is for who asked for more than usual")]
fn disturb(server: Server) {
    let one_of = one_of();
    let first = Line::to(server);
    let payloads = [LARGE, SMALL].map(|size| Payload::new(noise(size)));
    let sets = [over_the_stream(&first, &payloads[0]), at_the_steps(&first, &payloads[1])];
    let trials: Vec<_> = sets
        .iter()
        .zip(&payloads)
        .flat_map(|(set, payload)| set.iter().step_by(one_of).map(move |trial| (*trial, payload)))
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let line = Line::to(server);
                while let Some((trial, payload)) = trials.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let suffer = std::panic::AssertUnwindSafe(|| line.suffer(*trial, payload));
                    if std::panic::catch_unwind(suffer).is_err() {
                        wrong.lock().unwrap().push((*trial, payload.bytes.len()));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} at {server:?}: {wrong:?}", wrong.len(), trials.len());
    println!("{} trials at {server:?}", trials.len());
}

#[test]
fn s0_46_openssh_may_be_disturbed_at_any_place() {
    disturb(Server::Ssh(Access::Shell));
}

#[test]
fn s0_46_openssh_without_commands_may_be_disturbed_at_any_place() {
    disturb(Server::Ssh(Access::SftpOnly));
}

#[test]
fn s0_46_proftpd_over_sftp_may_be_disturbed_at_any_place() {
    disturb(Server::ModSftp);
}

#[test]
fn s0_46_vsftpd_may_be_disturbed_at_any_place() {
    disturb(Server::Ftp(Kind::Vsftpd, Security::Plain));
}

#[test]
fn s0_46_vsftpd_over_tls_may_be_disturbed_at_any_place() {
    disturb(Server::Ftp(Kind::Vsftpd, Security::Explicit));
}

#[test]
fn s0_46_pure_ftpd_may_be_disturbed_at_any_place() {
    disturb(Server::Ftp(Kind::PureFtpd, Security::Plain));
}

#[test]
fn s0_46_pure_ftpd_over_tls_may_be_disturbed_at_any_place() {
    disturb(Server::Ftp(Kind::PureFtpd, Security::Explicit));
}

#[test]
fn s0_46_proftpd_may_be_disturbed_at_any_place() {
    disturb(Server::Ftp(Kind::ProFtpd, Security::Plain));
}

#[test]
fn s0_46_proftpd_over_tls_may_be_disturbed_at_any_place() {
    disturb(Server::Ftp(Kind::ProFtpd, Security::Explicit));
}

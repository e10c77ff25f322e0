//! What is sent to servers that let little be under way, over lines that take little at a time, or over few
//! channels.

use std::io;

use intraware_test_support::delay_line::{DelayLine, Distance};
use intraware_test_support::dropbear::Dropbear;
use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::servers::{dropbear_settings, past};
use intraware_core::site::Pieces;

/// Bytes as pieces, in order.
struct All<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The most that was asked for at a time.
    most: usize,
}

impl Pieces for All<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<(u64, usize)> {
        let (at, rest) = (self.at, &self.bytes[self.at..]);
        let len = rest.len().min(buffer.len());
        self.most = self.most.max(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok((at as u64, len))
    }

    fn complete_to(&self) -> u64 {
        0
    }

    fn go_on(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts bytes over all channels that there are, and returns how long that took, and how much of it the
/// processor did.
fn put(session: &mut dyn Session, bytes: &[u8]) -> (Duration, Duration) {
    let worked = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let (begin, before) = (Instant::now(), worked());
    let sent = session.put_pieces(&path("x"), &mut All { bytes, at: 0, most: 0 }, &mut |_| ());
    assert_eq!(sent.unwrap(), bytes.len() as u64);
    (begin.elapsed(), worked() - before)
}

#[test]
fn n_1_a_packet_that_is_half_sent_on_a_further_channel_is_sent_on() {
    let sshd = Sshd::start(Access::Shell);
    let bytes = noise(24 << 20);
    for rate in [6 << 20, 12 << 20, 24 << 20] {
        // What the line does not take at once fills the socket's buffer, wherever in a packet that is.
        let distance = Distance { round_trip: Duration::from_millis(25), rate };
        let line = DelayLine::start(sshd.addr(), distance);
        let mut session = Sftp::new(past(settings(&sshd), line.addr())).connect().unwrap();
        session.widen().unwrap();
        let (time, worked) = put(session.as_mut(), &bytes);
        assert!(time < LATE, "{time:?} at {rate} bytes a second");
        // A loop that goes round without moving anything works all the time.
        assert!(
            worked < time / 2 + Duration::from_secs(1),
            "{worked:?} of {time:?} at {rate} bytes a second"
        );
        assert!(std::fs::read(sshd.root().join("x")).unwrap() == bytes);
        std::fs::remove_file(sshd.root().join("x")).unwrap();
    }
}

#[test]
fn n_1_further_channels_are_given_as_much_at_a_time_as_the_first() {
    let sshd = Sshd::start(Access::Shell);
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    session.widen().unwrap();
    let mut pieces = All { bytes: &noise(1 << 20), at: 0, most: 0 };
    session.put_pieces(&path("x"), &mut pieces, &mut |_| ()).unwrap();
    assert_eq!(pieces.most, 255 << 10, "a server says how much it takes once, and not on each channel");
}

#[test]
fn n_1_keys_may_be_exchanged_while_several_channels_send() {
    let sshd = Sshd::start(Access::Shell);
    sshd.configure("RekeyLimit 1M");
    let distance = Distance { round_trip: Duration::from_millis(10), rate: 12 << 20 };
    let line = DelayLine::start(sshd.addr(), distance);
    let mut session = Sftp::new(past(settings(&sshd), line.addr())).connect().unwrap();
    session.widen().unwrap();
    let bytes = noise(16 << 20);
    let (time, _) = put(session.as_mut(), &bytes);
    assert!(time < LATE, "{time:?}");
    assert!(std::fs::read(sshd.root().join("x")).unwrap() == bytes);
}

#[test]
fn n_2_dropbear_keeps_the_contract_of_a_site() {
    let server = Dropbear::start(None);
    conformance(&Subject::new(Sftp::new(dropbear_settings(&server)), server.root()));
}

#[test]
fn n_2_a_window_that_is_smaller_than_what_is_said_is_filled_again_at_once() {
    let bytes = noise(6 << 20);
    for window in [None, Some(3_000), Some(70_000), Some(1 << 20)] {
        let server = Dropbear::start(window);
        let mut session = Sftp::new(dropbear_settings(&server)).connect().unwrap();
        session.widen().unwrap();
        session.begin_hash(&path("x")).unwrap();
        let (time, _) = put(session.as_mut(), &bytes);
        assert!(time < LATE, "{time:?} with a window of {window:?}");
        assert!(session.end_hash(bytes.len() as u64).unwrap().is_some(), "with a window of {window:?}");
        assert!(std::fs::read(server.root().join("x")).unwrap() == bytes);
    }
}

#[test]
fn n_5_a_server_with_one_session_an_account_is_sent_to_over_one_channel() {
    let sshd = Sshd::start(Access::Shell);
    let lock = sshd.known_hosts().with_file_name("session");
    sshd.set_subsystem(&format!("flock -n {} /usr/lib/openssh/sftp-server", lock.display()));
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    session.widen().expect("one channel will do");
    let bytes = noise(2 << 20);
    put(session.as_mut(), &bytes);
    assert!(std::fs::read(sshd.root().join("x")).unwrap() == bytes);
    let err = fails(settings(&sshd));
    assert_eq!(err.kind, SiteErrorKind::Disconnected, "the first channel is the connection's only use");
}

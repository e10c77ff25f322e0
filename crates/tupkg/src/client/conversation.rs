//! The session of several packages that lie in files.

use std::sync::atomic::{AtomicBool, Ordering};

use super::outcome::Failure;
use super::package::Package;
use super::session::{Server, Transfer};
use crate::wire::Verdict;

/// What is read and written at once.
const BUFFER: usize = 128 << 10;

/// What a session tells about a package while it goes on.
pub(super) struct Sent {
    /// How many bytes the server had.
    pub(super) held: u64,
    /// How many were sent.
    pub(super) bytes: u64,
}

/// Why a session has ended early, and the one of its packages that this is about, if it is about one alone.
pub(super) struct Broke {
    pub(super) failure: Failure,
    pub(super) package: Option<usize>,
}

impl From<Failure> for Broke {
    fn from(failure: Failure) -> Self {
        let package = match failure {
            Failure::Refused(refusal) => refusal.package,
            _ => None,
        };
        Self { failure, package }
    }
}

/// Sends packages in one session, and returns the server's verdicts. `sent` has a place for each package.
pub(super) fn converse(
    server: &Server,
    packages: &[&Package],
    sent: &mut [Sent],
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Verdict>, Broke> {
    let announced = packages.iter().map(|package| package.announced.clone());
    let mut transfer = server.connect()?.announce(announced)?;
    for (sent, held) in sent.iter_mut().zip(transfer.held()) {
        *sent = Sent { held: *held, bytes: 0 };
    }
    for (index, (package, sent)) in packages.iter().zip(sent.iter_mut()).enumerate() {
        match pour(&mut transfer, package, sent, stop, progress) {
            Ok(()) => {}
            Err(failure @ (Failure::Read(_) | Failure::Changed)) => {
                return Err(Broke { failure, package: Some(index) });
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(transfer.verdicts()?)
}

/// Sends what the server lacks of a package.
fn pour(
    transfer: &mut Transfer,
    package: &Package,
    sent: &mut Sent,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let Package { file, announced } = package;
    let mut at = sent.held;
    progress(at);
    let mut buffer = vec![0; BUFFER];
    while at < announced.size {
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        let room = buffer.len().min(usize::try_from(announced.size - at).unwrap_or(usize::MAX));
        let count = transfer.send_file(file, at, &mut buffer[..room])? as u64;
        if count == 0 {
            return Err(Failure::Changed);
        }
        at += count;
        sent.bytes += count;
        progress(count);
    }
    Ok(())
}

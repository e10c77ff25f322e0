//! One direction's way out of a relay: whole or in drips, at once or later.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Fault;

/// In what pieces bytes pass, and how long each takes.
pub(super) struct Pieces {
    size: usize,
    time: Duration,
}

impl Pieces {
    pub(super) const WHOLE: Self = Self { size: usize::MAX, time: Duration::ZERO };

    /// Ten pieces a second, or as many as there are bytes if those are fewer.
    pub(super) fn at_rate(bytes_a_second: u64) -> Self {
        let size = (bytes_a_second / 10).max(1);
        let time = Duration::from_secs_f64(size as f64 / bytes_a_second as f64);
        Self { size: usize::try_from(size).unwrap_or(usize::MAX), time }
    }

    pub(super) fn of(self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        bytes.chunks(self.size).inspect(move |_| thread::sleep(self.time))
    }
}

/// One direction's way out, delayed if the fault says so.
pub(super) enum Line {
    Direct(TcpStream),
    Delayed { delay: Duration, queue: mpsc::Sender<(Instant, Vec<u8>)> },
}

impl Line {
    pub(super) fn new(mut stream: TcpStream, fault: Fault) -> Self {
        let Fault::Delay(delay) = fault else { return Self::Direct(stream) };
        let (queue, due) = mpsc::channel::<(Instant, Vec<u8>)>();
        thread::spawn(move || {
            for (when, bytes) in due {
                thread::sleep(when.saturating_duration_since(Instant::now()));
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            let _ = stream.shutdown(Shutdown::Write);
        });
        Self::Delayed { delay, queue }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Direct(stream) => stream.write_all(bytes).is_ok(),
            Self::Delayed { delay, queue } => queue.send((Instant::now() + *delay, bytes.to_vec())).is_ok(),
        }
    }

    /// Tells the other side that no more comes; a delayed line does so once its queue is empty.
    pub(super) fn end(self) {
        if let Self::Direct(stream) = self {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

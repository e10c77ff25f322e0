//! Moving a file's bytes, as long as that gets on.
//!
//! libssh2 sends ahead of what is acknowledged and asks ahead of what is read. A transfer that ends early leaves
//! half a request on its channel, behind which nothing can be said any more: whoever gets [`Broken`] has to
//! go on over another channel.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use ssh2::File;

use super::link::{Failure, Link, Patience};
use super::window::Window;

/// Bytes asked for at a time; libssh2 asks for four times as many ahead.
const READ: usize = 1 << 20;

/// The slowest that a transfer may be: this many bytes in this time. A line that drips is as good as stalled.
const PACE_BYTES: u64 = 300 * 1024;
const PACE_TIME: Duration = Duration::from_secs(300);

/// Why a transfer ended early.
pub(super) enum Broken {
    /// The site failed or refused.
    Site(Failure),
    /// The local side could not be read or written.
    Local(io::Error),
}

/// Writes all of `source` to a file and returns how many bytes that was.
pub(super) fn send(
    link: &Link,
    file: &mut File,
    source: &mut dyn Read,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Broken> {
    let mut window = Window::new();
    let mut pace = Pace::new(link.io_timeout);
    let mut acknowledged = 0;
    loop {
        let bytes = window.fill(source).map_err(Broken::Local)?;
        if bytes.is_empty() {
            return Ok(acknowledged);
        }
        let n = link
            .drive(pace.patience(), || file.write(bytes).map_err(|err| link.io_failure(&err)))
            .map_err(Broken::Site)?;
        pace.moved(n);
        window.acknowledge(n);
        acknowledged += n as u64;
        progress(acknowledged);
    }
}

/// Reads a file to its end into `sink` and returns how many bytes that was.
pub(super) fn receive(link: &Link, file: &mut File, sink: &mut dyn Write) -> Result<u64, Broken> {
    let mut buffer = vec![0; READ];
    let mut pace = Pace::new(link.io_timeout);
    let mut copied = 0;
    loop {
        let step =
            link.drive(pace.patience(), || file.read(&mut buffer).map_err(|err| link.io_failure(&err)));
        match step.map_err(Broken::Site)? {
            0 => return Ok(copied),
            n => {
                pace.moved(n);
                sink.write_all(&buffer[..n]).map_err(Broken::Local)?;
                copied += n as u64;
            }
        }
    }
}

/// Watches that a transfer gets on.
struct Pace {
    idle: Duration,
    end: Instant,
    moved: u64,
}

impl Pace {
    fn new(idle: Duration) -> Self {
        Self { idle, end: Instant::now() + PACE_TIME, moved: 0 }
    }

    fn patience(&self) -> Patience {
        Patience::Idle(self.idle, self.end)
    }

    fn moved(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        if self.moved >= PACE_BYTES {
            *self = Self::new(self.idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_that_drips_runs_out_of_time() {
        let mut pace = Pace::new(Duration::from_secs(60));
        let begin = pace.end;
        pace.moved(PACE_BYTES as usize - 1);
        assert_eq!(pace.end, begin, "too little to be given more time");
        pace.moved(1);
        assert!(pace.end > begin);
    }
}

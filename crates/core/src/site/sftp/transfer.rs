//! Moving a file's bytes, as long as that gets on.
//!
//! libssh2 sends ahead of what is acknowledged and asks ahead of what is read. A transfer that ends early leaves
//! half a request on its channel, behind which nothing can be said any more: whoever gets [`Broken`] has to
//! go on over another channel.

use std::io::{self, Read, Write};

use ssh2::File;

use super::link::{Failure, Link};
use super::window::Window;
use crate::site::pace::Pace;

/// Bytes asked for at a time; libssh2 asks for four times as many ahead.
const READ: usize = 1 << 20;

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
    let mut pace = Pace::new(link.io_timeout, link.min_rate);
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
    let mut pace = Pace::new(link.io_timeout, link.min_rate);
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

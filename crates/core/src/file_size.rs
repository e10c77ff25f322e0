//! The largest file that this host lets a process write.
//!
//! Such a limit (`ulimit -f`) is often older than the builds that meet it. The kernel announces it by a
//! signal that ends a process without a word; the binaries catch that, so that it is an error of one write,
//! which is told here.

use std::io;

use nix::libc;
use rustix::process::{Resource, getrlimit};

/// Returns whether a file was to become larger than it may be.
pub fn is_exceeded(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EFBIG)
}

/// Says what a file that became too large has met; any other error is returned as it is.
pub fn told(error: io::Error) -> io::Error {
    if !is_exceeded(&error) {
        return error;
    }
    let text = match getrlimit(Resource::Fsize).current {
        Some(limit) => format!(
            "this host lets no file be larger than {limit} bytes; raise that for the user of this program (`ulimit -f`, \
             LimitFSIZE= in a unit of systemd)"
        ),
        None => "the file system takes no file as large".to_owned(),
    };
    io::Error::new(error.kind(), text)
}

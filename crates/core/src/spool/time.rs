//! What time it is by the file system's clock, which on NFS is the file server's and the same for all hosts.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::{Spool, SpoolError};
use crate::run::{Identity, RunContext};

impl Spool {
    /// Returns how far the run's clock is ahead of the file system's, by a file that is made for it and
    /// removed.
    pub fn clock_ahead(&self, context: &RunContext) -> Result<SignedDuration, SpoolError> {
        let Identity { host, pid, run, .. } = &context.identity;
        // Named as a work directory: what a run that dies here leaves is found as those are.
        let path = self.root().join("work").join(format!("{host}.{pid}.{run}.clock"));
        let written = written_at(&path);
        let now = context.now();
        // If it was not made there is nothing to remove.
        let _ = fs::remove_file(&path);
        Ok(now.duration_since(written.map_err(|e| SpoolError::io("make the file", &path, e))?))
    }
}

/// Makes a file and returns when that was, by the file system. It takes no room, so that a full spool can
/// tell as well.
fn written_at(path: &Path) -> io::Result<Timestamp> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_len(1)?;
    // Not what this host believes of a file that it has not yet sent.
    file.sync_all()?;
    Timestamp::try_from(file.metadata()?.modified()?).map_err(io::Error::other)
}

//! The times of a suite's Release files, by which readers ask whether one has changed since theirs.
//!
//! Web servers compare whole seconds, and most say that a file has not changed unless it is later. Two passes
//! within a second, or a former tree that is put back, would thus be hidden from all who have the one before.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The files that readers ask for by their names.
const FILES: [&str; 3] = ["Release", "Release.gpg", "InRelease"];

/// Gives what is another one than before a later time than that had.
pub(crate) fn renew(new: &Path, old: &Path, suites: &[String], now: Timestamp) -> io::Result<()> {
    for (suite, name) in suites.iter().flat_map(|suite| FILES.map(|name| (suite, name))) {
        let (new, old) = (new.join(suite).join(name), old.join(suite).join(name));
        if !new.is_file() || !old.is_file() || fs::read(&new)? == fs::read(&old)? {
            continue;
        }
        let second = |path: &Path| fs::metadata(path)?.modified().map(whole_seconds);
        let had = second(&old)?;
        if second(&new)? <= had {
            let later = UNIX_EPOCH + (had + Duration::from_secs(1)).max(whole_seconds(now.into()));
            File::options().write(true).open(&new)?.set_modified(later)?;
        }
    }
    Ok(())
}

fn whole_seconds(time: SystemTime) -> Duration {
    Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

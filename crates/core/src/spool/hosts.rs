//! Which hosts have looked at the spool, for a second one with the same name to be noticed.
//!
//! NFSv4 tells clients apart by their host names, and throws away the locks of one when the other appears.
//! Here, two hosts of one name would write one log and remove each other's work directories.
//!
//! Each boot of a kernel has a number of its own. A note of another boot under our name is our own from
//! before we were booted; if it was written while this kernel was running already, there are two.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Note, NoteKey, Spool, SpoolError};
use crate::run::RunContext;

/// A host, as it was when it last checked the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The format of what follows.
    pub format: u32,
    /// Its name.
    pub name: String,
    /// The number of its kernel's boot.
    pub boot: String,
    /// When it looked.
    pub at: Timestamp,
}

/// The format that this program reads and writes.
const FORMAT: u32 = 1;

/// How long a note says something of the present: afterwards its host may have got another name.
const BELIEVED: SignedDuration = SignedDuration::from_hours(24);

/// More than a host's clock is put right by when it boots.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

impl Note for Host {
    const DIR: &'static str = "hosts";

    fn key(&self) -> NoteKey {
        NoteKey(self.name.clone())
    }
}

impl Host {
    /// Returns whether another host than the one of this note runs under its name: one that was booted at
    /// `since` as `boot`.
    fn is_another(&self, boot: &str, since: Timestamp, now: Timestamp) -> bool {
        self.boot != boot
            && self.at.duration_since(since) > SLACK
            && now.duration_since(self.at).abs() < BELIEVED
    }
}

impl Spool {
    /// Notes that this host is at work here, and returns the note of another one with its name, if there is
    /// one: that is then left as it is.
    pub fn meet(&self, context: &RunContext) -> Result<Option<Host>, SpoolError> {
        let dir = self.root().join(Host::DIR);
        // A spool of an older version has none.
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(SpoolError::io("make the directory", &dir, e));
            }
            _ => {}
        }
        let now = context.now();
        // Where the kernel does not tell, nothing can be compared.
        let Ok((boot, since)) = this_boot(now) else { return Ok(None) };
        let host = Host { format: FORMAT, name: context.identity.host.clone(), boot, at: now };
        match self.note::<Host>(&host.key())? {
            Some(seen) if seen.is_another(&host.boot, since, now) => Ok(Some(seen)),
            _ => self.put_unless_newer(&host, FORMAT).map(|()| None),
        }
    }
}

/// Returns the number of this kernel's boot, and when it was.
fn this_boot(now: Timestamp) -> io::Result<(String, Timestamp)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec;
    let since = now.saturating_sub(SignedDuration::from_secs(up)).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok((boot.trim().to_owned(), since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_7_a_second_host_is_one_that_was_up_when_the_first_one_looked() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-21T12:00:00Z");
        let seen = Host { format: 1, name: "ebb".into(), boot: "one".into(), at: at("2026-11-21T10:00:00Z") };
        assert!(!seen.is_another("one", at("2026-11-20T00:00:00Z"), now), "the same kernel");
        assert!(seen.is_another("two", at("2026-11-20T00:00:00Z"), now), "it ran already then");
        assert!(!seen.is_another("two", at("2026-11-21T11:00:00Z"), now), "the same host, or its successor");
        assert!(!seen.is_another("two", at("2026-11-21T09:58:00Z"), now), "a clock that was put right");
        let later = at("2026-11-23T12:00:00Z");
        assert!(!seen.is_another("two", at("2026-11-20T00:00:00Z"), later), "it may be called otherwise now");
    }
}

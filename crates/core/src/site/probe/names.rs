//! The names of a probe's files, and which of those that it finds are left from one that died.
//!
//! `.intraware-probe.<host>.<pid>.<run>.<role>`, without the first dot where the site refuses that, where a
//! run's id begins with its time. Nothing else has such a name. One is left over if its process was one of
//! this host and is no more, or if its run began more than a day ago; no probe takes that long, and no host's
//! clock is that wrong.
//!
//! A name that was taken has a file only once one was put there or renamed to it. Some servers refuse to
//! remove what does not exist in the words that they have for what may not be removed, so that is remembered
//! here.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use crate::run::{Identity, has_ended};
use crate::site::{RemotePath, SiteError, SiteErrorKind};

const PREFIX: &str = "intraware-probe.";

/// After so long no probe is at work any more.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// What a run's id begins with.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// The names of one probe.
#[derive(Debug)]
pub(super) struct Names {
    host: String,
    pid: i32,
    run: String,
    /// The names that were taken, and whether a file may stand there.
    taken: BTreeMap<RemotePath, bool>,
    /// Whether they begin with a dot.
    pub(super) has_dot: bool,
}

impl Names {
    pub(super) fn new(identity: &Identity) -> Self {
        // What host names are made of, and every site takes.
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
        Self {
            host: identity.host.chars().take(64).map(plain).collect(),
            pid: i32::try_from(identity.pid).unwrap_or_default(),
            run: identity.run.clone(),
            taken: BTreeMap::new(),
            has_dot: true,
        }
    }

    /// Returns a name that is to be removed in the end, whether a file comes to stand there or not.
    pub(super) fn take(&mut self, role: &str) -> Result<RemotePath, SiteError> {
        let path = path(&format!("{}{role}", self.stem()))?;
        self.taken.insert(path.clone(), false);
        Ok(path)
    }

    /// Returns the name of the file that shows whether files can be removed: one for all probes, so that no
    /// more than one stays where they cannot.
    pub(super) fn shared(&self) -> Result<RemotePath, SiteError> {
        let dot = if self.has_dot { "." } else { "" };
        path(&format!("{dot}{PREFIX}removal"))
    }

    /// Returns a name of this many bytes, or the shortest if that is longer.
    pub(super) fn take_long(&mut self, len: usize) -> Result<RemotePath, SiteError> {
        let padding = len.saturating_sub(self.stem().len()).max(1);
        self.take(&"x".repeat(padding))
    }

    /// Gives a name back under which nothing stands any more.
    pub(super) fn give_back(&mut self, path: &RemotePath) {
        self.taken.remove(path);
    }

    /// Remembers that from now on a file may stand under a name that was taken.
    pub(super) fn fill(&mut self, path: &RemotePath) {
        if let Some(may_stand) = self.taken.get_mut(path) {
            *may_stand = true;
        }
    }

    /// Returns the names that were taken and not given back, and whether a file may stand there.
    pub(super) fn taken(&self) -> impl Iterator<Item = (&RemotePath, bool)> {
        self.taken.iter().map(|(path, may_stand)| (path, *may_stand))
    }

    /// Returns the path of a file in the base if it is one that a probe has left.
    pub(super) fn left_over(&self, name: &str, now: Timestamp) -> Option<RemotePath> {
        let rest = name.strip_prefix('.').unwrap_or(name).strip_prefix(PREFIX)?;
        let (rest, role) = rest.rsplit_once('.')?;
        let (rest, run) = rest.rsplit_once('.')?;
        let (host, pid) = rest.rsplit_once('.')?;
        let (stamp, nonce) = run.split_once('-')?;
        let pid: i32 = pid.parse().ok()?;
        let began = civil::DateTime::strptime(STAMP, stamp).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let is_ours = !host.is_empty()
            && !role.is_empty()
            && role.chars().all(char::is_alphabetic)
            && nonce.len() == 8
            && nonce.bytes().all(|b| b.is_ascii_hexdigit());
        let has_died = host == self.host && run != self.run && (pid == self.pid || has_ended(pid));
        let is_stale = now.duration_since(began) > STALE;
        (is_ours && (has_died || is_stale)).then(|| path(name).ok()).flatten()
    }

    fn stem(&self) -> String {
        let dot = if self.has_dot { "." } else { "" };
        format!("{dot}{PREFIX}{}.{}.{}.", self.host, self.pid, self.run)
    }
}

fn path(name: &str) -> Result<RemotePath, SiteError> {
    let refused = "naming a file to probe the site with; this host's name is too long for it";
    RemotePath::new(name).map_err(|err| SiteError::caused(SiteErrorKind::Configuration, refused, err))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(host: &str, pid: u32) -> Names {
        Names::new(&Identity {
            program: "upload".into(),
            host: host.into(),
            pid,
            run: "20261121T120000Z-0a1b2c3d".into(),
            command: "upload check".into(),
        })
    }

    #[test]
    fn only_what_a_dead_probe_has_left_is_left_over() {
        let now = "2026-11-21T13:00:00Z".parse().unwrap();
        let alive = std::process::id();
        let names = names("ebb.example", alive);
        let is_left = |rest: &str| names.left_over(&format!("{PREFIX}{rest}"), now).is_some();
        // 4194304 is above every process id.
        for left in [
            "ebb.example.4194304.20261121T115959Z-00000000.a",
            &format!("ebb.example.{alive}.20261121T115959Z-00000000.xxx"),
            "flow.1.20261120T125959Z-00000000.ü",
        ] {
            assert!(is_left(left), "{left}");
        }
        for others in [
            &format!("ebb.example.{alive}.20261121T120000Z-0a1b2c3d.a"),
            "ebb.example.1.20261121T115959Z-00000000.a",
            "flow.4194304.20261120T130000Z-00000000.a",
            "flow.4194304.20261120T125959Z-0000000g.a",
            "flow.4194304.20261120T125959Z-00000000.a~",
            "flow.4194304.20261120T125959Z-00000000.",
            "flow.4194304.20261320T125959Z-00000000.a",
            "flow.x.20261120T125959Z-00000000.a",
            ".4194304.20261120T125959Z-00000000.a",
        ] {
            assert!(!is_left(others), "{others}");
        }
        for (name, is_left) in [
            (".intraware-probe.flow.1.20261120T125959Z-00000000.a", true),
            ("..intraware-probe.flow.1.20261120T125959Z-00000000.a", false),
            ("x.intraware-probe.flow.1.20261120T125959Z-00000000.a", false),
        ] {
            assert_eq!(names.left_over(name, now).is_some(), is_left, "{name}");
        }
    }

    #[test]
    fn a_host_s_name_may_be_anything() {
        for host in ["", "a/b\\c d\u{1b}", &"ü".repeat(255)] {
            let mut names = names(host, 7);
            for role in ["a", "ü"] {
                for has_dot in [true, false] {
                    names.has_dot = has_dot;
                    let dot = if has_dot { "." } else { "" };
                    let name = names.take(role).unwrap();
                    assert!(name.name().starts_with(&format!("{dot}{PREFIX}")), "{name}");
                }
            }
            assert_eq!(names.take_long(255).unwrap().name().len(), 255);
            assert_eq!(names.taken().count(), 5);
        }
    }
}

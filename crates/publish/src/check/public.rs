//! A published tree as its readers get it: through `public_url`, with all that stands between.
//!
//! InRelease is asked for three times: as through a cache, past all caches, and as one who has the former one
//! and asks whether it has changed. Each must be answered with the bytes that were put in place. Of the
//! indexes those are read that readers ask for, by their digests if Release says so; such a name says what it
//! holds, so of those the former tree had nothing is asked again.
//!
//! A mirror or a cache may lag, so it is tried again, until the time is over.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use intraware_core::foreign;
use intraware_core::http::{Answer, Authorities, Http};
use intraware_core::run::Stop;
use intraware_core::txlog::chain;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::Wrong;
use super::release::{Listed, Release};
use crate::error::PublishError;
use crate::sum::sum;

/// How long is waited before each further try.
const PAUSES: [u64; 9] = [1, 2, 4, 8, 15, 30, 60, 120, 240];

/// How many redirects are followed, as apt does.
const REDIRECTS: u32 = 10;

/// A tree in place, and how readers get it.
pub(crate) struct Public<'a> {
    /// The address of the root.
    pub(crate) url: &'a str,
    /// The name below it that was renewed.
    pub(crate) dists: &'a str,
    /// The dists in place.
    pub(crate) new: &'a Path,
    /// Those before.
    pub(crate) old: Option<&'a Path>,
    /// How long all of it may take.
    pub(crate) time: Duration,
    /// Whose certificates are good.
    pub(crate) authorities: Authorities,
    pub(crate) stop: &'a Stop,
}

/// How InRelease is asked for.
#[derive(Debug, Clone, Copy)]
enum Way {
    Cached,
    PastCaches,
    /// By one who has another one, of that time.
    Since(Timestamp),
}

impl Public<'_> {
    /// Fails if readers do not get these suites as they are.
    pub(crate) fn look(&self, suites: &[String]) -> Result<(), PublishError> {
        let end = Instant::now() + self.time;
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            let found = suites.iter().try_for_each(|suite| {
                self.stop.check()?;
                let unseen = |wrong| PublishError::Unseen { suite: suite.clone(), wrong };
                self.suite(suite, end).map_err(unseen)
            });
            let Err(error @ PublishError::Unseen { .. }) = found else { return found };
            let pause = pause.map(Duration::from_secs).filter(|pause| Instant::now() + *pause < end);
            let Some(pause) = pause else { return Err(error) };
            tracing::info!("{}; looking again in {} s", chain(&error), pause.as_secs());
            self.wait(pause)?;
        }
        Ok(())
    }

    /// Waits, and hears a signal meanwhile.
    fn wait(&self, pause: Duration) -> Result<(), PublishError> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.stop.check()?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn suite(&self, suite: &str, end: Instant) -> Result<(), Wrong> {
        let (dir, name) = self.release_of(suite)?;
        let expected = fs::read(dir.join(name)).map_err(|error| format!("{name} cannot be read: {error}"))?;
        let old = self.old.map(|old| old.join(suite));
        let before = old.as_ref().and_then(|old| fs::metadata(old.join(name)).ok()?.modified().ok());
        let is_other =
            old.as_ref().is_some_and(|old| fs::read(old.join(name)).is_ok_and(|had| had != expected));
        let since = before.filter(|_| is_other).and_then(|time| Timestamp::try_from(time).ok());
        for way in [Way::Cached, Way::PastCaches].into_iter().chain(since.map(Way::Since)) {
            self.release(suite, name, &expected, way, end)?;
        }
        let parse = |dir: &Path| Release::parse(&fs::read_to_string(dir.join("Release")).ok()?).ok();
        let release = parse(&dir).ok_or("its Release cannot be read")?;
        let had = old.as_deref().and_then(parse).filter(|old| old.by_hash && release.by_hash);
        let had: BTreeSet<String> =
            had.iter().flat_map(|old| &old.listed).map(|listed| address(listed, true)).collect();
        for listed in release.listed.iter().filter(|listed| dir.join(&listed.path).is_file()) {
            let name = address(listed, release.by_hash);
            if !had.contains(&name) {
                self.index(suite, &name, listed, &release, end)?;
            }
        }
        Ok(())
    }

    /// Returns where a suite lies, and what the file is called in which readers look first.
    fn release_of(&self, suite: &str) -> Result<(std::path::PathBuf, &'static str), Wrong> {
        let dir = self.new.join(suite);
        let found = ["InRelease", "Release"].into_iter().find(|name| dir.join(name).is_file());
        found.map(|name| (dir, name)).ok_or_else(|| "it has no Release".to_owned())
    }

    fn get(&self, suite: &str, name: &str, headers: &[(&str, &str)], end: Instant) -> Result<Answer, Wrong> {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let url = format!("{}/{}/{suite}/{name}", self.url, self.dists);
        Http::new(left, REDIRECTS, &self.authorities)
            .get(&url, headers)
            .map_err(|error| format!("{url}: {}", chain(&error)))
    }

    fn release(&self, suite: &str, name: &str, expected: &[u8], way: Way, end: Instant) -> Result<(), Wrong> {
        let since;
        let headers: &[(&str, &str)] = match way {
            Way::Cached => &[],
            Way::PastCaches => &[("Cache-Control", "no-cache"), ("Pragma", "no-cache")],
            Way::Since(time) => {
                let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
                since = date.map_err(|error| format!("{name} has no time: {error}"))?;
                &[("If-Modified-Since", &since), ("Cache-Control", "max-age=0")]
            }
        };
        let mut answer = self.get(suite, name, headers, end)?;
        let asked = match way {
            Way::Cached => "as a cache has it",
            Way::PastCaches => "past all caches",
            Way::Since(_) => "asked for by one who has the former one",
        };
        match answer.status() {
            200 => {}
            304 => return Err(format!("{name}, {asked}, is said not to have changed")),
            status => return Err(format!("{name}, {asked}: status {status}")),
        }
        let found =
            answer.bytes(expected.len() as u64).map_err(|error| format!("{name}, {asked}: {error}"))?;
        if found == expected { Ok(()) } else { Err(format!("{name}, {asked}, is another one")) }
    }

    fn index(
        &self,
        suite: &str,
        name: &str,
        listed: &Listed,
        release: &Release,
        end: Instant,
    ) -> Result<(), Wrong> {
        let shown = foreign::escape(name);
        let mut answer = self.get(suite, name, &[], end)?;
        if answer.status() != 200 {
            return Err(format!("{shown}: status {}", answer.status()));
        }
        // A server that calls a .gz file an encoding of another: what comes is decoded, and must be that
        // other one.
        let listed = match answer.is_decoded() {
            true => match release.listed.iter().find(|other| other.path == listed.stem()) {
                Some(other) => other,
                None => return Ok(()),
            },
            false => listed,
        };
        let go_on = |_: &[u8]| self.stop.check().map_err(io::Error::other);
        let (size, sha256) =
            sum(answer.body().take(listed.size + 1), go_on).map_err(|error| match self.stop.check() {
                Err(stopped) => stopped.to_string(),
                Ok(()) => format!("{shown}: {error}"),
            })?;
        if size != listed.size {
            return Err(format!("{shown} has {size} bytes or more, and not {}", listed.size));
        }
        if sha256 == listed.sha256 { Ok(()) } else { Err(format!("{shown} has another SHA-256")) }
    }
}

/// Returns the name by which readers ask for an index.
fn address(listed: &Listed, by_hash: bool) -> String {
    match listed.path.rsplit_once('/') {
        _ if !by_hash => listed.path.clone(),
        Some((dir, _)) => format!("{dir}/{}", listed.by_hash()),
        None => listed.by_hash(),
    }
}

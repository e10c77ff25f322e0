//! A tree and what is known of it, side by side.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::seen::{self, Entry, Known, Standing};
use super::walk::{Met, Stamp};

/// A file that is not as it was noted, or with which something is to be done.
pub(super) struct Differing {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) known: Option<Entry>,
}

impl Differing {
    /// Returns whether it was there before the first scan, and is to be read.
    pub(super) fn is_listed(&self) -> bool {
        let is_listed = |entry: &Entry| entry.standing == Standing::Listed && entry.stamp == self.stamp;
        self.known.as_ref().is_some_and(is_listed)
    }

    /// Returns whether nobody writes to it any more. Of times by another clock only that they stay the same
    /// is believed.
    pub(super) fn has_settled(&self, settle: Duration, has_clock_of_ours: bool, now: Timestamp) -> bool {
        let settle = i128::try_from(settle.as_nanos()).unwrap_or(i128::MAX);
        let known = self.known.as_ref().filter(|entry| entry.stamp == self.stamp);
        known.is_some_and(|entry| match entry.standing {
            Standing::Seen | Standing::New => true,
            Standing::Young => now.duration_since(entry.since).as_nanos() >= settle,
            Standing::Listed => false,
        }) || (has_clock_of_ours && now.as_nanosecond() - i128::from(self.stamp.latest()) >= settle)
    }
}

/// What differs between a tree and what is known of it.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) differing: Vec<Differing>,
    /// What was noted, and is not there any more.
    pub(super) gone: Vec<(PathBuf, Entry)>,
    pub(super) unreadable: Vec<(Vec<u8>, io::Error)>,
}

impl Compared {
    /// Takes in what is known, and was not met where it should be.
    fn miss(&mut self, noted: &seen::Row<'_>, now: Timestamp) -> rusqlite::Result<()> {
        let path = noted.path()?;
        let is_hidden = self.unreadable.iter().any(|(prefix, _)| path.starts_with(prefix));
        if !is_hidden && !noted.is_gone()? {
            let (path, entry) = noted.entry()?;
            self.gone.push((path, Entry { gone: Some(now), ..entry }));
        }
        Ok(())
    }
}

/// Goes through a tree and what is known of it side by side.
pub(super) fn compare(
    met: &mut dyn Iterator<Item = (Vec<u8>, Met)>,
    mut known: Known<'_>,
    takes_all: bool,
    now: Timestamp,
) -> rusqlite::Result<Compared> {
    let mut compared = Compared::default();
    let mut noted = known.next()?;
    for (path, met) in met {
        let stamp = match met {
            Met::File(stamp) => stamp,
            Met::Unreadable(error) => {
                compared.unreadable.push((path, error));
                continue;
            }
        };
        while let Some(row) = &noted {
            if row.path()? >= &path[..] {
                break;
            }
            compared.miss(row, now)?;
            noted = known.next()?;
        }
        let mut entry = None;
        if let Some(row) = &noted
            && row.path()? == &path[..]
        {
            let is_as_before = row.is_as_before(&stamp)? && !takes_all;
            if !is_as_before {
                entry = Some(row.entry()?.1);
            }
            noted = known.next()?;
            if is_as_before {
                continue;
            }
        }
        let path = PathBuf::from(OsString::from_vec(path));
        compared.differing.push(Differing { path, stamp, known: entry });
    }
    while let Some(row) = &noted {
        compared.miss(row, now)?;
        noted = known.next()?;
    }
    Ok(compared)
}

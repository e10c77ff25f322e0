//! That a site does not fit, as its last check has found.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{NoteKey, Spool};
use crate::foreign::escape;
use crate::site::probe::{Capabilities, FORMAT};

/// What the last check of a site has found that lets nothing be delivered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The site's name in the configuration.
    pub site: String,
    /// When it was checked.
    pub at: Timestamp,
    /// Why nothing can be delivered there, each reason with what to do about it.
    pub obstacles: Vec<&'static str>,
}

impl Misfit {
    /// How long a check is believed: what nobody looks at is mended at some time.
    const BELIEVED: SignedDuration = SignedDuration::from_hours(30 * 24);

    /// Returns whether it is to be believed at `now`; a check whose time is far off from it is not, on either side.
    pub fn is_believed(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() <= Self::BELIEVED
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, at, obstacles } = self;
        let (site, obstacles) = (escape(site), obstacles.join("; "));
        write!(
            f,
            "site {site} does not fit, as `upload check` has found on {at:.0}: {obstacles}; when that is mended, run \
             `upload check` again"
        )
    }
}

impl Spool {
    /// Returns why nothing can be delivered to a site, as far as the last `upload check` tells; `must_prove` says whether a
    /// payload must be proven there by more than its size. What cannot be used tells nothing.
    pub fn misfit(&self, site: &str, must_prove: bool) -> Option<Misfit> {
        let found = self.note::<Capabilities>(&NoteKey::hashed(site)).ok()??;
        let obstacles = found.abilities.obstacles(must_prove);
        let is_one = found.format == FORMAT && !obstacles.is_empty();
        is_one.then(|| Misfit { site: site.to_owned(), at: found.at, obstacles })
    }
}

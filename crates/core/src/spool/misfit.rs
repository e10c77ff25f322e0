//! That a site does not fit, as its last check has found.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Note, NoteKey, Spool, SpoolError};
use crate::foreign::escape;
use crate::run::RunContext;
use crate::site::probe::{Capabilities, FORMAT};

/// What the last check of a site has found that lets nothing be delivered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The site's name in the configuration.
    pub site: String,
    /// When it was checked.
    pub at: Timestamp,
    /// Why nothing can be delivered there, each reason with what to do about it.
    pub obstacles: Vec<String>,
}

impl Misfit {
    /// How long a check is believed: what nobody looks at is mended at some time.
    const BELIEVED: SignedDuration = SignedDuration::from_hours(30 * 24);

    /// Returns whether it is to be believed at `now`; a check whose time is far off from it is not, on either
    /// side.
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

/// A check that ended early, because the site lacks what every delivery needs: common algorithms, an SFTP
/// subsystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unfit {
    /// The format of what follows.
    format: u32,
    /// The site's name in the configuration.
    site: String,
    /// When it was checked.
    at: Timestamp,
    /// From which host.
    host: String,
    /// Why nothing can be delivered there.
    reason: String,
}

impl Unfit {
    const FORMAT: u32 = 1;

    fn key_of(site: &str) -> NoteKey {
        NoteKey::hashed(&format!("{site}\0unfit"))
    }
}

impl Note for Unfit {
    /// Beside what checks find out that come to their end.
    const DIR: &'static str = "sites";

    fn key(&self) -> NoteKey {
        Self::key_of(&self.site)
    }
}

impl Spool {
    /// Keeps that a check of a site ended early for this reason, or that one did not.
    pub fn keep_unfit(
        &self,
        site: &str,
        reason: Option<String>,
        context: &RunContext,
    ) -> Result<(), SpoolError> {
        let Some(reason) = reason else {
            return self.remove_note::<Unfit>(&Unfit::key_of(site)).map(drop);
        };
        let (at, host) = (context.now(), context.identity.host.clone());
        let note = Unfit { format: Unfit::FORMAT, site: site.to_owned(), at, host, reason };
        self.put_unless_newer(&note, Unfit::FORMAT)
    }

    /// Returns why nothing can be delivered to a site, as far as the last `upload check` tells; `must_prove`
    /// says whether a payload must be proven there by more than its size. What cannot be used tells nothing.
    pub fn misfit(&self, site: &str, must_prove: bool) -> Option<Misfit> {
        let unfit = self.note::<Unfit>(&Unfit::key_of(site)).ok().flatten();
        if let Some(Unfit { at, reason, .. }) = unfit.filter(|unfit| unfit.format == Unfit::FORMAT) {
            return Some(Misfit { site: site.to_owned(), at, obstacles: vec![reason] });
        }
        let found = self.note::<Capabilities>(&NoteKey::hashed(site)).ok()??;
        let obstacles = found.abilities.obstacles(must_prove);
        let is_one = found.format == FORMAT && !obstacles.is_empty();
        let obstacles = obstacles.into_iter().map(str::to_owned).collect();
        is_one.then(|| Misfit { site: site.to_owned(), at: found.at, obstacles })
    }
}

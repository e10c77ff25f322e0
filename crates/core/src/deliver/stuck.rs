//! A partial file that cannot be gone on with.
//!
//! Some servers (`rclone serve ftp`) take position and command, and then refuse or read nothing. A try that
//! ended so is not told from one that a line has cut, but by what it has left: the next one begins at the
//! same byte. So each says where it began, and that is kept in the job. One that finds itself at the byte of
//! the last one gives up what is there, and sends all; three are needed if the site is known to append. What
//! is given up once is not given up again at the same byte: then it is not the going on that fails, and the
//! site may let no file be longer.

use serde::{Deserialize, Serialize};

use super::DeliverError;
use super::payload::Transfer;
use super::standing::discard;
use crate::exit::Fault;
use crate::site::{SiteError, SiteErrorKind};

/// How many tries that come to nothing are needed, if the site is known to append.
const TRIES: u32 = 3;

/// Tries in a row that began at the same byte of a payload, behind what stood at the site, and came to
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The site's name.
    pub site: String,
    /// The byte.
    pub at: u64,
    /// How many they were.
    pub times: u32,
    /// Whether all was sent anew since.
    pub was_sent_anew: bool,
}

impl Stuck {
    /// Adds a try to those before it, if they were stuck at the same byte.
    pub fn after(before: Option<&Self>, site: &str, error: &DeliverError) -> Option<Self> {
        let DeliverError::Unsent { at, is_anew, .. } = *error else { return before.cloned() };
        let same = before.filter(|before| before.site == site && before.at == at);
        Some(Self {
            site: site.to_owned(),
            at,
            times: same.map_or(0, |before| before.times).saturating_add(1),
            was_sent_anew: is_anew || same.is_some_and(|before| before.was_sent_anew),
        })
    }

    /// Returns whether the tries come further than those of before.
    pub fn is_further_than(&self, before: &Self) -> bool {
        self.site == before.site && self.at > before.at
    }

    /// Returns how many failures that a pause is due after they are: none before the third.
    pub fn pauses(&self) -> Option<u32> {
        (self.times >= TRIES).then(|| self.times - 1)
    }
}

impl Transfer<'_> {
    /// Returns whether a partial file of this length need not even be looked at.
    pub(super) fn is_of_no_use(&self, there: u64) -> bool {
        self.session.appends() == Some(false) && 0 < there && there < self.delivery.digests.size
    }

    /// Returns whether tries that began here before came to nothing.
    pub(super) fn was_stuck_at(&self, at: u64) -> bool {
        let needed = if self.session.appends() == Some(true) { TRIES } else { 1 };
        let is_part = 0 < at && at < self.delivery.digests.size;
        let same = self.delivery.stuck.filter(|stuck| stuck.at == at && !stuck.was_sent_anew);
        is_part && same.is_some_and(|stuck| stuck.times >= needed)
    }

    /// Returns whether what just failed shows that what is there is of no use, and all may be sent anew.
    pub(super) fn is_in_vain(&mut self, error: &DeliverError) -> Result<bool, DeliverError> {
        let from = self.resumed_from;
        match error {
            DeliverError::Site(error) | DeliverError::Unsent { source: error, .. } if from > 0 => match error
                .kind
            {
                // It takes no file from the middle.
                SiteErrorKind::Unsupported => Ok(true),
                // Or said so afterwards.
                SiteErrorKind::Protocol => {
                    let is_spared = self.session.writes_anywhere()
                        || self.session.appends() == Some(true)
                        || self.delivery.stuck.is_some_and(|stuck| stuck.at == from && stuck.was_sent_anew);
                    Ok(!is_spared && self.session.stat(&self.part)?.is_none_or(|there| there.size <= from))
                }
                _ => Ok(false),
            },
            _ => Ok(false),
        }
    }

    /// Gives up what is there, of which so many bytes were right.
    pub(super) fn begin_anew(&mut self, at: u64) -> Result<(), DeliverError> {
        tracing::info!(
            "{}: nothing comes of going on at byte {at}; it is sent anew",
            self.delivery.place.payload()
        );
        discard(self.session, &self.part)?;
        self.begun_anew = Some(at);
        Ok(())
    }

    /// Makes an error of a failure to send, which says where that began if it may be of interest next time.
    pub(super) fn unsent(&self, source: SiteError) -> DeliverError {
        match (self.begun_anew, self.resumed_from) {
            (None, 0) => source.into(),
            _ if source.kind.fault() != Fault::TryLater => source.into(),
            (anew, from) => {
                let payload = self.delivery.place.payload();
                let (at, is_anew) = (anew.unwrap_or(from), anew.is_some());
                DeliverError::Unsent { payload, from, at, is_anew, source }
            }
        }
    }
}

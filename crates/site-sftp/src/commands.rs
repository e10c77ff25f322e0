//! Whether a server takes commands, found out once.
//!
//! To ask for a shell is not harmless: some servers never answer, and some end the connection. So where
//! nothing is known of a server, it is asked before anything depends on it, and waited for its first word for
//! a short time. What came of it is known from then on to all connections ([`Known`]). A
//! server that only refuses is asked again each time: that costs nothing, and it may have had its reasons.
//!
//! [`Known`]: intraware_core::site::Known

use super::failure::Failure;
use super::hash::Hasher;
use super::open::Open;
use intraware_core::site::{RemotePath, SiteError};

impl Open {
    /// Sees to it that asking for a hash of this file does no harm.
    pub(super) fn try_commands(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        let Hasher::Untried = self.hasher else { return Ok(()) };
        match self.habits().takes_commands {
            Some(true) => {}
            Some(false) => self.hasher = Hasher::Unavailable,
            None => match self.hasher.is_able(&self.link) {
                Ok(true) => self.learn_commands(Some(true)),
                Ok(false) => self.note_mute(),
                Err(failure) => self.revive(path, failure)?,
            },
        }
        Ok(())
    }

    /// Takes note of a server that has not answered after all.
    pub(super) fn note_mute(&self) {
        if self.hasher.is_mute() {
            let site = &self.link.peer;
            tracing::info!(%site, "it does not answer when it is asked for a shell; payloads are read back");
            self.learn_commands(Some(false));
        }
    }

    /// Makes an error of a failure to hash. If it came before the server was known to hash, the next
    /// connection asks first.
    pub(super) fn hash_error(&self, doing: &str, path: &RemotePath, failure: Failure) -> SiteError {
        if failure.kind().is_dead() && self.hasher.is_searching() {
            self.learn_commands(None);
        }
        self.error(doing, path, failure)
    }

    /// Connects anew after a connection was lost while a shell was asked for, and asks for none any more.
    fn revive(&mut self, path: &RemotePath, failure: Failure) -> Result<(), SiteError> {
        let site = &self.link.peer;
        tracing::info!(%site, ?failure, "it was lost when it was asked for a shell; payloads are read back");
        self.learn_commands(Some(false));
        let (settings, is_flushed) = (self.settings.clone(), self.is_flushed);
        // Its account may have but one.
        self.link.give_up();
        let link = super::login::log_in(&settings, &mut ()).inspect_err(|_| {
            // It may have been the line, after all.
            tracing::debug!(%path, "connecting anew");
            self.learn_commands(None);
        })?;
        *self = Self::begin(link, &settings)?;
        self.is_flushed = is_flushed;
        Ok(())
    }

    fn learn_commands(&self, takes: Option<bool>) {
        self.settings.known.learn(&self.peer, |habits| habits.takes_commands = takes);
    }
}

//! Questions that go with others and cost no round trip: a look into a small file beside one that is put, and
//! whether a name is free for a rename that comes next.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::open::{Expected, Open, Peek};
use super::packet::{Answer, Attributes, Request, open as how};
use intraware_core::site::{RemotePath, Session as _, SiteError, SiteErrorKind};

/// As much as is read.
const MOST: u32 = 4 << 10;

/// So long the answer about a name counts.
const FRESH: Duration = Duration::from_secs(3);

impl Open {
    /// Says that the file be opened; that goes on its way with the next question.
    pub(super) fn say_peek(&mut self, path: &RemotePath) {
        let (at, attributes) = (self.at(path), Attributes::default());
        self.peek =
            Some(Peek::Opening(self.sftp.say(Request::Open { path: &at, how: how::READ, attributes })));
    }

    /// Says that the file be read, where something was answered since that was said after it.
    pub(super) fn go_on_peeking(&mut self) {
        if let Some(Peek::Opening(asked)) = self.peek.take()
            && let Ok(handle) = self.sftp.hear_handle(&self.link, asked)
        {
            self.peek =
                Some(Peek::Reading(self.sftp.say(Request::Read { handle: &handle, from: 0, len: MOST })));
            self.sftp.close(&handle);
        }
    }

    /// Returns what was read, if it came to that.
    pub(super) fn hear_peek(&mut self) -> Option<Vec<u8>> {
        match self.peek.take()? {
            Peek::Reading(asked) => match self.sftp.hear(&self.link, asked) {
                Ok(Answer::Data(bytes)) => Some(bytes),
                Ok(_) | Err(_) => None,
            },
            Peek::Opening(asked) => {
                // The put has failed. What may have been opened is closed.
                if let Ok(handle) = self.sftp.hear_handle(&self.link, asked) {
                    self.sftp.close(&handle);
                }
                None
            }
        }
    }

    /// Asks what stands at a name to which something is renamed soon, unless the server is known to guard
    /// names.
    pub(super) fn say_expected(&mut self, path: &RemotePath) -> Result<(), Failure> {
        self.forget_expected();
        // Of a server that follows links one question does not tell.
        if self.hides_links || self.habits().guards_names == Some(true) {
            return Ok(());
        }
        let at = self.at(path);
        let asked = self.sftp.say(Request::Look { path: &at });
        self.expected = Some(Expected { at, asked, since: Instant::now() });
        let Self { sftp, link, .. } = self;
        link.now(|| sftp.push(link)).map(drop)
    }

    /// Returns whether nothing stands at a name: as was answered a moment ago, or else asked now.
    pub(super) fn is_free(&mut self, path: &RemotePath) -> Result<bool, SiteError> {
        let at = self.at(path);
        match self.expected.take() {
            Some(expected) if expected.at == at && expected.since.elapsed() < FRESH => {
                match self.sftp.hear_attributes(&self.link, expected.asked) {
                    Err(failure) if failure.kind() == SiteErrorKind::NotFound => return Ok(true),
                    Err(failure) if failure.kind().is_dead() => {
                        return Err(self.error("looking at", path, failure));
                    }
                    // What stands there is for a look of its own to say.
                    Ok(_) | Err(_) => {}
                }
            }
            Some(expected) => self.sftp.forget(expected.asked),
            None => {}
        }
        Ok(self.stat(path)?.is_none())
    }

    fn forget_expected(&mut self) {
        if let Some(expected) = self.expected.take() {
            self.sftp.forget(expected.asked);
        }
    }
}

//! A look into a small file beside one that is put: its questions go with those of the put, and cost no round trip.

use super::packet::{Answer, Attributes, Request, open};
use super::session::Open;
use super::subsystem::Asked;
use crate::site::RemotePath;

/// As much as is read.
const MOST: u32 = 4 << 10;

/// How far a look has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peek {
    Opening(Asked),
    Reading(Asked),
}

impl Open {
    /// Says that the file be opened; that goes on its way with the next question.
    pub(super) fn say_peek(&mut self, path: &RemotePath) {
        let (at, attributes) = (self.at(path), Attributes::default());
        self.peek =
            Some(Peek::Opening(self.sftp.say(Request::Open { path: &at, how: open::READ, attributes })));
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
}

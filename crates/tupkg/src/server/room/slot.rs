//! One package of one session, from its first byte to its name in `incoming`.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::OFlags;

use super::claims::Claim;
use super::{Room, files, key};
use crate::digest::{Md5Sum, Sha256Sum};
use crate::shown;
use crate::wire::{Announced, Verdict};

/// A package that a session may send.
pub(in crate::server) struct Slot {
    room: Arc<Room>,
    directory: String,
    key: String,
    state: State,
    /// What was announced.
    pub(in crate::server) announced: Announced,
    /// How many bytes are there already.
    pub(in crate::server) held: u64,
}

enum State {
    /// Nobody has it.
    Free,
    /// This session alone may write to it.
    Claimed { _claim: Claim },
    /// It is in `incoming`, or was: nothing is to be sent.
    Done,
}

impl Slot {
    pub(super) fn new(room: Arc<Room>, directory: &str, announced: Announced) -> Self {
        let (directory, key) = (directory.to_owned(), key(&announced));
        Self { room, directory, key, state: State::Free, announced, held: 0 }
    }

    pub(super) fn done(self) -> Self {
        Self { state: State::Done, held: self.announced.size, ..self }
    }

    pub(super) fn claimed(&mut self, claim: Claim) {
        self.state = State::Claimed { _claim: claim };
    }

    pub(super) fn id(&self) -> (String, String) {
        (self.directory.clone(), self.key.clone())
    }

    /// Returns whether nothing of it is to be sent, and nothing is to be done.
    pub(in crate::server) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Returns how many bytes are missing.
    pub(in crate::server) fn rest(&self) -> u64 {
        self.announced.size - self.held
    }

    /// Returns its name and account for the log.
    pub(in crate::server) fn shown(&self) -> String {
        format!("{}/{}", self.directory, shown::shown(&self.announced.name))
    }

    fn own_path(&self, name: &str) -> PathBuf {
        self.room.root.join("accounts").join(&self.directory).join(name).join(&self.key)
    }

    pub(super) fn partial_path(&self) -> PathBuf {
        self.own_path("partial")
    }

    pub(super) fn done_path(&self) -> PathBuf {
        self.own_path("done")
    }

    pub(in crate::server) fn incoming_path(&self) -> PathBuf {
        // Only letters, digits and a few signs get in.
        let name = String::from_utf8_lossy(&self.announced.name).into_owned();
        self.room.incoming().join(&self.directory).join(name)
    }

    /// Opens the partial file at its end.
    pub(in crate::server) fn open(&self) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(self.partial_path())?;
        file.seek(SeekFrom::Start(self.held))?;
        Ok(file)
    }

    /// Judges the package of which all bytes are there: lays it into `incoming` if its digests are right, and
    /// removes it if not.
    pub(in crate::server) fn settle(
        &mut self,
        file: &File,
        md5: Md5Sum,
        sha256: Option<Sha256Sum>,
    ) -> io::Result<Verdict> {
        let announced = &self.announced;
        let is_right =
            md5 == announced.md5 && announced.sha256.is_none_or(|expected| sha256 == Some(expected));
        if !is_right {
            fs::remove_file(self.partial_path())?;
            tracing::warn!("{}: its digest is not the one announced; removed", self.shown());
            return Ok(Verdict::Fail);
        }
        file.set_permissions(fs::Permissions::from_mode(self.room.mode))?;
        file.sync_all()?;
        let (partial, incoming) = (self.partial_path(), self.incoming_path());
        // Not over another one of this name that has come meanwhile.
        fs::hard_link(&partial, &incoming)?;
        self.flush_incoming()?;
        tracing::info!("{}: stored, {} bytes, md5 {md5}", self.shown(), announced.size);
        self.note_done(sha256)?;
        fs::remove_file(partial)?;
        self.state = State::Done;
        Ok(Verdict::Pass)
    }

    fn flush_incoming(&self) -> io::Result<()> {
        files::flush_dir(&self.room.incoming().join(&self.directory))
    }

    /// Notes that the package was laid into `incoming`.
    pub(super) fn note_done(&self, sha256: Option<Sha256Sum>) -> io::Result<()> {
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(self.done_path())?;
        let sum = sha256.map_or_else(String::new, |sum| sum.to_string());
        file.write_all(sum.as_bytes())
    }
}

//! A payload's way to a site: send, verify (steps U2 and U3).

use std::fs::File;
use std::io::{self, Read as _};
use std::thread;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::gaps::{At, Failed, Found, find, hash};
use super::inspect::names_sha256;
use super::lines::{self, Sending, Unsent};
use super::proof::{Proof, by_content};
use super::standing::{Standing, cut_short, discard, is_ours, look, sweep};
use super::temporary::{temporary, without_dot};
use super::{DeliverError, Delivery, Released, Strength};
use crate::digest::{Hex, Sha256Hex};
use crate::sidecar::SidecarKind;
use crate::site::{Entry, EntryKind, RemotePath, Session, SiteError};

/// How often a payload is sent that arrives with other bytes.
const TRIES: usize = 2;

/// A payload of at most so many bytes is sent before anything is looked at: if something is in its way,
/// little is lost.
const SMALL: u64 = 1 << 20;

/// A payload that is whole at the site, and proven to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    pub(super) verified_by: Strength,
    pub(super) resumed_from: u64,
    pub(super) sent: u64,
    /// What stood at its final name. If that is itself, nothing stands at the temporary one.
    pub(super) stood: Standing,
    /// When its own `.SHA256` was seen beside it, if that was.
    pub(super) beside: Option<Instant>,
}

impl Staged {
    /// Returns whether it stood at its final name already.
    pub fn is_final(self) -> bool {
        matches!(self.stood, Standing::Same(_))
    }
}

/// Brings the payload in the open local file `payload` to the site and proves it there (U2, U3); `progress`
/// hears how many of its bytes are at the site. It gets its final name by [`commit`](fn@super::commit).
///
/// Whatever goes wrong, the call may be repeated on this or another session, by this or another process: it
/// goes on from what it finds. After an answer to the rename was lost it finds the payload at its final name.
pub fn stage(
    session: &mut dyn Session,
    delivery: &Delivery<'_>,
    payload: &File,
    progress: &mut dyn FnMut(u64),
) -> Result<Staged, DeliverError> {
    let Delivery { place, digests, verify, .. } = *delivery;
    let mut transfer = Transfer::new(session, delivery, payload);
    if let Some(strength) = transfer.at_once(progress)? {
        return Ok(transfer.staged(strength, Standing::Nothing));
    }
    let asked = Instant::now();
    let stood = look(transfer.session, place, digests, verify)?;
    let distance = asked.elapsed();
    match stood {
        Standing::Same(strength) => {
            sweep(transfer.session, place.dir(), &[place.payload_name().to_owned()], None)?;
            return Ok(transfer.staged(strength, stood));
        }
        Standing::Nothing if !delivery.released.is_of_other(digests.generation()) => {}
        Standing::Nothing | Standing::Other => refuse_if_released(delivery)?,
    }
    // Before all of it is sent for nothing.
    if stood == Standing::Other && !is_ours(transfer.session, place, digests, delivery.ours)? {
        return Err(DeliverError::Foreign(place.payload()));
    }
    thread::scope(|scope| {
        if let Some(pool) = delivery.pool
            && stood == Standing::Nothing
            && transfer.session.writes_anywhere()
        {
            lines::prepare(scope, pool, digests.size, distance);
        }
        let verified_by = transfer.bring(progress)?;
        Ok(transfer.staged(verified_by, stood))
    })
}

pub(super) fn refuse_if_released(delivery: &Delivery<'_>) -> Result<(), DeliverError> {
    match delivery.released {
        Released::NotKnown => Ok(()),
        Released::Before(_) => Err(DeliverError::Conflict(delivery.place.payload())),
    }
}

/// A delivery under way.
pub(super) struct Transfer<'a> {
    pub(super) session: &'a mut dyn Session,
    pub(super) delivery: &'a Delivery<'a>,
    payload: &'a File,
    pub(super) part: RemotePath,
    pub(super) resumed_from: u64,
    sent: u64,
    /// Whether the site was asked to hash the partial file while it grows.
    pub(super) is_hashed: bool,
    /// How much stood there of what was given up, because nothing came of going on with it.
    pub(super) begun_anew: Option<u64>,
    /// When its own `.SHA256` was seen beside it, if that was.
    beside: Option<Instant>,
    /// Whether it is sent over this connection alone, and whether others have helped.
    is_alone: bool,
    had_help: bool,
}

impl<'a> Transfer<'a> {
    fn new(session: &'a mut dyn Session, delivery: &'a Delivery<'a>, payload: &'a File) -> Self {
        let part = temporary(session, delivery.place.part(delivery.digests.generation()));
        let (resumed_from, sent, is_hashed, begun_anew) = (0, 0, false, None);
        let (is_alone, had_help) = (false, false);
        Self {
            session,
            delivery,
            payload,
            part,
            resumed_from,
            sent,
            is_hashed,
            begun_anew,
            beside: None,
            is_alone,
            had_help,
        }
    }

    /// Sends and verifies the payload, again if it arrives with other bytes.
    fn bring(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Strength, DeliverError> {
        let Delivery { place, digests, .. } = *self.delivery;
        let stem = [place.payload_name().to_owned()];
        match sweep(self.session, place.dir(), &stem, Some(digests.generation()))? {
            // A host that was cut off may write to it when it comes back, and then it has its final name.
            Some(names)
                if self.session.writes_late() && names.iter().any(|name| name == self.part.name()) =>
            {
                discard(self.session, &self.part)?;
            }
            Some(names) => self.recover(&names)?,
            None => drop(self.session.make_dirs(place.dir())?),
        }
        for attempt in 0..TRIES {
            // What several connections have spoiled may be right over one.
            self.is_alone = attempt > 0;
            let proven = match self.send(progress) {
                Err(error) if self.is_in_vain(&error)? => {
                    self.begin_anew(self.resumed_from)?;
                    self.send(progress)?
                }
                Err(DeliverError::Site(error)) => self.send_without_dot(error, progress)?,
                sent => sent?,
            };
            if self.begun_anew.take().is_some() {
                self.session.cannot_append();
            }
            if let Some(strength) = self.verify(proven)? {
                if self.is_alone && self.had_help {
                    self.session.spoils_pieces();
                }
                return Ok(strength);
            }
            discard(self.session, &self.part)?;
            self.check_local()?;
        }
        Err(DeliverError::Corrupt(place.payload()))
    }

    /// Sends what was refused under a name without a dot, if it may be for that.
    fn send_without_dot(
        &mut self,
        refused: SiteError,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<Strength>, DeliverError> {
        let Some(plain) = without_dot(self.session, &self.part, &refused) else { return Err(refused.into()) };
        self.part = plain;
        let sent = self.send(progress).map_err(|_| refused)?;
        self.session.refuses_dot_names();
        Ok(sent)
    }

    /// Stages a small payload in as few round trips as that takes if all is as it mostly is: its directory is
    /// there, and nothing stands at its names. `None` if it is not so, which the usual way then finds out.
    ///
    /// What earlier generations have left was removed when the sidecars were put. Over FTP there may be more
    /// to clear up ([`Self::recover`]).
    fn at_once(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Option<Strength>, DeliverError> {
        let Delivery { place, digests, released, go_on, .. } = *self.delivery;
        let is_clear = self.session.writes_anywhere() && !released.is_of_other(digests.generation());
        if digests.size > SMALL || !is_clear {
            return Ok(None);
        }
        go_on().map_err(|stop| DeliverError::Stopped { payload: place.payload(), stop })?;
        let mut bytes = Vec::new();
        let payload = At { payload: self.payload, range: 0..digests.size + 1 };
        payload.take(SMALL + 1).read_to_end(&mut bytes).map_err(|err| self.local(err))?;
        if Hex(Sha256::digest(&bytes).into()) != digests.sha256 {
            return Ok(None);
        }
        if place.has_sidecars() {
            self.session.begin_peek(&place.sidecar(SidecarKind::Sha256));
        }
        let put = self.session.put_new(&self.part, &mut &bytes[..], progress);
        let peeked = self.session.end_peek();
        if peeked.is_some_and(|content| names_sha256(&content, &digests.sha256)) {
            self.beside = Some(Instant::now());
        }
        match put {
            Ok(sent) => self.sent += sent,
            Err(error) if error.kind.is_dead() => return Err(error.into()),
            Err(_) => return Ok(None),
        }
        self.session.expect_rename(&place.payload())?;
        self.verify(None)
    }

    /// Takes back what got only the beginning of its name, be it the temporary or the final one.
    fn recover(&mut self, names: &[String]) -> Result<(), DeliverError> {
        let place = self.delivery.place;
        if names.iter().any(|name| name == self.part.name()) {
            return Ok(());
        }
        let part = self.part.clone();
        let candidates = cut_short(names, part.name()).chain(cut_short(names, place.payload_name()));
        // Of a temporary name without a dot the final one is the beginning.
        let candidates = candidates.filter(|name| *name != place.payload_name());
        for name in candidates {
            let Ok(path) = RemotePath::new(&format!("{}/{name}", place.dir())) else { continue };
            let size = match self.session.stat(&path)? {
                Some(Entry { kind: EntryKind::File, size: 0 }) if !name.starts_with('.') => continue,
                Some(Entry { kind: EntryKind::File, size }) if size <= self.delivery.digests.size => size,
                _ => continue,
            };
            let expected = self.hash_local(size)?;
            match by_content(self.session, &path, size, &expected)? {
                Proof::Right(_) if size == 0 => discard(self.session, &path)?,
                Proof::Right(_) => return Ok(self.session.rename_new(&path, &part)?),
                Proof::Wrong | Proof::Untold => {}
            }
        }
        Ok(())
    }

    /// Sends what is missing. Returns how the whole is proven, if it was all there before.
    fn send(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Option<Strength>, DeliverError> {
        let size = self.delivery.digests.size;
        let asked = Instant::now();
        let there = self.session.stat(&self.part)?;
        let distance = asked.elapsed();
        let mut found = match there {
            Some(Entry { kind: EntryKind::File, size: there }) if self.is_of_no_use(there) => {
                discard(self.session, &self.part)?;
                Found::nothing(size)
            }
            there => self.find(there)?,
        };
        if !self.session.writes_anywhere() {
            found.extend_to_the_end(size);
            if self.was_stuck_at(size - found.left()) {
                self.begin_anew(size - found.left())?;
                found = Found::nothing(size);
            }
        }
        // What is all there, and not right, cannot be put right either.
        if !found.is_whole && there.is_some() && self.session.appends() == Some(false) {
            discard(self.session, &self.part)?;
            found = Found::nothing(size);
        }
        let left = found.left();
        self.is_hashed = left > SMALL;
        self.resumed_from = size - left;
        self.check_space(left)?;
        self.tell(&found);
        if found.is_whole {
            self.session.settle(&self.part, size)?;
            progress(size);
            return Ok(found.proven_by);
        }
        if found.missing.is_empty() {
            // This still sets the mode and has the site flush the file.
            found.missing.push(size..size);
        }
        let Delivery { go_on, pool, .. } = *self.delivery;
        let pool = pool.filter(|_| !self.is_alone);
        let sending =
            Sending { part: &self.part, payload: self.payload, size, hashes: self.is_hashed, go_on, pool };
        let from = self.resumed_from;
        self.had_help |= sending.has_help(self.session, &found.missing, distance);
        let sent = sending.send(self.session, &found.missing, distance, &mut |done| progress(from + done));
        self.sent += sent.map_err(|unsent| match unsent {
            Unsent::Site(error) => self.unsent(error),
            Unsent::Stopped(stop) => DeliverError::Stopped { payload: self.delivery.place.payload(), stop },
        })?;
        Ok(None)
    }

    /// Finds out what is missing, where `there` is what stands at the temporary name.
    fn find(&mut self, there: Option<Entry>) -> Result<Found, DeliverError> {
        let digests = self.delivery.digests;
        if there.is_some_and(|entry| entry.kind != EntryKind::File) {
            return Err(DeliverError::NotRegular(self.part.clone()));
        }
        let length = self.payload.metadata().map_err(|err| self.local(err))?.len();
        if length != digests.size {
            discard(self.session, &self.part)?;
            return Err(self.damaged(self.hash_local(length.min(digests.size))?));
        }
        match there.map_or(0, |entry| entry.size) {
            0 => Ok(Found::nothing(digests.size)),
            size if size <= digests.size => {
                let found = find(self.session, &self.part, size, self.payload, digests);
                found.map_err(|failed| match failed {
                    Failed::Site(error) => error.into(),
                    Failed::Local(error) => self.local(error),
                })
            }
            _ => {
                discard(self.session, &self.part)?;
                Ok(Found::nothing(digests.size))
            }
        }
    }

    /// Says where a delivery goes on that had begun before.
    fn tell(&self, found: &Found) {
        let (whole, there) = (self.delivery.digests.size, self.resumed_from);
        if let Some(strength) = found.proven_by {
            let payload = self.delivery.place.payload();
            tracing::info!("{payload}: resuming at {there} of {whole} bytes, proven by {strength}");
        }
    }

    /// Hashes the first `size` bytes of the local payload.
    pub(super) fn hash_local(&self, size: u64) -> Result<Sha256Hex, DeliverError> {
        hash(self.payload, 0..size).map_err(|err| self.local(err))
    }

    fn check_space(&mut self, needed: u64) -> Result<(), DeliverError> {
        let place = self.delivery.place;
        match self.session.free_space(place.dir())? {
            Some(free) if free < needed => {
                Err(DeliverError::NoSpace { payload: place.payload(), needed, free })
            }
            _ => Ok(()),
        }
    }

    fn staged(&self, verified_by: Strength, stood: Standing) -> Staged {
        let Self { resumed_from, sent, beside, .. } = *self;
        Staged { verified_by, resumed_from, sent, stood, beside }
    }

    pub(super) fn damaged(&self, found: Sha256Hex) -> DeliverError {
        let Delivery { place, digests, .. } = *self.delivery;
        DeliverError::Damaged { payload: place.payload(), expected: digests.sha256, found }
    }

    fn local(&self, source: io::Error) -> DeliverError {
        DeliverError::Local { payload: self.delivery.place.payload(), source }
    }
}

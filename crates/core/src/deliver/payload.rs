//! A payload's way to its final name: send, verify, rename (steps U2 to U4).

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use sha2::{Digest as _, Sha256};

use super::proof::{Proof, by_content, by_hash};
use super::standing::{Final, Standing, clear_final, discard, look, sweep};
use super::{DeliverError, Delivered, Delivery, Stop, Strength, Verify};
use crate::digest::{Hex, Sha256Hex};
use crate::site::{EntryKind, RemotePath, Session, SiteErrorKind};

/// How often a payload is sent that arrives with other bytes.
const TRIES: usize = 2;

/// How often the final name is cleared for a rename that finds it taken nevertheless.
const CLEARINGS: usize = 2;

/// Bytes of the local payload read at a time.
const CHUNK: usize = 1 << 20;

/// Delivers the payload in the open local file `payload`; `progress` hears how many of its bytes are at the site.
///
/// Whatever goes wrong, the call may be repeated on this or another session, by this or another process: it goes on
/// from what it finds. After an answer to the rename was lost it finds the payload at its final name.
pub fn deliver(
    session: &mut dyn Session,
    delivery: &Delivery<'_>,
    payload: &mut File,
    progress: &mut dyn FnMut(u64),
) -> Result<Delivered, DeliverError> {
    let Delivery { place, digests, verify, .. } = *delivery;
    let part = place.part(digests.generation());
    let stem = [place.payload_name().to_owned()];
    let mut transfer = Transfer { session, delivery, payload, part, resumed_from: 0, sent: 0 };
    match look(transfer.session, place, digests, verify)? {
        Standing::Same(strength) => {
            sweep(transfer.session, place.dir(), &stem, None)?;
            return Ok(transfer.delivered(strength, true, None));
        }
        Standing::Other => transfer.refuse_if_released()?,
        Standing::Nothing if delivery.released.is_of_other(digests.generation()) => {
            transfer.refuse_if_released()?
        }
        Standing::Nothing => {}
    }
    transfer.session.make_dirs(place.dir())?;
    sweep(transfer.session, place.dir(), &stem, Some(digests.generation()))?;
    for _ in 0..TRIES {
        let proven = match transfer.send(progress) {
            // It takes no file from the middle, so what is there is of no use.
            Err(DeliverError::Site(err))
                if err.kind == SiteErrorKind::Unsupported && transfer.resumed_from > 0 =>
            {
                discard(transfer.session, &transfer.part)?;
                transfer.send(progress)?
            }
            sent => sent?,
        };
        if let Some(strength) = transfer.verify(proven)? {
            return transfer.commit(strength);
        }
        discard(transfer.session, &transfer.part)?;
    }
    Err(DeliverError::Corrupt(place.payload()))
}

/// A delivery under way.
struct Transfer<'a> {
    session: &'a mut dyn Session,
    delivery: &'a Delivery<'a>,
    payload: &'a mut File,
    part: RemotePath,
    resumed_from: u64,
    sent: u64,
}

/// Where sending begins: how much is there, the hash of that much of the payload, and how it was proven.
struct Start {
    from: u64,
    hash: Sha256,
    proof: Option<Strength>,
}

impl Transfer<'_> {
    /// Sends what is missing. Returns how the whole is proven, if it was all there before.
    fn send(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Option<Strength>, DeliverError> {
        let digests = self.delivery.digests;
        let Start { from, hash, proof } = self.start()?;
        self.resumed_from = from;
        self.check_space(digests.size - from)?;
        progress(from);
        let go_on = self.delivery.go_on;
        let mut source = Hashed { file: self.payload, hash, left: digests.size - from, go_on, stop: None };
        // With nothing left to send this still sets the mode and has the site flush the file.
        let put = self.session.put(&self.part, from, &mut source, &mut |done| progress(from + done));
        if let Some(stop) = source.stop {
            return Err(DeliverError::Stopped { payload: self.delivery.place.payload(), stop });
        }
        self.sent += put?;
        let found = source.finish();
        if found != digests.sha256 {
            discard(self.session, &self.part)?;
            return Err(self.damaged(found));
        }
        Ok(proof.filter(|_| from == digests.size))
    }

    /// Finds out where to begin: behind what is proven to be the beginning of the payload.
    fn start(&mut self) -> Result<Start, DeliverError> {
        let digests = self.delivery.digests;
        let there = self.session.stat(&self.part)?;
        if there.is_some_and(|entry| entry.kind != EntryKind::File) {
            return Err(DeliverError::NotRegular(self.part.clone()));
        }
        let length = self.payload.metadata().map_err(|err| self.local(err))?.len();
        if length != digests.size {
            discard(self.session, &self.part)?;
            let hash = self.hash_local(length.min(digests.size))?;
            return Err(self.damaged(finish(hash)));
        }
        match there.map_or(0, |entry| entry.size) {
            0 => {}
            size if size <= digests.size => {
                let hash = self.hash_local(size)?;
                let prefix = finish(hash.clone());
                match by_content(self.session, &self.part, size, &prefix)? {
                    Proof::Right(strength) => return Ok(Start { from: size, hash, proof: Some(strength) }),
                    Proof::Wrong | Proof::Untold => discard(self.session, &self.part)?,
                }
            }
            _ => discard(self.session, &self.part)?,
        }
        Ok(Start { from: 0, hash: self.hash_local(0)?, proof: None })
    }

    /// Hashes the first `size` bytes of the local payload and leaves it positioned behind them.
    fn hash_local(&mut self, size: u64) -> Result<Sha256, DeliverError> {
        let mut hash = Sha256::new();
        let mut read = || {
            self.payload.seek(SeekFrom::Start(0))?;
            let mut prefix = (&mut *self.payload).take(size);
            let mut buffer = vec![0; CHUNK];
            loop {
                match prefix.read(&mut buffer)? {
                    0 => return Ok(()),
                    n => hash.update(&buffer[..n]),
                }
            }
        };
        read().map_err(|err| self.local(err))?;
        Ok(hash)
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

    /// Verifies the whole `.part`; `None` means that it is wrong.
    fn verify(&mut self, proven: Option<Strength>) -> Result<Option<Strength>, DeliverError> {
        let digests = self.delivery.digests;
        if proven.is_some() {
            return Ok(proven);
        }
        match self.session.stat(&self.part)? {
            Some(entry) if entry.kind != EntryKind::File => {
                return Err(DeliverError::NotRegular(self.part.clone()));
            }
            Some(entry) if entry.size == digests.size => {}
            Some(_) | None => return Ok(None),
        }
        let (size, sha256) = (digests.size, &digests.sha256);
        let proof = match self.delivery.verify {
            Verify::Strong => by_content(self.session, &self.part, size, sha256)?,
            Verify::Size => by_hash(self.session, &self.part, size, sha256)?,
        };
        match (proof, self.delivery.verify) {
            (Proof::Right(strength), _) => Ok(Some(strength)),
            (Proof::Wrong, _) => Ok(None),
            (Proof::Untold, Verify::Size) => Ok(Some(Strength::Size)),
            (Proof::Untold, Verify::Strong) => Err(DeliverError::Unverifiable(self.part.clone())),
        }
    }

    /// Gives the verified `.part` its final name.
    fn commit(mut self, strength: Strength) -> Result<Delivered, DeliverError> {
        let Delivery { place, digests, verify, released, may_commit, .. } = *self.delivery;
        let mut moved_aside = None;
        for _ in 0..CLEARINGS {
            may_commit().map_err(|stop| DeliverError::Stopped { payload: place.payload(), stop })?;
            match clear_final(self.session, place, digests, released, verify)? {
                Final::Free => {}
                Final::MovedAside(aside) => moved_aside = Some(aside),
                Final::Same(strength) => {
                    discard(self.session, &self.part)?;
                    return Ok(self.delivered(strength, true, moved_aside));
                }
                Final::Conflict => return Err(DeliverError::Conflict(place.payload())),
            }
            match self.session.rename_new(&self.part, &place.payload()) {
                Ok(()) => return Ok(self.delivered(strength, false, moved_aside)),
                // Somebody was quicker: look at what, and decide anew.
                Err(err) if err.kind == SiteErrorKind::Exists => {}
                Err(err) if err.kind.is_dead() => return Err(err.into()),
                // The answer may be wrong about what was done, or another uploader has done it.
                Err(err) => match look(self.session, place, digests, verify)? {
                    Standing::Same(_) => return Ok(self.delivered(strength, false, moved_aside)),
                    Standing::Nothing | Standing::Other => return Err(err.into()),
                },
            }
        }
        self.refuse_if_released()?;
        Err(crate::site::SiteError::new(
            SiteErrorKind::Exists,
            format!(
                "renaming {} to {}: the name is taken each time; try again later",
                self.part,
                place.payload()
            ),
        )
        .into())
    }

    fn refuse_if_released(&mut self) -> Result<(), DeliverError> {
        match self.delivery.released {
            super::Released::Never => Ok(()),
            super::Released::Before(_) => Err(DeliverError::Conflict(self.delivery.place.payload())),
        }
    }

    fn delivered(&self, verified_by: Strength, adopted: bool, moved_aside: Option<RemotePath>) -> Delivered {
        let Self { resumed_from, sent, .. } = *self;
        Delivered { verified_by, resumed_from, sent, moved_aside, adopted }
    }

    fn damaged(&self, found: Sha256Hex) -> DeliverError {
        let Delivery { place, digests, .. } = *self.delivery;
        DeliverError::Damaged { payload: place.payload(), expected: digests.sha256, found }
    }

    fn local(&self, source: io::Error) -> DeliverError {
        DeliverError::Local { payload: self.delivery.place.payload(), source }
    }
}

/// The rest of the local payload, hashed as it is read, and not a byte more than was prepared.
struct Hashed<'a> {
    file: &'a mut File,
    hash: Sha256,
    left: u64,
    go_on: &'a dyn Fn() -> Result<(), Stop>,
    /// Why no more is read, once that is so.
    stop: Option<Stop>,
}

impl Hashed<'_> {
    fn finish(self) -> Sha256Hex {
        finish(self.hash)
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Err(stop) = (self.go_on)() {
            return Err(io::Error::other(self.stop.insert(stop).clone()));
        }
        let n = (&mut *self.file).take(self.left).read(buffer)?;
        self.left -= n as u64;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

fn finish(hash: Sha256) -> Sha256Hex {
    Hex(hash.finalize().into())
}

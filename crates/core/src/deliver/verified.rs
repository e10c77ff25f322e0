//! Whether the whole payload is at the site under its temporary name (step U3).

use std::time::Instant;

use super::payload::Transfer;
use super::proof::{Proof, by_hash, by_reading};
use super::standing::discard;
use super::{DeliverError, Strength, Verify};
use crate::site::EntryKind;

impl Transfer<'_> {
    /// Verifies the whole `.part`; `None` means that it is wrong.
    pub(super) fn verify(&mut self, proven: Option<Strength>) -> Result<Option<Strength>, DeliverError> {
        let digests = self.delivery.digests;
        if proven.is_some() {
            return Ok(proven);
        }
        let (size, sha256) = (digests.size, &digests.sha256);
        let begin = Instant::now();
        if std::mem::take(&mut self.is_hashed)
            && let Some(found) = self.session.end_hash(size)?
        {
            let is_right = found == *sha256;
            tracing::debug!(part = %self.part, ms = begin.elapsed().as_millis(), is_right, "the site has hashed it");
            // Where it is not, the site may have read behind what was written, as on a network file system.
            if is_right {
                return Ok(Some(Strength::ServerHash));
            }
        }
        // In the usual case this says everything, and what stands there need not be looked at.
        let hashed = match by_hash(self.session, &self.part, size, sha256) {
            Ok(Proof::Right(strength)) => return Ok(Some(strength)),
            Err(error) if error.kind.is_dead() => return Err(error.into()),
            hashed => hashed,
        };
        match self.session.stat(&self.part)? {
            Some(entry) if entry.kind != EntryKind::File => {
                return Err(DeliverError::NotRegular(self.part.clone()));
            }
            Some(entry) if entry.size == size => {}
            Some(_) | None => return Ok(None),
        }
        let proof = match (hashed?, self.delivery.verify) {
            (Proof::Untold, Verify::Strong | Verify::Md5) => {
                by_reading(self.session, &self.part, size, sha256)?
            }
            (proof, _) => proof,
        };
        match (proof, self.delivery.verify) {
            (Proof::Right(strength), _) => Ok(Some(strength)),
            (Proof::Wrong, _) => Ok(None),
            (Proof::Untold, Verify::Size) => {
                self.check_local()?;
                Ok(Some(Strength::Size))
            }
            (Proof::Untold, Verify::Strong | Verify::Md5) => {
                Err(DeliverError::Unverifiable(self.part.clone()))
            }
        }
    }

    /// Makes sure that the local payload is what was prepared, where it was not compared with what arrived.
    pub(super) fn check_local(&mut self) -> Result<(), DeliverError> {
        let digests = self.delivery.digests;
        let found = self.hash_local(digests.size)?;
        if found == digests.sha256 {
            return Ok(());
        }
        discard(self.session, &self.part)?;
        Err(self.damaged(found))
    }
}

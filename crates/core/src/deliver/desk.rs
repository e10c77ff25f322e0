//! A payload's way to a site with a desk, where nothing can be looked at: bring all but the last byte, then
//! hand in the rest.
//!
//! What is there of a payload shows nothing until its last byte has come, for then the server compares the
//! digests and gives it its name. So the halves of a delivery are those of other sites ([`super::stage`],
//! [`super::commit()`]): [`bring`] leaves the payload there but for its last byte, and [`hand_in`] sends the
//! sidecars and that byte, in one session. Sidecars thus come to a desk only with their payload: those of a
//! payload that never came would be in the way of the next ones.
//!
//! **What is proven.** The server's PASS is a comparison with the digests that were announced, and the
//! strongest of those is how the payload is verified ([`Strength`]). A site of which a SHA-256 is asked and
//! that knows MD5 alone gets nothing. What is there of a payload from before is believed no further than that
//! PASS: if it is wrong, the server says FAIL in the end and throws it away, and it is brought once more.
//!
//! **What is not.** Whether it still is there later: it may have been taken on, which is what a desk is for.
//! So nobody asks again, and the receipt counts.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use super::gaps::{At, hash};
use super::{DeliverError, Delivered, Released, Stop, Strength, Verify};
use crate::digest::{Digester, Digests};
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::{Desk, Handing, Package, PackageName, RemotePath, SiteError, SiteErrorKind};

/// A payload of at most so many bytes is handed in without having been brought before: if it comes to
/// nothing, little is lost.
const SMALL: u64 = 1 << 20;

/// What is to be handed in at a desk.
#[derive(Debug, Clone)]
pub struct AtDesk {
    /// What it is called there.
    pub name: PackageName,
    /// What it is.
    pub digests: Digests,
    /// Its sidecars, as they are to be there.
    pub sidecars: Sidecars,
    /// How it must be verified.
    pub verify: Verify,
    /// Whether a payload was released there.
    pub released: Released,
}

/// Who decides whether to go on.
pub struct Ask<'a> {
    /// Asked before each piece of the payload is sent.
    pub go_on: &'a dyn Fn() -> Result<(), Stop>,
    /// Asked right before the last byte may go.
    pub may_commit: &'a dyn Fn() -> Result<(), Stop>,
}

/// A payload that is at a desk but for its last byte, as far as it had to be brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    /// How many bytes were there, if that was asked.
    resumed_from: Option<u64>,
    sent: u64,
    /// It had come in before, and was found to be right.
    is_there: bool,
}

impl Brought {
    /// Returns how many bytes are known to be there.
    pub fn there(&self) -> u64 {
        self.resumed_from.unwrap_or_default() + self.sent
    }
}

/// Brings all of a payload but its last byte; `progress` hears how many bytes are there. Returns `None` if
/// the desk had it whole and wrong, and has thrown it away.
pub fn bring(
    desk: &mut dyn Desk,
    what: &AtDesk,
    payload: &File,
    ask: &Ask<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Brought>, DeliverError> {
    let size = what.digests.size;
    what.strength(desk)?;
    if what.released.is_of_other(what.digests.generation()) {
        return Err(DeliverError::Conflict(what.path()));
    }
    if size <= SMALL && what.released == Released::NotKnown {
        return Ok(Some(Brought { resumed_from: None, sent: 0, is_there: false }));
    }
    let mut handing = desk.announce(&[what.package()])?;
    let held = handing.held()[0];
    if held == size {
        let is_right = handing.verdicts()?.first() == Some(&true);
        progress(held);
        return Ok(is_right.then_some(Brought { resumed_from: Some(held), sent: 0, is_there: true }));
    }
    if held > 0 {
        let path = what.path();
        tracing::info!("{path}: resuming at {held} of {size} bytes, which the site proves with the rest");
    }
    let sent = what.send(&mut *handing, payload, held..size - 1, ask, progress)?;
    handing.leave()?;
    Ok(Some(Brought { resumed_from: Some(held), sent, is_there: false }))
}

/// Hands in what was brought: the sidecars, and the payload's last byte. Returns `None` if the server has
/// found other digests than those announced, and has thrown the payload away.
pub fn hand_in(
    desk: &mut dyn Desk,
    what: &AtDesk,
    brought: Brought,
    payload: &File,
    ask: &Ask<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Delivered>, DeliverError> {
    let verified_by = what.strength(desk)?;
    let delivered = |resumed_from, sent, adopted| Delivered {
        verified_by,
        resumed_from,
        sent,
        moved_aside: None,
        adopted,
    };
    if brought.is_there && what.released != Released::NotKnown {
        // What customers have stays as it is, their sidecars as well.
        return Ok(Some(delivered(what.digests.size, 0, true)));
    }
    (ask.may_commit)().map_err(|stop| what.stopped(stop))?;
    let mut packages: Vec<Package> =
        what.sidecars.iter().map(|(kind, content)| what.sidecar(kind, content)).collect();
    packages.push(what.package());
    let mut handing = desk.announce(&packages)?;
    let held = handing.held().to_vec();
    let from = held.last().copied().unwrap_or_default();
    if from < brought.there() {
        // The end of a connection that was cut looks like that of a session. Sidecars do not go before the
        // payload is there.
        let text = format!(
            "{}: of {} bytes that were brought {from} are there; try again later",
            what.path(),
            brought.there()
        );
        return Err(SiteError::new(SiteErrorKind::Disconnected, text).into());
    }
    for ((_, content), held) in what.sidecars.iter().zip(&held) {
        let rest = usize::try_from(*held).ok().and_then(|held| content.get(held..)).unwrap_or_default();
        handing.send(&mut &rest[..], &mut |_| ())?;
    }
    let sent = brought.sent + what.send(&mut *handing, payload, from..what.digests.size, ask, progress)?;
    let verdicts = handing.verdicts()?;
    match verdicts.split_last() {
        Some((true, sidecars)) if sidecars.iter().all(|is_right| *is_right) => {
            let resumed_from = brought.resumed_from.unwrap_or(from);
            Ok(Some(delivered(resumed_from, sent, sent == 0)))
        }
        Some((true, _)) => {
            let text = format!(
                "{}: a sidecar has arrived with other bytes; it is sent anew by the next run",
                what.path()
            );
            Err(SiteError::new(SiteErrorKind::Protocol, text).into())
        }
        Some((false, _)) | None => Ok(None),
    }
}

/// Makes sure that the local payload is what was prepared, after a server has found something else. Returns
/// the error of a payload that is not.
pub fn check_local(what: &AtDesk, payload: &File) -> Result<(), DeliverError> {
    let length = payload.metadata().map_err(|error| what.local(error))?.len();
    let found = hash(payload, 0..length.min(what.digests.size)).map_err(|error| what.local(error))?;
    if found == what.digests.sha256 && length == what.digests.size {
        return Ok(());
    }
    Err(DeliverError::Damaged { payload: what.path(), expected: what.digests.sha256, found })
}

impl AtDesk {
    /// Returns the payload's name there, as receipts and messages have it.
    pub fn path(&self) -> RemotePath {
        self.name.clone().into()
    }

    /// Returns how the desk verifies what is handed in, if that is enough.
    fn strength(&self, desk: &dyn Desk) -> Result<Strength, DeliverError> {
        match (desk.has_sha256(), self.verify) {
            (true, _) => Ok(Strength::ServerHash),
            (false, Verify::Md5 | Verify::Size) => Ok(Strength::Md5),
            (false, Verify::Strong) => Err(DeliverError::Md5Only(self.path())),
        }
    }

    fn package(&self) -> Package {
        let Digests { size, md5, sha256, .. } = self.digests;
        Package { name: self.name.as_str().to_owned(), size, md5, sha256 }
    }

    fn sidecar(&self, kind: SidecarKind, content: &[u8]) -> Package {
        let mut digester = Digester::default();
        digester.update(content);
        let Digests { size, md5, sha256, .. } = digester.finish();
        Package { name: self.name.sidecar(kind), size, md5, sha256 }
    }

    /// Sends some of the payload's bytes, if there are any.
    fn send(
        &self,
        handing: &mut dyn Handing,
        payload: &File,
        range: Range<u64>,
        ask: &Ask<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, DeliverError> {
        let (from, length) = (range.start, range.end - range.start);
        let mut flow = Flow { at: At { payload, range }, go_on: ask.go_on, stop: None };
        progress(from);
        match handing.send(&mut flow, &mut |sent| progress(from + sent)) {
            Ok(sent) if sent == length => Ok(sent),
            Ok(_) => check_local(self, payload).and(Err(self.local(io::ErrorKind::UnexpectedEof.into()))),
            Err(error) => Err(match flow.stop {
                Some(stop) => self.stopped(stop),
                None => error.into(),
            }),
        }
    }

    fn stopped(&self, stop: Stop) -> DeliverError {
        DeliverError::Stopped { payload: self.path(), stop }
    }

    fn local(&self, source: io::Error) -> DeliverError {
        DeliverError::Local { payload: self.path(), source }
    }
}

/// The local payload's bytes, as long as they may go.
struct Flow<'a> {
    at: At<'a>,
    go_on: &'a dyn Fn() -> Result<(), Stop>,
    /// Why they may not, once that is so.
    stop: Option<Stop>,
}

impl Read for Flow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.go_on)() {
            Ok(()) => self.at.read(buffer),
            Err(stop) => Err(io::Error::other(self.stop.insert(stop).clone())),
        }
    }
}

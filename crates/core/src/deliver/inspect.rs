//! What a site really holds of a delivery (steps C2 and C5).
//!
//! The result is plain data; what follows from it is decided elsewhere. An error means that the site did not
//! say, which is never the same as something being absent (invariant I3).

use super::Strength;
use super::proof::is_withheld;
use super::small::{Seen, compare, read};
use crate::digest::{Digester, Md5Hex, Sha1Hex, Sha256Hex};
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::{EntryKind, Place, RemotePath, Session, SiteError, SiteErrorKind};

/// The longest sidecar that is looked into: many times the largest signature.
const MAX_SIDECAR: u64 = 64 * 1024;

/// The longest line of a checksum file: a digest and a name.
const LONGEST_LINE: usize = 1024;

/// What should be at the site.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The payload's length.
    pub size: u64,
    /// Its MD5, if known.
    pub md5: Option<Md5Hex>,
    /// Its SHA-1, if known.
    pub sha1: Option<Sha1Hex>,
    /// Its SHA-256, if known.
    pub sha256: Option<Sha256Hex>,
    /// Its sidecars, if they are still here; else theirs must agree with the digests above.
    pub sidecars: Option<&'a Sidecars>,
    /// How closely to look at the payload.
    pub depth: Inspect,
}

/// How closely a payload is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspect {
    /// Size, and hash where the site computes it.
    SizeAndServerHash,
    /// Size, and hash: computed by the site, else here from reading it back.
    ReadBack,
}

/// What is at the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteView {
    /// The payload at its final name.
    pub payload: PayloadView,
    /// Each sidecar, in the order of [`SidecarKind::ALL`].
    pub sidecars: [(SidecarKind, SidecarView); 5],
}

/// What is at a payload's final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadView {
    /// Nothing.
    Absent,
    /// The payload, as far as could be told.
    Right(Strength),
    /// A file of another length.
    WrongSize {
        /// Its length.
        found: u64,
    },
    /// A file of the right length with other bytes.
    WrongContent,
    /// No regular file.
    NotRegular,
}

/// What is at a sidecar's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SidecarView {
    /// The right content, as far as could be told.
    Present,
    /// Nothing.
    Absent,
    /// Something else.
    Wrong,
}

/// Looks at what the site holds of a delivery.
pub fn inspect(
    session: &mut dyn Session,
    place: &Place,
    expected: &Expected<'_>,
) -> Result<SiteView, SiteError> {
    let payload = look_at_payload(session, &place.payload(), expected)?;
    let mut sidecars = SidecarKind::ALL.map(|kind| (kind, SidecarView::Absent));
    for (kind, view) in &mut sidecars {
        let path = place.sidecar(*kind);
        *view = match expected.sidecars {
            Some(ours) => match compare(session, &path, ours.get(*kind))? {
                Seen::Same | Seen::Withheld => SidecarView::Present,
                Seen::Absent => SidecarView::Absent,
                Seen::Different | Seen::NotRegular => SidecarView::Wrong,
            },
            None => look_at_sidecar(session, &path, *kind, expected)?,
        };
    }
    Ok(SiteView { payload, sidecars })
}

fn look_at_payload(
    session: &mut dyn Session,
    path: &RemotePath,
    expected: &Expected<'_>,
) -> Result<PayloadView, SiteError> {
    match session.stat(path)? {
        None => return Ok(PayloadView::Absent),
        Some(entry) if entry.kind != EntryKind::File => return Ok(PayloadView::NotRegular),
        Some(entry) if entry.size != expected.size => {
            return Ok(PayloadView::WrongSize { found: entry.size });
        }
        Some(_) => {}
    }
    if let Some(wanted) = expected.sha256
        && let Some(found) = session.sha256(path, expected.size)?
    {
        return Ok(match found == wanted {
            true => PayloadView::Right(Strength::ServerHash),
            false => PayloadView::WrongContent,
        });
    }
    if expected.depth == Inspect::SizeAndServerHash || !expected.has_digest() {
        return Ok(PayloadView::Right(Strength::Size));
    }
    let mut sink = DigestSink::default();
    match session.get(path, 0, &mut sink) {
        Ok(_) if expected.matches(sink.0) => Ok(PayloadView::Right(Strength::ReadBack)),
        Ok(_) => Ok(PayloadView::WrongContent),
        Err(err) if is_withheld(&err) => Ok(PayloadView::Right(Strength::Size)),
        Err(err) => Err(err),
    }
}

/// Looks at a sidecar of which only the digest in it is known.
fn look_at_sidecar(
    session: &mut dyn Session,
    path: &RemotePath,
    kind: SidecarKind,
    expected: &Expected<'_>,
) -> Result<SidecarView, SiteError> {
    let size = match session.stat(path)? {
        None => return Ok(SidecarView::Absent),
        Some(entry) if entry.kind != EntryKind::File => return Ok(SidecarView::Wrong),
        Some(entry) if entry.size == 0 || entry.size > MAX_SIDECAR => return Ok(SidecarView::Wrong),
        Some(entry) => entry.size,
    };
    let digest = match kind {
        SidecarKind::Signature => None,
        SidecarKind::Md5 => expected.md5.map(|digest| digest.to_string()),
        SidecarKind::Sha1 => expected.sha1.map(|digest| digest.to_string()),
        SidecarKind::Sha256 => expected.sha256.map(|digest| digest.to_string()),
        SidecarKind::Filesize => Some(expected.size.to_string()),
    };
    let Some(digest) = digest else { return Ok(SidecarView::Present) };
    let Some(content) = read(session, path, usize::try_from(size).unwrap_or(usize::MAX - 1))? else {
        return Ok(SidecarView::Present);
    };
    Ok(match first_word(&content) == Some(digest.as_str()) {
        true => SidecarView::Present,
        false => SidecarView::Wrong,
    })
}

/// Returns what the `.SHA256` at a site says, nothing if it is damaged; `None` if there is none, or the site
/// gives nothing back.
pub(super) fn named_in_sha256(session: &mut dyn Session, place: &Place) -> Result<Option<String>, SiteError> {
    let path = place.sidecar(SidecarKind::Sha256);
    match read(session, &path, LONGEST_LINE) {
        Ok(content) => Ok(content.map(|content| first_word(&content).unwrap_or_default().to_owned())),
        Err(error) if error.kind == SiteErrorKind::NotFound => Ok(None),
        Err(error) if error.kind == SiteErrorKind::NotRegular => Ok(Some(String::new())),
        Err(error) => Err(error),
    }
}

/// Returns whether the content of a `.SHA256` is of this payload.
pub(super) fn names_sha256(content: &[u8], sha256: &Sha256Hex) -> bool {
    first_word(content).is_some_and(|word| word == sha256.to_string())
}

/// Returns the digest or number that a sidecar begins with; coreutils marks a line with an escaped name by a
/// backslash before it.
fn first_word(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content).ok()?;
    let line = text.strip_suffix('\n').filter(|line| !line.contains('\n'))?;
    line.strip_prefix('\\').unwrap_or(line).split(' ').next()
}

impl Expected<'_> {
    fn has_digest(&self) -> bool {
        self.md5.is_some() || self.sha1.is_some() || self.sha256.is_some()
    }

    fn matches(&self, digester: Digester) -> bool {
        let found = digester.finish();
        found.size == self.size
            && self.md5.is_none_or(|wanted| wanted == found.md5)
            && self.sha1.is_none_or(|wanted| wanted == found.sha1)
            && self.sha256.is_none_or(|wanted| wanted == found.sha256)
    }
}

/// Digests what is written to it.
#[derive(Default)]
struct DigestSink(Digester);

impl std::io::Write for DigestSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

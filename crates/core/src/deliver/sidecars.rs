//! The sidecars of a payload at a site (step M6).
//!
//! They may be replaced as long as the payload they belong to is not released, which the caller has made sure
//! of. Each appears whole: a temporary name, read back, renamed.

use super::small::{Seen, compare};
use super::standing::{cut_short, discard, sweep};
use super::temporary::{temporary, without_dot};
use crate::digest::Generation;
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::{EntryKind, Place, RemotePath, Session, SiteError, SiteErrorKind};

/// Puts a payload's sidecars in place, and returns how many had to be written.
///
/// The directory must exist. One that is right is left alone; another content is replaced.
pub fn put_sidecars(
    session: &mut dyn Session,
    place: &Place,
    generation: Generation,
    sidecars: &Sidecars,
) -> Result<usize, SiteError> {
    let mut written = 0;
    for (kind, content) in sidecars.iter() {
        let at = place.sidecar(kind);
        let mut part = temporary(session, place.sidecar_part(kind, generation));
        let seen = compare(session, &at, content)?;
        match seen {
            Seen::Same => continue,
            Seen::NotRegular => return Err(not_regular(&at)),
            Seen::Absent | Seen::Different | Seen::Withheld => {}
        }
        if seen != Seen::Absent {
            part = set_aside(session, &at, part)?;
        }
        part = put_temporary(session, part, content)?;
        if let Err(err) = session.rename_new(&part, &at) {
            // Another run may have been quicker with the same content, or the answer may be wrong.
            if err.kind.is_dead() || compare(session, &at, content)? != Seen::Same {
                return Err(err);
            }
            discard(session, &part)?;
        }
        written += 1;
    }
    if written > 0 {
        let sidecars_of = SidecarKind::ALL.map(|kind| format!("{}{}", place.payload_name(), kind.suffix()));
        let stems: Vec<_> = sidecars_of.into_iter().chain([place.payload_name().to_owned()]).collect();
        let names = sweep(session, place.dir(), &stems, Some(generation))?.unwrap_or_default();
        remove_cut_short(session, place, generation, sidecars, &names)?;
    }
    Ok(written)
}

/// Removes a sidecar that gives way to another. It loses its name first: of a command to remove it a cut line
/// would leave one to remove the payload, and some servers carry that out.
fn set_aside(
    session: &mut dyn Session,
    at: &RemotePath,
    mut part: RemotePath,
) -> Result<RemotePath, SiteError> {
    clear_temporary(session, &part)?;
    if let Err(refused) = session.rename_new(at, &part) {
        part = match without_dot(session, &part, &refused) {
            Some(plain) => plain,
            None => return Err(refused),
        };
        session.rename_new(at, &part).map_err(|_| refused)?;
        session.refuses_dot_names();
    }
    discard(session, &part)?;
    Ok(part)
}

/// Removes what got only the beginning of a sidecar's name, which may be the payload's, or of its temporary
/// one. What has other content is not ours.
fn remove_cut_short(
    session: &mut dyn Session,
    place: &Place,
    generation: Generation,
    sidecars: &Sidecars,
    names: &[String],
) -> Result<(), SiteError> {
    for (kind, content) in sidecars.iter() {
        let at = place.sidecar(kind);
        let part = temporary(session, place.sidecar_part(kind, generation));
        // Of a temporary name without a dot the final one is the beginning.
        let others = cut_short(names, part.name())
            .filter(|name| !name.starts_with(place.payload_name()) || name.len() > at.name().len());
        for name in cut_short(names, at.name()).chain(others) {
            let Ok(path) = RemotePath::new(&format!("{}/{name}", place.dir())) else { continue };
            let is_temporary = name.starts_with('.') || name.len() > at.name().len();
            let is_begun = is_temporary && compare(session, &path, b"")? == Seen::Same;
            if is_begun || compare(session, &path, content)? == Seen::Same {
                discard(session, &path)?;
            }
        }
    }
    Ok(())
}

/// Writes a temporary file anew and reads it back; returns its name, which may be one without a dot if one
/// with it is refused.
fn put_temporary(
    session: &mut dyn Session,
    mut part: RemotePath,
    content: &[u8],
) -> Result<RemotePath, SiteError> {
    if let Err(refused) = put_anew(session, &part, content) {
        part = match without_dot(session, &part, &refused) {
            Some(plain) => plain,
            None => return Err(refused),
        };
        put_anew(session, &part, content).map_err(|_| refused)?;
        session.refuses_dot_names();
    }
    match compare(session, &part, content)? {
        Seen::Same | Seen::Withheld => Ok(part),
        Seen::Absent | Seen::Different | Seen::NotRegular => {
            discard(session, &part)?;
            let text = format!("writing {part}: it holds other bytes at the site; have its disk looked at");
            Err(SiteError::new(SiteErrorKind::Protocol, text))
        }
    }
}

fn put_anew(session: &mut dyn Session, part: &RemotePath, content: &[u8]) -> Result<(), SiteError> {
    match session.put_new(part, &mut &content[..], &mut |_| ()) {
        // A crash has left it.
        Err(err) if err.kind == SiteErrorKind::Exists => {
            clear_temporary(session, part)?;
            session.put_new(part, &mut &content[..], &mut |_| ()).map(drop)
        }
        put => put.map(drop),
    }
}

fn clear_temporary(session: &mut dyn Session, part: &RemotePath) -> Result<(), SiteError> {
    match session.stat(part)?.map(|entry| entry.kind) {
        None => Ok(()),
        Some(EntryKind::File) => discard(session, part),
        Some(EntryKind::Directory | EntryKind::Other) => Err(not_regular(part)),
    }
}

fn not_regular(path: &RemotePath) -> SiteError {
    let text = format!("{path} at the site is not a regular file; look at what it is, and whose");
    SiteError::new(SiteErrorKind::NotRegular, text)
}

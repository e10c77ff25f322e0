//! What stands at a payload's final name, and making room there.

use super::inspect::named_in_sha256;
use super::proof::{Proof, by_content};
use super::temporary::temporary;
use super::{AskOurs, DeliverError, Ours, Released, Strength, Verify};
use crate::digest::{Digests, Generation, Sha256Hex};
use crate::site::{EntryKind, Place, RemotePath, Session, SiteError, SiteErrorKind};

/// What became of a final name that is wanted for a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Final {
    /// Nothing stood there.
    Free,
    /// The payload stands there already.
    Same(Strength),
    /// Other content of ours that was not released stood there, and went to this name.
    MovedAside(RemotePath),
    /// Other content stands there and was released; it was left alone.
    Conflict,
    /// Other content stands there that is not known to be ours; it was left alone.
    Foreign,
}

/// What stands at a final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    Same(Strength),
    Other,
}

/// Makes room at a payload's final name, if that may be done.
///
/// Content that is known to be ours and unreleased is kept beside it under a name that says what it gave way
/// to. Everything else is left alone, and something that is no regular file is an error.
pub fn clear_final(
    session: &mut dyn Session,
    place: &Place,
    digests: &Digests,
    released: Released,
    verify: Verify,
    ours: &AskOurs<'_>,
) -> Result<Final, DeliverError> {
    match look(session, place, digests, verify)? {
        Standing::Nothing if released.is_of_other(digests.generation()) => Ok(Final::Conflict),
        Standing::Nothing => Ok(Final::Free),
        Standing::Same(strength) => Ok(Final::Same(strength)),
        Standing::Other => match released {
            Released::Before(_) => Ok(Final::Conflict),
            Released::NotKnown => match is_ours(session, place, digests, ours)? {
                true => Ok(Final::MovedAside(move_aside(session, place, digests.generation())?)),
                false => Ok(Final::Foreign),
            },
        },
    }
}

fn move_aside(session: &mut dyn Session, place: &Place, by: Generation) -> Result<RemotePath, SiteError> {
    let aside = temporary(session, place.superseded(by));
    match session.rename_new(&place.payload(), &aside) {
        // It made room for the same generation before; the later one is kept.
        Err(error) if error.kind == SiteErrorKind::Exists => {
            session.remove(&aside)?;
            session.rename_new(&place.payload(), &aside)?;
        }
        renamed => renamed?,
    }
    // Of a package that is what whoever names another content asks for.
    match place.has_sidecars() {
        true => tracing::warn!("{}", moved_aside(place, &aside)),
        false => tracing::info!("{}", moved_aside(place, &aside)),
    }
    Ok(aside)
}

/// Returns what is to be said, and logged, of content that was moved aside.
pub fn moved_aside(place: &Place, aside: &RemotePath) -> String {
    format!("{place} at the site was ours and not released, and was moved aside to {aside}")
}

/// Returns whether the other content at a payload's final name is known to be ours: the payload of another
/// job, or what has become of this one. As the latter it counts only while the sidecar beside it is this
/// payload's; that it is another's means that another was prepared there since.
pub(super) fn is_ours(
    session: &mut dyn Session,
    place: &Place,
    digests: &Digests,
    ours: &AskOurs<'_>,
) -> Result<bool, DeliverError> {
    let path = place.payload();
    let Ours { others, was_there } =
        ours().map_err(|stop| DeliverError::Stopped { payload: path.clone(), stop })?;
    let size = match session.stat(&path)? {
        Some(entry) if entry.kind == EntryKind::File => entry.size,
        Some(_) | None => return Ok(false),
    };
    for other in others.iter().filter(|other| other.size == size) {
        match by_content(session, &path, size, &other.sha256)? {
            Proof::Right(_) => return Ok(true),
            Proof::Wrong | Proof::Untold => {}
        }
    }
    Ok(was_there && beside(session, place, &digests.sha256)? == Beside::This)
}

/// Whose payload the `.SHA256` at a site is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// This one.
    This,
    /// Another, or it makes no sense.
    Other,
    /// There is none, or the site gives nothing back.
    Untold,
}

/// Looks whose payload the `.SHA256` at a site is of; where there is none by design, whoever delivers is
/// right.
pub(super) fn beside(
    session: &mut dyn Session,
    place: &Place,
    sha256: &Sha256Hex,
) -> Result<Beside, SiteError> {
    // Which content comes last is then known to whoever delivers it.
    if !place.has_sidecars() {
        return Ok(Beside::This);
    }
    Ok(match named_in_sha256(session, place)? {
        None => Beside::Untold,
        Some(named) if named == sha256.to_string() => Beside::This,
        Some(_) => Beside::Other,
    })
}

/// Looks what stands at a payload's final name, as closely as the site allows.
///
/// Content that stands there already is read back even where size is enough for what we have sent ourselves:
/// two builds of one size are common, and adopting the wrong one would release it.
pub(super) fn look(
    session: &mut dyn Session,
    place: &Place,
    digests: &Digests,
    verify: Verify,
) -> Result<Standing, DeliverError> {
    let path = place.payload();
    match session.stat(&path)? {
        None => Ok(Standing::Nothing),
        Some(entry) if entry.kind != EntryKind::File => Err(DeliverError::NotRegular(path)),
        Some(entry) if entry.size != digests.size => Ok(Standing::Other),
        Some(_) => match (by_content(session, &path, digests.size, &digests.sha256)?, verify) {
            (Proof::Right(strength), _) => Ok(Standing::Same(strength)),
            (Proof::Wrong, _) => Ok(Standing::Other),
            (Proof::Untold, Verify::Size) => Ok(Standing::Same(Strength::Size)),
            (Proof::Untold, Verify::Strong | Verify::Md5) => Err(DeliverError::Unverifiable(path)),
        },
    }
}

/// Removes what earlier generations have left under temporary names `.<stem>.<generation>.part`, or without
/// the dot, and returns the names in the directory, or `None` if it is not known to be there. What has a dot,
/// or none, unlike the names that the site takes now is as old.
///
/// Names of any other form, and anything but regular files, are not ours. A failure is no reason not to
/// deliver, unless it is the connection's.
pub(super) fn sweep(
    session: &mut dyn Session,
    dir: &RemotePath,
    stems: &[String],
    keep: Option<Generation>,
) -> Result<Option<Vec<String>>, SiteError> {
    let has_dot_now = session.takes_dot_names() != Some(false);
    let is_stale = |name: &str| {
        let (bare, has_dot) = name.strip_prefix('.').map_or((name, false), |bare| (bare, true));
        let generation = stems.iter().find_map(|stem| {
            let rest = bare.strip_prefix(stem.as_str())?;
            rest.strip_prefix('.')?.strip_suffix(".part")?.parse::<Generation>().ok()
        });
        generation.is_some() && (generation != keep || has_dot != has_dot_now)
    };
    let Some(names) = unless_dead(session.list(dir))? else { return Ok(None) };
    for name in names.iter().filter(|name| is_stale(name)) {
        let Ok(path) = RemotePath::new(&format!("{dir}/{name}")) else { continue };
        let entry = unless_dead(session.stat(&path))?.flatten();
        if entry.is_some_and(|entry| entry.kind == EntryKind::File) {
            unless_dead(session.remove(&path))?;
        }
    }
    Ok(Some(names))
}

/// Removes what once stood at a payload's final name and gave way, but what gave way to this generation. What
/// cannot be removed is left, unless it is the connection that has failed.
pub fn sweep_superseded(session: &mut dyn Session, place: &Place, keep: Generation) -> Result<(), SiteError> {
    let is_former = |name: &&String| {
        let bare = name.strip_prefix('.').unwrap_or(name);
        let rest = bare.strip_prefix(place.payload_name()).and_then(|rest| rest.strip_prefix(".superseded."));
        rest.and_then(|rest| rest.parse::<Generation>().ok()).is_some_and(|generation| generation != keep)
    };
    let Some(names) = unless_dead(session.list(place.dir()))? else { return Ok(()) };
    for name in names.iter().filter(is_former) {
        let path = if place.dir().is_base() { name.clone() } else { format!("{}/{name}", place.dir()) };
        let Ok(path) = RemotePath::new(&path) else { continue };
        let entry = unless_dead(session.stat(&path))?.flatten();
        if entry.is_some_and(|entry| entry.kind == EntryKind::File) {
            unless_dead(session.remove(&path))?;
        }
    }
    Ok(())
}

/// Returns those of `names` that a file may have got which was to get the name `wanted`: some servers carry
/// out a command whose line was cut, and then it has only the beginning of its name.
pub(super) fn cut_short<'n>(names: &'n [String], wanted: &str) -> impl Iterator<Item = &'n String> {
    names.iter().filter(move |name| wanted.len() > name.len() && wanted.starts_with(name.as_str()))
}

/// Removes a file whose absence is as good.
pub(super) fn discard(session: &mut dyn Session, path: &RemotePath) -> Result<(), SiteError> {
    match session.remove(path) {
        Err(err) if err.kind != SiteErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

fn unless_dead<T>(result: Result<T, SiteError>) -> Result<Option<T>, SiteError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(err) if err.kind.is_dead() => Err(err),
        Err(err) => {
            tracing::debug!(%err, "old temporary files are left at the site");
            Ok(None)
        }
    }
}

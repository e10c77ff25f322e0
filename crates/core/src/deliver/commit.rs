//! A payload's final name (step U4).

use std::time::Duration;

use super::payload::{Staged, refuse_if_released};
use super::standing::{Beside, Final, Standing, beside, clear_final, discard, look};
use super::temporary::temporary;
use super::{AskOurs, DeliverError, Delivered, Delivery, Ours};
use crate::sidecar::SidecarKind;
use crate::site::{Session, SiteError, SiteErrorKind};

/// So long what was seen beside a payload counts, when it is small and was staged just now.
const FRESH: Duration = Duration::from_secs(3);

/// How often the final name is cleared for a rename that finds it taken.
const CLEARINGS: usize = 2;

/// Gives a payload that [`super::stage`] has proven its final name (U4). May be repeated, as that. If the
/// name seemed to be free it is not looked at again before, since a rename does not overwrite.
///
/// The sidecars are at the site before. If they are another payload's, this one is not the latest that was
/// prepared for the name, whatever the spool says, and nothing is renamed.
pub fn commit(
    session: &mut dyn Session,
    delivery: &Delivery<'_>,
    staged: Staged,
) -> Result<Delivered, DeliverError> {
    let Delivery { place, digests, verify, released, ours, may_commit, .. } = *delivery;
    let Staged { verified_by, resumed_from, sent, stood, beside: seen } = staged;
    let delivered = |verified_by, adopted, moved_aside| Delivered {
        verified_by,
        resumed_from,
        sent,
        moved_aside,
        adopted,
    };
    if let Standing::Same(_) = stood {
        return Ok(delivered(verified_by, true, None));
    }
    let part = temporary(session, place.part(digests.generation()));
    // Without them it may have its name if that is free, and nothing gives way to it.
    let standing = match seen.is_some_and(|at| at.elapsed() < FRESH) {
        true => Beside::This,
        false => beside(session, place, &digests.sha256)?,
    };
    let ours: &AskOurs<'_> = match standing {
        Beside::This => ours,
        Beside::Other => {
            discard(session, &part)?;
            return Err(DeliverError::Stale(place.sidecar(SidecarKind::Sha256)));
        }
        Beside::Untold => &|| Ok(Ours::default()),
    };
    let mut moved_aside = None;
    for clearing in usize::from(stood != Standing::Nothing)..=CLEARINGS {
        may_commit().map_err(|stop| DeliverError::Stopped { payload: place.payload(), stop })?;
        if clearing > 0 {
            match clear_final(session, place, digests, released, verify, ours)? {
                Final::Free => {}
                Final::MovedAside(aside) => moved_aside = Some(aside),
                Final::Same(strength) => {
                    discard(session, &part)?;
                    return Ok(delivered(strength, true, moved_aside));
                }
                Final::Conflict => {
                    discard(session, &part)?;
                    return Err(DeliverError::Conflict(place.payload()));
                }
                Final::Foreign => {
                    discard(session, &part)?;
                    return Err(DeliverError::Foreign(place.payload()));
                }
            }
        }
        match session.rename_new(&part, &place.payload()) {
            Ok(()) => return Ok(delivered(verified_by, false, moved_aside)),
            // Somebody was quicker: look at what, and decide anew.
            Err(err) if err.kind == SiteErrorKind::Exists => {}
            Err(err) if err.kind.is_dead() => return Err(err.into()),
            // The answer may be wrong about what was done, or another uploader has done it.
            Err(err) => match look(session, place, digests, verify)? {
                Standing::Same(_) => return Ok(delivered(verified_by, false, moved_aside)),
                Standing::Nothing | Standing::Other => return Err(err.into()),
            },
        }
    }
    refuse_if_released(delivery)?;
    let text =
        format!("renaming {part} to {}: the name is taken each time; try again later", place.payload());
    Err(SiteError::new(SiteErrorKind::Exists, text).into())
}

//! Why a job was not delivered, and what follows from it.

use intraware_core::deliver::DeliverError;
use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::lock::LockError;
use intraware_core::run::Stopped;
use intraware_core::site::{SiteError, SiteErrorKind};
use intraware_core::spool::{ParkKind, SpoolError};
use intraware_core::streak::Lasting;

/// Why a job was not delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("{0}")]
    Moved(String),
    /// A connection could not be made.
    #[error(transparent)]
    Connect(SiteError),
    /// It concerns one of several sites.
    #[error("at site {site}")]
    At { site: String, source: Box<Trouble> },
    /// It was so too often to pass by itself.
    #[error("{lasting}")]
    Lasting { lasting: Lasting, source: Box<Trouble> },
}

impl Trouble {
    /// Returns what it is, wherever it is.
    pub(super) fn itself(&self) -> &Self {
        match self {
            Self::At { source, .. } | Self::Lasting { source, .. } => source.itself(),
            trouble => trouble,
        }
    }
}

/// Returns what has to happen after a trouble; `None` if nothing is wrong.
pub(super) fn fault_of(trouble: &Trouble) -> Option<Fault> {
    match trouble {
        Trouble::Stopped(_) | Trouble::Moved(_) => None,
        Trouble::Lock(error) => Some(error.fault()),
        Trouble::Spool(error) => Some(error.fault),
        Trouble::Connect(error) if error.kind == SiteErrorKind::Resting => None,
        Trouble::Site(error) | Trouble::Connect(error) => Some(error.kind.fault()),
        Trouble::Deliver(DeliverError::Stopped { .. }) => None,
        Trouble::Deliver(error) => Some(error.fault()),
        Trouble::At { source, .. } => fault_of(source),
        Trouble::Lasting { lasting, .. } => Some(lasting.fault),
    }
}

pub(super) fn site_kind(trouble: &Trouble) -> Option<SiteErrorKind> {
    match trouble.itself() {
        Trouble::Site(error)
        | Trouble::Connect(error)
        | Trouble::Deliver(DeliverError::Site(error) | DeliverError::Unsent { source: error, .. }) => {
            Some(error.kind)
        }
        Trouble::Stopped(_)
        | Trouble::Moved(_)
        | Trouble::Lock(_)
        | Trouble::Spool(_)
        | Trouble::Deliver(_)
        | Trouble::At { .. }
        | Trouble::Lasting { .. } => None,
    }
}

/// Returns as what a job is parked after this trouble; `None` if it is tried again as it is.
pub(super) fn park_kind(trouble: &Trouble) -> Option<ParkKind> {
    let Trouble::Deliver(error) = trouble.itself() else { return None };
    match error {
        DeliverError::Conflict(_)
        | DeliverError::Foreign(_)
        | DeliverError::Spoilt(_)
        | DeliverError::NotRegular(_) => Some(ParkKind::Conflict),
        DeliverError::Damaged { .. } => Some(ParkKind::Damaged),
        DeliverError::Corrupt(_)
        | DeliverError::Stale(_)
        | DeliverError::Site(_)
        | DeliverError::Unsent { .. }
        | DeliverError::NoSpace { .. }
        | DeliverError::Unverifiable(_)
        | DeliverError::Md5Only(_)
        | DeliverError::Unnameable(_)
        | DeliverError::Stopped { .. }
        | DeliverError::Local { .. } => None,
    }
}

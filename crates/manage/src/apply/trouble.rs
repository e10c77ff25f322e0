//! Why a step was not done, and what follows from it.

use super::NoKey;
use intraware_core::archive::ArchiveError;
use intraware_core::build_dir::BuildError;
use intraware_core::deliver::DeliverError;
use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::lock::LockError;
use intraware_core::run::Stopped;
use intraware_core::sign::KeyError;
use intraware_core::site::{SiteError, SiteErrorKind};
use intraware_core::sites::Names;
use intraware_core::spool::{Job, SpoolError};
use intraware_core::store::{StoreError, WriteError, WriteRefusal};
use intraware_core::streak::Lasting;
use intraware_core::txlog::chain;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// In the middle of an archive: so much of the build was read.
    #[error("stopped by a signal after {0} were archived; the next run archives it anew")]
    StoppedAfter(String),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    NoKey(#[from] NoKey),
    #[error("cannot sign the payload")]
    Sign(#[source] KeyError),
    #[error("{0}")]
    Moved(String),
    /// The build's own fault: its record becomes Error.
    #[error("{reason}")]
    Build { reason: String, seen: String },
    /// A job that was spoilt in the spool: its record becomes Error, and the spool is to be looked at.
    #[error("{reason}; it was put aside, and the build will be prepared anew")]
    Damaged { reason: String, seen: String },
    #[error("{0}")]
    NoRoom(String),
    /// A record that is Completed stays as it is.
    #[error(
        "the record is Completed, but at the site: {0}; customers may have wrong bytes: find out who changed it, and have what the record describes put back"
    )]
    Alarm(String),
    /// Said once, and nothing more comes of it.
    #[error(
        "site {0} did not get it within spool.keep_days and will not; have it copied there from another site"
    )]
    GivenUp(Names),
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

    /// Takes what stands in the way of one build at the site for that build's own fault.
    pub(super) fn of_build(self, job: &Job) -> Self {
        let is_of_build = match self.itself() {
            Self::Site(error) => error.kind.fault() == Fault::Build,
            Self::Deliver(error) => error.fault() == Fault::Build,
            _ => false,
        };
        if !is_of_build {
            return self;
        }
        Self::Build { reason: chain(&self), seen: job.manifest.fingerprint.clone() }
    }
}

impl From<BuildError> for Trouble {
    fn from(error: BuildError) -> Self {
        ArchiveError::from(error).into()
    }
}

/// Returns what has to happen after a trouble; `None` if nothing is wrong.
pub(super) fn fault_of(trouble: &Trouble) -> Option<Fault> {
    match trouble {
        Trouble::Stopped(_) | Trouble::StoppedAfter(_) | Trouble::Moved(_) => None,
        Trouble::Lock(error) => Some(error.fault()),
        Trouble::Spool(error) => Some(error.fault),
        Trouble::Site(error) if error.kind == SiteErrorKind::Resting => None,
        Trouble::Site(error) => Some(error.kind.fault()),
        Trouble::Deliver(error) => Some(error.fault()),
        Trouble::Store(error) | Trouble::Write(WriteError::Store(error)) => Some(error.fault),
        Trouble::Write(WriteError::Refused { refusal, .. }) => match refusal {
            WriteRefusal::Moved | WriteRefusal::Held | WriteRefusal::Gone => None,
            WriteRefusal::Busy(_) => Some(Fault::TryLater),
            WriteRefusal::Rejected(_) => Some(Fault::Build),
        },
        Trouble::Archive(error) => Some(error.fault()),
        Trouble::NoKey(error) => Some(error.fault),
        Trouble::Sign(error) => Some(error.fault()),
        Trouble::Build { .. } | Trouble::GivenUp(_) | Trouble::Alarm(_) => Some(Fault::Build),
        Trouble::NoRoom(_) | Trouble::Damaged { .. } => Some(Fault::Spool),
        Trouble::At { source, .. } => fault_of(source),
        Trouble::Lasting { lasting, .. } => Some(lasting.fault),
    }
}

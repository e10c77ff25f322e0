//! Delivery: one payload to its final name at a site, whole, proven, and never over something else.
//!
//! The payload goes to a `.part` name that carries its generation, so that what a crash leaves can be resumed
//! by whoever comes next and is never mistaken for another content. A partial file is believed only as far as
//! it is proven to be a prefix of ours. The whole is proven before the rename, and the rename does not
//! overwrite: incomplete bytes are never seen at a final name (invariant I4), and of two uploaders that
//! believe they hold the job each does the other's work (I5).
//!
//! The two halves are apart, [`stage`] and [`commit()`], because of a payload that goes to several sites: it
//! is whole and proven at all of them before the first shows it.
//!
//! Relies on the contract of [`crate::site`]. Everything here may be repeated after any failure. Where
//! packages are only handed in, the same is done in another way ([`bring`], [`hand_in`]).

mod commit;
mod desk;
mod gaps;
mod inspect;
mod lines;
mod payload;
mod proof;
mod sidecars;
mod small;
mod standing;
mod stuck;
mod temporary;
mod verified;

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

pub use commit::commit;
pub use desk::{Ask, AtDesk, Brought, bring, check_local, hand_in};
pub use inspect::{Expected, Inspect, PayloadView, SidecarView, SiteView, inspect};
pub use lines::prepare;
pub use payload::{Staged, stage};
pub use sidecars::put_sidecars;
pub use standing::{Final, clear_final, moved_aside, sweep_superseded};
pub use stuck::Stuck;

use crate::digest::{Digests, Generation, Sha256Hex};
use crate::exit::Fault;
use crate::site::{PackageNameError, Place, Pool, RemotePath, SiteError};

/// How a payload must be verified at the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// By a SHA-256 that the site computes, else by reading it back.
    Strong,
    /// By an MD5 that the site computes, or better: for sites where packages are handed in, and that know
    /// nothing else.
    Md5,
    /// By a SHA-256 that the site computes, else by size.
    Size,
}

/// How a content was verified, the weakest way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// It has the right size.
    Size,
    /// The site computed its MD5, which tells faults and no intent.
    Md5,
    /// The site computed its SHA-256.
    ServerHash,
    /// It was read back and hashed here.
    ReadBack,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerHash => "a hash computed by the site",
            Self::Md5 => "an MD5 computed by the site",
            Self::ReadBack => "reading it back",
            Self::Size => "its size",
        })
    }
}

/// Whether a payload at this place was released to customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// No release is known, which proves nothing: what stands at the final name may be moved aside only if it
    /// is known to be ours ([`Ours`]).
    NotKnown,
    /// One was, this generation if it is known; what stands at the final name stays, and no other takes its
    /// place if it has gone from there.
    Before(Option<Generation>),
}

impl Released {
    /// Returns whether it is known that another generation than this was released.
    pub fn is_of_other(self, generation: Generation) -> bool {
        matches!(self, Self::Before(Some(released)) if released != generation)
    }
}

/// What of ours may stand at a final name, and was not released. It may be moved aside, and nothing else may:
/// that nobody knows a content does not make it ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ours {
    /// The payloads of other jobs of the same record that go to the same place.
    pub others: Vec<Digests>,
    /// Whether this payload itself got its final name there before, as its receipt says: then the site may
    /// have spoilt it.
    pub was_there: bool,
}

/// Finds out what is ours; asked only if something is in the way.
pub type AskOurs<'a> = dyn Fn() -> Result<Ours, Stop> + Sync + 'a;

/// A payload's delivery.
pub struct Delivery<'a> {
    /// Where it goes.
    pub place: &'a Place,
    /// What it is.
    pub digests: &'a Digests,
    /// How it must be verified.
    pub verify: Verify,
    /// Whether a payload was released there.
    pub released: Released,
    /// What else of ours may stand there.
    pub ours: &'a AskOurs<'a>,
    /// Asked before each piece of the payload is sent.
    pub go_on: &'a (dyn Fn() -> Result<(), Stop> + Sync),
    /// Where further connections come from, if a payload may be sent over several at the same time.
    pub pool: Option<&'a Pool<'a>>,
    /// Tries before this that came to nothing.
    pub stuck: Option<&'a Stuck>,
    /// Asked right before the payload gets its final name.
    pub may_commit: &'a dyn Fn() -> Result<(), Stop>,
}

/// A reason for not going on; nothing has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Stop(pub String);

/// A payload that stands at its final name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// How its content was verified.
    pub verified_by: Strength,
    /// How many bytes were there from an earlier try.
    pub resumed_from: u64,
    /// How many bytes were sent, all tries of this call together.
    pub sent: u64,
    /// Where content went that stood at the final name.
    pub moved_aside: Option<RemotePath>,
    /// Whether it stood there already.
    pub adopted: bool,
}

/// A payload could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The site failed or refused.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The site failed or refused for now, while what was missing there was sent.
    #[error("sending {payload} from byte {from} on")]
    Unsent {
        /// The final name.
        payload: RemotePath,
        /// Where the sending began.
        from: u64,
        /// The byte at which it may be stuck.
        at: u64,
        /// Whether what was there up to that byte was given up, and all sent anew.
        is_anew: bool,
        /// What the site said.
        source: SiteError,
    },
    /// Other content stands at the final name and was released.
    #[error("{0} was released with other content; a released path never changes, give the build a new path")]
    Conflict(RemotePath),
    /// This payload was released, and other content stands at the final name now.
    #[error(
        "{0} at the site is not what was released there any more, and customers may have got it: find out who changed it, rename or remove it there, then `manage retry BUILD`"
    )]
    Spoilt(RemotePath),
    /// Other content stands at the final name of which nobody knows that it is ours and was not released.
    #[error(
        "{0} at the site has other content, which is not known to be ours and unreleased; look at it, rename or remove it there if nobody needs it, then `manage retry BUILD`"
    )]
    Foreign(RemotePath),
    /// The sidecars at the site, which are put before their payload is queued, are not this payload's.
    #[error(
        "{0} at the site is of another payload, so this job is not the latest, or somebody has changed the file; nothing is done to the site, `manage` decides"
    )]
    Stale(RemotePath),
    /// Something else than a regular file stands at a name that the payload needs.
    #[error(
        "{0} at the site is not a regular file; look at what it is, and whether another build is delivered below it, before anything is removed there"
    )]
    NotRegular(RemotePath),
    /// What arrives at the site is not what was sent.
    #[error("{0} was sent twice and differs at the site each time; have the site's disk looked at")]
    Corrupt(RemotePath),
    /// The local payload is not what it was when it was prepared.
    #[error(
        "the local payload of {payload} is damaged: sha-256 {found} instead of {expected}; prepare it again"
    )]
    Damaged {
        /// The final name.
        payload: RemotePath,
        /// The hash it was prepared with.
        expected: Sha256Hex,
        /// The hash it has now, as far as it could be sent.
        found: Sha256Hex,
    },
    /// The site has too little room.
    #[error("{payload} needs {needed} bytes at the site and {free} are free; have room made there")]
    NoSpace {
        /// The final name.
        payload: RemotePath,
        /// Bytes that are still to be sent.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The site neither hashes nor gives back, and size alone is not allowed to do.
    #[error(
        "{0} cannot be verified: the site neither hashes nor gives it back; set verify = \"size\" for this site"
    )]
    Unverifiable(RemotePath),
    /// The site knows MD5 alone, and that is not allowed to do.
    #[error(
        "{0} can be verified by MD5 alone: the site's server knows no SHA-256; have it updated, or set verify = \"md5\" for this site"
    )]
    Md5Only(RemotePath),
    /// The site has no name for it.
    #[error(transparent)]
    Unnameable(#[from] PackageNameError),
    /// It was told to stop before the final name was given.
    #[error("{payload} did not get its name: {stop}")]
    Stopped {
        /// The final name.
        payload: RemotePath,
        /// Why.
        stop: Stop,
    },
    /// The local payload could not be read.
    #[error("reading the local payload of {payload}; look at the spool's disk")]
    Local {
        /// The final name.
        payload: RemotePath,
        /// The cause.
        source: io::Error,
    },
}

impl DeliverError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Site(err) | Self::Unsent { source: err, .. } => err.kind.fault(),
            Self::Conflict(_)
            | Self::Foreign(_)
            | Self::Spoilt(_)
            | Self::Stale(_)
            | Self::NotRegular(_)
            | Self::Corrupt(_)
            | Self::Unnameable(_) => Fault::Build,
            Self::NoSpace { .. } | Self::Stopped { .. } => Fault::TryLater,
            Self::Unverifiable(_) | Self::Md5Only(_) => Fault::Configuration,
            Self::Damaged { .. } | Self::Local { .. } => Fault::Spool,
        }
    }
}

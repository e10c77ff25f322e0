//! A *desk*: a site where packages are handed in, and a verdict comes back.
//!
//! Nobody can look at what lies behind a desk, read it back, rename or remove it. What a desk keeps instead:
//!
//! - **A package is what was announced**: its name, its size, its MD5, and its SHA-256 where the server knows
//!   that. A partial one is kept under all of them, so that another content is never gone on with.
//! - **It appears whole, and once.** When its last byte is there the server compares the digests itself,
//!   flushes the package, and gives it its name among those that have come in; then it says PASS. What has
//!   other digests it throws away, and says FAIL. So the last byte is what the rename is at other sites:
//!   before it nothing is to be seen.
//! - **May be repeated:** everything. A package that has come in is known for days, also after somebody has
//!   taken it on; announced again it gets PASS at once, and nothing changes.
//! - **Another content under a name that waits there is refused**
//!   ([`Exists`](super::SiteErrorKind::Exists)), before any byte is taken.
//! - **Time is bounded** as at other sites: connecting, with TLS and the login, by `connect_timeout`, each
//!   step by `io_timeout`, and a transfer that is slower than `min_rate` ends. The verdict may take a second
//!   more for each 16 MiB.
//!
//! A connection is for one announcement.

use std::io::Read;

use super::SiteError;
use crate::digest::{Md5Hex, Sha256Hex};

/// A connection over which one announcement can be made.
pub trait Desk: Send {
    /// Returns one line about the peer for `check` and the receipt: protocol, protection, digests.
    fn peer(&self) -> &str;

    /// Returns whether the server compares the SHA-256 of what comes, besides its MD5.
    fn has_sha256(&self) -> bool;

    /// Returns whether an announcement was made, so that the connection is of no more use.
    fn is_used(&self) -> bool;

    /// Announces packages. Those that have come in before, or are there whole, are not sent any more.
    fn announce(&mut self, packages: &[Package]) -> Result<Box<dyn Handing>, SiteError>;
}

/// Packages that were announced, and of which the server waits for the rest.
pub trait Handing {
    /// Returns how many bytes the server has of each package, in the order in which they were announced.
    fn held(&self) -> &[u64];

    /// Sends all of `source`: of each package what the server lacks, one after the other, or the beginning of
    /// that. `progress` hears how many bytes of this call are on their way. An error of `source` is
    /// [`SiteErrorKind::Source`](super::SiteErrorKind::Source).
    fn send(&mut self, source: &mut dyn Read, progress: &mut dyn FnMut(u64)) -> Result<u64, SiteError>;

    /// Hears, when all was sent, for each package whether the server has it: what it has not, it has thrown
    /// away.
    fn verdicts(self: Box<Self>) -> Result<Vec<bool>, SiteError>;

    /// Leaves before all was sent. What was sent is kept, and the next connection can go on behind it at
    /// once.
    fn leave(self: Box<Self>) -> Result<(), SiteError>;
}

/// What is to be handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name there.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its MD5.
    pub md5: Md5Hex,
    /// Its SHA-256.
    pub sha256: Sha256Hex,
}

/// Which of two forms of its protocol a desk's server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As its description says.
    Readme,
    /// As the programs of 2004 to 2009 did.
    Y2004,
}

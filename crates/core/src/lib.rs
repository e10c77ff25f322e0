//! What `manage` and `upload` share: which builds are due, how a payload is made, where it stands
//! in the spool, how it reaches the site, and what the record says about it.
//!
//! The library decides and does. It never prints, exits, reads the environment or a terminal; the
//! clock, the host's name and random numbers come in through [`run::RunContext`], so that a plan
//! depends on values alone. The binaries read arguments, call one function here, and print what
//! it returns.
//!
//! The order in which a build moves, and what fences each step, is told in `docs/design.md`; the
//! names used here are the ones defined there.

pub mod activity;
#[cfg(feature = "archive")]
pub mod archive;
pub mod bandwidth;
pub mod breaker;
pub mod build_dir;
pub mod clock;
pub mod deliver;
pub mod digest;
pub mod exit;
pub mod file_size;
pub mod fingerprint;
pub mod http;
pub mod lock;
pub mod mount;
pub mod outcome;
pub mod owner;
pub mod record;
pub mod retry;
pub mod run;
pub mod secret;
pub mod sidecar;
#[cfg(feature = "sign")]
pub mod sign;
pub mod site;
pub mod sites;
pub mod spool;
pub mod store;
pub mod streak;
pub mod tree;
pub mod txlog;

/// The words of others, made fit to be shown.
pub use intraware_shown as foreign;

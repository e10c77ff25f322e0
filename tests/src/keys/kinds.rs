//! All kinds of keys that are tried.

mod gpg;
mod others;
mod sequoia;

use crate::kind::Kind;

/// Why some keys are refused that customers' programs of Debian 12 verify.
const RSA_2048: &str =
    "it is below what is recommended beyond 2030, and a released payload is never signed anew";
const DSA: &str = "OpenPGP.js and others refuse it as too weak";
const LONG_RSA: &str = "the library that signs verifies no longer ones, and nothing is published unverified";

/// Returns them, those of one maker after the other.
pub(crate) fn all() -> impl Iterator<Item = Kind> {
    [gpg::KINDS, sequoia::KINDS, others::KINDS].into_iter().flatten().copied()
}

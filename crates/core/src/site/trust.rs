//! How a server proves by TLS who it is.

use std::path::PathBuf;

use crate::digest::Sha256Hex;

/// How a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// By a certificate of a public authority, or of one in this file.
    Authorities(Option<PathBuf>),
    /// By the certificate with this SHA-256, whoever has signed it, whatever it says.
    Certificate(Sha256Hex),
}

//! Text that somebody else chose, made fit for one line of a log or an error, by the rules of
//! [`intraware_shown`].

pub use intraware_shown::{chain, escape as shown};

/// Returns a path as [`shown`] does.
pub fn path(path: &std::path::Path) -> String {
    intraware_shown::path(path).to_string()
}

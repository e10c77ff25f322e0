//! Temporary names, which begin with a dot so that customers do not see them, unless the site refuses such
//! names (Pure-FTPd with `-x`).
//!
//! That is known from `upload check`, or learned when a site refuses one with a dot and takes the same
//! without.

use crate::site::{RemotePath, Session, SiteError, SiteErrorKind};

/// Returns a temporary name as the site takes it.
pub(super) fn temporary(session: &dyn Session, hidden: RemotePath) -> RemotePath {
    match session.takes_dot_names() {
        Some(false) => hidden.without_dot(),
        Some(true) | None => hidden,
    }
}

/// Returns under which name to try once more what was refused, if it may be for its dot.
pub(super) fn without_dot(session: &dyn Session, path: &RemotePath, error: &SiteError) -> Option<RemotePath> {
    let may_be = error.kind == SiteErrorKind::Permission && session.takes_dot_names().is_none();
    (may_be && path.name().starts_with('.')).then(|| path.without_dot())
}

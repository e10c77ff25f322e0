//! Whether there is a spool, and whether one may be made where there is none.
//!
//! A file system that is not mounted looks like a place without a spool. A second one made there takes the
//! place of the first until that is mounted, and has none of its holds and releases. So nothing is made below
//! a mount point that waits, nor by root, whose spool nobody else could work on; whether builds went through
//! an earlier one, the caller asks the record store.

use std::io;
use std::path::Path;

use super::{MARKER, Spool, SpoolError};
use crate::exit::Fault;
use crate::foreign;
use crate::mount;
use crate::owner::{self, User};

/// The user as whom the programs run where they are installed as their documents say.
const PROGRAMS_USER: &str = "intraware";

impl Spool {
    /// Returns whether there is no spool at `root`, as far as this process may look.
    pub fn is_absent(root: &Path) -> bool {
        std::fs::symlink_metadata(root.join(MARKER)).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
    }

    /// Fails if no spool is to be made at `root`, where there is none: the place waits for its file system,
    /// or this is root, and `by_root` does not say that it is root who runs the programs.
    pub fn check_first(root: &Path, by_root: bool) -> Result<(), SpoolError> {
        if let Some(waiting) = waiting(root) {
            return Err(SpoolError::new(Fault::Spool, waiting));
        }
        if !User::of_process().is_root() || by_root {
            return Ok(());
        }
        let user = root.ancestors().find_map(|place| std::fs::symlink_metadata(place).ok());
        let user =
            user.map(|seen| User(std::os::unix::fs::MetadataExt::uid(&seen))).filter(|user| !user.is_root());
        let run = match user.or_else(|| User::named(PROGRAMS_USER)) {
            Some(user) => owner::run_as(user, None),
            None => "make a user for the programs, and run it as that user".to_owned(),
        };
        let message = format!(
            "the spool {} would be root's, and no other user could work on it; {run}; if root is to run the programs, \
             say --as-root",
            foreign::path(root)
        );
        Err(SpoolError::new(Fault::Access, message))
    }

    /// Returns why there is no spool at `root`, and what to do as far as this host alone can tell.
    pub(super) fn absent(root: &Path) -> SpoolError {
        let shown = foreign::path(root);
        let remedy = waiting(root).unwrap_or_else(|| "mount the file system it is on".to_owned());
        SpoolError::new(Fault::Spool, format!("no spool at {shown}: {MARKER} is missing; {remedy}"))
    }

    /// Returns whether the place of the spool is a file system that this host knows of and that is not
    /// mounted.
    pub fn waits_for_mount(root: &Path) -> bool {
        mount::unmounted(root).is_some()
    }
}

fn waiting(root: &Path) -> Option<String> {
    let point = mount::unmounted(root)?;
    let point = foreign::path(&point);
    Some(format!("{point} is not mounted, and /etc/fstab names it, so as root: `mount {point}`"))
}

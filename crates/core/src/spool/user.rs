//! Who may work on a spool: the user to whom it belongs.
//!
//! What is made in the spool is readable by its maker alone. So a hold, a lock or a log that another user
//! made once, root for example, would stand in the way of all later runs. A command that writes asks
//! [`Spool::check_user`] before it does.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::{MARKER, Spool, SpoolError};
use crate::exit::Fault;
use crate::foreign;
use crate::mount;
use crate::owner::{User, run_as};

/// Whose a spool is.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: User,
    group: u32,
    /// The spool is on a file system that does not tell users by the numbers of this host.
    is_translated: bool,
}

impl Owner {
    fn of(path: &Path) -> io::Result<Self> {
        let seen = fs::metadata(path)?;
        let is_translated = mount::of(path).is_ok_and(|mount| mount.translates_users());
        Ok(Self { user: User(seen.uid()), group: seen.gid(), is_translated })
    }

    /// Returns how a command is run as this user.
    fn remedy(&self) -> String {
        let Self { user, group, is_translated } = self;
        if user.is_nobody() && is_in_user_namespace() {
            return "that number stands for a user whom this container does not know: run the container as the \
                    spool's owner, or map that user into it"
                .to_owned();
        }
        let run = run_as(*user, Some(*group));
        if user.is_nobody() && *is_translated {
            return format!(
                "{run}; or, if root made it over an export that squashes root, have it given to the programs' user \
                 at the file server: `chown -R`"
            );
        }
        run
    }
}

/// Returns whether user numbers here are those of a container.
fn is_in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}

impl Spool {
    /// Fails unless what this process makes in the spool belongs to the spool's owner. Leaves nothing.
    pub fn check_user(&self) -> Result<(), SpoolError> {
        Self::check_user_at(self.root())
    }

    /// Does what [`Self::check_user`] does, and nothing if there is no spool at `root`, or none that may be
    /// looked at.
    pub fn check_user_at(root: &Path) -> Result<(), SpoolError> {
        let marker = root.join(MARKER);
        let owner = match Owner::of(&marker) {
            Ok(owner) => owner,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                return Ok(());
            }
            Err(e) => return Err(SpoolError::io("look at", &marker, e)),
        };
        let me = User::of_process();
        // An export may squash all users to one, and a client may show another's numbers.
        if owner.user == me || (owner.is_translated && maker(root) == Some(owner.user)) {
            return Ok(());
        }
        let message = format!(
            "the spool {} belongs to {}, and this process is {me}, whose files its owner could not use; nothing was \
             done; {}",
            foreign::path(root),
            owner.user,
            owner.remedy()
        );
        Err(SpoolError::new(Fault::Access, message))
    }
}

/// Returns to whom a file belongs that this process makes in the spool at `root`.
fn maker(root: &Path) -> Option<User> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    // Another host may have a process with this number.
    let names = (0..8).map(|n| root.join("work").join(format!(".whose.{}.{n}.tmp", std::process::id())));
    let (file, path) = names.into_iter().find_map(|path| Some((options.open(&path).ok()?, path)))?;
    let made = file.metadata();
    // It is empty and has a name that no listing shows.
    let _ = fs::remove_file(&path);
    Some(User(made.ok()?.uid()))
}

/// Returns why a spool may not even be looked at.
pub(super) fn refused(root: &Path, source: io::Error) -> SpoolError {
    let me = User::of_process();
    let message = match Owner::of(root) {
        Ok(owner) if owner.user != me => format!(
            "the spool {} belongs to {}, and this process is {me}, who may not look into it; {}",
            foreign::path(root),
            owner.user,
            owner.remedy()
        ),
        _ => format!("{me} may not look into the spool {}", foreign::path(root)),
    };
    SpoolError { fault: Fault::Access, message, source: Some(source) }
}

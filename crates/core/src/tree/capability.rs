//! Capabilities of programs, as `setcap` sets them. An archive has no place for them, and like setuid they
//! are lost.

use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The attribute that holds them.
const ATTRIBUTE: &str = "security.capability";

/// Most bytes of it, with the user namespace that it is for.
const LARGEST: usize = 24;

/// Returns whether a file has capabilities. One that cannot be asked, on a file system without attributes or
/// because it is gone by now, has none.
pub(super) fn is_set(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    // Before Linux 6.13 no call takes a directory and a name.
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    rustix::fs::lgetxattr(path, ATTRIBUTE, &mut [0_u8; LARGEST]).is_ok()
}

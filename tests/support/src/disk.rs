//! A disk that is soon full: a small tmpfs. Mounting needs root, or a user namespace that allows it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk. Dropping it unmounts it.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `size` bytes at an existing directory.
    pub fn mount(at: &Path, size: u64) -> Self {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .status()
            .expect("mount starts");
        assert!(status.success(), "a small tmpfs cannot be mounted: run this test as root");
        Self { at: at.to_owned() }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a server may still have a file of it open.
        let status = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(status.is_ok_and(|status| status.success()), "{} stays mounted", self.at.display());
    }
}

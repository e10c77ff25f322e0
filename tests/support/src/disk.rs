//! A disk of a test's own: a small tmpfs, which is soon full, or an ext4. Mounting needs root, or a user
//! namespace that allows it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk. Dropping it unmounts it.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `size` bytes at an existing directory.
    pub fn mount(at: &Path, size: u64) -> Self {
        let mut mount = Command::new("mount");
        run(mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at));
        Self { at: at.to_owned() }
    }

    /// Mounts an ext4 of `size` bytes at an existing directory. It is in the file `image`, which the caller
    /// removes.
    pub fn mount_ext4(at: &Path, image: &Path, size: u64) -> Self {
        let made = File::create(image).and_then(|file| file.set_len(size));
        made.unwrap_or_else(|error| panic!("{}: {error}", image.display()));
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(image)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin"));
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).args([image, at]));
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

/// Runs a program that must succeed.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} (is it installed?): {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: run this test as root: {complaint}");
}

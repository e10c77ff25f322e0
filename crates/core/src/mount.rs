//! What kind of file system the spool stands on, and whether its locks reach the other hosts.
//!
//! Locks taken on an NFS mount with `nolock` or `local_lock=` exclude nobody on another host, and
//! neither do locks on a local disk. `/proc/self/mountinfo` (proc(5)) tells which it is.

use std::path::{Path, PathBuf};

/// The mount that holds a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// The type of file system, as the kernel names it.
    pub fs_type: String,
    /// The options of the file system itself.
    pub options: Vec<String>,
}

/// Whether a lock taken on a mount is seen by other hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockScope {
    /// Every host that mounts it sees the lock.
    Shared,
    /// Only this host sees it, for this reason.
    HostLocal(String),
}

impl Mount {
    /// Returns whether this is an NFS mount.
    pub fn is_nfs(&self) -> bool {
        matches!(self.fs_type.as_str(), "nfs" | "nfs4")
    }

    /// Returns whose locks can be seen. NFSv4 ignores the options that make v3 locks local.
    pub fn lock_scope(&self) -> LockScope {
        if !self.is_nfs() {
            return LockScope::HostLocal(format!("its file system is {}, not nfs", self.fs_type));
        }
        if self.fs_type == "nfs4" {
            return LockScope::Shared;
        }
        let local = self.options.iter().find(|option| {
            *option == "nolock" || option.strip_prefix("local_lock=").is_some_and(|what| what != "none")
        });
        match local {
            Some(option) => LockScope::HostLocal(format!("mounted with {option}")),
            None => LockScope::Shared,
        }
    }

    /// Returns whether a file's owner may be another number than that of the user who made it: servers and
    /// other hosts behind such a file system take one user for another.
    pub fn translates_users(&self) -> bool {
        let kind = self.fs_type.as_str();
        self.is_nfs()
            || kind.starts_with("fuse")
            || matches!(kind, "cifs" | "smb3" | "9p" | "virtiofs" | "vboxsf")
    }

    /// Returns whether a server that does not answer makes calls fail instead of wait, which can corrupt
    /// files.
    pub fn is_soft(&self) -> bool {
        self.is_nfs() && self.options.iter().any(|o| o == "soft" || o == "softerr")
    }
}

/// Returns the mount that holds `path`, which is absolute and without links, from the text of a mountinfo
/// file.
pub fn find(mountinfo: &str, path: &Path) -> Option<Mount> {
    mountinfo
        .lines()
        .filter_map(parse_line)
        .filter(|mount| path.starts_with(&mount.point))
        // The last of several mounts on one point hides the others.
        .max_by_key(|mount| mount.point.components().count())
}

/// Reads one line: `id parent major:minor root point options [optional…] - type source super-options`.
fn parse_line(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let point = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    let fs_type = right.next()?.to_owned();
    let options = right.nth(1).unwrap_or("").split(',').map(str::to_owned).collect();
    Some(Mount { point: unescape(point), fs_type, options })
}

/// Returns the mount point above `path`, or at it, that an fstab names and that is not in the text of a
/// mountinfo file; of several the uppermost, which has to be mounted first.
pub fn find_unmounted(fstab: &str, mountinfo: &str, path: &Path) -> Option<PathBuf> {
    let mounted: Vec<PathBuf> = mountinfo.lines().filter_map(parse_line).map(|mount| mount.point).collect();
    let named = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let points = named.filter_map(|line| Some(unescape(line.split_whitespace().nth(1)?)));
    points
        .filter(|point| point.is_absolute() && path.starts_with(point) && !mounted.contains(point))
        .min_by_key(|point| point.components().count())
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(point: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = point.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        let code =
            octal.and_then(|o| std::str::from_utf8(o).ok()).and_then(|o| u8::from_str_radix(o, 8).ok());
        plain.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    std::ffi::OsString::from_vec(plain).into()
}

/// Returns the mount that holds `path` on this host.
pub fn of(path: &Path) -> std::io::Result<Mount> {
    let real = path.canonicalize()?;
    let table = std::fs::read("/proc/self/mountinfo")?;
    match find(&String::from_utf8_lossy(&table), &real) {
        Some(mount) => Ok(mount),
        None => unlisted(&real),
    }
}

/// Returns the mount point above `path`, which need not be there, that `/etc/fstab` of this host names and on
/// which nothing is mounted. A host without that file tells nothing.
pub fn unmounted(path: &Path) -> Option<PathBuf> {
    let fstab = std::fs::read("/etc/fstab").ok()?;
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    find_unmounted(&String::from_utf8_lossy(&fstab), &String::from_utf8_lossy(&table), path)
}

/// Returns the number of the kind of file system on which a path is.
pub fn kind_of_disk(place: &Path) -> std::io::Result<i64> {
    Ok(rustix::fs::statfs(place)?.f_type as i64)
}

/// Returns the name of a network file system by its magic number (statfs(2)). On one of them SQLite's locks
/// do not hold, and its clock is another host's.
pub fn network_name(magic: i64) -> Option<&'static str> {
    // The kernel's numbers are 32 bits wide; a signed word would show some of them as negative.
    match magic as u32 {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x00c3_6400 => Some("Ceph"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        _ => None,
    }
}

/// Returns what can be told of a mount that the table does not list: in a chroot, the one that its root lies
/// on.
fn unlisted(path: &Path) -> std::io::Result<Mount> {
    let is_nfs = rustix::fs::statfs(path)?.f_type as u64 == nix::libc::NFS_SUPER_MAGIC as u64;
    let (fs_type, options) = match is_nfs {
        // How it is mounted is not known, so its locks cannot be relied on.
        true => ("nfs", vec!["local_lock=unknown".to_owned()]),
        false => ("unknown", Vec::new()),
    };
    Ok(Mount { point: PathBuf::from("/"), fs_type: fs_type.to_owned(), options })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:44 / /mnt/intra\\040ware rw,relatime - nfs4 srv:/x rw,vers=4.2,hard,local_lock=none
31 22 0:45 / /mnt/old rw shared:7 master:1 - nfs srv:/y rw,vers=3,hard,nolock,local_lock=all
32 22 0:46 / /mnt/v3 rw - nfs srv:/z rw,vers=3,soft,local_lock=none
33 22 0:47 / /mnt/half rw - nfs srv:/z rw,vers=3,hard,local_lock=flock
";

    #[test]
    fn s0_04_locks_reach_other_hosts_only_over_nfs_with_locking() {
        let scope = |path: &str| find(TABLE, Path::new(path)).unwrap().lock_scope();
        assert_eq!(scope("/mnt/intra ware/spool"), LockScope::Shared);
        assert_eq!(scope("/mnt/v3/spool"), LockScope::Shared);
        assert_eq!(scope("/mnt/old/spool"), LockScope::HostLocal("mounted with nolock".into()));
        assert_eq!(scope("/mnt/half"), LockScope::HostLocal("mounted with local_lock=flock".into()));
        assert_eq!(scope("/mnt/oldish"), LockScope::HostLocal("its file system is ext4, not nfs".into()));
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xff53_4d42), Some("SMB"));
        assert_eq!(network_name(-11_317_950), Some("SMB"), "0xff534d42 as a signed 32-bit word");
        for local in [0xef53, 0x5846_5342, 0x0102_1994, 0x9123_683e, 0x794c_7630] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
    }

    #[test]
    fn soft_mounts_are_told_apart() {
        assert!(find(TABLE, Path::new("/mnt/v3")).unwrap().is_soft());
        assert!(!find(TABLE, Path::new("/mnt/old")).unwrap().is_soft());
    }

    #[test]
    fn newcomer_s2_what_fstab_names_and_is_not_mounted_is_found() {
        let fstab = "# /mnt/a\nUUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw 0 0\n\
                     srv:/y /mnt/new\\040one nfs4 hard 0 0\nsrv:/x /mnt/intra\\040ware nfs4 hard 0 0\n\
                     srv:/z /mnt/new\\040one/deep nfs4 hard 0 0\n";
        let found = |path: &str| find_unmounted(fstab, TABLE, Path::new(path));
        assert_eq!(found("/mnt/new one/deep/spool"), Some("/mnt/new one".into()));
        assert_eq!(found("/mnt/new one"), Some("/mnt/new one".into()));
        for path in ["/mnt/intra ware/spool", "/mnt/new", "/srv/spool", "/mnt/a"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn an_unlisted_mount_is_taken_for_one_of_this_host() {
        let dir = tempfile::tempdir().unwrap();
        let mount = unlisted(dir.path()).unwrap();
        assert!(!mount.is_nfs());
        assert_eq!(mount.lock_scope(), LockScope::HostLocal("its file system is unknown, not nfs".into()));
    }

    #[test]
    fn this_hosts_root_is_found() {
        assert!(of(Path::new("/")).unwrap().point == Path::new("/"));
    }
}

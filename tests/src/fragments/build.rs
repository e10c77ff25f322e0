//! The builds that are archived: what a build may hold, and names as long as the format of an archive has
//! room for.

use std::fs::{self, File, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use intraware_tests::support::dice::noise;

/// Which names an archive has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Names {
    /// Paths of less than 100 bytes.
    Short,
    /// Paths of up to 250 bytes, which a header can hold in two parts.
    Split,
    /// Names of up to 255 bytes, and targets of more than 100.
    Any,
}

/// Puts the build of a machine into a directory, which is empty. Some of it is the same on all machines.
pub(crate) fn plant(dir: &Path, machine: &str, names: Names) -> std::io::Result<()> {
    let file = |path: &str, mode: u32, content: &[u8]| {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(&path, content)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))
    };
    file("descpkg", 0o644, format!("built on {machine}\n").as_bytes())?;
    file("include/version_x.h", 0o644, format!("#define HOST \"{machine}\"\n").as_bytes())?;
    file(&format!("bin.{machine}/tool"), 0o755, format!("program of {machine}\n").as_bytes())?;
    file("include/a.h", 0o644, b"int a;\r\n")?;
    file("lib/libx.so.1", 0o555, &noise(1, 300_000))?;
    file("doc/read-only", 0o444, b"read")?;
    file("doc/private", 0o600, b"mine")?;
    file("doc/nothing", 0o644, b"")?;
    file("doc/a name <of> \"many\" & '$*?", 0o644, b"odd")?;
    file("doc/f\u{fc}r \u{4e16}\u{754c}", 0o644, b"letters")?;
    fs::create_dir(dir.join("empty"))?;
    symlink("libx.so.1", dir.join("lib/libx.so"))?;
    symlink("../include//a.h", dir.join("lib/untidy"))?;
    symlink("lib", dir.join("lib64"))?;
    fs::hard_link(dir.join("lib/libx.so.1"), dir.join("lib/again"))?;
    let mut image = File::create(dir.join("lib/image"))?;
    for stretch in 1..8_u64 {
        image.seek(SeekFrom::Start(stretch << 17))?;
        image.write_all(b"between holes")?;
    }
    image.set_len(2 << 20)?;
    if names >= Names::Split {
        file(&format!("{0}/{0}", "d".repeat(90)), 0o644, b"in two parts")?;
    }
    if names == Names::Any {
        let long = "n".repeat(255);
        file(&format!("long/{long}"), 0o644, b"long")?;
        symlink(&long, dir.join("long/link"))?;
    }
    Ok(())
}

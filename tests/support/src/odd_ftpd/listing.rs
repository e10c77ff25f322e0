//! Lines of listings, as different servers write them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How a server lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// As `ls -l`.
    Unix,
    /// As `ls -l`, where the group has a space in its name.
    DomainUsers,
    /// As `ls -l` with dates as `2026-11-21 10:09`.
    Iso,
    /// As `dir` of DOS.
    Dos,
    /// In a form of its own.
    Own,
}

/// Returns the lines of a directory, each with its line break.
pub(super) fn lines(listing: Listing, dir: &Path, lists_itself: bool) -> String {
    let mut names: Vec<String> = if lists_itself { vec![".".into(), "..".into()] } else { Vec::new() };
    let found = fs::read_dir(dir).into_iter().flatten().flatten();
    names.extend(found.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.iter().filter_map(|name| line(listing, dir, name)).collect()
}

fn line(listing: Listing, dir: &Path, name: &str) -> Option<String> {
    let meta = fs::symlink_metadata(dir.join(name)).ok()?;
    let (is_dir, size) = (meta.is_dir(), meta.len());
    let first = if is_dir { 'd' } else { '-' };
    let mode = meta.permissions().mode();
    let right = |(at, right)| if mode >> (8 - at) & 1 == 1 { right } else { '-' };
    let rights: String = "rwxrwxrwx".chars().enumerate().map(right).collect();
    Some(match listing {
        Listing::Unix => format!("{first}{rights}    1 upload   upload {size:>14} Nov 21 10:09 {name}\r\n"),
        Listing::DomainUsers => {
            format!("{first}{rights}    1 DOM\\upload Domain Users {size:>14} Nov 21  2025 {name}\r\n")
        }
        Listing::Iso => format!("{first}{rights} 1 upload upload {size} 2026-11-21 10:09 {name}\r\n"),
        Listing::Dos if is_dir => format!("11-21-26  10:09AM       <DIR>          {name}\r\n"),
        Listing::Dos => format!("11-21-26  10:09AM {size:>20} {name}\r\n"),
        Listing::Own => format!("{name};{size}\r\n"),
    })
}

/// Returns facts about a file or directory.
pub(super) fn facts(real: &Path) -> Option<String> {
    let meta = fs::metadata(real).ok()?;
    let kind = if meta.is_dir() { "dir" } else { "file" };
    Some(format!("type={kind};size={};", meta.len()))
}

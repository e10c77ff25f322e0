//! Packages and Sources: what an index says is in the pool.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;
use intraware_core::foreign;

use super::Wrong;
use super::release::{Listed, is_below};

/// A file of the pool, as an index names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// A package or source as an index has it: name, version, and architecture, of a source `source`.
pub(super) type Package = (String, String, String);

/// Returns what an index names.
pub(super) fn members(dir: &Path, listed: &Listed) -> Result<Vec<Member>, Wrong> {
    of_index(dir, listed, take)
}

/// Returns the packages that an index has.
pub(super) fn packages(dir: &Path, listed: &Listed) -> Result<Vec<Package>, Wrong> {
    of_index(dir, listed, |stanza, packages| {
        let field = |name| field(stanza, name);
        if let (Some(package), Some(version)) = (field("Package"), field("Version")) {
            let is_source = listed.stem().ends_with("Sources");
            let architecture = if is_source { None } else { field("Architecture") };
            packages.push((package, version, architecture.unwrap_or_else(|| "source".to_owned())));
        }
        Ok(())
    })
}

/// Takes something out of each stanza of an index. Forms that we cannot read ourselves are read by the
/// programs that make them.
fn of_index<T>(
    dir: &Path,
    listed: &Listed,
    take: impl Fn(&str, &mut Vec<T>) -> Result<(), Wrong>,
) -> Result<Vec<T>, Wrong> {
    let name = || foreign::escape(&listed.path);
    let failed = |error: io::Error| format!("{} cannot be read: {error}", name());
    let path = dir.join(&listed.path);
    let file = File::open(&path).map_err(failed)?;
    let program = match listed.form() {
        ".xz" => "xz",
        ".bz2" => "bzip2",
        ".lz4" => "lz4",
        ".zst" => "zstd",
        ".gz" => return read(BufReader::new(MultiGzDecoder::new(file)), failed, take),
        _ => return read(BufReader::new(file), failed, take),
    };
    let mut command = Command::new(program);
    command.args(["-d", "-c"]).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::null());
    let not_run = |error| {
        let advice = "install that, or have the publisher write .gz as well";
        format!("{} cannot be read: {program} cannot be run: {error}; {advice}", name())
    };
    let mut child = command.spawn().map_err(not_run)?;
    let members = match child.stdout.take() {
        Some(output) => read(BufReader::new(output), failed, take),
        None => Ok(Vec::new()),
    };
    // One that is read no further ends by itself.
    let status = child.wait().map_err(failed)?;
    match members {
        Ok(_) if !status.success() => {
            Err(format!("{} cannot be read: {program} ended with {status}", name()))
        }
        members => members,
    }
}

fn read<T>(
    reader: impl BufRead,
    failed: impl Fn(io::Error) -> Wrong,
    take: impl Fn(&str, &mut Vec<T>) -> Result<(), Wrong>,
) -> Result<Vec<T>, Wrong> {
    let mut found = Vec::new();
    let mut stanza = String::new();
    for line in reader.lines() {
        let line = line.map_err(&failed)?;
        if line.is_empty() {
            take(&stanza, &mut found)?;
            stanza.clear();
        } else {
            stanza.push_str(&line);
            stanza.push('\n');
        }
    }
    take(&stanza, &mut found)?;
    Ok(found)
}

fn field(stanza: &str, name: &str) -> Option<String> {
    stanza.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

fn take(stanza: &str, members: &mut Vec<Member>) -> Result<(), Wrong> {
    if stanza.is_empty() {
        return Ok(());
    }
    let field = |name| field(stanza, name);
    let package = field("Package").unwrap_or_default();
    let unclear = || format!("what an index says of {} cannot be understood", foreign::escape(&package));
    let count = members.len();
    let mut member = |path: String, size: &str, sha256: &str| {
        let size = size.parse().map_err(|_| unclear())?;
        if !is_below(&path) {
            return Err(unclear());
        }
        members.push(Member { path, size, sha256: sha256.to_lowercase() });
        Ok(())
    };
    if let (Some(path), Some(size), Some(sha256)) = (field("Filename"), field("Size"), field("SHA256")) {
        // Some write it from the directory that it is in.
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        member(path, &size, &sha256)?;
    } else if let Some(directory) = field("Directory") {
        let sums = stanza.lines().skip_while(|line| line.trim_end() != "Checksums-Sha256:").skip(1);
        for line in sums.take_while(|line| line.starts_with(' ')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [sha256, size, name] = words[..] else { return Err(unclear()) };
            member(format!("{directory}/{name}"), size, sha256)?;
        }
    }
    if members.len() == count { Err(unclear()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(stanza: &str) -> Result<Vec<Member>, Wrong> {
        let mut members = Vec::new();
        take(stanza, &mut members)?;
        Ok(members)
    }

    #[test]
    fn packages_and_sources_name_files_of_the_pool() {
        let binary = members("Package: a\nFilename: pool/a.deb\nSize: 5\nSHA256: AB\n").unwrap();
        assert_eq!(binary, [Member { path: "pool/a.deb".into(), size: 5, sha256: "ab".into() }]);
        let source =
            members("Package: a\nDirectory: pool\nChecksums-Sha256:\n aa 1 a.dsc\n bb 2 a.tar.xz\nX: y\n");
        let paths: Vec<String> = source.unwrap().into_iter().map(|member| member.path).collect();
        assert_eq!(paths, ["pool/a.dsc", "pool/a.tar.xz"]);
    }

    #[test]
    fn what_names_no_file_or_one_elsewhere_is_refused() {
        for stanza in [
            "Package: a\n",
            "Package: a\nFilename: pool/a.deb\nSize: 5\n",
            "Package: a\nFilename: ../../etc/passwd\nSize: 5\nSHA256: ab\n",
            "Package: a\nFilename: pool/a.deb\nSize: -5\nSHA256: ab\n",
            "Package: a\nDirectory: pool\nChecksums-Sha256:\n aa 1\n",
        ] {
            assert!(members(stanza).is_err(), "{stanza}");
        }
    }
}

//! The other end: a build directory becomes a machine's fragment.
//!
//! The directory is walked twice, as `manage run` walks a build, with the same rules about what may be in it.
//! The first walk makes the list, which comes first in the archive; the second writes the contents, and fails
//! if one is not what was listed. The list is on the disk until then, in a file without a name, since one of
//! a million files has hundreds of MiB. Another thread compresses. The fragment appears whole, under its
//! name, by a rename; one that is there already is replaced.
//!
//! The bytes follow from names, contents, permissions, whole seconds of mtimes and link targets alone.

mod content;
mod gzip;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use intraware_core::build_dir::{BuildDir, BuildError, BuildRoots};
use intraware_core::digest::Md5Hex;
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::run::{RunContext, Stopped};
use intraware_core::tree::{EntryKind, TreePolicy, Walk};
use rustix::fs::Mode;
use tar::{EntryType, Header};

use crate::list::{MAX_BYTES, Writer};
use crate::names::{self, MachineName, Package};
use crate::path;
use crate::request::Limits;
use content::{Checked, Content};
use gzip::Gzip;

/// Bytes of a link's target that a header has room for.
const LINK_FIELD: usize = 100;

/// How much of a list is read or written at once.
const BUFFER: usize = 128 << 10;

/// What is to become a fragment.
#[derive(Debug, Clone)]
pub struct FragmentRequest {
    /// The build directory; absolute.
    pub dir: PathBuf,
    /// The package it is a part of.
    pub package: Package,
    /// The machine it was built on.
    pub machine: MachineName,
    /// The directory that the fragment is put into.
    pub source: PathBuf,
}

/// A fragment that was made.
#[derive(Debug, serde::Serialize)]
pub struct MadeFragment {
    /// Its path; escaped.
    pub path: String,
    /// Files in it, without the list.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Lists of former assemblies that were left out; escaped.
    pub left_out: Vec<String>,
}

/// Why there is no fragment.
#[derive(Debug, thiserror::Error)]
pub enum FragmentError {
    /// The directory cannot be made into one.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Something in it has a name or a target that no fragment may have.
    #[error("{path}: {why}; no fragment may hold it")]
    NotAllowed {
        /// Where it is.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// It holds more than a fragment may.
    #[error("{path} has {what}, which is more than a fragment may have; make several packages of it")]
    TooLarge {
        /// The directory.
        path: String,
        /// How much of what.
        what: String,
    },
    /// The fragment cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The fragment.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A signal.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl FragmentError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Build(error) => error.fault(),
            Self::NotAllowed { .. } | Self::TooLarge { .. } => Fault::Build,
            Self::Write { .. } => Fault::Spool,
            Self::Stopped(_) => Fault::TryLater,
        }
    }
}

/// Makes a fragment.
pub fn fragment(request: &FragmentRequest, context: &RunContext) -> Result<MadeFragment, FragmentError> {
    let build = open(&request.dir)?;
    let path = request.source.join(request.package.fragment(&request.machine));
    let failed = |source| FragmentError::Write { path: foreign::path(&path).to_string(), source };
    let temp = request.source.join(format!(
        ".{}.{}.tmp",
        request.package.fragment(&request.machine),
        context.identity.pid
    ));
    let (scratch, file) = scratch(&temp)?;
    let listed = list(&build, &request.machine, context, file, &scratch)?;
    let made = write(&temp, &build, request, &listed, context).and_then(|()| {
        fs::rename(&temp, &path).map_err(failed)?;
        File::open(&request.source).and_then(|dir| dir.sync_all()).map_err(failed)
    });
    if made.is_err() {
        // It is no fragment under this name, and the next try replaces it.
        let _ = fs::remove_file(&temp);
    }
    made?;
    let Listed { files, bytes, left_out, .. } = listed;
    Ok(MadeFragment { path: foreign::path(&path).to_string(), files, bytes, left_out })
}

fn open(dir: &Path) -> Result<BuildDir, FragmentError> {
    let text = dir.to_str().ok_or_else(|| FragmentError::NotAllowed {
        path: foreign::path(dir).to_string(),
        why: "the path is not UTF-8",
    })?;
    let parent = dir.parent().unwrap_or(dir);
    Ok(BuildRoots::open(&[parent.to_owned()])?.resolve(text)?)
}

/// What the first walk saw.
struct Listed {
    /// The list, and how many bytes it has.
    text: File,
    length: u64,
    /// The digests of the files, in their order.
    digests: Vec<Md5Hex>,
    files: u64,
    bytes: u64,
    left_out: Vec<String>,
}

/// Makes a file without a name beside the fragment; returns what it is called in messages.
fn scratch(temp: &Path) -> Result<(PathBuf, File), FragmentError> {
    let path = temp.with_extension("list");
    let failed = |source| FragmentError::Write { path: foreign::path(&path).to_string(), source };
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = made.and_then(|file| fs::remove_file(&path).map(|()| file)).map_err(failed)?;
    Ok((path, file))
}

fn list(
    build: &BuildDir,
    machine: &MachineName,
    context: &RunContext,
    file: File,
    scratch: &Path,
) -> Result<Listed, FragmentError> {
    let failed = |source| FragmentError::Write { path: foreign::path(scratch).to_string(), source };
    let (mut files, mut bytes, mut digests, mut left_out) = (0, 0, Vec::new(), Vec::new());
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, file)).map_err(failed)?;
    // What the other end takes.
    let Limits { max_entries, max_names, max_bytes } = Limits::default();
    let too_large = |what: String| FragmentError::TooLarge { path: build.shown(b""), what };
    let (mut entries, mut names) = (0, 0);
    let mut walk = Walk::new(build, &TreePolicy::default());
    while let Some(entry) = walk.next()? {
        context.stop.check()?;
        if entry.path.is_empty() {
            continue;
        }
        let shown = || build.shown(entry.path);
        let not_allowed = |why| FragmentError::NotAllowed { path: shown(), why };
        let path = path::clean(entry.path).map_err(not_allowed)?;
        if names::is_list(path) {
            left_out.push(shown());
            continue;
        }
        (entries, names) = (entries + 1, names + path.len());
        if entries > max_entries {
            return Err(too_large(format!("more than {max_entries} entries")));
        }
        if names > max_names {
            return Err(too_large(format!("paths of more than {max_names} bytes together")));
        }
        let head = [("fullname", path), ("host", machine.as_str())];
        let written = match &entry.kind {
            EntryKind::Directory => writer.entry(head.into_iter().chain([("type", "dir")])),
            EntryKind::Link { target } => {
                let target = path::target(target, path).map_err(not_allowed)?;
                writer.entry(head.into_iter().chain([("target", target), ("type", "link")]))
            }
            EntryKind::File { dir } => {
                let mut content = Content::open(build, entry.path, dir.as_fd(), &entry.meta)?;
                let digest = content.digest(context)?;
                files += 1;
                bytes += entry.meta.size();
                digests.push(digest);
                let (md5, size) = (digest.to_string(), entry.meta.size().to_string());
                writer.entry(head.into_iter().chain([("md5sum", &*md5), ("size", &*size), ("type", "file")]))
            }
        };
        written.map_err(failed)?;
    }
    walk.finish()?;
    let text = writer.finish().and_then(|text| text.into_inner().map_err(io::Error::from));
    let mut text = text.map_err(failed)?;
    let length = text.stream_position().and_then(|length| text.rewind().map(|()| length)).map_err(failed)?;
    if bytes > max_bytes {
        return Err(too_large(format!("more than {max_bytes} bytes")));
    }
    if length > MAX_BYTES {
        return Err(too_large(format!("a list of more than {MAX_BYTES} bytes")));
    }
    Ok(Listed { text, length, digests, files, bytes, left_out })
}

fn write(
    temp: &Path,
    build: &BuildDir,
    request: &FragmentRequest,
    listed: &Listed,
    context: &RunContext,
) -> Result<(), FragmentError> {
    let failed = |source| FragmentError::Write { path: foreign::path(temp).to_string(), source };
    // Whoever assembles may be another user.
    let file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(temp).map_err(failed)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644)).map_err(|e| failed(e.into()))?;
    let mut archive = tar::Builder::new(Gzip::new(file));
    let mut header = header_of(EntryType::Regular, 0o644, 0, listed.length);
    let text = BufReader::with_capacity(BUFFER, &listed.text);
    archive.append_data(&mut header, request.machine.list(), text).map_err(failed)?;
    let mut digests = listed.digests.iter();
    let mut walk = Walk::new(build, &TreePolicy::default());
    while let Some(entry) = walk.next()? {
        let path = std::str::from_utf8(entry.path).unwrap_or_default();
        if path.is_empty() || names::is_list(path) {
            continue;
        }
        let (mode, (mtime, _)) = (entry.meta.archive_mode(), entry.meta.archive_mtime());
        match &entry.kind {
            EntryKind::Directory => {
                let mut header = header_of(EntryType::Directory, mode, mtime, 0);
                archive.append_data(&mut header, format!("{path}/"), io::empty()).map_err(failed)?;
            }
            EntryKind::Link { target } => {
                link(&mut archive, path, target, mtime).map_err(failed)?;
            }
            EntryKind::File { dir } => {
                let content = Content::open(build, entry.path, dir.as_fd(), &entry.meta)?;
                let mut header = header_of(EntryType::Regular, mode, mtime, entry.meta.size());
                let mut reader = Checked::new(content, context);
                let appended = archive.append_data(&mut header, path, &mut reader);
                reader.finish(digests.next().copied())?;
                appended.map_err(failed)?;
            }
        }
    }
    let file = archive.into_inner().and_then(Gzip::finish).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Writes a symbolic link with its target byte for byte: `append_link` of the archive's library would tidy
/// it, and the list has it as it is.
fn link(archive: &mut tar::Builder<impl Write>, path: &str, target: &[u8], mtime: u64) -> io::Result<()> {
    let mut header = header_of(EntryType::Symlink, 0o777, mtime, 0);
    if header.set_link_name_literal(target).is_err() {
        // GNU's header of a long target stands before the link, which has its beginning.
        let mut long = header_of(EntryType::GNULongLink, 0o644, 0, target.len() as u64 + 1);
        long.set_path("././@LongLink")?;
        long.set_cksum();
        archive.append(&long, target.chain(&[0][..]))?;
        header.set_link_name_literal(&target[..LINK_FIELD])?;
    }
    archive.append_data(&mut header, path, io::empty())
}

fn header_of(kind: EntryType, mode: u32, mtime: u64, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header
}

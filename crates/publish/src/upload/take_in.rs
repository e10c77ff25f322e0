//! From where an upload arrived into the pool.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use intraware_config::UploadsConfig;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use super::changes::{Changes, Kind, Uploaded, quoted};
use super::look::{is_no_file, open};
use super::{Failure, Why};
use crate::check::{same_file, signed_text};
use crate::command::Commands;
use crate::control::{Fields, is_file_name, is_package};
use crate::error::PublishError;
use crate::layout::{make_dir, sync_dir};
use crate::lists::{Item, SuiteList};
use crate::sum::sum;
use crate::version::Version;

/// A file of an upload, whose digest is known to be right.
struct Sound<'u> {
    file: &'u Uploaded,
    /// Where it can be read: our copy, or what is in the pool already.
    path: PathBuf,
    is_new: bool,
}

/// Takes an upload in as a whole, and asks for its suite.
pub(super) fn take_in(
    config: &UploadsConfig,
    commands: &Commands<'_>,
    name: &str,
    changes: &Changes,
) -> Result<(), Failure> {
    let work = commands.layout.upload_work();
    empty(&work).map_err(PublishError::io("clear", &work))?;
    let done = take_in_by(&work, config, commands, name, changes);
    // Half a copy would take the room that the passes need.
    let removed = fs::remove_dir_all(&work).map_err(PublishError::io("remove", &work));
    done.and(removed.map_err(Failure::from))
}

/// The same, with a directory for the copies.
fn take_in_by(
    work: &Path,
    config: &UploadsConfig,
    commands: &Commands<'_>,
    name: &str,
    changes: &Changes,
) -> Result<(), Failure> {
    let layout = commands.layout;
    let mut sound = Vec::new();
    for file in &changes.files {
        commands.context.stop.check().map_err(PublishError::from)?;
        sound.push(copy(config, commands, work, file)?);
    }
    let mut list = SuiteList::load(layout, &changes.suite)?;
    for item in items(commands, changes, &sound)? {
        if let Some(later) = list.later_than(&item) {
            let (suite, package, version) = (&changes.suite, &item.package, item.version.as_str());
            let (has, architecture) = (later.version.as_str(), &later.architecture);
            return Err(format!("{package} {version}: {suite} has {has} for {architecture} already").into());
        }
        list.put(item);
    }
    for sound in &sound {
        place(commands, sound)?;
    }
    list.save(layout, &changes.suite)?;
    layout.ask(&changes.suite)?;
    for name in changes.files.iter().map(|file| file.name.as_str()).chain([name]) {
        let path = config.incoming.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(PublishError::io("remove", &path))?,
        }
    }
    Ok(())
}

fn empty(work: &Path) -> io::Result<()> {
    match fs::remove_dir_all(work) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    make_dir(work)
}

/// Copies a file and takes its digest, or finds it in the pool.
fn copy<'u>(
    config: &UploadsConfig,
    commands: &Commands<'_>,
    work: &Path,
    file: &'u Uploaded,
) -> Result<Sound<'u>, Failure> {
    let pooled = commands.layout.root().join(&file.dir).join(&file.name);
    // Nothing there is ever replaced.
    let is_pooled = pooled.exists();
    if is_pooled && same_file(&pooled, file.size, Some(&file.sha256)).is_err() {
        return Err(format!("the pool has another {}, with the same version", file.name).into());
    }
    if is_pooled {
        return Ok(Sound { file, path: pooled, is_new: false });
    }
    let (from, to) = (config.incoming.join(&file.name), work.join(&file.name));
    let source = match open(&from) {
        Ok(source) => source,
        Err(error) if is_no_file(&error) => return Err(format!("{} is no regular file", file.name).into()),
        Err(error) => return Err(PublishError::io("read", &from)(error).into()),
    };
    let copied = copied(source, &to, file.size).map_err(PublishError::io("copy", &from))?;
    match copied {
        (size, _) if size != file.size => {
            Err(format!("{} has another size than the upload says", file.name).into())
        }
        (_, sha256) if sha256 != file.sha256 => {
            Err(format!("{} has another SHA-256 than the upload says", file.name).into())
        }
        _ => Ok(Sound { file, path: to, is_new: true }),
    }
}

/// Copies a file that should have this size, and returns its size, which may be one too large, and its
/// SHA-256.
fn copied(source: File, to: &Path, size: u64) -> io::Result<(u64, String)> {
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o644).open(to)?;
    let copied = sum(source.take(size.saturating_add(1)), |bytes| target.write_all(bytes))?;
    rustix::fs::fchmod(&target, 0o644.into())?;
    target.sync_all()?;
    Ok(copied)
}

/// Gives a copy its name in the pool.
fn place(commands: &Commands<'_>, sound: &Sound<'_>) -> Result<(), PublishError> {
    let root = commands.layout.root();
    let dir = root.join(&sound.file.dir);
    if sound.is_new {
        let mut made = root.to_owned();
        for part in Path::new(&sound.file.dir) {
            made.push(part);
            make_dir(&made).map_err(PublishError::io("make", &made))?;
        }
        let to = dir.join(&sound.file.name);
        // This would fail, and not replace what is there.
        fs::hard_link(&sound.path, &to).map_err(PublishError::io("put into the pool", &to))?;
    }
    // A crash may have come between.
    dir.ancestors().take_while(|dir| dir.starts_with(root)).try_for_each(sync_dir)
}

/// Returns what the suite gets, if every file is what its name says.
fn items(commands: &Commands<'_>, changes: &Changes, sound: &[Sound<'_>]) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    let mut parts = Vec::new();
    for sound in sound {
        match sound.file.kind {
            Kind::Package => items.push(package(commands, changes, sound)?),
            Kind::Dsc => {
                let (item, names) = source(commands, changes, sound)?;
                items.push(item);
                parts.extend(names);
            }
            Kind::BuildInfo | Kind::Part => {}
        }
    }
    let is_stray = |file: &&Uploaded| file.kind == Kind::Part && !parts.contains(&file.name);
    if let Some(stray) = changes.files.iter().find(is_stray) {
        return Err(format!("{} belongs to no source of the upload", stray.name).into());
    }
    match items.is_empty() {
        true => Err(Why::from("it has neither packages nor sources").into()),
        false => Ok(items),
    }
}

fn package(commands: &Commands<'_>, changes: &Changes, sound: &Sound<'_>) -> Result<Item, Failure> {
    let name = &sound.file.name;
    let fields = fields_of(commands, &sound.path)?;
    let fields = match fields {
        Ok(fields) => fields,
        Err(told) => return Err(format!("{name} is no package: dpkg-deb {told}").into()),
    };
    let (package, architecture) = (fields.get("package"), fields.get("architecture"));
    let version = Version::parse(fields.get("version"));
    let version =
        version.ok_or_else(|| format!("{name}: {} is no version", quoted(fields.get("version"))))?;
    if !is_package(package) || fields.source() != changes.source {
        let (package, source) = (quoted(package), quoted(fields.source()));
        return Err(format!("{name} holds {package} of the source {source}").into());
    }
    if architecture != "all" && !commands.tree.architectures.iter().any(|known| known == architecture) {
        let known = commands.tree.architectures.join(", ");
        return Err(format!("{name} is for {}; the tree has {known}", quoted(architecture)).into());
    }
    let expected = format!("{package}_{}_{architecture}.deb", version.in_file_names());
    if *name != expected {
        return Err(format!("{name} holds what should be called {expected}").into());
    }
    Ok(item(sound.file, architecture, package, version))
}

fn item(file: &Uploaded, architecture: &str, package: &str, version: Version) -> Item {
    Item {
        component: file.component.clone(),
        architecture: architecture.to_owned(),
        package: package.to_owned(),
        version,
        path: format!("{}/{}", file.dir, file.name),
    }
}

/// How programs say that this host lacks something, whatever they were given to read.
const OURS: [Errno; 6] = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::NOMEM, Errno::MFILE, Errno::IO];

/// Asks dpkg-deb what a package says of itself; what it complains of, if it is none.
fn fields_of(commands: &Commands<'_>, deb: &Path) -> Result<Result<Fields, String>, PublishError> {
    // In memory, where there is room when there is none on the disk: that is not the fault of the package.
    let failed = || PublishError::io("keep in memory the fields of", deb);
    let output = memfd_create("fields", MemfdFlags::CLOEXEC).map_err(|error| failed()(error.into()))?;
    let mut output = File::from(output);
    let arguments = ["--field".into(), deb.into()];
    let fields = ["Package", "Source", "Version", "Architecture"];
    let arguments = arguments.into_iter().chain(fields.map(Into::into)).collect();
    match commands.system_into("dpkg-deb", arguments, commands.tree.accepted_time, Some(&output)) {
        Ok(_) => {}
        Err(PublishError::Command { told, .. }) if !is_ours(&told) => return Ok(Err(told)),
        Err(error) => return Err(error),
    }
    let mut text = Vec::new();
    output.rewind().map_err(failed())?;
    output.take(64 << 10).read_to_end(&mut text).map_err(failed())?;
    let fields = Fields::parse(&String::from_utf8_lossy(&text));
    Ok(fields.ok_or_else(|| "says nothing that can be understood".to_owned()))
}

/// Returns whether a program has failed because of this host. It unpacks what it looks at in /tmp, which may
/// be full.
fn is_ours(told: &str) -> bool {
    OURS.iter().any(|errno| {
        let text = io::Error::from(*errno).to_string();
        told.contains(text.split(" (os error").next().unwrap_or(&text))
    })
}

/// Returns a source, and the names of its parts, each of which is in the upload or in the pool.
fn source(
    commands: &Commands<'_>,
    changes: &Changes,
    sound: &Sound<'_>,
) -> Result<(Item, Vec<String>), Failure> {
    let name = &sound.file.name;
    let text = fs::read(&sound.path).map_err(PublishError::io("read", &sound.path))?;
    let text = String::from_utf8_lossy(&text);
    // Who has signed it says nothing: the upload is signed, and names it by its digest.
    let text = signed_text(&text).unwrap_or_else(|| text.into_owned());
    let unclear = || format!("{name} cannot be understood");
    let fields = Fields::parse(&text).ok_or_else(unclear)?;
    let version = Version::parse(fields.get("version")).ok_or_else(unclear)?;
    if fields.get("source") != changes.source || version != changes.version {
        return Err(format!("{name} is of another source or version than the upload").into());
    }
    let sums = fields.sums().ok_or_else(|| format!("{name} names no files by SHA-256, or not clearly"))?;
    for part in &sums {
        let dir = commands.layout.root().join(&sound.file.dir);
        let in_pool = || same_file(&dir.join(&part.name), part.size, Some(&part.sha256)).is_ok();
        let uploaded = changes.files.iter().find(|file| file.name == part.name);
        let is_same = |file: &Uploaded| {
            (file.size, &file.sha256, &file.dir) == (part.size, &part.sha256, &sound.file.dir)
        };
        let is_there = is_file_name(&part.name) && uploaded.map_or_else(in_pool, is_same);
        if !is_there {
            let part = quoted(&part.name);
            return Err(
                format!("{part}, which {name} names, is neither in the upload nor in the pool").into()
            );
        }
    }
    let names = sums.into_iter().map(|part| part.name).collect();
    Ok((item(sound.file, "source", &changes.source, version), names))
}

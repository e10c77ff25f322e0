//! The assembly itself, from the fragments' names to their deletion.

mod find;
mod judge;
mod read;

use std::fs;
use std::io::{self, Seek as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use intraware_core::foreign;
use intraware_core::lock::{Lock, LockError};
use intraware_core::run::RunContext;
use rustix::fs::{Mode, OFlags};

use crate::error::AssembleError;
use crate::merge::{Merged, Part, merge};
use crate::names::Package;
use crate::nodes::Node;
use crate::partial::{self, CONTENTS, Partial};
use crate::request::{Request, Step, Tell};
use crate::result::{Assembled, Entries, Machine};
use crate::target::{self, Failed, Published};
use find::Found;
use judge::Judged;

/// Assembles a package; `tell` hears of each step.
pub fn assemble(request: &Request, context: &RunContext, tell: Tell<'_>) -> Result<Assembled, AssembleError> {
    check_dirs(request)?;
    let mut lock = lock(request, context)?;
    let outcome = locked(request, context, tell, &mut lock);
    // Held until here, so that nobody begins with fragments that are about to go.
    match lock.remove() {
        Err(source) if outcome.is_ok() => {
            Err(AssembleError::io("remove the lock", &lock_path(request), source))
        }
        _ => outcome,
    }
}

/// Does everything that nobody else may do at the same time to this package.
fn locked(
    request: &Request,
    context: &RunContext,
    tell: Tell<'_>,
    lock: &mut Lock,
) -> Result<Assembled, AssembleError> {
    let found = find::fragments(request)?;
    tell(Step::Found(found.iter().map(Found::shown).collect()));
    let mut outcome = in_package_dir(request, context, tell, &found, lock);
    tell(Step::CleaningUp);
    let delete = match &outcome {
        Ok(_) => !request.keep_fragments,
        Err(AssembleError::Stopped) => false,
        Err(_) => request.delete_on_error && !request.keep_fragments,
    };
    tell(if delete { Step::Deleting } else { Step::Keeping });
    let kept = if delete { find::delete(&request.source, &found) } else { Vec::new() };
    if let Ok(assembled) = &mut outcome {
        assembled.fragments_deleted = delete && kept.is_empty();
        assembled.warnings.extend(kept);
    }
    outcome
}

/// Each directory that must be there, and is not, is an error of its own.
fn check_dirs(request: &Request) -> Result<(), AssembleError> {
    let dirs = [
        (
            "the fragments' directory",
            Some(&request.source),
            "give the right one with --srcpath, or set GBE_DPKG",
        ),
        (
            "the output directory",
            Some(&request.output),
            "make it, give another with --output, or set GBE_DPKG",
        ),
        ("the temporary directory", request.work.as_ref(), "make it, or assemble without --tmpdir"),
    ];
    for (what, path, advice) in dirs {
        if let Some(path) = path.filter(|path| !path.is_dir()) {
            let path = foreign::path(path).to_string();
            return Err(AssembleError::NoDirectory { what, path, advice });
        }
    }
    Ok(())
}

fn lock_path(request: &Request) -> PathBuf {
    request.output.join(format!(".{}.lock", request.package))
}

fn lock(request: &Request, context: &RunContext) -> Result<Lock, AssembleError> {
    let locked = |source: LockError| AssembleError::Locked {
        package: request.package.to_string(),
        source: source.into(),
    };
    Lock::take(&lock_path(request), context).map_err(locked)
}

/// Does everything for which the package's directory is needed, and removes that directory if it stays empty.
fn in_package_dir(
    request: &Request,
    context: &RunContext,
    tell: Tell<'_>,
    found: &[Found],
    lock: &mut Lock,
) -> Result<Assembled, AssembleError> {
    let path = request.package_dir();
    let dir = open_package_dir(&path)?;
    // A name is only as safe as the directory's own.
    let output = fs::File::open(&request.output).and_then(|output| output.sync_all());
    output.map_err(|e| AssembleError::io("flush", &request.output, e))?;
    for leftover in partial::leftovers(&path, request.package.version())
        .map_err(|e| AssembleError::io("list", &path, e))?
    {
        fs::remove_dir_all(&leftover).map_err(|e| AssembleError::io("remove", &leftover, e))?;
        tell(Step::Removed(foreign::path(&leftover).to_string()));
    }
    let outcome = in_partial(request, context, tell, found, (&path, &dir), lock);
    if outcome.is_err() {
        // Another version's directory keeps it, and so does another assembly.
        let _ = fs::remove_dir(&path);
    }
    outcome
}

fn open_package_dir(path: &Path) -> Result<OwnedFd, AssembleError> {
    const TRIES: usize = 5;
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    // The end of another version's failed assembly may remove it between the two calls.
    for _ in 0..TRIES {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) => {
                let mode = Mode::from_raw_mode(0o755);
                rustix::fs::chmod(path, mode)
                    .map_err(|e| AssembleError::io("set the permissions of", path, e))?;
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(AssembleError::io("make", path, errno)),
        }
        match rustix::fs::open(path, how, Mode::empty()) {
            Ok(dir) => return Ok(dir),
            Err(errno) => error = errno.into(),
        }
    }
    Err(AssembleError::io("open", path, error))
}

fn in_partial(
    request: &Request,
    context: &RunContext,
    tell: Tell<'_>,
    found: &[Found],
    (path, dir): (&Path, &OwnedFd),
    lock: &mut Lock,
) -> Result<Assembled, AssembleError> {
    let target = request.target();
    let exists = || AssembleError::TargetExists(foreign::path(&target).to_string());
    if !request.predelete && fs::symlink_metadata(&target).is_ok() {
        return Err(exists());
    }
    let partial = Partial::make(path, request.package.version(), &context.identity.run)
        .map_err(|e| AssembleError::io("make a partial directory in", path, e))?;
    let mut parts = read::parts(request, context, tell, found, &partial)?;
    let mut assembled = outline(&request.package, &target, found, &mut parts);
    let merged = merge(&parts, &request.rules);
    let judged = judge::judge(&merged, &parts, &request.rules)
        .map_err(|e| AssembleError::io("compare the contents in", partial.path(), e))?;
    if let Some(work) = &request.work {
        let left = leave(work, context, &request.package, &mut parts, &judged);
        let left = left.map_err(|e| AssembleError::io("write to", work, e))?;
        tell(Step::Retained(foreign::path(&left).to_string()));
    }
    assembled.warnings.extend(judged.notes);
    (assembled.conflicts, assembled.dead_links) = (judged.conflicts, judged.dead);
    let agree = assembled.conflicts.is_empty() && assembled.dead_links.is_empty();
    if !request.merge_errors && !agree {
        return Err(AssembleError::Conflicts { conflicts: assembled.conflicts, dead: assembled.dead_links });
    }
    make(request, context, tell, &partial, &merged, &parts)?;
    lock.confirm().map_err(|source| AssembleError::Locked {
        package: request.package.to_string(),
        source: source.into(),
    })?;
    match target::publish(&partial, dir, request.package.version(), request.predelete) {
        Ok(Published::Done) => tell(Step::Published(foreign::path(&target).to_string())),
        Ok(Published::Exists) => return Err(exists()),
        Err(error) => return Err(failed(&partial, error)),
    }
    count(&mut assembled, &merged, &parts);
    assembled.entries = Entries::new(merged, parts);
    if let Err(error) = partial.remove() {
        let path = foreign::path(partial.path()).to_string();
        assembled.warnings.push(format!("{path} cannot be removed: {error}; the next assembly tries again"));
    }
    Ok(assembled)
}

/// Makes the tree and brings it to the disk.
fn make(
    request: &Request,
    context: &RunContext,
    tell: Tell<'_>,
    partial: &Partial,
    merged: &Merged,
    parts: &[Part],
) -> Result<(), AssembleError> {
    let failed = |error| failed(partial, error);
    context.stop.check()?;
    tell(Step::Building);
    target::build(partial, merged, parts, request.threads).map_err(failed)?;
    tell(Step::Listing);
    target::write_list(partial, merged, parts, request.modes).map_err(failed)?;
    target::finish(partial, merged, parts).map_err(failed)?;
    // What lost must not be flushed for nothing.
    let contents = partial.path().join(CONTENTS);
    fs::remove_dir_all(&contents).map_err(|e| AssembleError::io("remove", &contents, e))?;
    context.stop.check()?;
    tell(Step::Syncing);
    target::sync(partial).map_err(failed)?;
    context.stop.check()?;
    Ok(())
}

fn failed(partial: &Partial, error: Failed) -> AssembleError {
    AssembleError::io(error.doing, &partial.path().join(error.path), error.source)
}

fn outline(package: &Package, target: &Path, found: &[Found], parts: &mut [Part]) -> Assembled {
    let machine = |(found, part): (&Found, &Part)| Machine {
        machine: part.machine.clone(),
        fragment: found.file.clone(),
        files: part.contents.files,
        bytes: part.contents.bytes,
    };
    let machines = found.iter().zip(&*parts).map(machine).collect();
    let mut warnings = Vec::new();
    for part in parts {
        let said = std::mem::take(&mut part.contents.warnings);
        warnings.extend(said.into_iter().map(|warning| format!("{}: {warning}", part.machine)));
    }
    Assembled {
        name: package.name().to_owned(),
        version: package.version().to_owned(),
        target: foreign::path(target).to_string(),
        machines,
        files: 0,
        directories: 0,
        links: 0,
        bytes: 0,
        conflicts: Vec::new(),
        dead_links: Vec::new(),
        warnings,
        entries: Entries::default(),
        fragments_deleted: false,
    }
}

fn count(assembled: &mut Assembled, merged: &Merged, parts: &[Part]) {
    for one in &merged.chosen {
        match &one.by.held(parts).node {
            Node::Directory => assembled.directories += 1,
            Node::Link(_) => assembled.links += 1,
            Node::File(content) => {
                assembled.files += 1;
                assembled.bytes += content.size;
            }
        }
    }
}

/// Leaves the lists and what differs where people can look at them; returns the directory.
fn leave(
    work: &Path,
    context: &RunContext,
    package: &Package,
    parts: &mut [Part],
    judged: &Judged,
) -> io::Result<PathBuf> {
    let run = foreign::escape(&context.identity.run).replace('/', "_");
    let dir = work.join(format!("{package}.{run}"));
    fs::create_dir(&dir)?;
    for part in parts {
        if let Some(list) = &mut part.contents.list {
            list.rewind()?;
            io::copy(list, &mut fs::File::create(dir.join(part.machine.list()))?)?;
        }
    }
    let mut report: Vec<String> = judged.conflicts.iter().flat_map(crate::merge::Conflict::lines).collect();
    report.extend(judged.dead.iter().map(ToString::to_string));
    report.extend(judged.notes.iter().cloned());
    report.push(String::new());
    fs::write(dir.join("differences.txt"), report.join("\n"))?;
    Ok(dir)
}

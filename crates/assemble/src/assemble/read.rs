//! Reads all fragments, as many at once as there are threads.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use intraware_core::foreign;
use intraware_core::run::RunContext;
use rustix::fs::{FileType, Mode, OFlags};

use super::find::Found;
use crate::error::{AssembleError, RefusedFragment};
use crate::merge::Part;
use crate::partial::{Partial, contents};
use crate::refused::{Refused, Unread};
use crate::request::{Request, Step, Tell};
use crate::store::Store;
use crate::tar::{Entries, Gzip};
use crate::unpack::{Contents, Unpacker};

/// How much is inflated at once.
const STREAM: usize = 64 << 10;

/// Reads the fragments into the partial directory. All that are wrong are told, each with its reason.
pub(super) fn parts(
    request: &Request,
    context: &RunContext,
    tell: Tell<'_>,
    found: &[Found],
    partial: &Partial,
) -> Result<Vec<Part>, AssembleError> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Contents, Unread>)>> = Mutex::new(Vec::new());
    let work = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(fragment) = found.get(index) else { return };
        tell(Step::Reading(fragment.file.clone()));
        let read = one(request, context, fragment, index, partial);
        if let Ok(Contents { files, bytes, .. }) = &read {
            tell(Step::Read { fragment: fragment.file.clone(), files: *files, bytes: *bytes });
        }
        let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.push((index, read));
    };
    std::thread::scope(|scope| {
        let others = request.threads.min(found.len()).saturating_sub(1);
        let others: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
        work();
        for other in others {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    settle(request, found, results, partial)
}

fn settle(
    request: &Request,
    found: &[Found],
    results: Vec<(usize, Result<Contents, Unread>)>,
    partial: &Partial,
) -> Result<Vec<Part>, AssembleError> {
    let (mut parts, mut refused) = (Vec::new(), Vec::new());
    for (index, result) in results {
        let path = request.source.join(&found[index].file);
        match result {
            Ok(contents) => parts.push(Part { machine: found[index].machine.clone(), contents }),
            Err(Unread::Refused(Refused(why))) => {
                refused.push(RefusedFragment { fragment: foreign::path(&path).to_string(), why });
            }
            Err(Unread::Read(source)) => return Err(AssembleError::io("read", &path, source)),
            Err(Unread::Write(source)) => {
                let path = partial.path().join(contents(index));
                return Err(AssembleError::io("write to", &path, source));
            }
            Err(Unread::Stopped(_)) => return Err(AssembleError::Stopped),
        }
    }
    if refused.is_empty() { Ok(parts) } else { Err(AssembleError::Refused(refused)) }
}

fn one(
    request: &Request,
    context: &RunContext,
    fragment: &Found,
    index: usize,
    partial: &Partial,
) -> Result<Contents, Unread> {
    let file = open(&request.source.join(&fragment.file))?;
    let dir = partial.contents(index).map_err(Unread::Write)?;
    let store = Some(Store::new(dir).map_err(Unread::Write)?);
    let unpacker =
        Unpacker::new(&fragment.machine, store, request.modes, &request.limits, context.stop.clone());
    // Headers and small files would else be inflated one by one.
    let stream = BufReader::with_capacity(STREAM, Gzip::new(file, &request.limits));
    let mut contents = unpacker.unpack(&mut Entries::new(stream))?;
    if request.work.is_none() {
        contents.list = None;
    }
    Ok(contents)
}

/// Opens a fragment, which is a regular file and no link to one, without waiting for a named pipe's other
/// end.
fn open(path: &Path) -> Result<File, Unread> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, how, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => return Err(Refused::from("it is a link and not a file").into()),
        file => file.map_err(|e| Unread::Read(e.into()))?,
    };
    let seen = rustix::fs::fstat(&file).map_err(|e| Unread::Read(e.into()))?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return Err(Refused::from("it is not a regular file").into());
    }
    Ok(file.into())
}

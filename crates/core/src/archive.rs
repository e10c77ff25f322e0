//! One pass from a build tree to a payload: read, tar, compress, and everything that needs its bytes.
//!
//! ```text
//! walk ─▶ read ─▶ tar ─▶ compress ─▶ write ─┬▶ the file in the work directory
//!  1       8       1      a thread   1      ├▶ MD5, SHA-1, SHA-256   1 each
//!                         a core            └▶ the signature's hash  1
//! ```
//!
//! Each input byte is read once and each output byte is written once. All stages work at the same time, on
//! the threads given below their names; a stage of several threads gives its results in order ([`in_order`]).
//! What is between two stages is bounded, so the slowest sets the pace, and a build of any size takes the
//! same memory: some thirty megabytes, and three more for each thread that compresses.
//!
//! The bytes depend on names, contents, permission bits, whole seconds of mtimes, link targets, and the level
//! of compression; not on who made the archive, when, on which host, with how many threads, or in which order
//! a directory is listed. An unchanged build gives the same generation every time.
//!
//! Promises: an [`Archived`] describes a build that was the same at its [`Survey`], while it was read, and
//! after the last byte was read. After an error what was written is no archive; the caller removes it.
//!
//! Where files got further names or other owners meanwhile (`cp -al`), which only ctimes tell, the build is
//! read once more and has to give the same bytes, with nothing happening to it this time.

mod block;
mod buffers;
mod content;
mod deflate;
mod effort;
mod gzip;
mod hard_links;
mod in_order;
mod pack;
mod read_ahead;
mod stages;
mod tape;
mod tee;

use std::io::{self, Write};
use std::thread::Builder;

use buffers::Pool;
pub use effort::{Effort, Level};
use gzip::{Member, gzip};
use pack::{Stopped, pack};
use read_ahead::{ReadAhead, Walked};
use stages::Stage;
pub use stages::StageTimes;
use tee::{Tee, TeeError, TeeStages};

use crate::build_dir::{BuildDir, BuildError};
use crate::digest::Digests;
use crate::exit::Fault;
use crate::fingerprint::{Fingerprint, Survey, survey};
use crate::run::Amount;
use crate::tree::Warning;

/// A finished archive and the build it is of.
#[derive(Debug, Clone)]
pub struct Archived {
    /// What was written.
    pub digests: Digests,
    /// What the tree was, before, meanwhile and afterwards.
    pub fingerprint: Fingerprint,
    /// Regular files.
    pub files: u64,
    /// Bytes in regular files.
    pub bytes: u64,
    /// What a person should know, though it stops nothing.
    pub warnings: Vec<Warning>,
    /// What each stage has cost.
    pub stages: Vec<StageTimes>,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The build cannot be archived.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The build is another than when it was surveyed, though it stands still now.
    #[error("{path} was changed after this run had looked at it; the next run takes it as it is now")]
    Outdated {
        /// The build.
        path: String,
    },
    /// Links, owners or attributes were changed again and again, so that nobody can tell that contents were
    /// not.
    #[error(
        "links to files of {path}, their owners or attributes were changed while it was read, though not their times; the next run tries again"
    )]
    Touched {
        /// The build.
        path: String,
    },
    /// The archive cannot be written.
    #[error("cannot write the archive to the work directory; check the spool's free space, quota and mount")]
    Write(#[source] io::Error),
    /// The signature's hash did not take the bytes.
    #[error("cannot hash the archive for its signature")]
    Hash(#[source] io::Error),
    /// The compressor or the host's memory is broken.
    #[error("the compressor's output is not a DEFLATE stream; check the host's memory")]
    Compress,
    /// A thread cannot be started.
    #[error("cannot start a thread; check the limits on processes and on memory")]
    Thread(#[source] io::Error),
}

impl ArchiveError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Build(error) => error.fault(),
            Self::Write(_) => Fault::Spool,
            Self::Hash(_) | Self::Compress => Fault::Bug,
            Self::Outdated { .. } | Self::Touched { .. } | Self::Thread(_) => Fault::TryLater,
        }
    }
}

/// In this module only threads are started by something that fails so.
impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Thread(error)
    }
}

impl From<deflate::Malformed> for ArchiveError {
    fn from(deflate::Malformed: deflate::Malformed) -> Self {
        Self::Compress
    }
}

impl From<TeeError> for ArchiveError {
    fn from(error: TeeError) -> Self {
        match error {
            TeeError::Write(cause) => Self::Write(cause),
            TeeError::Hash(cause) => Self::Hash(cause),
        }
    }
}

/// Archives the build that `surveyed` describes into `out`, and shows the same bytes to `also`.
///
/// `progress` hears how much of the survey has been dealt with so far. The tree is surveyed again at the
/// end; if anything is not as it was read, the error is [`BuildError::Changed`].
pub fn archive(
    dir: &BuildDir,
    surveyed: &Survey,
    effort: Effort,
    out: &mut (dyn Write + Send),
    also: &mut (dyn Write + Send),
    progress: &mut dyn FnMut(Amount),
) -> Result<Archived, ArchiveError> {
    let Pass { digests, walked, again, stages } = pass(dir, surveyed, effort, out, also, progress)?;
    let fingerprint = match again.fingerprint == walked.prints.fingerprint {
        true => again.fingerprint,
        false => read_once_more(dir, &again, effort, &digests)?,
    };
    let Walked { totals, copies, .. } = walked;
    let warnings = [totals.warnings, copies].concat();
    Ok(Archived { digests, fingerprint, files: totals.files, bytes: totals.bytes, warnings, stages })
}

/// Makes sure that a build still gives these bytes, and returns its fingerprint.
fn read_once_more(
    dir: &BuildDir,
    surveyed: &Survey,
    effort: Effort,
    digests: &Digests,
) -> Result<Fingerprint, ArchiveError> {
    let once_more = pass(dir, surveyed, effort, &mut io::sink(), &mut io::sink(), &mut |_| ())?;
    if once_more.digests != *digests {
        let what = "files were written to, and their times set back";
        return Err(BuildError::Changed { path: dir.shown(b""), what }.into());
    }
    match once_more.again.fingerprint == once_more.walked.prints.fingerprint {
        true => Ok(once_more.again.fingerprint),
        false => Err(ArchiveError::Touched { path: dir.shown(b"") }),
    }
}

/// What was read and written, and the tree after that: the same but for ctimes.
struct Pass {
    digests: Digests,
    walked: Walked,
    again: Survey,
    stages: Vec<StageTimes>,
}

/// Reads a build and writes it.
fn pass(
    dir: &BuildDir,
    surveyed: &Survey,
    effort: Effort,
    out: &mut (dyn Write + Send),
    also: &mut (dyn Write + Send),
    progress: &mut dyn FnMut(Amount),
) -> Result<Pass, ArchiveError> {
    let stages = Stages::new();
    let [batches, chunks, parts] = <[Pool; 3]>::default();
    let (digests, walked, again) = std::thread::scope(|scope| {
        let mut source =
            ReadAhead::start(scope, dir, &surveyed.policy, &batches, &stages.walk, &stages.read)?;
        let (gzip, member) = gzip(scope, &stages.compress, effort, &chunks, &parts)?;
        let tee = Tee::start(scope, &stages.tee, out, also)?;
        let written = Builder::new().name("write".to_owned()).spawn_scoped(scope, || write(member, tee))?;
        let packed = pack(&mut source.batches, gzip, &stages.tar, progress);
        // Everything was read, though not everything is compressed yet.
        let again = match packed {
            Ok(()) => Some(stages.survey.busy(|| survey(dir, &surveyed.policy))?),
            Err(Stopped::Build(error)) => return Err(ArchiveError::Build(error)),
            // Whoever wrote has failed, and says why.
            Err(Stopped::Closed) => None,
        };
        let digests = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((digests, source.finish()?, again))
    })?;
    let Some(again) = again.filter(|again| again.substance == walked.prints.substance) else {
        let what = "files were added, removed, renamed or written to";
        return Err(BuildError::Changed { path: dir.shown(b""), what }.into());
    };
    if walked.prints.substance != surveyed.substance {
        return Err(ArchiveError::Outdated { path: dir.shown(b"") });
    }
    Ok(Pass { digests, walked, again, stages: stages.times() })
}

/// Writes the member to all places, as its parts come.
fn write<'scope>(member: Member<'scope>, mut tee: Tee<'scope>) -> Result<Digests, ArchiveError> {
    let _counted = tee.stage().thread();
    member.each(|part| tee.write(part).map_err(ArchiveError::from))?;
    Ok(tee.finish()?)
}

/// What each stage costs.
struct Stages {
    walk: Stage,
    read: Stage,
    tar: Stage,
    compress: Stage,
    tee: TeeStages,
    survey: Stage,
}

impl Stages {
    fn new() -> Self {
        Self {
            walk: Stage::new("walk"),
            read: Stage::new("read"),
            tar: Stage::new("tar"),
            compress: Stage::new("compress"),
            tee: TeeStages::new(),
            survey: Stage::new("survey"),
        }
    }

    fn times(&self) -> Vec<StageTimes> {
        let before = [&self.walk, &self.read, &self.tar, &self.compress];
        let stages = before.into_iter().chain(self.tee.all()).chain([&self.survey]);
        stages.map(Stage::times).collect()
    }
}

#[cfg(test)]
mod tests;

//! Where the payload's bytes end: in its file, in its digests, and in the hash that is signed.
//!
//! Each of them has a thread, so that none waits for another where a core is free. They share the bytes, and
//! each may lag behind the file by [`LAG`] parts.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Output;
use sha2::{Digest, Sha256};

use super::buffers::Buffer;
use super::stages::Stage;
use crate::digest::{Digests, Hex};

/// How many parts a digest may lag behind the file.
const LAG: usize = 2;

/// What each of the places costs.
pub(super) struct TeeStages {
    write: Stage,
    md5: Stage,
    sha1: Stage,
    sha256: Stage,
    signature: Stage,
}

impl TeeStages {
    pub(super) fn new() -> Self {
        Self {
            write: Stage::new("write"),
            md5: Stage::new("md5"),
            sha1: Stage::new("sha1"),
            sha256: Stage::new("sha256"),
            signature: Stage::new("signature"),
        }
    }

    pub(super) fn all(&self) -> [&Stage; 5] {
        [&self.write, &self.md5, &self.sha1, &self.sha256, &self.signature]
    }
}

/// Gives each part to the file first, and what the file took to the others.
pub(super) struct Tee<'scope> {
    out: &'scope mut (dyn Write + Send),
    stage: &'scope Stage,
    size: u64,
    md5: Sink<'scope, Output<Md5>>,
    sha1: Sink<'scope, Output<Sha1>>,
    sha256: Sink<'scope, Output<Sha256>>,
    signature: Sink<'scope, io::Result<()>>,
}

/// Why a tee takes no more.
pub(super) enum TeeError {
    /// The file failed.
    Write(io::Error),
    /// The signature's hash failed.
    Hash(io::Error),
}

impl<'scope> Tee<'scope> {
    /// Starts the threads of all but the file, which is written by whoever calls [`Self::write`].
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        stages: &'scope TeeStages,
        out: &'scope mut (dyn Write + Send),
        also: &'scope mut (dyn Write + Send),
    ) -> io::Result<Self> {
        let signature = Sink::start(scope, &stages.signature, |parts| {
            for part in parts {
                stages.signature.busy(|| also.write_all(&part))?;
            }
            also.flush()
        });
        Ok(Self {
            out,
            stage: &stages.write,
            size: 0,
            md5: digest::<Md5>(scope, &stages.md5)?,
            sha1: digest::<Sha1>(scope, &stages.sha1)?,
            sha256: digest::<Sha256>(scope, &stages.sha256)?,
            signature: signature?,
        })
    }

    pub(super) fn stage(&self) -> &'scope Stage {
        self.stage
    }

    /// Gives the next part to all.
    pub(super) fn write(&mut self, part: Buffer<'scope>) -> Result<(), TeeError> {
        self.stage.busy(|| self.out.write_all(&part)).map_err(TeeError::Write)?;
        self.size += part.len() as u64;
        let part = Arc::new(part);
        self.md5.give(&part);
        self.sha1.give(&part);
        self.sha256.give(&part);
        self.signature.give(&part);
        Ok(())
    }

    /// Flushes the file, waits for all, and returns the digests.
    pub(super) fn finish(self) -> Result<Digests, TeeError> {
        self.stage.busy(|| self.out.flush()).map_err(TeeError::Write)?;
        self.signature.finish().map_err(TeeError::Hash)?;
        Ok(Digests {
            size: self.size,
            md5: Hex(self.md5.finish().into()),
            sha1: Hex(self.sha1.finish().into()),
            sha256: Hex(self.sha256.finish().into()),
        })
    }
}

/// A thread that consumes the parts.
struct Sink<'scope, T> {
    parts: SyncSender<Arc<Buffer<'scope>>>,
    thread: ScopedJoinHandle<'scope, T>,
}

impl<'scope, T: Send + 'scope> Sink<'scope, T> {
    fn start(
        scope: &'scope Scope<'scope, '_>,
        stage: &'scope Stage,
        consume: impl FnOnce(Receiver<Arc<Buffer<'scope>>>) -> T + Send + 'scope,
    ) -> io::Result<Self> {
        let (parts, given) = sync_channel(LAG);
        let thread = Builder::new().name(stage.name().to_owned()).spawn_scoped(scope, move || {
            let _counted = stage.thread();
            consume(given)
        })?;
        Ok(Self { parts, thread })
    }

    /// Gives a part. A consumer that takes no more says why at the end.
    fn give(&self, part: &Arc<Buffer<'scope>>) {
        let _ = self.parts.send(Arc::clone(part));
    }

    fn finish(self) -> T {
        drop(self.parts);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Starts a thread that computes a digest.
fn digest<'scope, D: Digest + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    stage: &'scope Stage,
) -> io::Result<Sink<'scope, Output<D>>>
where
    Output<D>: Send,
{
    Sink::start(scope, stage, |parts| {
        let mut digest = D::new();
        for part in parts {
            stage.busy(|| digest.update(part.as_slice()));
        }
        digest.finalize()
    })
}

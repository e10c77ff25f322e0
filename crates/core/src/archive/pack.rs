//! Writes what was read ahead onto the tape, entry by entry.

use std::io;

use super::gzip::Gzip;
use super::read_ahead::{Batch, Item, ItemKind};
use super::stages::Stage;
use super::tape::{Head, Tape};
use crate::build_dir::BuildError;
use crate::run::Amount;
use crate::tree::Meta;

/// Why packing ends before its end.
pub(super) enum Stopped {
    /// The build cannot be archived.
    Build(BuildError),
    /// The compressor takes no more; whoever takes its bytes has failed, and says why.
    Closed,
}

impl From<BuildError> for Stopped {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Packs all batches into `gzip`, and tells `progress` how far it has come.
pub(super) fn pack<'s>(
    batches: impl Iterator<Item = Result<Batch<'s>, BuildError>>,
    gzip: Gzip<'_>,
    stage: &Stage,
    progress: &mut dyn FnMut(Amount),
) -> Result<(), Stopped> {
    let _counted = stage.thread();
    let mut packer = Packer { tape: Tape::new(gzip), size: 0, left: 0, done: Amount::default(), progress };
    for batch in batches {
        let batch = batch?;
        stage.busy(|| packer.pack(&batch))?;
    }
    stage.busy(|| packer.tape.finish()?.finish())?;
    Ok(())
}

/// An archive under way.
struct Packer<'s, 'p> {
    tape: Tape<Gzip<'s>>,
    /// Length of the current file, and how much of it is still to come.
    size: u64,
    left: u64,
    done: Amount,
    progress: &'p mut dyn FnMut(Amount),
}

impl Packer<'_, '_> {
    fn pack(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let mut content = batch.content.as_slice();
        for item in &batch.items {
            let here = match item {
                Item::Entry { path, meta, kind } => self.begin(path, meta, kind)?,
                Item::More(here) => *here,
            };
            let (here, rest) = content.split_at(here);
            content = rest;
            self.content(here)?;
        }
        (self.progress)(self.done);
        Ok(())
    }

    /// Writes what is before an entry's content, and returns how much of that follows in this batch.
    fn begin(&mut self, path: &[u8], meta: &Meta, kind: &ItemKind) -> io::Result<usize> {
        let head = Head { path, mode: meta.archive_mode(), mtime: meta.archive_mtime().0 };
        match kind {
            ItemKind::Directory => self.tape.directory(&head)?,
            ItemKind::Link { target } => self.tape.link(&head, target)?,
            ItemKind::HardLink { first } => {
                self.tape.hard_link(&head, first)?;
                self.done.files += 1;
                self.done.bytes += meta.size;
            }
            ItemKind::File(here) => {
                self.tape.begin_file(&head, meta.size)?;
                (self.size, self.left) = (meta.size, meta.size);
                self.done.files += 1;
                return Ok(*here);
            }
        }
        Ok(0)
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.tape.write_content(bytes)?;
        self.left -= bytes.len() as u64;
        self.done.bytes += bytes.len() as u64;
        if self.left == 0 { self.tape.end_file(self.size) } else { Ok(()) }
    }
}

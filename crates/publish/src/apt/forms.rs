//! The forms of an index that readers get: Packages and Sources as they are, `.gz` and `.xz`; of Contents,
//! `.gz` alone.
//!
//! To compress 20,000 packages by xz takes ten times as long as all else of a publication. So xz is given
//! those pieces of the text alone that the former index has not ([`pieces`]); the others are blocks of the
//! former `.xz`, byte for byte. These are taken from files that have the digests which the former Release
//! gives them, and what is made of them is the same as xz would make of the whole: nothing else is
//! remembered, so nothing can be wrong in what is remembered.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use super::{pieces, xz};
use crate::check::named_by_release;
use crate::command::Commands;
use crate::error::PublishError;
use crate::layout::put_file;

/// The name of the program.
const XZ: &str = "xz";

/// A new text of a suite, by its name there.
pub(super) struct Index {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
}

/// A suite in the tree that is made, which has the former indexes when this begins.
pub(super) struct Suite<'a> {
    pub(super) dir: &'a Path,
    pub(super) commands: &'a Commands<'a>,
    /// For files in between.
    pub(super) work: &'a Path,
    /// What the former Release names.
    former: BTreeMap<String, String>,
}

impl<'a> Suite<'a> {
    pub(super) fn new(dir: &'a Path, commands: &'a Commands<'a>, work: &'a Path) -> Self {
        // There may be no former one, or none that can be read: then nothing is taken from it.
        let former = named_by_release(dir).unwrap_or_default().into_iter().collect();
        Self { dir, commands, work, former }
    }

    /// Writes all forms of Packages, Sources and Contents. A file that would not change stays.
    pub(super) fn write(&self, indexes: &[Index], contents: &[Index]) -> Result<(), PublishError> {
        let gz = || indexes.iter().chain(contents).try_for_each(|index| self.gz(index));
        let (by_gzip, rest) = thread::scope(|scope| {
            let by_gzip = scope.spawn(gz);
            let rest = indexes.iter().try_for_each(|index| self.plain_and_xz(index));
            let panicked = |_| Err(PublishError::Configuration("a thread that compresses has failed".into()));
            (by_gzip.join().unwrap_or_else(panicked), rest)
        });
        by_gzip.and(rest)
    }

    fn gz(&self, index: &Index) -> Result<(), PublishError> {
        let path = self.dir.join(format!("{}.gz", index.name));
        let compressed = gzip(&index.text).map_err(PublishError::io("compress", &path))?;
        put(&path, &compressed)
    }

    fn plain_and_xz(&self, index: &Index) -> Result<(), PublishError> {
        let (plain, name) = (self.dir.join(&index.name), format!("{}.xz", index.name));
        let (text, compressed) = (self.former(&index.name), self.former(&name));
        let (former, compressed) = (text.as_deref().unwrap_or_default(), compressed.as_deref());
        let blocks =
            compressed.and_then(xz::blocks).and_then(|blocks| by_piece(&pieces::cut(former), blocks));
        let mut known = blocks.unwrap_or_default();
        let needed = pieces::cut(&index.text);
        let missing: Vec<&[u8]> = needed.iter().copied().filter(|piece| !known.contains_key(piece)).collect();
        let fresh = self.compress(&missing)?;
        let fresh = xz::blocks(&fresh).and_then(|blocks| by_piece(&missing, blocks));
        known.extend(fresh.ok_or_else(|| {
            let told = "has made other blocks than it was told to".to_owned();
            PublishError::Command { what: XZ.to_owned(), told }
        })?);
        let blocks: Vec<xz::Block<'_>> =
            needed.iter().filter_map(|piece| known.get(piece).copied()).collect();
        put(&self.dir.join(name), &xz::file(&blocks))?;
        put(&plain, &index.text)
    }

    /// Returns a former file, if it is as the former Release says.
    fn former(&self, name: &str) -> Option<Vec<u8>> {
        let expected = self.former.get(name)?;
        let content = fs::read(self.dir.join(name)).ok()?;
        (hex(&Sha256::digest(&content)) == *expected).then_some(content)
    }

    /// Has pieces compressed, each to a block.
    fn compress(&self, pieces: &[&[u8]]) -> Result<Vec<u8>, PublishError> {
        if pieces.is_empty() {
            return Ok(xz::file(&[]));
        }
        let (input, output) = (self.work.join("pieces"), self.work.join("pieces.xz"));
        let write = || -> io::Result<File> {
            let mut file = File::create(&input)?;
            pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            File::create(&output)
        };
        let file = write().map_err(PublishError::io("write", &input))?;
        let sizes: Vec<String> = pieces.iter().map(|piece| piece.len().to_string()).collect();
        let most = pieces::MOST;
        let arguments = vec![
            "--compress".into(),
            "--stdout".into(),
            "--format=xz".into(),
            "--check=crc64".into(),
            // No piece is longer than this, so more of a dictionary would be in vain, also for those who
            // read.
            format!("--lzma2=preset=6,dict={most}").into(),
            // By several threads a block is the same for any number of them, and another one than by one.
            "--threads=2".into(),
            format!("--block-size={most}").into(),
            format!("--block-list={}", sizes.join(",")).into(),
            "--".into(),
            input.into(),
        ];
        self.commands.system_into(XZ, arguments, self.commands.tree.publisher_time, Some(&file))?;
        fs::read(&output).map_err(PublishError::io("read", &output))
    }
}

/// Returns the block of each piece; `None` if these are not their blocks.
fn by_piece<'a>(pieces: &[&'a [u8]], blocks: Vec<xz::Block<'a>>) -> Option<HashMap<&'a [u8], xz::Block<'a>>> {
    let fit = pieces.len() == blocks.len()
        && pieces.iter().zip(&blocks).all(|(piece, block)| piece.len() as u64 == block.size);
    fit.then(|| pieces.iter().copied().zip(blocks).collect())
}

/// Compresses without a name and a time, so that the same is the same.
fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder: GzEncoder<Vec<u8>> = GzBuilder::new().write(Vec::new(), Compression::new(6));
    encoder.write_all(text)?;
    encoder.finish()
}

/// Puts a file in the place of a former one, unless it is the same.
fn put(path: &Path, content: &[u8]) -> Result<(), PublishError> {
    match fs::read(path) {
        Ok(former) if former == content => Ok(()),
        // One that cannot be read is replaced like any other.
        Ok(_) | Err(_) => put_file(path, content).map_err(PublishError::io("write", path)),
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

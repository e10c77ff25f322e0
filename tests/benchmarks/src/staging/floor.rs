//! The floor: what staging cannot do without, each part by itself and as fast as this host does it.
//!
//! - Reading the tree: `tar` into a pipe that is thrown away.
//! - Compressing: libdeflate at our level on all cores, over 1 MiB blocks of that tar stream that are in
//!   memory already.
//! - Writing: what came out of it, in one go, to the file system of the outputs, and the wait for the disk.
//!
//! The floor is their sum, although a good program does the three at once and can go below it.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use libdeflater::{CompressionLvl, Compressor};

use crate::failure::{Doing as _, Failure};
use crate::measure::{self, Meter};

const BLOCK: usize = 1 << 20;

/// How much of the stream is in memory at once.
const BATCH: usize = 128 * BLOCK;

/// Wall times of the parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Floor {
    pub(crate) read_s: f64,
    pub(crate) compress_s: f64,
    pub(crate) write_s: f64,
    /// How much of all cores others had meanwhile, from 0 to 1.
    pub(crate) others: f64,
}

impl Floor {
    pub(crate) fn sum_s(&self) -> f64 {
        self.read_s + self.compress_s + self.write_s
    }
}

/// Measures it on the build `parent/build`; what is written goes to the empty directory `outputs`.
pub(crate) fn measure(parent: &Path, build: &str, level: i32, outputs: &Path) -> Result<Floor, Failure> {
    let level =
        CompressionLvl::new(level).map_err(|_| Failure::new(format!("libdeflate has no level {level}")))?;
    // GNU tar knows /dev/null and would not read; of the pipe it knows nothing.
    let mut reading = Command::new("bash");
    reading.args(["-euo", "pipefail", "-c", r#"tar -cf - -C "$0" -- "$1" | cat >/dev/null"#]);
    let meter = Meter::start()?;
    let read_s = measure::run(reading.arg(parent).arg(build), &outputs.join("said"))?.wall_s;
    let (compress_s, write_s) = compress_and_write(parent, build, level, &outputs.join("compressed"))?;
    Ok(Floor { read_s, compress_s, write_s, others: meter.stop()?.others })
}

/// Compresses and writes batch after batch, and adds up the times of each; reading is in neither.
fn compress_and_write(
    parent: &Path,
    build: &str,
    level: CompressionLvl,
    to: &Path,
) -> Result<(f64, f64), Failure> {
    let mut tar = Command::new("tar");
    tar.args(["-cf", "-", "-C"]).arg(parent).arg("--").arg(build);
    let mut tar =
        tar.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().doing(|| "cannot start tar".into())?;
    let mut stream = tar.stdout.take().ok_or_else(|| Failure::new("tar has no output"))?;
    let writing = || format!("cannot write {}", to.display());
    let mut out = File::create(to).doing(writing)?;
    let (mut compress_s, mut write_s) = (0.0, 0.0);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        batch.clear();
        let limit = u64::try_from(BATCH).expect("a usize has 64 bits at most");
        stream.by_ref().take(limit).read_to_end(&mut batch).doing(|| "cannot read tar's output".into())?;
        if batch.is_empty() {
            break;
        }
        let start = Instant::now();
        let compressed = compress(&batch, level);
        compress_s += start.elapsed().as_secs_f64();
        let start = Instant::now();
        compressed.iter().try_for_each(|block| out.write_all(block)).doing(writing)?;
        write_s += start.elapsed().as_secs_f64();
    }
    let start = Instant::now();
    out.sync_all().doing(writing)?;
    write_s += start.elapsed().as_secs_f64();
    let ended = tar.wait().doing(|| "cannot wait for tar".into())?;
    if !ended.success() {
        return Err(Failure::new(format!("tar ended with {ended}")));
    }
    Ok((compress_s, write_s))
}

/// Compresses a batch on all cores, block by block. The order of the blocks is lost; it is of no matter here.
fn compress(batch: &[u8], level: CompressionLvl) -> Vec<Vec<u8>> {
    let blocks: Vec<&[u8]> = batch.chunks(BLOCK).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut compressor = Compressor::new(level);
        let mut room = vec![0; compressor.deflate_compress_bound(BLOCK)];
        let mut done = Vec::new();
        while let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let len = compressor.deflate_compress(block, &mut room).expect("the room is what it asks for");
            done.push(room[..len].to_vec());
        }
        done
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..measure::cores()).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    })
}

use std::fs;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};

use super::*;
use crate::tree::sample::Build;

/// What memory grows with: the number of items, and the bytes of their content and of their names.
fn batches(build: &Build) -> Vec<(usize, usize, usize)> {
    let (dir, pool, stage) = (build.open(), Pool::default(), Stage::new("test"));
    std::thread::scope(|scope| {
        let source = ReadAhead::start(scope, &dir, &TreePolicy::default(), &pool, &stage, &stage).unwrap();
        let names = |batch: &Batch<'_>| batch.items.iter().map(Item::names_len).sum();
        let sizes = |batch: Batch<'_>| (batch.items.len(), batch.content.len(), names(&batch));
        source.batches.map(|batch| sizes(batch.unwrap())).collect()
    })
}

#[test]
fn no_batch_is_larger_than_its_limits() {
    let build = Build::new();
    for i in 0..300 {
        fs::write(build.at(format!("{i}")), vec![b'x'; i * 70]).unwrap();
        fs::create_dir(build.at(format!("directory-{i}"))).unwrap();
    }
    fs::write(build.at("large"), vec![b'x'; 5 * BATCH_BYTES / 2]).unwrap();
    let batches = batches(&build);
    assert!(batches.iter().all(|&(items, bytes, _)| items <= BATCH_FILES && bytes <= BATCH_BYTES));
    assert!(batches.iter().any(|&(items, ..)| items == BATCH_FILES), "as many as there may be");
    assert!(batches.iter().any(|&(_, bytes, _)| bytes == BATCH_BYTES), "as much as there may be");
}

#[test]
fn long_paths_fill_a_batch() {
    let build = Build::new();
    let mut dir: OwnedFd = rustix::fs::openat(CWD, build.at(""), OFlags::RDONLY, Mode::empty()).unwrap();
    let name = "n".repeat(255);
    for _ in 0..40 {
        rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o755)).unwrap();
        dir = rustix::fs::openat(&dir, &name, OFlags::RDONLY, Mode::empty()).unwrap();
    }
    for i in 0..100 {
        let how = OFlags::WRONLY | OFlags::CREATE;
        rustix::fs::openat(&dir, format!("{i}"), how, Mode::from_raw_mode(0o644)).unwrap();
        rustix::fs::symlinkat(name.repeat(15), &dir, format!("to-{i}")).unwrap();
    }
    let longest = 41 * 256 + 15 * 255;
    assert!(batches(&build).iter().all(|&(_, _, names)| names < BATCH_NAMES + longest));
}

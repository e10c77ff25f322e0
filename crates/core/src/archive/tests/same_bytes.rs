//! The bytes of an archive are the same with any number of threads, and however fast reading is. That the
//! file system makes no difference is tried in tests/core, since that takes root.
//!
//! All that would give a race away is in the trees: entries on both sides of every limit at which the
//! archiver passes work on, and contents that take unequal time.

use super::sample::{Filling, LIMITS};
use super::*;

const THREADS: [usize; 4] = [1, 2, 3, 16];

/// How many bytes of the tar stream are compressed as one.
const CHUNK: usize = 2 << 20;

fn payload(build: &Build, effort: Effort) -> Vec<u8> {
    pack_at(build, &TreePolicy::default(), effort, &mut |_| {}).unwrap().1
}

/// Checks that the threads make no difference, and returns the bytes.
fn same_with_any_threads(build: &Build, level: u8) -> Vec<u8> {
    let all = THREADS.map(|threads| payload(build, effort(level, threads)));
    for (other, threads) in all.iter().zip(THREADS) {
        assert!(*other == all[0], "level {level}: other bytes with {threads} threads than with one");
    }
    let [first, ..] = all;
    first
}

/// Like [`same_with_any_threads`] at the usual level, and GNU tar makes the same tree of it.
fn round_trip_with_any_threads(build: &Build) {
    let payload = same_with_any_threads(build, 6);
    assert_eq!(listing(&unpack(&payload).path().join("out/p7")), listing(&build.at("")));
}

fn write(build: &Build, below: &str, content: impl AsRef<[u8]>) {
    fs::create_dir_all(build.at(below).parent().unwrap()).unwrap();
    fs::write(build.at(below), content).unwrap();
}

/// Files of each kind of content around each limit, and all of it once more in one file.
fn limits() -> Build {
    let build = Build::new();
    let (mut kinds, mut all) = (Filling::ALL.into_iter().cycle(), Vec::new());
    for limit in LIMITS {
        for len in limit - 1..=limit + 1 {
            let kind = kinds.next().unwrap();
            let content = kind.bytes(len, len as u64);
            write(&build, &format!("{limit}/{len}-{kind:?}"), &content);
            all.extend(content);
        }
        // Three kinds and three lengths: without it, each length would have one kind always.
        kinds.next();
    }
    write(&build, "mixed", all);
    build
}

#[test]
fn s0_30_the_number_of_threads_changes_nothing_around_any_limit() {
    round_trip_with_any_threads(&limits());
}

#[test]
fn s0_30_the_number_of_threads_changes_nothing_in_an_odd_tree() {
    let build = odd_build();
    fs::hard_link(build.at("large"), build.at("d/again")).unwrap();
    round_trip_with_any_threads(&build);
}

#[test]
fn s0_30_the_number_of_threads_changes_nothing_among_thousands_of_tiny_files() {
    let build = Build::new();
    for i in 0..2_500 {
        write(&build, &format!("{}/{i}", i % 7), format!("{i}\n").repeat(i % 9));
    }
    // As many in a directory as are read at a time, and one more or less; and as many directories.
    for count in [63, 64, 65, 255, 256, 257] {
        (0..count).for_each(|i| write(&build, &format!("files-{count}/{i}"), "x"));
    }
    for count in [7, 8, 9, 15, 16, 17, 33] {
        (0..count).for_each(|i| write(&build, &format!("directories-{count}/{i}/x"), "x"));
    }
    // Names of one file that are far apart.
    for i in 0..200 {
        fs::hard_link(build.at(format!("{}/{i}", i % 7)), build.at(format!("zz-{i}"))).unwrap();
        fs::hard_link(build.at(format!("{}/{i}", i % 7)), build.at(format!("directories-17/{i}-too")))
            .unwrap();
    }
    round_trip_with_any_threads(&build);
}

#[test]
fn s0_30_the_number_of_threads_changes_nothing_where_there_is_next_to_nothing() {
    let build = Build::new();
    (0..70).for_each(|i| write(&build, &format!("{i}"), ""));
    round_trip_with_any_threads(&build);
    let build = Build::new();
    fs::create_dir(build.at("empty")).unwrap();
    write(&build, "file", "content");
    round_trip_with_any_threads(&build);
}

#[test]
fn s0_30_an_archive_may_end_where_a_chunk_does() {
    // Two headers, the content, and the two blocks at the end.
    const OTHER: usize = 4 * 512;
    for chunks in 1..=2 {
        for over in [-512, -1, 0, 1, 512] {
            let build = Build::new();
            let len = (chunks * CHUNK - OTHER).saturating_add_signed(over);
            write(&build, "file", Filling::Text.bytes(len, 7));
            let payload = same_with_any_threads(&build, 1);
            let tar = gunzip(&payload);
            assert_eq!(tar.len(), OTHER + len.next_multiple_of(512));
            assert!(tar[1_024..][..len] == fs::read(build.at("file")).unwrap());
        }
        let build = Build::new();
        write(&build, "file", Filling::Noise.bytes(chunks * CHUNK, 5));
        round_trip_with_any_threads(&build);
    }
}

#[test]
fn s0_30_a_level_has_its_own_bytes_and_threads_do_not_change_them() {
    let build = limits();
    let payloads = [1, 5, 6, 9, 12].map(|level| same_with_any_threads(&build, level));
    let tar = gunzip(&payloads[0]);
    for (i, payload) in payloads.iter().enumerate() {
        assert!(gunzip(payload) == tar);
        assert!(!payloads[..i].contains(payload), "two levels make the same bytes");
    }
}

/// Chunks that take very unequal time, and many more of them than threads.
#[test]
fn s0_30_a_chunk_that_takes_long_is_not_overtaken() {
    let build = Build::new();
    for i in 0..24 {
        let len = if i % 3 == 0 { CHUNK } else { CHUNK / 3 };
        write(&build, &format!("{i:02}"), Filling::ALL[i % 2].bytes(len, i as u64));
    }
    round_trip_with_any_threads(&build);
}

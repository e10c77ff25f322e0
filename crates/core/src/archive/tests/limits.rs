//! Names, sizes, links and levels at their limits.

use super::*;

#[test]
fn s0_30_names_and_paths_of_any_length_are_kept() {
    let build = Build::new();
    let name = "n".repeat(255);
    let mut dir = File::open(build.at("")).unwrap();
    for _ in 0..18 {
        rustix::fs::mkdirat(&dir, &name, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        let how = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        dir = rustix::fs::openat(&dir, &name, how, rustix::fs::Mode::empty()).unwrap().into();
    }
    let how = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE;
    let deep: File =
        rustix::fs::openat(&dir, "deep", how, rustix::fs::Mode::from_raw_mode(0o644)).unwrap().into();
    deep.write_all_at(b"deep", 0).unwrap();
    let (archived, payload) = pack(&build).unwrap();
    assert_eq!((archived.files, archived.bytes), (1, 4));
    let listed = tar_list(&payload);
    let expected = format!("p7/{}deep", format!("{name}/").repeat(18));
    assert!(expected.len() > 4_096 && listed.lines().last() == Some(&expected));
    // Unpacking it takes a tar that goes down step by step; GNU tar hands whole paths to the kernel.
}

#[test]
fn special_bits_are_cleared_and_odd_times_clamped() {
    let build = Build::new();
    build.file("d/su");
    fs::set_permissions(build.at("d/su"), Permissions::from_mode(0o6755)).unwrap();
    fs::set_permissions(build.at("d"), Permissions::from_mode(0o3777)).unwrap();
    build.file("old");
    set_mtime(&build.at("old"), -5);
    build.file("far");
    set_mtime(&build.at("far"), 9_000_000_000);
    let (archived, payload) = pack(&build).unwrap();
    let unpacked = unpack(&payload);
    let meta = |name: &str| fs::metadata(unpacked.path().join("out/p7").join(name)).unwrap();
    assert_eq!((meta("d/su").mode() & 0o7777, meta("d").mode() & 0o7777), (0o755, 0o777));
    assert_eq!((meta("old").mtime(), meta("far").mtime()), (0, 0o777_7777_7777));
    let kinds: Vec<_> = archived.warnings.iter().map(|w| (w.kind, w.count)).collect();
    assert_eq!(kinds, [(WarningKind::SpecialBits, 2), (WarningKind::ClampedTime, 2)]);
}

/// Has GNU tar read an archive while it is written, since nine gigabytes are not for the disk.
#[test]
fn s0_30_a_file_larger_than_eight_gigabytes_is_stored_whole() {
    const SIZE: u64 = (9 << 30) + 7;
    let mut tar = Command::new("tar");
    tar.args(["-tv", "--full-time", "--numeric-owner"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut listing = tar.spawn().expect("tar is installed");
    let mut tape = Tape::new(listing.stdin.take().unwrap());
    let mtime = 1_700_000_000;
    tape.begin_file(&Head { path: b"p7/large", mode: 0o644, mtime }, SIZE).unwrap();
    let chunk = vec![0; 1 << 20];
    let mut left = SIZE;
    while left > 0 {
        let len = left.min(chunk.len() as u64);
        tape.write_content(&chunk[..usize::try_from(len).unwrap()]).unwrap();
        left -= len;
    }
    tape.end_file(SIZE).unwrap();
    tape.directory(&Head { path: b"p7/zz-after/", mode: 0o755, mtime }).unwrap();
    drop(tape.finish().unwrap());
    let output = listing.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (lines[0][0], lines[0][2], lines[0][5]),
        ("-rw-r--r--", SIZE.to_string().as_str(), "p7/large")
    );
    assert_eq!((lines[1][0], lines[1][5], lines.len()), ("drwxr-xr-x", "p7/zz-after/", 2));
}

#[test]
fn hard_links_past_the_limit_become_copies() {
    let meta = |ino| {
        let mut meta = crate::tree::Meta::of(&rustix::fs::stat("/").unwrap());
        (meta.ino, meta.nlink) = (ino, 3);
        meta
    };
    let mut links = HardLinks::default();
    let long = vec![b'x'; 4_000];
    let remembered = (0..).take_while(|&ino| links.remember(&meta(ino), &long)).count();
    assert!((3_000..6_000).contains(&remembered), "{remembered}");
    for _ in 0..2 {
        assert_eq!(links.first_name(&meta(0)).as_deref(), Some(long.as_slice()));
    }
    assert!(links.first_name(&meta(0)).is_none(), "all names were met");
    assert!(links.remember(&meta(9_999), &long), "what is forgotten makes room");
}

#[test]
fn levels_are_from_1_to_12() {
    assert!(Level::new(0).is_none() && Level::new(13).is_none());
    let build = odd_build();
    let dir = build.open();
    let surveyed = survey(&dir, &TreePolicy::default()).unwrap();
    let size = |level: u8| {
        let mut out = Vec::new();
        archive(&dir, &surveyed, effort(level, 2), &mut out, &mut io::sink(), &mut |_| {}).unwrap();
        out.len()
    };
    assert!(size(12) < size(9) && size(9) < size(1));
}

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use intraware_test_support::{setcap, unprivileged};

use super::sample::Build;
use super::*;

fn walk(build: &Build, policy: &TreePolicy) -> Result<(Vec<Vec<u8>>, Totals), BuildError> {
    let opened = build.open();
    let mut walk = Walk::new(&opened, policy);
    let mut paths = Vec::new();
    while let Some(entry) = walk.next()? {
        let has_slash = matches!(entry.kind, EntryKind::Directory) && !entry.path.is_empty();
        paths.push([entry.path, if has_slash { b"/" } else { b"" }].concat());
    }
    Ok((paths, walk.finish()?))
}

fn refusal(build: &Build, policy: &TreePolicy) -> BuildError {
    walk(build, policy).expect_err("the build is refused")
}

fn kinds(totals: &Totals) -> Vec<(WarningKind, u64)> {
    totals.warnings.iter().map(|warning| (warning.kind, warning.count)).collect()
}

#[test]
fn entries_come_in_the_byte_order_of_their_archive_paths() {
    let build = Build::new();
    for path in ["b/x", "b-c", "b.d", "a", "B", "b/\u{1}", "b0", "é", "c/d/e/f", "c/d-", "c/d0", "-x"] {
        build.file(path);
    }
    build.file(OsStr::from_bytes(b"\xff\xfe"));
    fs::create_dir(build.at("empty")).unwrap();
    let (paths, totals) = walk(&build, &TreePolicy::default()).unwrap();
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(paths, sorted);
    assert_eq!((totals.files, totals.bytes, totals.entries), (13, 13 * 7, 13 + 6));
    assert!(paths.contains(&b"empty/".to_vec()));
}

#[test]
fn special_files_are_refused_without_opening_them() {
    let build = Build::new();
    build.file("a");
    rustix::fs::mknodat(rustix::fs::CWD, build.at("z-pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0)
        .unwrap();
    let error = refusal(&build, &TreePolicy::default());
    assert!(
        matches!(&error, BuildError::Special { path, kind: "named pipe" } if path.ends_with("p7/z-pipe")),
        "{error}"
    );
    fs::remove_file(build.at("z-pipe")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(build.at("z-socket")).unwrap();
    assert!(matches!(refusal(&build, &TreePolicy::default()), BuildError::Special { kind: "socket", .. }));
}

#[test]
fn links_that_lead_out_of_the_build_are_refused_or_kept_as_configured() {
    let inside = ["file", "./file", "d/e", "..", "../file", "../d/./e//f", "../missing", "..//d", "", "..."];
    let outside =
        ["/etc/passwd", "/", "../..", "../../p7/file", "./../../x", "d/../../..", "d/..", "..//.//.."];
    for target in inside.into_iter().filter(|target| !target.is_empty()) {
        assert_eq!(leads_out(target.as_bytes(), 1), None, "{target}");
    }
    for target in outside {
        assert!(leads_out(target.as_bytes(), 1).is_some(), "{target}");
        let build = Build::new();
        build.file("sub/file");
        symlink(target, build.at("sub/link")).unwrap();
        let error = refusal(&build, &TreePolicy::default());
        assert!(matches!(&error, BuildError::Link { target: shown, .. } if shown == target), "{error}");
        let keep = TreePolicy { links: LinkPolicy::Keep, ..TreePolicy::default() };
        assert_eq!(kinds(&walk(&build, &keep).unwrap().1), [(WarningKind::LinkOut, 1)]);
    }
    assert!(leads_out(b"..", 0).is_some() && leads_out(b"../../x", 2).is_none());
}

#[test]
fn a_link_to_a_directory_is_not_walked() {
    let build = Build::new();
    build.file("d/file");
    symlink("d", build.at("link")).unwrap();
    let (paths, _) = walk(&build, &TreePolicy::default()).unwrap();
    assert_eq!(paths, [b"".as_slice(), b"d/", b"d/file", b"link"]);
}

#[test]
fn a_build_without_a_file_is_refused() {
    let build = Build::new();
    assert!(matches!(refusal(&build, &TreePolicy::default()), BuildError::Empty { .. }));
    fs::create_dir_all(build.at("only/directories")).unwrap();
    fs::write(build.at(".nfs000000000001234500000001"), "").unwrap();
    assert!(matches!(refusal(&build, &TreePolicy::default()), BuildError::Empty { .. }));
    symlink("only", build.at("link")).unwrap();
    walk(&build, &TreePolicy::default()).unwrap();
}

#[test]
fn leftovers_of_the_nfs_client_are_left_out_and_reported() {
    let build = Build::new();
    for name in ["a", ".nfs000000000001234500000001", ".nfs00ab", ".nfsrc", ".nfs-x", "x.nfs0001"] {
        build.file(name);
    }
    fs::create_dir(build.at(".nfs0002")).unwrap();
    let (paths, totals) = walk(&build, &TreePolicy::default()).unwrap();
    assert_eq!(paths.len(), 1 + 4 + 1, "{paths:?}");
    assert_eq!(kinds(&totals), [(WarningKind::NfsLeftover, 2)]);
}

#[test]
fn limits_hold() {
    let build = Build::new();
    for path in ["a/b/c/d", "x", "y"] {
        build.file(path);
    }
    let fits = TreePolicy { max_payload: 21, max_entries: 7, max_depth: 3, ..TreePolicy::default() };
    walk(&build, &fits).unwrap();
    for (tight, limit) in [
        (TreePolicy { max_payload: 20, ..fits }, Limit::Bytes(20)),
        (TreePolicy { max_entries: 6, ..fits }, Limit::Entries(6)),
        (TreePolicy { max_entries: 2, ..fits }, Limit::Entries(2)),
        (TreePolicy { max_depth: 2, ..fits }, Limit::Depth(2)),
    ] {
        let error = refusal(&build, &tight);
        assert!(matches!(&error, BuildError::TooLarge { limit: found, .. } if *found == limit), "{error}");
    }
    fs::File::create(build.at("sparse")).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(refusal(&build, &TreePolicy::default()), BuildError::TooLarge { .. }));
}

#[test]
fn special_bits_odd_times_and_further_names_are_reported_once_a_kind() {
    let build = Build::new();
    for name in ["a", "b", "c"] {
        build.file(name);
        fs::set_permissions(build.at(name), fs::Permissions::from_mode(0o4755)).unwrap();
    }
    fs::hard_link(build.at("a"), build.outside("outside")).unwrap();
    let before_1970 = std::time::UNIX_EPOCH - std::time::Duration::from_secs(10);
    fs::File::open(build.at("b")).unwrap().set_modified(before_1970).unwrap();
    let (_, totals) = walk(&build, &TreePolicy::default()).unwrap();
    assert_eq!(
        kinds(&totals),
        [(WarningKind::SpecialBits, 3), (WarningKind::HardLink, 1), (WarningKind::ClampedTime, 1)]
    );
    let shown = totals.warnings[0].to_string();
    assert!(shown.contains(": 3 of them, the first ") && shown.ends_with("/p7/a"), "{shown}");
}

#[test]
fn f_19_capabilities_of_programs_are_reported_beside_special_bits() {
    let build = Build::new();
    for name in ["bin/ping", "bin/sudo", "plain", "text"] {
        build.file(name);
        fs::set_permissions(build.at(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(build.at("text"), fs::Permissions::from_mode(0o644)).unwrap();
    setcap::set(&build.at("bin/ping"));
    symlink("bin/ping", build.at("link")).unwrap();
    fs::set_permissions(build.at("bin/sudo"), fs::Permissions::from_mode(0o4755)).unwrap();
    let (_, totals) = walk(&build, &TreePolicy::default()).unwrap();
    assert_eq!(kinds(&totals), [(WarningKind::Capability, 1), (WarningKind::SpecialBits, 1)]);
    assert!(totals.warnings[0].to_string().ends_with("/p7/bin/ping"), "{}", totals.warnings[0]);
}

#[test]
fn a_directory_swapped_before_it_is_entered_is_not_entered() {
    let swaps: [fn(&Build); 3] = [
        |build| symlink("/etc", build.at("d")).unwrap(),
        |build| fs::create_dir(build.at("d")).unwrap(),
        |build| build.file("d"),
    ];
    for swap in swaps {
        let build = Build::new();
        build.file("d/file");
        let opened = build.open();
        let mut walk = Walk::new(&opened, &TreePolicy::default());
        walk.next().unwrap().expect("the build directory is the first entry");
        assert!(walk.step());
        let seen = walk.look_up().unwrap();
        fs::rename(build.at("d"), build.outside("moved")).unwrap();
        swap(&build);
        let entered = walk.enter(&seen).map(|_| ());
        assert!(matches!(entered, Err(BuildError::Changed { .. })), "{entered:?}");
    }
}

#[test]
fn a_build_removed_after_it_was_opened_has_changed() {
    let build = Build::new();
    let opened = build.open();
    fs::remove_dir(build.at("")).unwrap();
    let first = Walk::new(&opened, &TreePolicy::default()).next().map(|_| ());
    assert!(matches!(first, Err(BuildError::Changed { what: "it was removed", .. })), "{first:?}");
}

#[test]
fn what_cannot_be_listed_is_named() {
    let build = Build::new();
    build.file("closed\n/file");
    fs::set_permissions(build.at("closed\n"), fs::Permissions::from_mode(0o000)).unwrap();
    let walked = unprivileged::run(|| walk(&build, &TreePolicy::default()).map(|_| ()));
    fs::set_permissions(build.at("closed\n"), fs::Permissions::from_mode(0o755)).unwrap();
    let error = walked.unwrap_err();
    assert!(
        matches!(&error, BuildError::Unreadable { path, .. } if path.ends_with("p7/closed\\x0a")),
        "{error}"
    );
}

#[test]
fn a_file_system_mounted_inside_is_refused() {
    let build = Build::new();
    build.file("mounted/file");
    let opened = build.open();
    let mut walk = Walk::new(&opened, &TreePolicy::default());
    walk.next().unwrap().expect("the build directory is the first entry");
    // Mounting takes rights that a test has not; seen from another device, every name is a mount point.
    walk.dev += 1;
    let error = walk.next().map(|_| ()).unwrap_err();
    assert!(matches!(&error, BuildError::MountPoint { path } if path.ends_with("p7/mounted")), "{error}");
}

#[test]
fn names_are_sorted_and_counted_before_they_are_kept() {
    let build = Build::new();
    for i in 0..2_000 {
        fs::write(build.at(format!("{i:04}")), "").unwrap();
    }
    let list = |most| Names::read(fs::File::open(build.at("")).unwrap().as_fd(), most).unwrap();
    let (mut names, leftovers) = list(2_000).unwrap();
    let listed: Vec<Vec<u8>> = std::iter::from_fn(|| names.next().map(<[u8]>::to_vec)).collect();
    assert_eq!((listed.len(), leftovers), (2_000, 0));
    assert!(listed.is_sorted() && listed[1_999] == b"1999");
    assert!(list(1_999).is_none());
}

/// The rest of a walk: part, path and metadata of each entry.
fn entries(mut walk: Walk<'_>) -> (Vec<(usize, Vec<u8>, Meta)>, Walk<'_>) {
    let mut entries = Vec::new();
    while let Some(entry) = walk.next().unwrap() {
        entries.push((entry.part, entry.path.to_vec(), entry.meta));
    }
    (entries, walk)
}

#[test]
fn a_split_walk_meets_every_entry_once_and_in_order() {
    for tops in [1, 2, 3, 63, 64, 65, 200] {
        let build = Build::new();
        for top in 0..tops {
            build.file(format!("{top:03}{}", if top % 3 == 0 { "/a/b" } else { "" }));
        }
        let opened = build.open();
        let (whole, walk) = entries(Walk::new(&opened, &TreePolicy::default()));
        let totals = walk.finish().unwrap();
        assert!(whole.is_sorted_by_key(|(part, ..)| *part) && whole.iter().all(|(part, ..)| *part < PARTS));
        for most in [1, 2, 3, 4, 7] {
            let (first, later) = Walk::new(&opened, &TreePolicy::default()).split(most).unwrap();
            assert!(later.len() < most && (tops < 64 || later.len() == most - 1));
            let (mut met, mut joined) = entries(first);
            for walk in later {
                let (more, walk) = entries(walk);
                let parts = |entries: &[(usize, _, _)]| (entries[0].0, entries[entries.len() - 1].0);
                assert!(parts(&met).1 < parts(&more).0, "no part is split");
                met.extend(more);
                joined = joined.join(walk).unwrap();
            }
            assert!(met == whole, "{tops} names, {most} walks");
            assert_eq!(joined.finish().unwrap(), totals);
        }
    }
}

#[test]
fn limits_hold_for_all_parts_together() {
    let build = Build::new();
    (0..100).for_each(|name| build.file(format!("{name}")));
    let opened = build.open();
    let join = |policy: &TreePolicy| -> Result<(), BuildError> {
        let (mut first, later) = Walk::new(&opened, policy).split(4)?;
        while first.next()?.is_some() {}
        for mut walk in later {
            while walk.next()?.is_some() {}
            first = first.join(walk)?;
        }
        Ok(())
    };
    let policy = TreePolicy { max_entries: 101, max_payload: 700, ..TreePolicy::default() };
    join(&policy).unwrap();
    for policy in [TreePolicy { max_entries: 100, ..policy }, TreePolicy { max_payload: 699, ..policy }] {
        assert!(matches!(join(&policy), Err(BuildError::TooLarge { .. })));
    }
}

//! Builds that change, or cannot be read, while they are archived.

use super::*;

/// Length of a file of which the end cannot have been read when the first of it is on the tape.
const LARGE: u64 = 64 << 20;

/// Archives a build with a large file, and does `change` once the first of it was read.
fn pack_while(change: impl FnOnce(&Build)) -> Result<(Archived, Vec<u8>), ArchiveError> {
    let build = Build::new();
    File::create(build.at("m-large")).unwrap().set_len(LARGE).unwrap();
    build.file("a-first");
    build.file("z-last");
    let mut change = Some(change);
    pack_with(&build, &TreePolicy::default(), &mut |done| {
        if done.bytes > 7
            && let Some(change) = change.take()
        {
            change(&build);
        }
    })
}

#[test]
fn changes_while_it_is_read_are_noticed() {
    let large = |build: &Build| File::options().write(true).open(build.at("m-large")).unwrap();
    assert_eq!(changed(pack_while(|build| large(build).set_len(LARGE + 700).unwrap())), "it was written to");
    assert_eq!(changed(pack_while(|build| large(build).set_len(LARGE / 2).unwrap())), "it became shorter");
    assert_eq!(
        changed(pack_while(|build| large(build).write_all_at(b"new", 5).unwrap())),
        "it was written to"
    );
    let removed = |build: &Build| fs::remove_file(build.at("z-last")).unwrap();
    assert_eq!(changed(pack_while(removed)), "it was removed");
    let already_read = |build: &Build| fs::write(build.at("a-first"), "CONTENT").unwrap();
    assert_eq!(changed(pack_while(already_read)), "files were added, removed, renamed or written to");
    let added = |build: &Build| build.file("b-new");
    assert_eq!(changed(pack_while(added)), "files were added, removed, renamed or written to");

    let build = odd_build();
    let dir = build.open();
    let surveyed = survey(&dir, &TreePolicy::default()).unwrap();
    fs::write(build.at("nothing"), "something").unwrap();
    let late = archive(&dir, &surveyed, effort(6, 2), &mut io::sink(), &mut io::sink(), &mut |_| {});
    let late = late.expect_err("changed before the first byte was read");
    assert!(matches!(late, ArchiveError::Outdated { .. }) && late.fault() == Fault::TryLater, "{late}");

    let unrelated = |build: &Build| fs::write(build.outside("other"), "x").unwrap();
    pack_while(unrelated).unwrap();
}

/// What `cp -al` does to the build, and `chown` and `touch` after a change.
fn link_all(build: &Build) {
    let copied = Command::new("cp").arg("-al").args([build.at(""), build.outside("copy")]).status();
    assert!(copied.expect("cp is installed").success());
}

#[test]
fn f_18_a_build_that_is_hard_linked_while_it_is_read_gives_the_same_payload() {
    let build = Build::new();
    File::create(build.at("m-large")).unwrap().set_len(LARGE).unwrap();
    build.file("a-first");
    let undisturbed = pack(&build).unwrap().0;
    let mut is_linked = false;
    let linked = pack_with(&build, &TreePolicy::default(), &mut |done| {
        if done.bytes > 7 && !is_linked {
            is_linked = true;
            link_all(&build);
        }
    });
    assert_eq!(linked.unwrap().0.digests, undisturbed.digests);
    assert!(is_linked);
    // What was there before is gone again, and only ctimes have moved.
    pack_while(|build| {
        link_all(build);
        fs::remove_dir_all(build.outside("copy")).unwrap();
    })
    .unwrap();
    // The next look finds the build as it was archived.
    let build = Build::new();
    build.file("a-first");
    let surveyed = survey(&build.open(), &TreePolicy::default()).unwrap();
    link_all(&build);
    let (dir, mut out) = (build.open(), Vec::new());
    let archived =
        archive(&dir, &surveyed, effort(6, 2), &mut out, &mut io::sink(), &mut |_| {}).expect("as it is now");
    assert_eq!(archived.fingerprint, survey(&dir, &TreePolicy::default()).unwrap().fingerprint);
}

#[test]
fn f_18_who_writes_and_sets_the_times_back_is_found_out_by_the_contents() {
    let write_at = |build: &Build, path: &str, offset: u64| {
        let file = File::options().write(true).open(build.at(path)).unwrap();
        let made = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"new", offset).unwrap();
        file.set_modified(made).unwrap();
    };
    let told = "files were written to, and their times set back";
    assert_eq!(changed(pack_while(|build| write_at(build, "a-first", 0))), told);
    assert_eq!(changed(pack_while(|build| write_at(build, "m-large", 5))), told);
}

#[test]
fn f_18_a_build_that_is_linked_without_end_is_left_to_the_next_run() {
    let stop = std::sync::atomic::AtomicBool::new(false);
    let build = Build::new();
    File::create(build.at("m-large")).unwrap().set_len(LARGE).unwrap();
    build.file("a-first");
    let packed = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::hard_link(build.at("a-first"), build.outside("again")).unwrap();
                fs::remove_file(build.outside("again")).unwrap();
            }
        });
        let packed = pack(&build);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        packed
    });
    let error = packed.map(|_| ()).expect_err("it never stands still");
    assert!(matches!(error, ArchiveError::Touched { .. }) && error.fault() == Fault::TryLater, "{error}");
}

#[test]
fn a_file_swapped_for_something_else_is_noticed_without_blocking() {
    let swap = |build: &Build, make: &dyn Fn(&Path)| {
        fs::remove_file(build.at("z-last")).unwrap();
        make(&build.at("z-last"));
    };
    let fifo = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let special = pack_while(|build| swap(build, &fifo));
    assert!(matches!(special, Err(ArchiveError::Build(BuildError::Special { .. }))), "seen by the walk");
    let link = pack_while(|build| swap(build, &|path| symlink("/etc/passwd", path).unwrap()));
    assert!(matches!(link, Err(ArchiveError::Build(BuildError::Link { .. }))), "seen by the walk");

    // The same after the walk has looked, which is what opening must notice.
    for make in [&fifo as &dyn Fn(&Path), &|path| symlink("/etc/passwd", path).unwrap(), &|path| {
        fs::write(path, "content").unwrap();
    }] {
        let build = Build::new();
        build.file("z-last");
        let dir = build.open();
        let mut walk = Walk::new(&dir, &TreePolicy::default());
        walk.next().unwrap().unwrap();
        let entry = walk.next().unwrap().unwrap();
        // A new file with a different inode, even if the old one's number is free again.
        fs::rename(build.at("z-last"), build.outside("kept")).unwrap();
        make(&build.at("z-last"));
        let EntryKind::File { dir: parent } = entry.kind else { panic!("a file") };
        let opened = Content::open(&dir, entry.path, parent.as_fd(), &entry.meta);
        let opened = opened.and_then(|content| content.read(0, 7, &mut Vec::new()));
        assert!(
            matches!(&opened, Err(BuildError::Changed { what, .. }) if *what == content::REPLACED),
            "{opened:?}"
        );
    }
}

#[test]
fn an_unreadable_file_is_named_and_never_skipped() {
    let build = Build::new();
    build.file("closed");
    fs::set_permissions(build.at("closed"), Permissions::from_mode(0o200)).unwrap();
    let error = unprivileged::run(|| pack(&build).map(|_| ())).unwrap_err();
    assert_eq!(error.fault(), Fault::Build);
    assert!(error.to_string().contains("p7/closed"), "{error}");
}

/// A file server on this host may have promised a client that nobody else reads a file, and asks for it back
/// when somebody does: `open` does not wait for that, and the file is as readable as ever.
#[test]
fn a_file_that_somebody_has_a_lease_on_is_read_later() {
    const LEASE: &str = "import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], 'r+')
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('leased', flush=True)
sys.stdin.read()";
    // Not all file systems have leases; that in memory has.
    let place = TempDir::new_in("/dev/shm").unwrap();
    let build = Build::within(place.path());
    build.file("leased");
    let mut holder = Command::new("python3");
    holder.args(["-c", LEASE]).arg(build.at("leased")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = holder.spawn().expect("python3 is installed");
    holder.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    let error = pack(&build).map(|_| ()).unwrap_err();
    assert_eq!(error.fault(), Fault::TryLater, "{error:?}");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    pack(&build).unwrap();
}

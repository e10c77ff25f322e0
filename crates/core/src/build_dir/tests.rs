use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::exit::Fault;

/// `builds/blast/5.1/p7` with a file in it, beside `outside`, which no build path may reach.
fn site() -> (TempDir, BuildRoots) {
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(dir.path().join("builds/blast/5.1/p7")).unwrap();
    fs::write(dir.path().join("builds/blast/5.1/p7/file"), "x").unwrap();
    fs::create_dir_all(dir.path().join("outside/p7")).unwrap();
    let roots = BuildRoots::open(&[dir.path().join("builds")]).unwrap();
    (dir, roots)
}

fn path(dir: &TempDir, below: &str) -> String {
    format!("{}/{below}", dir.path().display())
}

fn is_refused(error: &BuildError) -> bool {
    matches!(error, BuildError::NotAllowed { .. }) && error.fault() == Fault::Build
}

#[test]
fn s0_28_a_build_directory_is_found_below_its_root() {
    let (dir, roots) = site();
    let build = roots.resolve(&path(&dir, "builds/blast/5.1/p7")).unwrap();
    assert_eq!((build.below(), build.name()), (b"blast/5.1/p7".as_slice(), b"p7".as_slice()));
    assert_eq!(build.shown(b"a\nb"), path(&dir, "builds/blast/5.1/p7/a\\x0ab"));
}

#[test]
fn s0_12_the_builds_date_is_the_directorys_mtime() {
    let (dir, roots) = site();
    let build = path(&dir, "builds/blast/5.1/p7");
    let made = std::time::UNIX_EPOCH + std::time::Duration::new(1_100_000_000, 250);
    fs::File::open(&build).unwrap().set_modified(made).unwrap();
    assert_eq!(roots.resolve(&build).unwrap().mtime().unwrap(), Timestamp::new(1_100_000_000, 250).unwrap());
}

#[test]
fn s0_29_what_is_not_there_or_no_directory_is_build_not_found() {
    let (dir, roots) = site();
    for below in
        ["builds/blast/5.1/p8", "builds/none/p7", "builds/blast/5.1/p7/file", "builds/blast/5.1/p7/file/x"]
    {
        let error = roots.resolve(&path(&dir, below)).unwrap_err();
        assert!(error.to_string().starts_with("Build Not Found"), "{error}");
        assert_eq!(error.fault(), Fault::Build);
    }
}

#[test]
fn paths_that_are_not_plain_and_absolute_are_refused() {
    let (dir, roots) = site();
    let mut wrong = vec![String::new(), ".".into(), "/".into(), "blast/5.1/p7".into()];
    let forms =
        ["builds", "builds/", "builds/blast/", "builds//blast", "builds/./blast", "builds/../outside/p7"];
    let more =
        ["builds/blast/..", "outside/p7", "buildsx/p7", "builds/blast\0/x", "builds/blast/5.1/../5.1/p7"];
    wrong.extend(forms.iter().chain(&more).map(|below| path(&dir, below)));
    for path in wrong {
        let error = roots.resolve(&path).unwrap_err();
        assert!(is_refused(&error), "{path:?}: {error}");
    }
    let long = roots.resolve(&path(&dir, &format!("builds/{}", "x".repeat(300)))).unwrap_err();
    assert!(is_refused(&long), "{long}");
}

#[test]
fn links_that_leave_the_root_are_refused() {
    let (dir, roots) = site();
    let builds = dir.path().join("builds");
    symlink("../outside", builds.join("up")).unwrap();
    symlink(dir.path().join("outside"), builds.join("absolute")).unwrap();
    symlink("/proc/self/root", builds.join("magic")).unwrap();
    symlink("loop", builds.join("loop")).unwrap();
    for below in ["builds/up/p7", "builds/up", "builds/absolute/p7", "builds/magic/tmp", "builds/loop/p7"] {
        let error = roots.resolve(&path(&dir, below)).unwrap_err();
        assert!(is_refused(&error), "{below}: {error}");
    }
    symlink("blast/5.1", builds.join("current")).unwrap();
    let inside = roots.resolve(&path(&dir, "builds/current/p7")).unwrap();
    assert_eq!(inside.below(), b"current/p7");
}

#[test]
fn without_openat2_no_link_is_followed_at_all() {
    let (dir, roots) = site();
    let root = roots.roots[0].fd.as_fd();
    let found = open_by_components(root, b"blast/5.1/p7").ok().unwrap();
    let same = roots.resolve(&path(&dir, "builds/blast/5.1/p7")).unwrap();
    let ino = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).unwrap().st_ino;
    assert_eq!(ino(found.as_fd()), ino(same.fd()));

    symlink("blast", dir.path().join("builds/link")).unwrap();
    let error = |below: &[u8]| open_by_components(root, below).err().unwrap().into_error("/builds/x");
    assert!(is_refused(&error(b"link/5.1/p7")));
    assert!(is_refused(&error(b"link")));
    assert!(matches!(error(b"blast/none"), BuildError::NotFound { .. }));
    assert!(matches!(error(b"blast/5.1/p7/file"), BuildError::NotFound { .. }));
}

#[test]
fn a_directory_that_is_replaced_after_it_was_opened_changes_nothing() {
    let (dir, roots) = site();
    let build = roots.resolve(&path(&dir, "builds/blast/5.1/p7")).unwrap();
    fs::rename(dir.path().join("builds/blast"), dir.path().join("builds/moved")).unwrap();
    symlink("../outside", dir.path().join("builds/blast")).unwrap();
    let names: Vec<_> = rustix::fs::Dir::read_from(build.fd()).unwrap().map(|e| e.unwrap()).collect();
    assert!(names.iter().any(|entry| entry.file_name() == c"file"));
}

#[test]
fn the_innermost_of_nested_roots_is_mirrored_and_a_root_is_no_build() {
    let (dir, _) = site();
    let outer = dir.path().join("builds");
    let inner = std::path::PathBuf::from(path(&dir, "builds/blast///"));
    let roots = BuildRoots::open(&[outer, inner, "/".into()]).unwrap();
    assert_eq!(roots.resolve(&path(&dir, "builds/blast/5.1/p7")).unwrap().below(), b"5.1/p7");
    assert_eq!(roots.resolve(&path(&dir, "builds/blast")).unwrap().below(), b"blast");
    let whole = path(&dir, "outside/p7");
    assert_eq!(roots.resolve(&whole).unwrap().below(), &whole.as_bytes()[1..]);
}

#[test]
fn roots_that_cannot_be_opened_are_a_matter_of_configuration() {
    let (dir, _) = site();
    for wrong in [path(&dir, "none"), path(&dir, "builds/blast/5.1/p7/file"), "relative".into()] {
        let error = BuildRoots::open(&[wrong.into()]).unwrap_err();
        assert_eq!(error.fault(), Fault::Configuration, "{error}");
    }
}

#[test]
fn faults_of_this_host_are_not_the_builds() {
    let fault = |errno| BuildError::reading("x".into(), errno).fault();
    assert_eq!(fault(Errno::MFILE), Fault::TryLater);
    assert_eq!(fault(Errno::STALE), Fault::Spool);
    assert_eq!(fault(Errno::IO), Fault::Build);
    assert_eq!(fault(Errno::ACCESS), Fault::Build);
}

//! Ours beside Debian's `run-parts`: the same directories, given to both.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use intraware_run_parts::{Call, End, LookError, Outcome, Why, look, run};
use tempfile::TempDir;

struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(TempDir::new().expect("a directory"));
        fs::create_dir(scene.dir()).expect("a directory");
        scene
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("hooks")
    }

    fn file(&self, name: &str, mode: u32, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        path
    }

    fn ours(&self) -> Vec<String> {
        names(look(&self.dir()).expect("a listing").hooks.iter().map(|hook| hook.path.clone()))
    }

    fn debians(&self) -> Vec<String> {
        let output = Command::new("run-parts").arg("--test").arg(self.dir()).output().expect("run-parts");
        names(String::from_utf8(output.stdout).expect("text").lines().map(PathBuf::from))
    }

    fn run_all(&self, time: Duration) -> Vec<Outcome> {
        let listing = look(&self.dir()).expect("a listing");
        listing.hooks.iter().map(|hook| run(&hook.path, &self.call(time))).collect()
    }

    fn call(&self, time: Duration) -> Call<'_> {
        let environment = vec![("SAID".into(), self.0.path().join("said").into())];
        Call {
            arguments: vec!["a b".into(), "0".into()],
            environment,
            current_dir: self.0.path(),
            time,
            output: None,
        }
    }

    fn said(&self) -> String {
        let said = fs::read_to_string(self.0.path().join("said")).unwrap_or_default();
        let _ = fs::remove_file(self.0.path().join("said"));
        said
    }
}

fn names(paths: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.map(name).collect()
}

fn told(outcome: &Outcome) -> String {
    outcome.told(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

const LONG: Duration = Duration::from_secs(60);
const SAYS: &str = "#!/bin/sh\necho \"$0\" \"$#\" \"$1\" \"$2\" \"$(umask)\" >>\"$SAID\"\n";

#[test]
fn s1_05_what_is_run_and_in_which_order_is_as_debians() {
    let scene = Scene::new();
    for name in ["10-a", "20_b", "30c", "95-link", "Z9", "a1", "_x", "-y", "A"] {
        scene.file(name, 0o755, SAYS);
    }
    for name in ["40.sh", "README.txt", "50-x~", ".hidden", "60-x.dpkg-old", "x y", "ä", "#a#"] {
        scene.file(name, 0o755, SAYS);
    }
    scene.file("70-off", 0o644, SAYS);
    scene.file("71-group", 0o710, SAYS);
    fs::create_dir(scene.dir().join("80-dir")).expect("a directory");
    symlink("10-a", scene.dir().join("15-to-file")).expect("a link");
    symlink("80-dir", scene.dir().join("81-to-dir")).expect("a link");
    symlink("70-off", scene.dir().join("72-to-off")).expect("a link");
    symlink("../absent", scene.dir().join("90-nowhere")).expect("a link");
    assert_eq!(scene.ours(), scene.debians());
    let listing = look(&scene.dir()).expect("a listing");
    let faults: Vec<_> = listing.faults().map(|left| left.why).collect();
    assert_eq!(faults, [Why::Broken]);
    assert_eq!(listing.left.len(), 8 + 1 + 1 + 3);
}

#[test]
fn s1_05_arguments_umask_and_names_are_as_debians() {
    let scene = Scene::new();
    scene.file("10-a", 0o755, SAYS);
    scene.file("20-fails", 0o755, &format!("{SAYS}exit 3\n"));
    scene.file("30-b", 0o755, SAYS);
    let outcomes = scene.run_all(LONG);
    let ours = scene.said();
    let debians = Command::new("run-parts")
        .args(["--arg=a b", "--arg=0", "--"])
        .arg(scene.dir())
        .env("SAID", scene.0.path().join("said"))
        .output()
        .expect("run-parts");
    assert_eq!(ours, scene.said());
    assert_eq!(ours.lines().count(), 3);
    assert!(ours.lines().all(|line| line.ends_with(" 2 a b 0 0022")), "{ours}");
    // Of the failure Debian's keeps the number in its words alone.
    assert_eq!(debians.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&debians.stderr).contains("return code 3"));
    let ended: Vec<_> = outcomes.iter().map(told).collect();
    assert_eq!(ended, ["done", "ended with exit status: 3", "done"]);
}

#[test]
fn s1_05_what_cannot_be_executed_fails_and_no_shell_steps_in() {
    let scene = Scene::new();
    scene.file("10-no-shebang", 0o755, "echo ran >>\"$SAID\"\n");
    scene.file("20-no-interpreter", 0o755, "#!/nowhere/sh\n");
    scene.file("30-dies", 0o755, "#!/bin/sh\necho last words\nkill -9 $$\n");
    scene.file("40-empty", 0o755, "");
    let debians = Command::new("run-parts").arg(scene.dir()).output().expect("run-parts");
    let theirs = String::from_utf8_lossy(&debians.stderr).into_owned();
    let ours: Vec<_> = scene.run_all(LONG).iter().map(told).collect();
    for (what, at) in [("Exec format error", 0), ("No such file or directory", 1), ("signal 9", 2)] {
        assert!(theirs.contains(what) && ours[at].contains(what), "{what}: {theirs}{ours:?}");
    }
    assert!(ours[3].starts_with("cannot be run: Exec format error"), "{}", ours[3]);
    assert!(ours[2].ends_with("; it says: last words"), "{}", ours[2]);
    assert_eq!(scene.said(), "");
}

#[test]
fn s1_05_files_that_others_can_write_are_not_run() {
    let scene = Scene::new();
    scene.file("10-group", 0o775, SAYS);
    scene.file("20-all", 0o757, SAYS);
    scene.file("30-good", 0o755, SAYS);
    let elsewhere = scene.0.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a directory");
    let target = elsewhere.join("target");
    fs::copy(scene.dir().join("30-good"), &target).expect("a file");
    symlink(&target, scene.dir().join("40-link")).expect("a link");
    assert_eq!(scene.debians(), ["10-group", "20-all", "30-good", "40-link"]);
    assert_eq!(scene.ours(), ["30-good", "40-link"]);
    // A link is as good as what it names, and as the directory of that.
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o777)).expect("a mode");
    assert_eq!(scene.ours(), ["30-good"]);
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o777)).expect("a mode");
    assert_eq!(scene.ours(), ["30-good"]);
    fs::set_permissions(scene.dir(), fs::Permissions::from_mode(0o777)).expect("a mode");
    assert!(matches!(look(&scene.dir()), Err(LookError::Writable)));
    assert!(matches!(look(Path::new("/nowhere")), Err(LookError::Read(_))));
}

#[test]
fn s1_05_files_of_another_user_are_not_run() {
    if !rustix::process::geteuid().is_root() {
        return; // Nobody else can give files away.
    }
    let scene = Scene::new();
    let file = scene.file("10-a", 0o755, SAYS);
    std::os::unix::fs::chown(&file, Some(65_534), None).expect("an owner");
    assert_eq!(scene.ours(), [""; 0]);
    std::os::unix::fs::chown(scene.dir(), Some(65_534), None).expect("an owner");
    assert!(matches!(look(&scene.dir()), Err(LookError::Owner)));
}

#[test]
fn s1_05_one_that_hangs_is_killed_with_all_that_it_started() {
    let scene = Scene::new();
    let name = "10-hangs";
    scene.file(
        name,
        0o755,
        "#!/bin/sh\ntrap '' TERM\necho first\n(sleep 77) &\nwhile :; do sleep 77; done\n",
    );
    let begin = Instant::now();
    let outcome = &scene.run_all(Duration::from_millis(300))[0];
    assert!(matches!(outcome.end, End::TimeOver(_)));
    assert_eq!(told(outcome), "did not end in 0.3 s, and was killed; it says: first");
    assert!(begin.elapsed() < Duration::from_secs(30));
    // One that heeds SIGTERM has time to put things right.
    scene.file(name, 0o755, "#!/bin/sh\ntrap 'echo tidy; exit 0' TERM\nsleep 77 & wait\n");
    assert!(told(&scene.run_all(Duration::from_millis(300))[0]).ends_with("killed; it says: tidy"));
}

#[test]
fn s1_05_one_that_prints_without_end_takes_no_more_than_its_time() {
    let scene = Scene::new();
    scene.file("10-loud", 0o755, "#!/bin/sh\necho begin\nexec yes\n");
    let outcome = &scene.run_all(Duration::from_millis(500))[0];
    assert!(matches!(outcome.end, End::TimeOver(_)));
    let kept = outcome.said.kept();
    assert!(kept.len() < 20 << 10 && kept.starts_with(b"begin\n"), "{}", kept.len());
}

#[test]
fn s1_05_what_is_left_behind_holds_nothing_up() {
    let scene = Scene::new();
    // The first is killed; the second has a session of its own, and may go on.
    scene.file("10-leaves", 0o755, "#!/bin/sh\nsleep 7 &\nsetsid sleep 7 &\nsleep 0.2\necho end\n");
    let begin = Instant::now();
    let outcome = &scene.run_all(LONG)[0];
    assert_eq!(told(outcome), "done; it says: end");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

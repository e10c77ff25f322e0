//! The hooks that come with the programs, in real repositories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use intraware_tests::Program;
use intraware_tests::support::sshd::{Access, Sshd};

use crate::scene::{Scene, chmod};
use crate::sending::{day, names, section};

/// Names that a shell would take for something else.
const ODD: [&str; 6] =
    ["-rf.tgz", "$(touch x).tgz", "a b.tgz", "a'; touch x #.tgz", "q\"q\\.tgz", "größe@1.tgz"];

fn hook(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join("config/dispatch").join(name)
}

/// Runs a program in a directory of the scene; returns what it said on both channels.
#[track_caller]
fn said(scene: &Scene, dir: &str, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(scene.path(dir)).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", scene.path("")).env("LC_ALL", "C.UTF-8");
    let Output { status, stdout, stderr } = command.output().expect("a program");
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {said}");
    said
}

/// A repository on a server, and a work tree of somebody who pushes to it.
struct Git {
    scene: Scene,
}

impl Git {
    fn new(routes: &str) -> Self {
        let git = Self { scene: Scene::new(routes) };
        let main = "init.defaultBranch=main";
        said(&git.scene, "", "git", &["-c", main, "init", "-q", "--bare", "server.git"]);
        said(&git.scene, "", "git", &["-c", main, "clone", "-q", "server.git", "work"]);
        symlink(hook("post-receive"), git.scene.path("server.git/hooks/post-receive")).expect("a link");
        let routes = git.scene.path("general-dispatch-info.cfg");
        git.configure("dispatch.upload", Program::Upload.path());
        git.configure("dispatch.routes", &routes);
        git
    }

    fn configure(&self, key: &str, value: &Path) {
        said(&self.scene, "server.git", "git", &["config", "--add", key, value.to_str().expect("UTF-8")]);
    }

    fn keep(&self, name: &str, text: &str) {
        self.scene.keep(&format!("work/{name}"), text);
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
        self.git(&[&who[..], &["commit", "-q", "-m", "packages"]].concat());
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) -> String {
        said(&self.scene, "work", "git", arguments)
    }

    fn is_in_the_repository(&self, branch: &str) -> bool {
        let end = |dir: &str, name: &str| said(&self.scene, dir, "git", &["rev-parse", name]);
        end("server.git", branch) == end("work", "HEAD")
    }
}

#[test]
fn s2_02_a_push_dispatches_the_packages_that_it_adds_or_changes() {
    let sshd = Sshd::start(Access::Shell);
    let git = Git::new(&section(".*\\.tgz$", &sshd, ""));
    git.configure("dispatch.packages", Path::new("*.tgz"));
    // Several commits are one push: what came and went is not sent, what has changed twice only as it is now.
    git.keep("README.md", "no package");
    git.keep("deep/a.tgz", "first");
    git.keep("gone.tgz", "x");
    git.commit();
    git.keep("deep/a.tgz", "second");
    fs::remove_file(git.scene.path("work/gone.tgz")).expect("a file");
    ODD.iter().for_each(|name| git.keep(&format!("odd dir/{name}"), name));
    symlink("/etc/passwd", git.scene.path("work/link.tgz")).expect("a link");
    git.commit();
    let told = git.git(&["push", "-q", "origin", "HEAD:main"]);
    let mut wanted: Vec<&str> = [&ODD[..], &["a.tgz"]].concat();
    wanted.sort_unstable();
    assert_eq!(names(&day(&sshd)), wanted, "{told}");
    assert!(told.contains(&format!("a.tgz@{}: is in ", sshd.addr())), "{told}");
    assert!(!told.contains("not all of its packages") && !told.contains("README"), "{told}");
    assert_eq!(fs::read_to_string(day(&sshd).join("a.tgz")).expect("a file"), "second");
    assert!(!git.scene.path("work/x").exists() && !git.scene.path("server.git/x").exists());
    // A change is sent, a removal and another branch are not.
    git.keep("deep/a.tgz", "third");
    fs::remove_file(git.scene.path("work/odd dir/a b.tgz")).expect("a file");
    git.commit();
    git.git(&["push", "-q", "origin", "HEAD:refs/heads/side"]);
    assert_eq!(fs::read_to_string(day(&sshd).join("a.tgz")).expect("a file"), "second");
    git.git(&["push", "-q", "origin", "HEAD:main", ":side"]);
    assert_eq!(fs::read_to_string(day(&sshd).join("a.tgz")).expect("a file"), "third");
    // The configured branch is the one that counts.
    git.configure("dispatch.branch", Path::new("release/1"));
    git.keep("b.tgz", "b");
    git.commit();
    git.git(&["push", "-q", "origin", "HEAD:main"]);
    assert_eq!(names(&day(&sshd)).iter().filter(|name| *name == "b.tgz").count(), 0);
    git.git(&["push", "-q", "origin", "HEAD:refs/heads/release/1"]);
    assert!(names(&day(&sshd)).contains(&"b.tgz".to_owned()), "all of a new branch is new");
    let told = git.git(&["push", "-q", "origin", ":release/1"]);
    assert_eq!(told, "", "a branch that is removed has no packages");
}

#[test]
fn s2_02_a_dispatch_that_fails_is_told_to_the_one_who_pushes_and_undoes_nothing() {
    let sshd = Sshd::start(Access::Shell);
    let routes = section(".*\\.tgz$", &sshd, "protocol = sftp");
    let git = Git::new(&routes);
    // What no section matches holds up nothing, nor does a name that no package can have.
    for name in ["a.tgz", "README.md", "new\nline.tgz", "x/twice.tgz", "y/twice.tgz"] {
        git.keep(name, name);
    }
    git.commit();
    let told = git.git(&["push", "-q", "origin", "HEAD:main"]);
    for part in ["matches the package README.md", "control characters", "twice.tgz is named twice", "not all"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(git.is_in_the_repository("main"));
    assert_eq!(names(&day(&sshd)), ["a.tgz"]);
    // A machine that is away gets it by the next run, although nothing of the push is left but the copy.
    sshd.limit_connections(0);
    git.keep("b.tgz", "b");
    git.commit();
    let told = git.git(&["push", "-q", "origin", "HEAD:main"]);
    assert!(told.contains("b.tgz@") && told.contains("not all of its packages"), "{told}");
    assert!(git.is_in_the_repository("main"));
    sshd.limit_connections(100);
    git.scene.run(&["--retry", "b.tgz"]).expect_silence();
    git.scene.run(&[]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a.tgz", "b.tgz"]);
    // Copies that nothing needs go when they are a day old.
    let copies = git.scene.path(".local/state/intraware/dispatch/copies");
    assert_eq!(names(&copies).len(), 2);
    for copy in fs::read_dir(&copies).expect("a directory") {
        let dir = fs::File::open(copy.expect("an entry").path()).expect("a directory");
        dir.set_modified(std::time::UNIX_EPOCH).expect("a time");
    }
    git.scene.run(&[]).expect_silence();
    assert_eq!(names(&copies), [""; 0]);
    // Nothing can be sent by routes that are wrong.
    git.scene.keep("general-dispatch-info.cfg", "[a]\n");
    git.keep("c.tgz", "c");
    git.commit();
    let told = git.git(&["push", "-q", "origin", "HEAD:main"]);
    assert!(told.contains("host must be set") && told.contains("not all of its packages"), "{told}");
    assert!(git.is_in_the_repository("main"));
}

/// A repository, and a work copy of somebody who commits to it.
struct Svn {
    scene: Scene,
}

impl Svn {
    fn new(routes: &str, settings: &str) -> Self {
        let svn = Self { scene: Scene::new(routes) };
        said(&svn.scene, "", "svnadmin", &["create", "repository"]);
        let hook = hook("post-commit");
        symlink(hook, svn.scene.path("repository/hooks/post-commit")).expect("a link");
        let (home, upload) = (svn.scene.path(""), Program::Upload.path().display());
        let settings = format!("HOME={}\nupload={upload}\n{settings}\n", home.display())
            + &format!("routes={}/general-dispatch-info.cfg\n", home.display());
        svn.scene.keep("repository/conf/dispatch", &settings);
        let url = format!("file://{}", svn.scene.path("repository").display());
        said(&svn.scene, "", "svn", &["checkout", "-q", &url, "work"]);
        svn
    }

    #[track_caller]
    fn svn(&self, arguments: &[&str]) {
        said(&self.scene, "work", "svn", arguments);
    }

    fn keep(&self, name: &str, text: &str) {
        self.scene.keep(&format!("work/{name}"), text);
    }

    /// Commits all that there is; returns what was told.
    #[track_caller]
    fn commit(&self) -> String {
        self.svn(&["add", "-q", "--force", "."]);
        let told = said(&self.scene, "work", "svn", &["commit", "-m", "packages", "."]);
        assert!(told.contains("Committed revision"), "{told}");
        self.svn(&["update", "-q"]);
        told
    }
}

#[test]
fn s2_02_a_commit_dispatches_the_packages_that_it_adds_or_changes() {
    let sshd = Sshd::start(Access::Shell);
    let svn = Svn::new(&section(".*\\.tgz$", &sshd, ""), "");
    svn.keep("trunk/deep/a.tgz", "first");
    ODD.iter().for_each(|name| svn.keep(&format!("trunk/odd dir/{name}"), name));
    svn.keep("branches/1/b.tgz", "b");
    symlink("/etc/passwd", svn.scene.path("work/trunk/link.tgz")).expect("a link");
    let told = svn.commit();
    assert!(!told.contains("Warning"), "{told}");
    let mut wanted: Vec<&str> = [&ODD[..], &["a.tgz"]].concat();
    wanted.sort_unstable();
    assert_eq!(names(&day(&sshd)), wanted, "{told}");
    assert!(!svn.scene.path("work/x").exists() && !svn.scene.path("repository/x").exists());
    // A change is sent; a removal, a property alone, and what is elsewhere are not.
    svn.keep("trunk/deep/a.tgz", "second");
    svn.keep("branches/1/b.tgz", "b2");
    svn.svn(&["delete", "-q", "trunk/odd dir/a b.tgz"]);
    svn.svn(&["propset", "-q", "colour", "red", "trunk/odd dir/-rf.tgz"]);
    svn.commit();
    assert_eq!(fs::read_to_string(day(&sshd).join("a.tgz")).expect("a file"), "second");
    assert!(!names(&day(&sshd)).contains(&"b.tgz".to_owned()));
    // A directory that is copied has packages, which are not told one by one.
    svn.svn(&["copy", "-q", "branches/1", "trunk/copied"]);
    svn.commit();
    assert_eq!(fs::read_to_string(day(&sshd).join("b.tgz")).expect("a file"), "b2");
}

#[test]
fn s2_02_a_dispatch_that_fails_is_told_to_the_one_who_commits_and_undoes_nothing() {
    let sshd = Sshd::start(Access::Shell);
    let routes = section(".*\\.tgz$", &sshd, "");
    let svn = Svn::new(&routes, "branch=trunk/packages");
    svn.keep("trunk/README.md", "not among the packages");
    svn.keep("trunk/packages/a.tgz", "a");
    svn.keep("trunk/packages/notes.txt", "no route");
    let told = svn.commit();
    assert!(told.contains("post-commit hook failed") && told.contains("package notes.txt"), "{told}");
    assert!(told.contains("not all of its packages") && !told.contains("package README"), "{told}");
    assert_eq!(names(&day(&sshd)), ["a.tgz"]);
    chmod(&svn.scene.path("general-dispatch-info.cfg"), 0o644);
    svn.keep("trunk/packages/b.tgz", "b");
    let told = svn.commit();
    assert!(told.contains("has mode 0644") && told.contains("not all of its packages"), "{told}");
}

#[test]
fn s2_02_each_file_by_itself_and_a_copy_of_it_if_that_is_asked_for() {
    let sshd = Sshd::start(Access::Shell);
    let scene = Scene::new(&section("[ab]", &sshd, ""));
    ["a", "b", "other"].iter().for_each(|name| drop(scene.keep(name, name)));
    scene.run(&["--each"]).expect(2);
    scene.run(&["--copy"]).expect(2);
    let run = scene.run(&["--each", "a", "other", "missing-b", "b"]);
    run.expect(78).complains(&["matches the package other", "matches the package missing-b"]);
    assert_eq!(names(&day(&sshd)), ["a", "b"]);
    assert!(!scene.path(".local/state/intraware/dispatch/copies").exists());
    scene.run(&["--each", "a-missing"]).expect(1).complains(&["cannot read the package a-missing"]);
}

//! A home directory with a file of routes in it, and the program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::{Program, Run, Running};
use tempfile::TempDir;

/// Stands for every password in a test: it must be nowhere to be seen.
pub(crate) const CANARY: &str = "canary-4711";

/// A home directory.
pub(crate) struct Scene {
    home: TempDir,
}

impl Scene {
    /// Makes one with these routes.
    pub(crate) fn new(routes: &str) -> Self {
        let scene = Self { home: tempfile::tempdir().expect("a directory") };
        scene.keep("general-dispatch-info.cfg", routes);
        scene
    }

    /// Returns the path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a private file.
    pub(crate) fn keep(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, text).expect("a file");
        chmod(&path, 0o600);
        path
    }

    /// Runs `upload dispatch` with these arguments; whatever it says has no password in it.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.ended(Running::start(self.within(Command::new(Program::Upload.path()), arguments)))
    }

    /// The same as another user, to whom the scene belongs.
    #[track_caller]
    pub(crate) fn run_as(&self, user: &str, arguments: &[&str]) -> Run {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", user, "--regid", "nogroup", "--clear-groups"]).arg(Program::Upload.path());
        self.ended(Running::start(self.within(command, arguments)))
    }

    /// Begins to run `upload dispatch`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.within(Command::new(Program::Upload.path()), arguments))
    }

    /// Gives a command that starts the program its arguments and its place.
    pub(crate) fn within(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(["--config", "intraware.toml", "dispatch"]).args(arguments);
        command.env_clear().env("HOME", self.home.path()).env("TZ", "UTC").current_dir(self.home.path());
        command
    }

    #[track_caller]
    fn ended(&self, running: Running) -> Run {
        let run = running.wait();
        assert!(!run.stdout.contains(CANARY) && !run.stderr.contains(CANARY), "{run:?}");
        run
    }
}

/// Sets the mode of a file.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

//! Each remedy that a message names is one that works for the user it speaks to.
//!
//! A command in a message stands between backticks. The tests bring about a fault for real, take the command
//! out of what the program says, give it to a shell as it is printed, as the user whom the message names, and
//! see the program succeed. A sweep over the sources and the documents sees that no command is named that
//! does not exist. They give files to other users and make mount namespaces, so they are run by root.

mod documents;
mod first;
mod keys;
mod signing;
mod sweep;
mod way;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::{Bench, Program, Run, Running};

/// A user whom every Debian has, and who stands for the programs' own.
const USER: (&str, u32) = ("daemon", 1);

fn fill(dir: &Path) {
    fs::write(dir.join("README"), dir.display().to_string()).expect("a file");
}

/// Returns a path and all that is below it.
fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let deeper = entries.filter(|path| !path.is_symlink()).flat_map(|path| below(&path));
    [path.to_owned()].into_iter().chain(deeper).collect()
}

/// Gives the whole bench to the programs' user.
fn give(bench: &Bench) {
    assert!(rustix::process::geteuid().is_root(), "these tests are run by root: tests/run does so");
    for path in below(&bench.path("")) {
        chown(path, Some(USER.1), Some(USER.1)).expect("root gives files away");
    }
}

/// Runs a program as the programs' user.
fn as_user(bench: &Bench, program: Program, arguments: &[&str]) -> Run {
    let plain = bench.command(program, arguments);
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", USER.0, "--regid", USER.0, "--clear-groups"]);
    command.arg(plain.get_program()).args(plain.get_args());
    command.env_clear().current_dir(bench.path("home"));
    Running::start(command).wait()
}

/// Runs a program as root, whoever the spool's owner is.
fn as_root(bench: &Bench, program: Program, arguments: &[&str]) -> Run {
    Running::start(bench.command(program, arguments)).wait()
}

/// Returns the commands that a text names, as they are printed.
fn commands(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the one command in what a run says that begins with `word`.
#[track_caller]
fn remedy(run: &Run, word: &str) -> String {
    let said = format!("{}\n{}", run.stdout, run.stderr);
    let mut found: Vec<String> =
        commands(&said).into_iter().filter(|command| command.split(' ').next() == Some(word)).collect();
    found.dedup();
    assert!(found.len() == 1, "one command of {word} is expected, not {found:?}: {run:?}");
    found.remove(0)
}

/// Gives a command to a shell as it is printed. The programs are in its PATH, and know where the
/// configuration is, as where they are installed.
fn shell(bench: &Bench, line: &str) -> Command {
    let programs = Program::Manage.path().parent().expect("a directory");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env_clear().current_dir(bench.path("home"));
    command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", programs.display()));
    command.env("INTRAWARE_CONFIG", bench.path("etc/intraware.toml"));
    command
}

/// Types a command as root, and sees it succeed.
#[track_caller]
fn type_as_root(bench: &Bench, line: &str) -> Run {
    Running::start(shell(bench, line)).wait().expect(0)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

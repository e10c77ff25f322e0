use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

const CANARY: &str = "canary-7f3a";

fn nothing(_: &str) -> Option<OsString> {
    None
}

fn write(path: &Path, content: &[u8], mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn shell(script: &str) -> SecretSource {
    SecretSource::Command(vec!["/bin/sh".into(), "-c".into(), script.into()])
}

fn failure(source: &SecretSource) -> String {
    let error = source.resolve(&nothing).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    error.to_string()
}

#[test]
fn a_file_gives_its_content_without_the_last_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    for (content, secret) in [("pw\n", "pw"), ("pw\r\n", "pw"), ("p w", "p w"), ("pw\n\n", "pw\n")] {
        write(&path, content.as_bytes(), 0o600);
        let read = SecretSource::File(path.clone()).resolve(&nothing).unwrap();
        assert_eq!(read.expose(), secret.as_bytes());
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_by_name_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    for mode in [0o640, 0o604, 0o660, 0o601, 0o620] {
        write(&path, CANARY.as_bytes(), mode);
        let message = failure(&SecretSource::File(path.clone()));
        assert!(
            message.contains(path.to_str().unwrap()) && message.contains(&format!("{mode:04o}")),
            "{message}"
        );
        let error = read_private_file(&path).unwrap_err();
        assert!(matches!(error, SecretError::Mode { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Access);
    }
    write(&path, CANARY.as_bytes(), 0o400);
    assert_eq!(read_private_file(&path).unwrap().expose_str(), Some(CANARY));
}

#[test]
fn only_a_regular_file_of_the_right_owner_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real");
    write(&real, CANARY.as_bytes(), 0o600);
    let link = dir.path().join("link");
    symlink(&real, &link).unwrap();
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for path in [&link, &pipe, &dir.path().to_owned()] {
        let error = read_private_file(path).unwrap_err();
        assert!(matches!(error, SecretError::NotRegular { .. }), "{error}");
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&real, Some(12345), None).unwrap();
        let error = read_private_file(&real).unwrap_err();
        assert!(matches!(error, SecretError::Owner { .. }), "{error}");
    }
}

#[test]
fn nothing_and_too_much_are_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let source = SecretSource::File(path.clone());
    assert_eq!(source.resolve(&nothing).unwrap_err().fault(), Fault::Configuration);
    write(&path, b"\n", 0o600);
    assert!(failure(&source).contains("empty"));
    write(&path, CANARY.repeat(1000).as_bytes(), 0o600);
    assert!(failure(&source).contains("4096"));
    assert!(failure(&SecretSource::Env("GONE".into())).contains("GONE"));
}

#[test]
fn a_variable_is_looked_up_by_the_caller() {
    let environment = |name: &str| (name == "PW").then(|| OsString::from(CANARY));
    let secret = SecretSource::Env("PW".into()).resolve(&environment).unwrap();
    assert_eq!(secret.expose_str(), Some(CANARY));
    assert_eq!(format!("{secret:?}"), "***");
}

#[test]
fn a_command_gives_its_first_line_and_nothing_else() {
    let secret = shell("echo one; echo two; echo three >&2").resolve(&nothing).unwrap();
    assert_eq!(secret.expose(), b"one");
    let secret = shell("printf 'no end'").resolve(&nothing).unwrap();
    assert_eq!(secret.expose(), b"no end");
    let secret = shell("cat; echo after").resolve(&nothing).unwrap();
    assert_eq!(secret.expose(), b"after", "stdin must be empty");
    let long = shell("echo first; yes | head -c 300000").resolve(&nothing).unwrap();
    assert_eq!(long.expose(), b"first", "a program that prints more must not be cut off");
}

#[test]
fn a_command_has_no_shell_and_its_arguments_are_not_shown() {
    let source = SecretSource::Command(vec!["/bin/echo".into(), "$HOME;".into(), CANARY.into()]);
    assert_eq!(source.resolve(&nothing).unwrap().expose_str(), Some("$HOME; canary-7f3a"));
    assert_eq!(source.to_string(), "command /bin/echo …");
}

#[test]
fn what_a_failing_command_wrote_is_not_told() {
    let message = failure(&shell("echo canary-7f3a; echo canary-7f3a >&2; exit 3"));
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(failure(&shell("true")).contains("empty"));
    assert!(failure(&shell("head -c 5000 /dev/zero | tr '\\0' x")).contains("longer than 4096"));
    let error = SecretSource::Command(vec!["/does/not/exist".into()]).resolve(&nothing).unwrap_err();
    assert_eq!(error.fault(), Fault::Configuration);
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let words = ["/bin/sh".to_owned(), "-c".to_owned(), script];
    let begun = Instant::now();
    let failure = command::first_line(&words, Duration::from_secs(1)).unwrap_err();
    assert_eq!(failure, CommandFailure::Timeout(1));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let child = std::fs::read_to_string(&pid).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    let dead = || !std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    while !dead() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the child lives on");
        std::thread::yield_now();
    }
}

#[test]
fn f_23_a_command_that_leaves_a_daemon_behind_is_not_waited_for_beyond_its_end() {
    let started = Instant::now();
    for (script, secret) in [
        ("printf %s canary-7f3a; sleep 8 &", CANARY),
        ("echo canary-7f3a; sleep 8 &", CANARY),
        ("sleep 8 & printf %s ''", ""),
        ("(sleep 0.3; echo late) & printf %s canary-7f3a", CANARY),
    ] {
        let read = shell(script).resolve(&nothing);
        match secret {
            "" => assert!(read.is_err(), "{script}"),
            secret => assert_eq!(read.unwrap().expose(), secret.as_bytes(), "{script}"),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(7), "{:?}", started.elapsed());
    // What comes in several pieces before the end is one line.
    let read = shell("printf cana; sleep 0.2; printf ry-7f3a").resolve(&nothing).unwrap();
    assert_eq!(read.expose_str(), Some(CANARY));
}

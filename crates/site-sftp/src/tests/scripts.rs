//! Scripts that the server's account runs.

use std::ops::ControlFlow;

use super::*;
use intraware_core::site::Ran;

/// Runs a script, and returns what it said and how it ended.
fn heard(session: &mut dyn Session, script: &str) -> (String, Option<Ran>) {
    let mut said = Vec::new();
    let ran = session.run(script, &mut |bytes| {
        said.extend_from_slice(bytes);
        ControlFlow::Continue(())
    });
    (String::from_utf8_lossy(&said).into_owned(), ran.unwrap())
}

#[test]
fn s2_13_a_script_is_run_and_its_end_is_known() {
    let sshd = Sshd::start(Access::Shell);
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    let ended = |status: i32| Some(Ran { status: Some(status), signal: None });
    assert_eq!(heard(session.as_mut(), "echo a; echo b >&2; cat; exit 3"), ("a\nb\n".to_owned(), ended(3)));
    let (said, ran) = heard(session.as_mut(), "kill -KILL $$");
    assert_eq!((said.as_str(), ran.and_then(|ran| ran.signal).as_deref()), ("", Some("KILL")));
    // More than any window or pipe holds, on both streams.
    let much =
        "i=0; while [ $i -lt 40 ]; do head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2; i=$((i+1)); done";
    let (said, ran) = heard(session.as_mut(), much);
    assert_eq!((said.len(), ran), (80 << 16, ended(0)));
    let long = format!("# {}\necho ok", "x".repeat(3 << 20));
    assert_eq!(heard(session.as_mut(), &long), ("ok\n".to_owned(), ended(0)));
    // The session is of use as before.
    assert_eq!(session.stat(&path("nothing")).unwrap(), None);
}

#[test]
fn s2_13_a_script_is_heard_as_long_as_it_is_wanted_and_says_something() {
    let sshd = Sshd::start(Access::Shell);
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    let begun = Instant::now();
    let ran = session.run("exec sleep 60", &mut |_| match begun.elapsed() > SHORT {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    assert_eq!(ran.unwrap(), None);
    assert!(begun.elapsed() < LATE);
    let mut session = Sftp::new(SftpSettings { io_timeout: SHORT, ..settings(&sshd) }).connect().unwrap();
    let error = session.run("echo a; exec sleep 60", &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind, SiteErrorKind::Timeout, "{error}");
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    let error = session.run("echo a; sleep 1; kill -KILL $PPID; sleep 9", &mut |_| ControlFlow::Continue(()));
    assert_eq!(error.unwrap_err().kind, SiteErrorKind::Disconnected);
}

#[test]
fn s2_13_where_no_commands_are_run_that_is_no_success() {
    let sshd = Sshd::start(Access::SftpOnly);
    let mut session = Sftp::new(settings(&sshd)).connect().unwrap();
    // Its SFTP server hears the script instead, and ends.
    let ran = session.run("echo a", &mut |_| ControlFlow::Continue(()));
    assert!(ran.is_err() || ran.is_ok_and(|ran| ran.is_some_and(|ran| ran.status != Some(0))));
}

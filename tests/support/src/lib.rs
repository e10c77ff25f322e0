//! Real servers, tools and faults for the tests of every crate: nothing here imitates our own code.
//!
//! A server lives as long as its value, listens on loopback only, and writes below its own temporary
//! directory. What a test needs and the machine lacks (an `sshd`, a `gpg`) is a panic that names it: a test
//! that cannot run must not pass.

pub mod certificate;
pub mod delay_line;
pub mod dice;
pub mod disk;
pub mod dropbear;
pub mod ftp_relay;
pub mod ftpd;
pub mod gpg;
pub mod inetd;
pub mod odd_ftpd;
pub mod odd_sftp;
pub mod proftpd;
pub mod readers;
pub mod relay;
pub mod rounds;
pub mod salesforce;
pub mod setcap;
pub mod sshd;
pub mod unprivileged;
pub mod watcher;

use std::path::PathBuf;
use std::process::Command;

/// Runs a program that must succeed and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?} cannot be started: {err}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Returns the path of a file of a server that was unpacked and not installed, because it would start as a
/// daemon.
fn unpacked(path: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test program");
    // Beside the directory that cargo has built the test in, wherever that is.
    let found = test.ancestors().map(|dir| dir.join("servers").join(path)).find(|at| at.exists());
    found.unwrap_or_else(|| {
        panic!("there is no servers/{path}: tests/run unpacks the servers that tests start")
    })
}

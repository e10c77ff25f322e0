//! Capabilities of programs.

use std::path::Path;
use std::process::Command;

/// Gives a program one, as root, or as the root of a user namespace where a test is run by somebody else.
///
/// # Panics
/// If it cannot be given.
pub fn set(program: &Path) {
    let is_root = rustix::process::geteuid().is_root();
    let words: &[&str] = if is_root { &["setcap"] } else { &["unshare", "--map-root-user", "setcap"] };
    let mut setcap = Command::new(words[0]);
    setcap.args(&words[1..]).arg("cap_net_raw=ep").arg(program).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let status = setcap.status().unwrap_or_else(|e| panic!("{setcap:?} (is libcap2-bin installed?): {e}"));
    assert!(status.success(), "{setcap:?}: {status}");
}

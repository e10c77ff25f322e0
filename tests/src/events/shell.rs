//! Commands, typed as the documents have them.

use std::process::{Command, Stdio};

use crate::installation::{CHECKOUT, HOME};

/// What came of a command.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) status: i32,
    /// What it printed on both outputs.
    pub(crate) said: String,
}

/// Types a command as root, in the checkout.
pub(crate) fn as_root(command: &str) -> Typed {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-ec", command, "sh"]);
    finish(shell, command)
}

/// Types a command as the user `intraware`.
pub(crate) fn as_intraware(command: &str) -> Typed {
    let mut su = Command::new("/bin/su");
    su.args(["-s", "/bin/sh", "intraware", "-c", command]);
    finish(su, command)
}

fn finish(mut command: Command, shown: &str) -> Typed {
    command.current_dir(CHECKOUT).stdin(Stdio::null()).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", HOME).env("LC_ALL", "C.UTF-8");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    Typed { status: output.status.code().unwrap_or(-1), said: String::from_utf8_lossy(&said).into_owned() }
}

impl Typed {
    /// Takes nothing but success, and returns what was said.
    ///
    /// # Panics
    /// If the status is another than 0.
    pub(crate) fn expect(self, what: &str) -> String {
        assert!(self.status == 0, "`{}` ends with {}: {}", what.trim(), self.status, self.said.trim());
        self.said
    }
}

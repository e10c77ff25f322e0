//! An SFTP server with habits that real servers have and OpenSSH's has not: a program of our own behind a
//! real `sshd`, to which any program may be the subsystem.

use std::fs;
use std::ops::Deref;

use crate::sshd::{Access, Sshd};

/// The program; its head tells the habits.
const SERVER: &str = include_str!("odd_sftp/server.py");

/// What becomes of a command that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    /// It is run.
    Run,
    /// Nothing, with an end.
    Refused,
    /// Nothing is ever said.
    Mute,
    /// The connection ends.
    Kill,
}

/// A running server. Dropping it ends it.
pub struct OddSftp(Sshd);

impl OddSftp {
    /// Starts a server with these habits, in words as its program takes them.
    pub fn start(habits: &str, commands: Commands) -> Self {
        let sshd = Sshd::start(Access::Shell);
        let dir = sshd.known_hosts().parent().expect("a directory").to_owned();
        let (server, gate) = (dir.join("server.py"), dir.join("gate"));
        fs::write(&server, SERVER).expect("the program");
        let otherwise = match commands {
            Commands::Run => "exec sh -c \"$SSH_ORIGINAL_COMMAND\"",
            Commands::Refused => "exit 1",
            Commands::Mute => "exec sleep 3600",
            // The parent serves the connection.
            Commands::Kill => "kill -9 $PPID",
        };
        let script = format!(
            "case $SSH_ORIGINAL_COMMAND in\n*internal-sftp*) exec python3 {} {habits} ;;\n*) {otherwise} ;;\nesac\n",
            server.display()
        );
        fs::write(&gate, script).expect("the program that is started for everything");
        // Two shells are in between: the one that sshd starts, and the script's; each is replaced by the
        // next.
        sshd.configure(&format!("ForceCommand exec sh {}", gate.display()));
        Self(sshd)
    }
}

impl Deref for OddSftp {
    type Target = Sshd;

    fn deref(&self) -> &Sshd {
        &self.0
    }
}

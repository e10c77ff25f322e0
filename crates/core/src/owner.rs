//! Whose a file is, and who runs this process.
//!
//! All runs on all hosts work as one user, and what they make is for that user alone. A file that somebody
//! else made among theirs, root above all, cannot be read by them. Messages about it say whose it is and how
//! it is given back.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Uid, User as Account};

use crate::foreign;

/// A user, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub u32);

impl User {
    /// Returns the user as whom this process makes files.
    pub fn of_process() -> Self {
        Self(rustix::process::geteuid().as_raw())
    }

    /// Returns the user with this name, if this host knows one.
    pub fn named(name: &str) -> Option<Self> {
        let account = Account::from_name(name).ok().flatten()?;
        Some(Self(account.uid.as_raw()))
    }

    /// Returns whether this is root.
    pub fn is_root(self) -> bool {
        self.0 == 0
    }

    /// Returns the user's name, if this host knows one.
    pub fn name(self) -> Option<String> {
        let account = Account::from_uid(Uid::from_raw(self.0)).ok().flatten()?;
        Some(foreign::escape(account.name))
    }

    /// Returns whether this is the number that stands for users who have none here: the kernel shows it for
    /// users whom a container does not know, and a file server puts it in the place of root.
    pub fn is_nobody(self) -> bool {
        // The last is how an NFS server of another width writes it.
        let kernels = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
        let kernels = kernels.and_then(|text| text.trim().parse().ok());
        self.0 == kernels.unwrap_or(65_534) || self.0 == 65_534 || self.0 == u32::MAX - 1
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "the user with the number {}", self.0),
        }
    }
}

/// Stands for the command line in what [`run_as`] returns, which only the program knows.
const COMMAND: &str = "'…'";

/// Returns how a command is run as `user`, whose group this is if it is known.
pub fn run_as(user: User, group: Option<u32>) -> String {
    let uid = user.0;
    let group = group.unwrap_or(uid);
    match user.name() {
        Some(name) => format!("run it as that user: `su -s /bin/sh {name} -c {COMMAND}`"),
        None => format!(
            "run it as that user: `setpriv --reuid={uid} --regid={group} --clear-groups sh -c {COMMAND}`, in a container \
             with --user {uid}"
        ),
    }
}

/// Returns `message` with the command line where [`run_as`] has left room for it.
pub fn with_command(message: &str, words: &[String]) -> String {
    // What had to be escaped cannot be typed.
    if words.iter().any(|word| word.contains(['\\', '…'])) {
        return message.to_owned();
    }
    let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    message.replace(COMMAND, &format!("'{}'", line.replace('\'', "'\\''")))
}

/// Returns a word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Returns what to do about a secret's file that is somebody else's, to be put behind a message.
///
/// Root is sent to the user whose file it is: were it root's, the programs' user could not read it.
pub fn of_secret(path: &Path, owner: User) -> String {
    let me = User::of_process();
    if owner == me {
        return String::new();
    }
    if owner.is_root() || !me.is_root() {
        let to = me.name().unwrap_or_else(|| me.0.to_string());
        let path = foreign::path(path);
        return format!("; it belongs to {owner}, and this runs as {me}, so as root: `chown {to} {path}`");
    }
    format!("; it belongs to {owner}, and this runs as {me}; {}", run_as(owner, None))
}

/// Returns what to do about a path that this process may not use because it is somebody else's, to be put
/// behind a message; nothing, if that is not the reason.
pub fn advice(path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    // What does not exist, or may not even be looked at, is its directory's business.
    let seen = path.ancestors().find_map(|place| Some((place, std::fs::symlink_metadata(place).ok()?)));
    let Some((place, seen)) = seen else { return String::new() };
    let (owner, me) = (User(seen.uid()), User::of_process());
    if owner == me {
        return String::new();
    }
    let to = me.name().unwrap_or_else(|| me.0.to_string());
    let place = foreign::path(place);
    format!("; {place} belongs to {owner}, so as root: `chown {to} {place}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_by_name_and_number() {
        assert_eq!(User(0).to_string(), "root (0)");
        assert_eq!(User(4_000_111).to_string(), "the user with the number 4000111");
        assert!(User(65_534).is_nobody() && User(u32::MAX - 1).is_nobody() && !User(0).is_nobody());
    }

    #[test]
    fn newcomer_s1_the_command_line_is_put_where_it_is_to_be_typed() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let message = run_as(User(0), None);
        assert_eq!(message, "run it as that user: `su -s /bin/sh root -c '…'`");
        let line = with_command(&message, &words(&["manage", "hold", "p7", "--reason", "wrong licence"]));
        let typed = r"manage hold p7 --reason '\''wrong licence'\''";
        assert_eq!(line, format!("run it as that user: `su -s /bin/sh root -c '{typed}'`"));
        assert_eq!(with_command(&message, &words(&["manage", "hold", "p\\x1b"])), message);
    }
}

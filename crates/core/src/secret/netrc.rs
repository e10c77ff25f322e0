//! Accounts from a netrc file, as `ftp` and `curl` have them.
//!
//! The form is theirs, with the choices that are safe. The file is read by the rules of every file that keeps
//! a secret: one that others can read is refused. The first entry for the host counts. An entry `default`
//! never does: the host was named in the configuration, so a password that is for anybody is not for it.
//! Macros are passed over. A value may stand in double quotes, in which a backslash takes the next character
//! as it is; outside of them it is a character like any other. `#` begins a comment where a key could stand.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{MAX_KEY_FILE, Secret, SecretError, file};
use crate::foreign;

/// What a file holds for a host.
#[derive(Debug)]
pub struct Account {
    /// The account's name.
    pub login: String,
    /// Its password.
    pub password: Secret,
}

/// Returns the account for a host, the one with this name if there is a choice.
pub fn account(path: &Path, host: &str, login: Option<&str>) -> Result<Account, SecretError> {
    let netrc = Netrc::read(path)?;
    let missing = || SecretError::NetrcEntry { path: netrc.shown(), host: foreign::escape(host) };
    let mut wanted = netrc.entries_for(host, login);
    let entry = wanted.next().ok_or_else(missing)?;
    if wanted.next().is_some() {
        let (file, host) = (netrc.shown(), foreign::escape(host));
        tracing::warn!(%file, %host, "several entries fit; the first one counts");
    }
    let login = login.or(entry.login.as_deref()).ok_or_else(missing)?;
    let password = entry.password.clone().ok_or_else(missing)?;
    Ok(Account { login: login.to_owned(), password })
}

/// A file that was read.
#[derive(Debug)]
pub struct Netrc {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Netrc {
    /// Reads a file whole.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = file::read(path, MAX_KEY_FILE)?;
        let wrong = |line| SecretError::Netrc { path: foreign::path(path).to_string(), line };
        let text = std::str::from_utf8(&bytes).map_err(|err| {
            wrong(1 + bytes[..err.valid_up_to()].iter().filter(|byte| **byte == b'\n').count())
        })?;
        Ok(Self { path: path.to_owned(), entries: entries(text).map_err(wrong)? })
    }

    /// Returns all entries in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the entries for a host in their order, those with this login if it is known. The first one
    /// counts.
    pub fn entries_for(&self, host: &str, login: Option<&str>) -> impl Iterator<Item = &Entry> {
        let is_wanted = move |entry: &&Entry| {
            let is_host = entry.machine.as_ref().is_some_and(|machine| machine.eq_ignore_ascii_case(host));
            is_host && (login.is_none() || entry.login.is_none() || entry.login.as_deref() == login)
        };
        self.entries.iter().filter(is_wanted)
    }

    fn shown(&self) -> String {
        foreign::path(&self.path).to_string()
    }
}

/// One entry; the one without a machine is for all others.
#[derive(Debug, Default)]
pub struct Entry {
    /// The line that it begins on.
    pub line: usize,
    /// The host that it is for.
    pub machine: Option<String>,
    /// The name to log in with.
    pub login: Option<String>,
    /// The password, unless it is empty.
    pub password: Option<Secret>,
    /// What some FTP servers ask for besides.
    pub account: Option<Secret>,
}

/// Reads all entries, or returns the line that makes no sense. What stands there is not told: it may be half
/// a password.
fn entries(text: &str) -> Result<Vec<Entry>, usize> {
    let mut words = Words { rest: text, line: 1 };
    let mut entries: Vec<Entry> = Vec::new();
    while let Some(key) = words.key()? {
        let line = words.line;
        match (key.as_str(), entries.last_mut()) {
            ("machine", _) => {
                let machine = Some(words.value()?.to_string());
                entries.push(Entry { line, machine, ..Entry::default() });
            }
            ("default", _) => entries.push(Entry { line, ..Entry::default() }),
            ("macdef", _) => words.skip_macro(),
            ("login" | "user", Some(entry)) => entry.login = Some(words.value()?.to_string()),
            ("password", Some(entry)) => entry.password = secret(&words.value()?),
            ("account", Some(entry)) => entry.account = secret(&words.value()?),
            _ => return Err(line),
        }
    }
    Ok(entries)
}

fn secret(word: &Zeroizing<String>) -> Option<Secret> {
    (!word.is_empty()).then(|| Secret::new(word.as_bytes()))
}

/// The words of a file.
struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl Words<'_> {
    /// Returns the next word where a key is expected, or `None` at the end.
    fn key(&mut self) -> Result<Option<Zeroizing<String>>, usize> {
        loop {
            self.skip_space();
            if !self.rest.starts_with('#') {
                return if self.rest.is_empty() { Ok(None) } else { self.word().map(Some) };
            }
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// Returns the next word, which must be there.
    fn value(&mut self) -> Result<Zeroizing<String>, usize> {
        let line = self.line;
        self.skip_space();
        if self.rest.is_empty() { Err(line) } else { self.word() }
    }

    fn word(&mut self) -> Result<Zeroizing<String>, usize> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(self.rest.len());
            let word = Zeroizing::new(self.rest[..end].to_owned());
            self.skip(end);
            return Ok(word);
        };
        let line = self.line;
        // Room for all of it from the start: a growing text would leave copies behind.
        let mut word = Zeroizing::new(String::with_capacity(quoted.find('\n').unwrap_or(quoted.len())));
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.skip(at + 2);
                    return Ok(word);
                }
                '\n' => return Err(line),
                '\\' => match chars.next() {
                    Some((_, c)) if c != '\n' => word.push(c),
                    _ => return Err(line),
                },
                c => word.push(c),
            }
        }
        Err(line)
    }

    /// Passes over a macro, which ends at an empty line.
    fn skip_macro(&mut self) {
        self.skip(self.rest.find("\n\n").map_or(self.rest.len(), |at| at + 2));
    }

    fn skip_space(&mut self) {
        let end = self.rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        self.skip(end);
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn found(text: &str, host: &str, login: Option<&str>) -> Result<(String, String), String> {
        match account(write(text, 0o600).path(), host, login) {
            Ok(account) => Ok((account.login, account.password.expose_str().unwrap().to_owned())),
            Err(err) => {
                let shown = format!("{err} {err:?}");
                assert!(!shown.contains("canary"), "{shown}");
                Err(err.to_string())
            }
        }
    }

    #[test]
    fn the_first_entry_for_the_host_and_the_account_counts() {
        let text = "# ours\nmachine a.example login x password p1\nmachine A.example\n\tlogin y\n\tpassword p2 \
                    account z\nmachine a.example login x password p3\nmacdef init\nmachine b login evil\n\n\
                    machine b user u password #p4\ndefault login anybody password p5\n";
        let is = |login: &str, password: &str| Ok((login.to_owned(), password.to_owned()));
        assert_eq!(found(text, "a.example", None), is("x", "p1"));
        assert_eq!(found(text, "A.EXAMPLE", Some("y")), is("y", "p2"));
        assert_eq!(found(text, "b", None), is("u", "#p4"));
        assert_eq!(found("machine b password p", "b", Some("u")), is("u", "p"));
        for (host, login) in [("c", None), ("a.example", Some("z")), ("a", None)] {
            assert!(found(text, host, login).unwrap_err().contains("has no entry"), "{host}");
        }
        assert!(
            found("machine b login u", "b", None).is_err()
                && found("machine b password p", "b", None).is_err()
        );
    }

    #[test]
    fn values_may_be_quoted() {
        let password = |value: &str| found(&format!("machine h login u password {value}\n"), "h", None);
        let is = |password: &str| Ok(("u".to_owned(), password.to_owned()));
        assert_eq!(password(r#""a b\"c\\d#""#), is(r#"a b"c\d#"#));
        assert_eq!(password(r#"a"b\c"#), is(r#"a"b\c"#));
        for wrong in ["\"canary", "\"canary\\", "\"canary\nx\""] {
            assert!(password(wrong).unwrap_err().contains("line 1"), "{wrong}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_by_its_line_and_not_repeated() {
        for (text, line) in [
            ("machine h login u password canary rest\n", 1),
            ("\nmachine h\nlogin u\npasswd canary\n", 4),
            ("login canary", 1),
            ("machine h login u\npassword", 2),
            ("machine", 1),
        ] {
            let said = found(text, "h", None).unwrap_err();
            assert!(said.contains(&format!("line {line}")), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = write("machine h login u password canary\n", 0o644);
        let err = account(file.path(), "h", None).unwrap_err();
        assert!(matches!(err, SecretError::Mode { .. }), "{err}");
    }
}

//! Who may upload: a file with a line for each account.
//!
//! ```text
//! # user               directory  quota   password, as argon2id
//! bfinch@example.net   u1         10G     $argon2id$v=19$m=19456,t=2,p=1$…
//! ```
//!
//! Below the server's root, everything of an account lies in the directory that its line names. It is chosen
//! by whoever makes the account and never made of the user's name. A quota of `-` is the server's default,
//! and a password of `!` lets nobody in. The file is read anew for each login, and replaced whole, so that
//! accounts change while the server runs.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::private::{self, PrivateError};
use crate::secret::Secret;
use crate::shown;

/// The longest file of accounts.
const MAX_FILE: usize = 16 << 20;
/// The longest name of a user, in bytes.
const MAX_USER: usize = 254;
/// What no password has as its hash.
const NOBODY: &str = "!";
/// The hash of no password that anybody has; to check it costs what a real one costs.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name it logs in with.
    pub user: String,
    /// The directory that all of it lies in.
    pub directory: String,
    /// How many bytes it may have there, if that is not the server's default.
    pub quota: Option<u64>,
    hash: String,
}

impl Account {
    /// Returns what the file has of its password.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }
}

/// The accounts cannot be used, or not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file cannot be read.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// A line makes no sense.
    #[error(
        "{file}:{line}: {what}; each line is USER DIRECTORY QUOTA HASH, made by `upload serve passwd USER`"
    )]
    Line {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A user's name cannot stand in the file.
    #[error(
        "{0:?} is no name for an account: 1 to {MAX_USER} bytes, no blanks, no control characters, no # in front"
    )]
    User(String),
    /// A directory's name cannot be one.
    #[error(
        "{0:?} is no directory for an account: small letters, digits, - and _, beginning with a letter or digit, at most 32"
    )]
    Directory(String),
    /// Another account has that directory, or the account another directory.
    #[error("the directory of account {0} is {1}; name another one, or none")]
    Taken(String, String),
    /// The password cannot be taken.
    #[error("the password is empty or longer than 512 bytes")]
    Password,
    /// The file cannot be written.
    #[error("cannot write {0}")]
    Write(String, #[source] io::Error),
}

/// The accounts of a server.
#[derive(Debug, Clone, Default)]
pub struct Accounts(Vec<Account>);

impl Accounts {
    /// Reads them.
    pub fn read(path: &Path) -> Result<Self, AccountsError> {
        let bytes = private::read(path, MAX_FILE)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut accounts = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what| AccountsError::Line { file: shown::path(path), line: number, what };
            let account = parse(line).map_err(wrong)?;
            if accounts
                .0
                .iter()
                .any(|other| other.user == account.user || other.directory == account.directory)
            {
                return Err(wrong("a user or a directory is there twice"));
            }
            accounts.0.push(account);
        }
        Ok(accounts)
    }

    /// Returns the account of that name.
    pub fn find(&self, user: &[u8]) -> Option<&Account> {
        self.0.iter().find(|account| account.user.as_bytes() == user)
    }

    /// Returns all of them.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.iter()
    }

    /// Makes an account, or changes its password and, where they are given, its quota. Returns its directory.
    pub fn set(
        &mut self,
        user: &str,
        password: &Secret,
        directory: Option<&str>,
        quota: Option<u64>,
    ) -> Result<String, AccountsError> {
        if !is_user(user) {
            return Err(AccountsError::User(user.to_owned()));
        }
        if let Some(directory) = directory.filter(|directory| !is_directory(directory)) {
            return Err(AccountsError::Directory(directory.to_owned()));
        }
        let clash = |other: &&Account| {
            directory.is_some_and(|directory| (other.user == user) != (other.directory == directory))
        };
        if let Some(other) = self.0.iter().find(clash) {
            return Err(AccountsError::Taken(other.user.clone(), other.directory.clone()));
        }
        let hash = hashed(password)?;
        if let Some(account) = self.0.iter_mut().find(|account| account.user == user) {
            account.hash = hash;
            account.quota = quota.or(account.quota);
            return Ok(account.directory.clone());
        }
        let number = |account: &Account| account.directory.strip_prefix('u')?.parse::<u64>().ok();
        let next = self.0.iter().filter_map(number).max().unwrap_or(0) + 1;
        let directory = directory.map_or_else(|| format!("u{next}"), str::to_owned);
        self.0.push(Account { user: user.to_owned(), directory: directory.clone(), quota, hash });
        Ok(directory)
    }

    /// Writes them, whole, in the place of what was there.
    pub fn write(&self, path: &Path) -> Result<(), AccountsError> {
        let write = || -> io::Result<()> {
            let parent =
                path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let temporary = temporary(path);
            let mut file =
                File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            writeln!(file, "# user directory quota password")?;
            for Account { user, directory, quota, hash } in &self.0 {
                let quota = quota.map_or_else(|| "-".to_owned(), |quota| quota.to_string());
                writeln!(file, "{user} {directory} {quota} {hash}")?;
            }
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            File::open(parent)?.sync_all()
        };
        write().map_err(|error| AccountsError::Write(shown::path(path), error))
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn parse(line: &str) -> Result<Account, &'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [user, directory, quota, hash] = words[..] else { return Err("not four words") };
    if !is_user(user) {
        return Err("the user's name is too long or has control characters");
    }
    if !is_directory(directory) {
        return Err("the directory is not of small letters, digits, - and _, at most 32");
    }
    if hash != NOBODY && PasswordHash::new(hash).is_err() {
        return Err("the password is not argon2's");
    }
    let quota = match quota {
        "-" => None,
        quota => Some(
            bytes(quota).ok_or("the quota is neither - nor bytes, with K, M, G or T behind the number")?,
        ),
    };
    Ok(Account { user: user.to_owned(), directory: directory.to_owned(), quota, hash: hash.to_owned() })
}

/// Reads a number of bytes: `500`, `500K`, `20M`, `10G`, `1T`.
pub fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        b'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << unit)
}

fn is_user(user: &str) -> bool {
    let is_fine = |c: char| !c.is_whitespace() && !c.is_control();
    (1..=MAX_USER).contains(&user.len()) && !user.starts_with('#') && user.chars().all(is_fine)
}

fn is_directory(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| is_word(byte) || byte == b'-' || byte == b'_')
        && name.bytes().next().is_some_and(is_word)
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

fn hashed(password: &Secret) -> Result<String, AccountsError> {
    if !(1..=512).contains(&password.expose().len()) {
        return Err(AccountsError::Password);
    }
    let mut salt = [0; 16];
    // Neither fails: the kernel has random bytes, and 16 of them are a salt.
    let drawn = rustix::rand::getrandom(&mut salt[..], rustix::rand::GetRandomFlags::empty());
    let salt = drawn.ok().and_then(|_| SaltString::encode_b64(&salt).ok()).ok_or(AccountsError::Password)?;
    let hash = argon2().hash_password(password.expose(), &salt).map_err(|_| AccountsError::Password)?;
    Ok(hash.to_string())
}

/// Returns the account that this is the password of. It takes the same time for a user that does not exist,
/// for an account that lets nobody in, and for a wrong password.
pub(crate) fn check<'a>(account: Option<&'a Account>, password: &Secret) -> Option<&'a Account> {
    let hash = account.map(|account| account.hash.as_str()).filter(|hash| *hash != NOBODY);
    let parsed = PasswordHash::new(hash.unwrap_or(DUMMY)).ok()?;
    let is_right = argon2().verify_password(password.expose(), &parsed).is_ok();
    account.filter(|_| is_right && hash.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_10_an_account_opens_with_its_password_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts");
        let mut accounts = Accounts::default();
        assert_eq!(accounts.set("bfinch@example.net", &Secret::new("B0b"), None, None).unwrap(), "u1");
        assert_eq!(accounts.set("b", &Secret::new("x"), Some("bee"), Some(5)).unwrap(), "bee");
        assert_eq!(accounts.set("c", &Secret::new("x"), None, None).unwrap(), "u2");
        accounts.write(&path).unwrap();
        let mut read = Accounts::read(&path).unwrap();
        assert_eq!(read.0, accounts.0);
        assert_eq!(read.set("b", &Secret::new("y"), None, None).unwrap(), "bee");
        assert_eq!(read.find(b"b").unwrap().quota, Some(5));

        let bob = read.find(b"bfinch@example.net");
        assert_eq!(check(bob, &Secret::new("B0b")), bob);
        assert_eq!(check(bob, &Secret::new("b0b")), None);
        assert!(PasswordHash::new(DUMMY).is_ok(), "checking it takes no time");
        assert_eq!(check(None, &Secret::new("B0b")), None);
        assert_eq!(check(None, &Secret::new("")), None);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("B0b"));
    }

    #[test]
    fn what_is_no_account_is_refused() {
        let mut accounts = Accounts::default();
        let x = Secret::new("x");
        for user in ["", "a b", "#a", "a\n", &"a".repeat(255)] {
            assert!(matches!(accounts.set(user, &x, None, None), Err(AccountsError::User(_))), "{user:?}");
        }
        for directory in ["", "..", "A", "a/b", "-a", "ü"] {
            assert!(
                matches!(accounts.set("a", &x, Some(directory), None), Err(AccountsError::Directory(_))),
                "{directory:?}"
            );
        }
        accounts.set("a", &x, Some("one"), None).unwrap();
        assert!(matches!(accounts.set("b", &x, Some("one"), None), Err(AccountsError::Taken(..))));
        assert!(matches!(accounts.set("a", &x, Some("two"), None), Err(AccountsError::Taken(..))));
        for line in ["a u1 -", "a u1 - plain", "a u1 5Q !", "a ../b - !", "a u1 - ! b"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(parse("a u1 10G !").unwrap().quota, Some(10 << 30));
        assert_eq!(bytes("99999999999T"), None);
    }
}

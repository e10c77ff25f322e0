//! The token of a session, kept in a file between runs so that not every run of cron logs in.
//!
//! The file is as good as the password: it is written whole (temporary file, fsync, rename) with
//! mode 0600 and refused when others can read it. It is bound to the address, app and user it was
//! made for; a file of another one, or one that cannot be read as JSON, is as if there were none.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::secret::Secret;
use intraware_shown::escape;
use intraware_shown::private::{self, NotPrivate};

/// Tokens have about 100 characters, instance URLs fewer.
const MAX_FILE: usize = 64 << 10;

/// What may be done with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A cached token is used, a new one is not kept: for runs that must change nothing.
    Read,
    /// A new token is kept.
    ReadWrite,
}

/// Where the token is kept.
#[derive(Debug, Clone)]
pub struct TokenStore {
    /// The file; its directory must exist.
    pub path: PathBuf,
    /// What may be done with it.
    pub access: Access,
}

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) access_token: Secret,
    pub(crate) instance_url: String,
}

/// Whom a session belongs to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) login_url: String,
    pub(crate) client_id: String,
    pub(crate) username: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    owner: Owner,
    instance_url: String,
    access_token: Zeroizing<String>,
}

const FORMAT: u32 = 1;

impl TokenStore {
    /// Returns the token kept for `owner`, if there is one.
    pub(crate) fn load(&self, owner: &Owner) -> Result<Option<Token>, Error> {
        let private = "it must be a regular file of this user that nobody else can read";
        let text = match private::read(&self.path, MAX_FILE) {
            Ok(text) => text,
            Err(NotPrivate::Read(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(NotPrivate::Read(error)) => {
                return Err(self.failed("read", "it cannot be read").caused(error));
            }
            Err(NotPrivate::Mode(mode)) => {
                return Err(self.failed("use", &format!("{private}, and has mode {mode:04o}")));
            }
            Err(NotPrivate::NotRegular | NotPrivate::Owner(_)) => return Err(self.failed("use", private)),
            // It is none of ours.
            Err(NotPrivate::TooLong) => Zeroizing::default(),
        };
        let Ok(kept) = serde_json::from_slice::<Kept>(&text) else {
            tracing::warn!(path = %self.path.display(), "the cached token is unreadable; logging in anew");
            return Ok(None);
        };
        let fits = kept.format == FORMAT && kept.owner == *owner;
        Ok(fits.then(|| Token {
            access_token: Secret::new(kept.access_token.as_str()),
            instance_url: kept.instance_url,
        }))
    }

    /// Keeps `token`, if that is allowed.
    pub(crate) fn save(&self, owner: Owner, token: &Token, random: u64) -> Result<(), Error> {
        if self.access == Access::Read {
            return Ok(());
        }
        let kept = Kept {
            format: FORMAT,
            owner,
            instance_url: token.instance_url.clone(),
            access_token: Zeroizing::new(token.access_token.expose().to_owned()),
        };
        let failed = |error: io::Error| self.failed("write", "it cannot be written").caused(error);
        let text = Zeroizing::new(serde_json::to_vec(&kept).map_err(|error| failed(error.into()))?);
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{random:016x}.new"));
        let temporary = self.path.with_file_name(name);
        let written = self.write_whole(&temporary, &text);
        if written.is_err() {
            // Nothing more can be done about a temporary file that cannot be removed either.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(failed)
    }

    fn write_whole(&self, temporary: &Path, text: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(text)?;
        file.sync_all()?;
        drop(file);
        fs::rename(temporary, &self.path)
    }

    /// Forgets the token, if that is allowed.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        if self.access == Access::Read {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove", "it cannot be removed").caused(error))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, verb: &str, what: &str) -> Error {
        let path = escape(self.path.as_os_str().as_encoded_bytes());
        Error::new(Kind::TokenFile, format!("{verb} the cached token {path}"), what)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn owner(username: &str) -> Owner {
        Owner {
            login_url: "https://login.salesforce.com".into(),
            client_id: "app".into(),
            username: username.into(),
        }
    }

    fn kept(dir: &tempfile::TempDir, access: Access) -> TokenStore {
        let store = TokenStore { path: dir.path().join("token"), access };
        let token = Token { access_token: Secret::new("00D!s3cret"), instance_url: "https://i".into() };
        store.save(owner("u"), &token, 7).unwrap();
        store
    }

    #[test]
    fn a_token_is_kept_for_its_owner_only_and_read_by_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = kept(&dir, Access::ReadWrite);
        assert_eq!(fs::metadata(&store.path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(store.load(&owner("u")).unwrap().unwrap().access_token.expose(), "00D!s3cret");
        assert!(store.load(&owner("v")).unwrap().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_token_that_others_can_read_is_refused_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let store = kept(&dir, Access::ReadWrite);
        fs::set_permissions(&store.path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = store.load(&owner("u")).unwrap_err();
        assert_eq!(error.kind(), Kind::TokenFile);
        assert!(error.to_string().contains("0640"), "{error}");
    }

    #[test]
    fn a_symbolic_link_is_not_followed_and_rubbish_is_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let store = kept(&dir, Access::ReadWrite);
        let link = TokenStore { path: dir.path().join("link"), access: Access::Read };
        std::os::unix::fs::symlink(&store.path, &link.path).unwrap();
        assert_eq!(link.load(&owner("u")).unwrap_err().kind(), Kind::TokenFile);
        fs::write(&store.path, "{\"format\":1,").unwrap();
        assert!(store.load(&owner("u")).unwrap().is_none());
    }

    #[test]
    fn reading_access_writes_and_removes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = kept(&dir, Access::Read);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::write(&store.path, "").unwrap();
        store.forget().unwrap();
        assert!(store.path.exists());
    }
}

//! What waits where uploads arrive. Nothing is changed here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use intraware_config::{TreeConfig, UploadsConfig};
use intraware_core::sign::{KeyPolicy, Keyring, NotSigned, SignedText};
use intraware_core::txlog::chain;
use jiff::Timestamp;
use rustix::fs::OFlags;

use super::Why;
use super::changes::{self, Changes, Uploaded};
use crate::error::PublishError;

/// The longest `.changes` that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// An upload.
pub(crate) struct Upload {
    /// The name of its `.changes`.
    pub(crate) name: String,
    /// The names of its files, if what it says can be believed.
    pub(super) files: Vec<String>,
    pub(super) verdict: Verdict,
}

/// What can be done with an upload.
pub(super) enum Verdict {
    /// It waits for this.
    Waits(Why),
    /// It can be taken in, if its files are what it says.
    Complete(Changes),
    /// It cannot.
    Refused(Why),
}

impl Upload {
    /// Returns the suite that it would make due.
    pub(crate) fn suite(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Complete(changes) => Some(&changes.suite),
            Verdict::Waits(_) | Verdict::Refused(_) => None,
        }
    }

    /// Returns what would be done with it.
    pub(crate) fn told(&self) -> String {
        match &self.verdict {
            Verdict::Complete(changes) => format!("take in {} for {}", self.name, changes.suite),
            Verdict::Waits(reason) => format!("leave {}: {reason}", self.name),
            Verdict::Refused(why) => format!("refuse {}: {why}", self.name),
        }
    }
}

/// Returns all uploads: those for suites of security first, those of one source by their versions.
pub(crate) fn look(
    config: &UploadsConfig,
    tree: &TreeConfig,
    now: Timestamp,
) -> Result<Vec<Upload>, PublishError> {
    let incoming = &config.incoming;
    let mut names = Vec::new();
    for entry in fs::read_dir(incoming).map_err(PublishError::io("read", incoming))? {
        let name = entry.map_err(PublishError::io("read", incoming))?.file_name();
        // What has another kind of name can be named by no upload either.
        names.extend(
            name.into_string().ok().filter(|name| name.ends_with(".changes") && !name.starts_with('.')),
        );
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    names.sort_unstable();
    let exported = fs::read(&config.keyring).map_err(PublishError::io("read", &config.keyring))?;
    let keyring = Keyring::parse(&exported, KeyPolicy::default()).map_err(|source| {
        let keyring = config.keyring.display();
        PublishError::Configuration(format!("{keyring} has no OpenPGP keys: {}", chain(&source)))
    })?;
    let looker = Looker { config, tree, keyring, now };
    let mut uploads = Vec::new();
    for name in names {
        // It may just have been taken away.
        uploads.extend(looker.judge(name)?);
    }
    uploads.sort_by_key(|upload| match &upload.verdict {
        Verdict::Complete(changes) => {
            let waits = !tree.security_suites.contains(&changes.suite);
            Some((waits, changes.source.clone(), changes.version.clone()))
        }
        Verdict::Waits(_) | Verdict::Refused(_) => None,
    });
    Ok(uploads)
}

struct Looker<'a> {
    config: &'a UploadsConfig,
    tree: &'a TreeConfig,
    keyring: Keyring,
    now: Timestamp,
}

impl Looker<'_> {
    fn judge(&self, name: String) -> Result<Option<Upload>, PublishError> {
        let path = self.config.incoming.join(&name);
        let failed = PublishError::io("read", &path);
        let unsigned = |name, verdict| Ok(Some(Upload { name, files: Vec::new(), verdict }));
        let (bytes, age) = match self.read(&path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_no_file(&error) => return unsigned(name, refused("it is no regular file")),
            Err(error) => return Err(failed(error)),
        };
        if bytes.len() as u64 > LONGEST {
            return unsigned(name, refused("it is too long"));
        }
        let is_late = age >= self.config.wait.as_secs();
        let is_whole = String::from_utf8_lossy(&bytes).contains("-----END PGP SIGNATURE-----");
        let is_begun = |error: &NotSigned| bytes.is_empty() || !matches!(error, NotSigned::Unsigned);
        match self.keyring.open(&bytes, self.now) {
            Err(error) if !is_whole && !is_late && is_begun(&error) => {
                unsigned(name, Verdict::Waits("its end has not arrived".into()))
            }
            Err(error) => unsigned(name, refused(chain(&error))),
            Ok(signed) => {
                let files = changes::names(&signed);
                Ok(Some(Upload { name, files, verdict: self.judge_signed(signed, is_late) }))
            }
        }
    }

    fn judge_signed(&self, signed: SignedText, is_late: bool) -> Verdict {
        let changes = match Changes::parse(signed, self.tree) {
            Ok(changes) => changes,
            Err(why) => return refused(why),
        };
        match changes.files.iter().find_map(|file| self.missing(file)) {
            None => Verdict::Complete(changes),
            Some(missing) if is_late => {
                let hours = self.config.wait.as_secs() / 3600;
                refused(format!("{missing}, for {hours} hours"))
            }
            Some(missing) => Verdict::Waits(missing),
        }
    }

    /// Reads a `.changes`, and says how many seconds ago it was changed.
    fn read(&self, path: &Path) -> io::Result<(Vec<u8>, u64)> {
        let file = open(path)?;
        let changed = Timestamp::try_from(file.metadata()?.modified()?).unwrap_or(self.now);
        let age = u64::try_from(self.now.duration_since(changed).as_secs()).unwrap_or_default();
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
        Ok((bytes, age))
    }

    /// Says what of a file has not arrived. One that is in the pool has, whatever is in it; so has what is no
    /// file, and will be refused.
    fn missing(&self, file: &Uploaded) -> Option<String> {
        let seen = |dir: &Path| fs::symlink_metadata(dir.join(&file.name)).ok();
        let found = seen(&self.config.incoming).or_else(|| seen(&self.tree.root.join(&file.dir)));
        match found {
            None => Some(format!("{} has not arrived", file.name)),
            Some(seen) if seen.is_file() && seen.len() < file.size => {
                Some(format!("{} has {} of {} bytes", file.name, seen.len(), file.size))
            }
            Some(_) => None,
        }
    }
}

fn refused(why: impl Into<Why>) -> Verdict {
    Verdict::Refused(why.into())
}

/// Opens a file that somebody else may have put there: no link, and nothing that would have to be waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Returns whether what was opened is a link, a directory, a pipe or the like.
pub(super) fn is_no_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

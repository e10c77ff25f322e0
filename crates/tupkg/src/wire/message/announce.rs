//! The packages that a client announces, and how much of each the server has.

use zeroize::Zeroizing;

use super::{Dialect, MessageError, Refusal, Taken, number};
use crate::digest::{Md5Sum, Sha256Sum};
use crate::wire::form::Fields;

/// A package that a client wants to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Its name, as any bytes.
    pub name: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// Its MD5.
    pub md5: Md5Sum,
    /// Its SHA-256, where both ends know it.
    pub sha256: Option<Sha256Sum>,
}

/// The second message: what a client wants to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The form of this message and of those that answer it.
    pub dialect: Dialect,
    /// The packages, in the order of their bytes.
    pub packages: Vec<Announced>,
}

impl Announcement {
    /// Returns the message. It may be too long for a frame.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        let mut fields = Fields::default();
        fields.push("numpkgs", self.packages.len().to_string());
        for (index, package) in (self.dialect.first()..).zip(&self.packages) {
            fields.push(format!("name{index}"), &package.name);
            fields.push(format!("size{index}"), package.size.to_string());
            fields.push(format!("md5sum{index}"), package.md5.to_string());
            if let Some(sha256) = package.sha256 {
                fields.push(format!("sha256sum{index}"), sha256.to_string());
            }
        }
        fields.message()
    }

    /// Reads the message of at most `limit` packages, which have a SHA-256 if that was agreed on, and else
    /// have not.
    pub fn parse(message: &[u8], limit: usize, has_sha256: bool) -> Result<Self, MessageError> {
        let mut taken = Taken::parse(message)?;
        let count = taken.number("numpkgs")?;
        let allowed = usize::try_from(count).ok().filter(|count| *count <= limit);
        let count = allowed.ok_or(MessageError::Packages(count, limit))?;
        if count == 0 {
            return Err(MessageError::Value("numpkgs".to_owned(), "at least 1"));
        }
        let dialect = if taken.get("name0").is_some() { Dialect::Y2004 } else { Dialect::Readme };
        let mut packages = Vec::with_capacity(count);
        for index in dialect.first()..dialect.first() + count {
            packages.push(Announced {
                name: taken.take(&format!("name{index}"))?.to_vec(),
                size: taken.number(&format!("size{index}"))?,
                md5: digest(&mut taken, format!("md5sum{index}"))?,
                sha256: if has_sha256 {
                    Some(digest(&mut taken, format!("sha256sum{index}"))?)
                } else {
                    None
                },
            });
        }
        taken.finish()?;
        Ok(Self { dialect, packages })
    }

    /// Returns how many bytes all packages have.
    pub fn size(&self) -> u64 {
        self.packages.iter().fold(0, |sum, package| sum.saturating_add(package.size))
    }
}

fn digest<const N: usize>(taken: &mut Taken, name: String) -> Result<crate::digest::Hex<N>, MessageError> {
    let digest = crate::digest::Hex::parse(taken.take(&name)?);
    digest.ok_or(MessageError::Value(name, "a digest in hexadecimal digits"))
}

/// The answer to an announcement: how many bytes of each package the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held(pub Vec<u64>);

impl Held {
    /// Returns the message.
    pub fn message(&self, announcement: &Announcement) -> Zeroizing<Vec<u8>> {
        let mut fields = Fields::default();
        fields.push("numpkgs", self.0.len().to_string());
        for ((index, package), held) in
            (announcement.dialect.first()..).zip(&announcement.packages).zip(&self.0)
        {
            fields.push(format!("name{index}"), &package.name);
            fields.push(format!("size{index}"), held.to_string());
        }
        fields.message()
    }

    /// Reads the answer to an announcement.
    ///
    /// Servers of 2004 repeat in it what they like of the announcement; what matters is that the sizes are
    /// there, and are possible, and that a name that is there is the right one.
    pub fn parse(message: &[u8], announcement: &Announcement) -> Result<Self, MessageError> {
        let mut taken = Taken::parse(message)?;
        if taken.get("result").is_some() {
            return Err(Refusal::parse(&taken)?.in_dialect(announcement.dialect).into());
        }
        let mut held = Vec::with_capacity(announcement.packages.len());
        for (index, package) in (announcement.dialect.first()..).zip(&announcement.packages) {
            let name = format!("name{index}");
            if taken.get(&name).is_some_and(|found| found != package.name) {
                return Err(MessageError::Value(name, "the name of the package that was announced"));
            }
            let size = format!("size{index}");
            let possible = number(taken.take(&size)?).filter(|held| *held <= package.size);
            held.push(
                possible.ok_or(MessageError::Value(size, "a number of bytes up to the package's size"))?,
            );
        }
        Ok(Self(held))
    }
}

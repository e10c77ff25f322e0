//! What the messages say.

mod announce;
mod answer;
#[cfg(test)]
mod tests;

pub use announce::{Announced, Announcement, Held};
pub use answer::{LoginAnswer, Reason, Refusal, Verdict, Verdicts};

use super::form::{Fields, FormError};
use crate::secret::Secret;

/// A message that is not what its place in the conversation asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is no list of fields.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A field is missing.
    #[error("the field {0} is missing")]
    Missing(String),
    /// A field's value is not what it must be.
    #[error("the field {0} is not {1}")]
    Value(String, &'static str),
    /// There is a field that means nothing.
    #[error("a field means nothing here: {0}")]
    Unknown(String),
    /// More packages than allowed.
    #[error("{0} packages, where {1} are allowed")]
    Packages(u64, usize),
    /// The server has refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The two forms of announcements and of the answers to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As described: indices from 1, `np=2&m1=PASS`.
    Readme,
    /// As the programs of 2004 to 2009: indices from 0, `numpkgs=2&md5sum0=PASS`.
    Y2004,
}

impl Dialect {
    /// Returns the first package's index.
    fn first(self) -> usize {
        match self {
            Self::Readme => 1,
            Self::Y2004 => 0,
        }
    }

    /// Returns the names of the last answer's fields: the count, and the stem of the verdicts on MD5.
    fn verdict_names(self) -> (&'static str, &'static str) {
        match self {
            Self::Readme => ("np", "m"),
            Self::Y2004 => ("numpkgs", "md5sum"),
        }
    }
}

/// The first message: who wants to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account's name.
    pub user: Vec<u8>,
    /// Its password.
    pub password: Secret,
}

impl Login {
    /// Returns the message.
    pub fn message(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let mut fields = Fields::default();
        fields.push("username", &self.user);
        fields.push("password", self.password.expose());
        fields.message()
    }

    /// Reads the message.
    pub fn parse(message: &[u8]) -> Result<Self, MessageError> {
        let mut taken = Taken::parse(message)?;
        let login =
            Self { user: taken.take("username")?.to_vec(), password: Secret::new(taken.take("password")?) };
        taken.finish()?;
        Ok(login)
    }
}

/// Fields from which each is taken once, so that what is left over is known.
struct Taken {
    fields: Fields,
    left: usize,
}

impl Taken {
    fn parse(message: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::parse(message)?;
        Ok(Self { left: fields.count(), fields })
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn take_if_there(&mut self, name: &str) -> Option<&[u8]> {
        // Names are different, so each is there once.
        self.left -= usize::from(self.get(name).is_some());
        self.get(name)
    }

    fn take(&mut self, name: &str) -> Result<&[u8], MessageError> {
        self.take_if_there(name).ok_or_else(|| MessageError::Missing(name.to_owned()))
    }

    fn number(&mut self, name: &str) -> Result<u64, MessageError> {
        number(self.take(name)?)
            .ok_or_else(|| MessageError::Value(name.to_owned(), "a number without sign or leading zeros"))
    }

    /// Checks that every field was taken.
    fn finish(self) -> Result<(), MessageError> {
        match self.left {
            0 => Ok(()),
            left => Err(MessageError::Unknown(format!("there are {left} too many"))),
        }
    }
}

/// Reads a number up to what a file's size can be.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number =
        digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    let number: u64 = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    (number <= i64::MAX as u64).then_some(number)
}

//! Yes, no, and why not.

use std::fmt;

use zeroize::Zeroizing;

use super::{Dialect, MessageError, Taken, number};
use crate::wire::form::Fields;

/// The answer to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginAnswer {
    /// The client may announce packages.
    Pass,
    /// It may not; a server of the description gives no reason.
    Fail(Refusal),
}

impl LoginAnswer {
    /// Returns the message.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Pass => {
                let mut fields = Fields::default();
                fields.push("result", "PASS");
                fields.message()
            }
            Self::Fail(refusal) => refusal.message(),
        }
    }

    /// Reads the message.
    pub fn parse(message: &[u8]) -> Result<Self, MessageError> {
        let mut taken = Taken::parse(message)?;
        match taken.take("result")? {
            b"PASS" => Ok(Self::Pass),
            _ => Refusal::parse(&taken).map(Self::Fail),
        }
    }
}

/// A server's refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The package it is about, counted from 0 here, and on the wire as the dialect of the announcement does.
    pub package: Option<usize>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// Why a server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It does not say. After a login: wrong user or password, or too many tries.
    NotSaid,
    /// Too many sessions, of this account or of all.
    Busy,
    /// The message made no sense to it.
    Malformed,
    /// More packages at once than it takes.
    Packages,
    /// It takes no package of that name.
    Name,
    /// It takes no package of that size.
    Size,
    /// The account has no room for it.
    Quota,
    /// Its disk has no room for it.
    Space,
    /// A package of that name and with another content waits there to be taken on.
    Exists,
    /// Another session sends this package just now.
    Locked,
    /// Something failed on its side, or it is about to stop.
    Server,
}

const WORDS: [(Reason, &str, &str); 10] = [
    (Reason::Busy, "busy", "the server has too many sessions just now"),
    (Reason::Malformed, "malformed", "the server cannot make sense of the announcement"),
    (Reason::Packages, "packages", "the server does not take so many packages in one session"),
    (Reason::Name, "name", "the server takes no package of such a name"),
    (Reason::Size, "size", "the server takes no package of such a size"),
    (Reason::Quota, "quota", "the account has no room for it; have some made, or the quota raised"),
    (Reason::Space, "space", "the server's disk has no room for it"),
    (
        Reason::Exists,
        "exists",
        "a package of that name and with another content waits there; have it taken on or removed first",
    ),
    (Reason::Locked, "locked", "another session is sending it just now"),
    (Reason::Server, "server", "something failed at the server; its log says what"),
];

impl Reason {
    /// Returns whether the same may succeed a little later.
    pub fn passes(self) -> bool {
        match self {
            Self::Busy | Self::Space | Self::Locked | Self::Server => true,
            Self::NotSaid
            | Self::Malformed
            | Self::Packages
            | Self::Name
            | Self::Size
            | Self::Quota
            | Self::Exists => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = WORDS.iter().find(|(reason, _, _)| reason == self);
        f.write_str(found.map_or("the server has refused without saying why", |(_, _, text)| text))
    }
}

impl Refusal {
    /// Returns the message, with the package counted as `dialect` does.
    pub fn message_in(&self, dialect: Dialect) -> Zeroizing<Vec<u8>> {
        let mut fields = Fields::default();
        fields.push("result", "FAIL");
        if let Some((_, word, _)) = WORDS.iter().find(|(reason, _, _)| *reason == self.reason) {
            fields.push("reason", word);
        }
        if let Some(package) = self.package {
            fields.push("package", (package + dialect.first()).to_string());
        }
        fields.message()
    }

    /// Returns the message of a refusal that is about no package.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        self.message_in(Dialect::Readme)
    }

    /// Reads the fields of an answer that has a `result`. The package is counted as on the wire.
    pub(super) fn parse(taken: &Taken) -> Result<Self, MessageError> {
        // FAIL by the description; the programs of 2004 also said SQLERR.
        if taken.get("result") == Some(b"PASS") {
            return Err(MessageError::Value("result".to_owned(), "what is expected here"));
        }
        let word = taken.get("reason");
        let found = WORDS.iter().find(|(_, known, _)| word == Some(known.as_bytes()));
        let package = taken.get("package").and_then(number).and_then(|number| usize::try_from(number).ok());
        Ok(Self { reason: found.map_or(Reason::NotSaid, |(reason, _, _)| *reason), package })
    }

    /// Returns the refusal with its package counted from 0, which was read as `dialect` counts.
    pub(super) fn in_dialect(self, dialect: Dialect) -> Self {
        Self { package: self.package.and_then(|package| package.checked_sub(dialect.first())), ..self }
    }
}

/// What a server has found out about a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is whole.
    Pass,
    /// It is not, and was deleted there.
    Fail,
}

/// The last answer: what became of each package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts(pub Vec<Verdict>);

impl Verdicts {
    /// Returns the message.
    pub fn message(&self, dialect: Dialect, has_sha256: bool) -> Zeroizing<Vec<u8>> {
        let (count, stem) = dialect.verdict_names();
        let mut fields = Fields::default();
        fields.push(count, self.0.len().to_string());
        for (index, verdict) in (dialect.first()..).zip(&self.0) {
            let word = match verdict {
                Verdict::Pass => "PASS",
                Verdict::Fail => "FAIL",
            };
            fields.push(format!("{stem}{index}"), word);
            if has_sha256 {
                fields.push(format!("s{index}"), word);
            }
        }
        fields.message()
    }

    /// Reads the verdicts on `count` packages.
    pub fn parse(
        message: &[u8],
        dialect: Dialect,
        count: usize,
        has_sha256: bool,
    ) -> Result<Self, MessageError> {
        let mut taken = Taken::parse(message)?;
        if taken.get("result").is_some() {
            return Err(Refusal::parse(&taken)?.in_dialect(dialect).into());
        }
        let (count_name, stem) = dialect.verdict_names();
        if taken.number(count_name)? != count as u64 {
            return Err(MessageError::Value(count_name.to_owned(), "the number of packages"));
        }
        let mut verdicts = Vec::with_capacity(count);
        for index in dialect.first()..dialect.first() + count {
            let mut verdict = one(&mut taken, format!("{stem}{index}"))?;
            // The server must have looked at both.
            if has_sha256 && one(&mut taken, format!("s{index}"))? == Verdict::Fail {
                verdict = Verdict::Fail;
            }
            verdicts.push(verdict);
        }
        taken.finish()?;
        Ok(Self(verdicts))
    }
}

fn one(taken: &mut Taken, name: String) -> Result<Verdict, MessageError> {
    match taken.take(&name)? {
        b"PASS" => Ok(Verdict::Pass),
        b"FAIL" => Ok(Verdict::Fail),
        _ => Err(MessageError::Value(name, "PASS or FAIL")),
    }
}

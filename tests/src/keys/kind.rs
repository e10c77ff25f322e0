//! A kind of key, and what should come of it.

use crate::gpg::Recipe;

/// Who makes a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Maker {
    /// Debian's GnuPG 2.2, by these commands.
    Gpg(Recipe),
    /// Debian's GnuPG 1.4, as old keys were made with: all signatures over SHA-1.
    OldGpg,
    /// Debian's sq, with these arguments of `key generate`.
    Sq(&'static [&'static str]),
    /// Debian's sqop, with these arguments of `generate-key`.
    Sqop(&'static [&'static str]),
    /// OpenPGP.js.
    OpenPgpJs,
    /// PGPy.
    PgPy,
    /// pysequoia.
    PySequoia,
    /// rPGP.
    Rpgp,
}

impl Maker {
    /// Returns its name, and the package whose version is told.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Gpg(_) => ("GnuPG", "gnupg"),
            Self::OldGpg => ("GnuPG", "gnupg1"),
            Self::Sq(_) => ("sq", "sq"),
            Self::Sqop(_) => ("sqop", "sqop"),
            Self::OpenPgpJs => ("OpenPGP.js", "openpgp"),
            Self::PgPy => ("PGPy", "PGPy"),
            Self::PySequoia => ("pysequoia", "pysequoia"),
            Self::Rpgp => ("rPGP", "pgp"),
        }
    }
}

/// What `manage` is told of the passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Right,
    Wrong,
}

/// What should come of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// It is taken, and what it signs is verified by all.
    Accepted,
    /// It is refused, in these words among others, and one of the customers' programs at least would fail as
    /// well.
    Refused(&'static str),
    /// It is refused in these words, although the customers' programs would verify; and why.
    Stricter(&'static str, &'static str),
}

/// A kind of key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// What it is called by `--only`; the part after the slash is what the maker's script knows it by.
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) title: &'static str,
    pub(crate) maker: Maker,
    pub(crate) told: Told,
    pub(crate) expected: Expected,
}

impl Kind {
    /// A key without a passphrase that should be taken.
    pub(crate) const fn of(maker: Maker, name: &'static str, title: &'static str) -> Self {
        Self { name, title, maker, told: Told::Nothing, expected: Expected::Accepted }
    }

    /// The same with a passphrase, which is told.
    pub(crate) const fn locked(self) -> Self {
        Self { told: Told::Right, ..self }
    }

    /// One that should be refused in these words.
    pub(crate) const fn refused(self, words: &'static str) -> Self {
        Self { expected: Expected::Refused(words), ..self }
    }

    /// One that is refused in these words, although others would take it; and why.
    pub(crate) const fn stricter(self, words: &'static str, why: &'static str) -> Self {
        Self { expected: Expected::Stricter(words, why), ..self }
    }

    /// Returns what the maker's script knows it by.
    pub(crate) fn own_name(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(_, name)| name)
    }
}

//! A suite's Release, as far as it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use intraware_core::foreign;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::Wrong;
use crate::sum::is_digest;

/// A Release file.
pub(super) struct Release {
    components: BTreeSet<String>,
    architectures: BTreeSet<String>,
    valid_until: Option<String>,
    /// Whether readers ask for indexes by their digests.
    pub(super) by_hash: bool,
    /// The files that it names.
    pub(super) listed: Vec<Listed>,
}

/// A file that Release names.
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// There in some trees; then readers ask by it, since it is the strongest.
    pub(super) sha512: Option<String>,
}

/// A digest by which a file can be asked for: its name, and how many digits it has.
type Kind = (&'static str, usize);
const SHA256: Kind = ("SHA256", 64);
const SHA512: Kind = ("SHA512", 128);

/// The endings of the forms that an index can have.
const FORMS: [&str; 6] = ["", ".gz", ".xz", ".bz2", ".lz4", ".zst"];

impl Release {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let field = |name: &str| {
            text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
        };
        let words = |name: &str| -> BTreeSet<String> {
            field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let mut stronger: BTreeMap<String, String> =
            section(text, SHA512)?.into_iter().map(|(path, _, digest)| (path, digest)).collect();
        let listed: Vec<Listed> = section(text, SHA256)?
            .into_iter()
            .map(|(path, size, sha256)| Listed { sha512: stronger.remove(&path), path, size, sha256 })
            .collect();
        if listed.is_empty() {
            return Err("its Release names no file by SHA-256".into());
        }
        Ok(Self {
            components: words("Components"),
            architectures: words("Architectures"),
            valid_until: field("Valid-Until"),
            by_hash: field("Acquire-By-Hash").is_some_and(|value| value == "yes"),
            listed,
        })
    }

    /// Fails if readers would take it for too old.
    pub(super) fn is_valid_at(&self, now: Timestamp) -> Result<(), Wrong> {
        let Some(until) = &self.valid_until else { return Ok(()) };
        let until = until.replace("UTC", "GMT");
        match rfc2822::parse(&until) {
            Ok(at) if at.timestamp() > now => Ok(()),
            Ok(_) => Err(format!("its Release was valid until {}", foreign::escape(&until))),
            Err(error) => Err(format!("its Valid-Until cannot be understood: {error}")),
        }
    }

    /// Fails if a component or an architecture of the old one is missing.
    pub(super) fn drops_nothing_of(&self, old: &Self) -> Result<(), Wrong> {
        let kinds = [
            ("component", &old.components, &self.components),
            ("architecture", &old.architectures, &self.architectures),
        ];
        for (kind, old, new) in kinds {
            if let Some(dropped) = old.difference(new).next() {
                let dropped = foreign::escape(dropped);
                return Err(format!(
                    "the {kind} {dropped} is gone; if it shall go, use check = \"none\" once"
                ));
            }
        }
        Ok(())
    }

    /// Returns whether the same index is there in another form.
    pub(super) fn has_other_form(&self, dir: &Path, listed: &Listed) -> bool {
        let stem = listed.stem();
        self.listed.iter().any(|other| other.stem() == stem && dir.join(&other.path).is_file())
    }

    /// Returns the indexes of packages, each in the form that is read best.
    pub(super) fn indexes<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a Listed> {
        let mut seen = BTreeSet::new();
        let mut found: Vec<&Listed> = self
            .listed
            .iter()
            .filter(|listed| is_index(listed.stem()) && dir.join(&listed.path).is_file())
            .collect();
        found.sort_by_key(|listed| FORMS.iter().position(|form| *form == listed.form()));
        found.retain(|listed| seen.insert(listed.stem()));
        found.into_iter()
    }
}

/// Returns whether the index of this name lists files of the pool.
fn is_index(stem: &str) -> bool {
    matches!(stem.rsplit('/').next(), Some("Packages" | "Sources"))
}

/// Returns path, size and digest of all that Release names by one kind of digest.
fn section(text: &str, (name, digits): Kind) -> Result<Vec<(String, u64, String)>, Wrong> {
    let lines = text.lines().skip_while(|line| line.trim_end().strip_suffix(':') != Some(name)).skip(1);
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (digest, size, path) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        (is_digest(digest, digits) && is_below(path)).then(|| (path.to_owned(), size, digest.to_lowercase()))
    };
    let unclear =
        |line: &str| format!("its Release has a line that is none of a file: {}", foreign::escape(line));
    lines
        .take_while(|line| line.starts_with(' '))
        .map(|line| parse(line).ok_or_else(|| unclear(line)))
        .collect()
}

impl Listed {
    /// Returns where readers look for it in its directory, by the strongest digest that they know.
    pub(super) fn by_hash(&self) -> String {
        match &self.sha512 {
            Some(sha512) => format!("by-hash/{}/{sha512}", SHA512.0),
            None => format!("by-hash/{}/{}", SHA256.0, self.sha256),
        }
    }

    /// Returns the path without the ending of its form.
    pub(super) fn stem(&self) -> &str {
        self.path.strip_suffix(self.form()).unwrap_or(&self.path)
    }

    pub(super) fn form(&self) -> &'static str {
        FORMS.into_iter().rev().find(|form| self.path.ends_with(form)).unwrap_or("")
    }
}

/// Returns whether a path leads below where it begins.
pub(crate) fn is_below(path: &str) -> bool {
    path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// Returns the text of an InRelease without its signature; `None` if it is none.
pub(crate) fn signed_text(inline: &str) -> Option<String> {
    let (_, rest) = inline.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----\n")?.split_once("\n\n")?;
    let (text, _) = rest.split_once("\n-----BEGIN PGP SIGNATURE-----")?;
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("- ").unwrap_or(line)).collect();
    Some(lines.join("\n").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(lines: &str) -> Result<Release, Wrong> {
        let digest = "0".repeat(64);
        Release::parse(&format!("{lines}SHA256:\n {digest} 5 main/binary-amd64/Packages.gz\n {digest} 9 a\n"))
    }

    #[test]
    fn what_was_there_must_not_be_dropped() {
        let old = release("Components: main contrib\nArchitectures: amd64\n").unwrap();
        let new = release("Components: main\nArchitectures: amd64 arm64\n").unwrap();
        assert!(new.drops_nothing_of(&old).unwrap_err().contains("component contrib is gone"));
        assert!(old.drops_nothing_of(&new).unwrap_err().contains("architecture arm64 is gone"));
        assert!(new.drops_nothing_of(&new).is_ok());
    }

    #[test]
    fn a_release_is_valid_until_it_says() {
        let release = release("Valid-Until: Tue, 01 Dec 2026 10:00:00 UTC\n").unwrap();
        assert!(release.is_valid_at("2026-12-01T09:59:59Z".parse().unwrap()).is_ok());
        assert!(release.is_valid_at("2026-12-01T10:00:01Z".parse().unwrap()).is_err());
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in ["../Packages", "/etc/passwd", "a//b", "a/./b"] {
            let text = format!("SHA256:\n {} 5 {path}\n", "0".repeat(64));
            assert!(Release::parse(&text).is_err(), "{path}");
        }
        assert!(Release::parse("Suite: stable\n").is_err());
    }

    #[test]
    fn forms_of_one_index_have_one_stem() {
        let release = release("").unwrap();
        let listed = &release.listed[0];
        assert_eq!((listed.stem(), listed.form()), ("main/binary-amd64/Packages", ".gz"));
    }

    #[test]
    fn the_signed_text_is_as_it_was_before() {
        let inline = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nA: b\n- -c\n\n-----BEGIN PGP SIGNATURE-----\nx";
        assert_eq!(signed_text(inline).as_deref(), Some("A: b\n-c"));
        assert_eq!(signed_text("A: b\n"), None);
    }
}

//! What a `.changes` says, once its signature is good.

use intraware_config::TreeConfig;
use intraware_core::foreign;
use intraware_core::sign::SignedText;

use super::Why;
use crate::control::{Fields, is_file_name, is_package};
use crate::version::Version;

/// An upload.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) source: String,
    pub(super) version: Version,
    /// The suite that it is for.
    pub(crate) suite: String,
    pub(crate) files: Vec<Uploaded>,
    /// The fingerprint of the key that has signed it.
    pub(crate) signer: String,
}

/// A file of an upload.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub(crate) name: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// The directory that it belongs in, from the root.
    pub(super) dir: String,
    pub(super) component: String,
    pub(super) kind: Kind,
}

/// What a file of an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Package,
    /// The description of a source.
    Dsc,
    /// What the build was made with, which is kept beside what was built.
    BuildInfo,
    /// A part of a source.
    Part,
}

impl Changes {
    pub(super) fn parse(signed: SignedText, tree: &TreeConfig) -> Result<Self, Why> {
        let text = String::from_utf8(signed.text).map_err(|_| "it is no text in UTF-8")?;
        let fields = Fields::parse(&text).ok_or("its fields cannot be understood")?;
        let source = fields.source().to_owned();
        if !is_package(&source) {
            return Err(format!("{} is no name of a source", quoted(&source)));
        }
        let version = Version::parse(fields.get("version"))
            .ok_or_else(|| format!("{} is no version", quoted(fields.get("version"))))?;
        let suite = fields.get("distribution");
        if !tree.all_suites().any(|known| known == suite) {
            let known: Vec<&str> = tree.all_suites().collect();
            return Err(format!("it is for {}; the suites are {}", quoted(suite), known.join(", ")));
        }
        let files = files(&fields, &source, tree)?;
        Ok(Self { source, version, suite: suite.to_owned(), files, signer: signed.signer })
    }
}

/// Returns the names of the files that an upload has, as far as they can be understood.
pub(super) fn names(signed: &SignedText) -> Vec<String> {
    let fields = Fields::parse(&String::from_utf8_lossy(&signed.text)).unwrap_or_default();
    let sums = fields.sums().unwrap_or_default().into_iter();
    sums.map(|sum| sum.name).filter(|name| is_file_name(name)).collect()
}

fn files(fields: &Fields, source: &str, tree: &TreeConfig) -> Result<Vec<Uploaded>, Why> {
    let sums = fields.sums().ok_or("it names no files by SHA-256, or not clearly")?;
    let listed = fields.files().ok_or("its list Files cannot be understood")?;
    if listed.len() != sums.len() {
        return Err("Files and Checksums-Sha256 name different files".into());
    }
    let mut files: Vec<Uploaded> = Vec::new();
    for sum in sums {
        if !is_file_name(&sum.name) {
            return Err(format!("{} is no plain name of a file", quoted(&sum.name)));
        }
        if files.iter().any(|file| file.name == sum.name) {
            return Err(format!("it names {} twice", sum.name));
        }
        let listed = listed.iter().find(|(name, size, _)| *name == sum.name && *size == sum.size);
        let (_, _, section) = listed.ok_or("Files and Checksums-Sha256 name different files")?;
        // The first component has no prefix.
        let component = section.split_once('/').map_or("main", |(component, _)| component);
        if !tree.components.iter().any(|known| known == component) {
            let known = tree.components.join(", ");
            return Err(format!("{} is for the component {}; there is {known}", sum.name, quoted(component)));
        }
        let kind = Kind::of(&sum.name)?;
        let dir = format!("pool/{component}/{}/{source}", prefix(source));
        let component = component.to_owned();
        files.push(Uploaded { name: sum.name, size: sum.size, sha256: sum.sha256, dir, component, kind });
    }
    Ok(files)
}

impl Kind {
    fn of(name: &str) -> Result<Self, Why> {
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("deb") => Ok(Self::Package),
            Some("dsc") => Ok(Self::Dsc),
            Some("buildinfo") => Ok(Self::BuildInfo),
            Some("udeb" | "ddeb" | "changes") | None => {
                Err(format!("{name} is of a kind that is not taken in"))
            }
            Some(_) => Ok(Self::Part),
        }
    }
}

/// Returns the directory that sources are in with others that begin like it.
fn prefix(source: &str) -> &str {
    let length = if source.starts_with("lib") && source.len() > 3 { 4 } else { 1 };
    source.get(..length).unwrap_or(source)
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", foreign::escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_08_sources_are_in_the_pool_where_debian_has_them() {
        assert_eq!(
            (prefix("blast"), prefix("libxml2"), prefix("lib"), prefix("0ad")),
            ("b", "libx", "l", "0")
        );
    }
}

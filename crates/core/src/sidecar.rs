//! The small files beside a payload: its signature, its checksums, its size.
//!
//! `.MD5`, `.SHA1` and `.SHA256` hold one line that `md5sum -c` and its siblings check;
//! `.filesize` holds the decimal size in bytes and a newline.

use serde::{Deserialize, Serialize};

use crate::digest::Digests;

/// The kinds of sidecars, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SidecarKind {
    /// `.asc`: the detached, armored OpenPGP signature.
    Signature,
    /// `.MD5`
    Md5,
    /// `.SHA1`
    Sha1,
    /// `.filesize`
    Filesize,
    /// `.SHA256`
    Sha256,
}

impl SidecarKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Signature, Self::Md5, Self::Sha1, Self::Filesize, Self::Sha256];

    /// Returns what is appended to the payload's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Signature => ".asc",
            Self::Md5 => ".MD5",
            Self::Sha1 => ".SHA1",
            Self::Filesize => ".filesize",
            Self::Sha256 => ".SHA256",
        }
    }
}

/// The contents of all sidecars of one payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecars {
    contents: [Vec<u8>; 5],
}

impl Sidecars {
    /// Makes the sidecars of the payload called `name`, which [`crate::site::Place`] has checked to be one
    /// line.
    pub fn new(name: &str, digests: &Digests, signature: Vec<u8>) -> Self {
        let checksum = |digest: &dyn std::fmt::Display| checksum_line(name, digest).into_bytes();
        Self {
            contents: [
                signature,
                checksum(&digests.md5),
                checksum(&digests.sha1),
                format!("{}\n", digests.size).into_bytes(),
                checksum(&digests.sha256),
            ],
        }
    }

    /// Returns the content of one sidecar.
    pub fn get(&self, kind: SidecarKind) -> &[u8] {
        &self.contents[kind as usize]
    }

    /// Returns each kind with its content, in the order of [`SidecarKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (SidecarKind, &[u8])> {
        SidecarKind::ALL.into_iter().map(|kind| (kind, self.get(kind)))
    }
}

/// Returns one line in the format of GNU coreutils' `md5sum`: a name with a backslash in it is escaped, and
/// the line is then marked by a leading backslash.
fn checksum_line(name: &str, digest: &dyn std::fmt::Display) -> String {
    if name.contains('\\') {
        format!("\\{digest}  {}\n", name.replace('\\', "\\\\"))
    } else {
        format!("{digest}  {name}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s0_33_sidecars_have_the_form_that_coreutils_checks() {
        let digests = crate::digest::Digester::default().finish();
        let sidecars = Sidecars::new("p7.tar.gz", &digests, b"sig".to_vec());
        assert_eq!(sidecars.get(SidecarKind::Md5), b"d41d8cd98f00b204e9800998ecf8427e  p7.tar.gz\n");
        assert_eq!(sidecars.get(SidecarKind::Filesize), b"0\n");
        let odd = Sidecars::new("a\\b", &digests, Vec::new());
        assert_eq!(odd.get(SidecarKind::Md5), b"\\d41d8cd98f00b204e9800998ecf8427e  a\\\\b\n");
    }
}

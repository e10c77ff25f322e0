//! Whether a run did what it is measured for. Never part of a measurement.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use intraware_test_support::gpg::Gnupg;

use super::peer::PAYLOAD;
use crate::failure::{Doing as _, Failure};
use crate::measure;
use crate::ours::Staged;
use crate::tree::Size;

/// Checks payloads. Runs give the same bytes over and over; what has been unpacked once is known by its
/// SHA-1.
#[derive(Default)]
pub(crate) struct Checker {
    unpacked: BTreeSet<String>,
}

impl Checker {
    /// Checks the sums, the signature, and that the archive is whole and has an entry for everything in the
    /// corpus. Returns the payload's size.
    pub(crate) fn check(&mut self, staged: &Staged, size: &Size, gnupg: &Gnupg) -> Result<u64, Failure> {
        let payload = &staged.payload;
        for (tool, expected) in [("md5sum", &staged.md5), ("sha1sum", &staged.sha1)] {
            let sum = first_word(&measure::output(Command::new(tool).arg("--").arg(payload))?);
            if &sum != expected {
                return Err(Failure::new(format!(
                    "{tool} of {} is {sum} and not {expected}",
                    payload.display()
                )));
            }
        }
        let mut signature = payload.as_os_str().to_owned();
        signature.push(".asc");
        let (good, said) = gnupg.verify(Path::new(&signature), payload);
        if !good {
            return Err(Failure::new(format!("gpg does not verify {}: {said}", payload.display())));
        }
        if !self.unpacked.contains(&staged.sha1) {
            unpack(payload, size)?;
            self.unpacked.insert(staged.sha1.clone());
        }
        Ok(fs::metadata(payload).doing(|| format!("cannot look at {}", payload.display()))?.len())
    }
}

/// Returns what a peer has left in a directory.
pub(crate) fn staged_by_peer(outputs: &Path) -> Result<Staged, Failure> {
    let payload = outputs.join(PAYLOAD);
    let sum = |suffix: &str| {
        let path = outputs.join(format!("{PAYLOAD}.{suffix}"));
        fs::read_to_string(&path)
            .map(|text| first_word(&text))
            .doing(|| format!("cannot read {}", path.display()))
    };
    Ok(Staged { md5: sum("md5")?, sha1: sum("sha1")?, payload })
}

/// Unpacks an archive into nothing and counts its entries. gzip compares its checksum and fails if it is cut
/// off.
fn unpack(payload: &Path, size: &Size) -> Result<(), Failure> {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", r#"gzip -dc -- "$0" | tar -tf - | wc -l"#]).arg(payload);
    let entries = measure::output(&mut bash)?;
    let expected = size.files + size.directories;
    if entries.trim().parse() != Ok(expected) {
        return Err(Failure::new(format!(
            "{} has {} entries and not {expected}",
            payload.display(),
            entries.trim()
        )));
    }
    Ok(())
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

//! What `manage` has prepared: made once, and copied for each run of ours, so that each finds the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::payloads::Payloads;
use crate::failure::{Doing as _, Failure};
use crate::ours::{Key, Ours};
use crate::{measure, say, tree};

/// A configuration, a spool and records, with all payloads of a load waiting for `upload`.
pub(crate) struct Prepared {
    kept: PathBuf,
    /// Where each copy is, since the configuration and the records hold paths.
    used: PathBuf,
    parent: PathBuf,
}

impl Prepared {
    /// Has `manage` prepare the payloads, for the site as given, unless that has been done below `dir`
    /// before.
    pub(crate) fn provide(dir: &Path, payloads: &Payloads, site: &str, key: &Key) -> Result<Self, Failure> {
        let load = payloads.load;
        let kept = dir.join(format!("prepared.{}x{}", load.files, load.file_bytes));
        let prepared = Self { kept, used: dir.join("ours"), parent: payloads.parent() };
        if !prepared.kept.is_dir() {
            say::progress(format_args!("manage prepares payloads: {}", load.files));
            tree::clear(&prepared.used)?;
            let ours = Ours::set_up(&prepared.used, &prepared.parent, site, key)?;
            payloads.builds().try_for_each(|build| ours.add(&build))?;
            measure::output(&mut ours.manage(&["run"]))?;
            let renamed = fs::rename(&prepared.used, &prepared.kept);
            renamed.doing(|| format!("cannot rename {}", prepared.used.display()))?;
        }
        Ok(prepared)
    }

    /// Replaces the last copy by a new one, with the site as given.
    pub(crate) fn copy(&self, site: &str) -> Result<Ours, Failure> {
        tree::remove(&self.used)?;
        measure::output(Command::new("cp").arg("-a").arg(&self.kept).arg(&self.used))?;
        let ours = self.last();
        ours.configure(site)?;
        Ok(ours)
    }

    /// Returns the last copy.
    pub(crate) fn last(&self) -> Ours {
        Ours::at(&self.used, &self.parent)
    }
}

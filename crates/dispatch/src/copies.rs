//! Copies of packages whose files go away, as those that a hook has made: kept until they have got
//! everywhere.
//!
//! A copy is `copies/SHA256/NAME` in the directory of what is known of packages, and appears whole. One that
//! nothing needs is removed when it is a day old: a run that has just made it may not have planned it yet.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use intraware_core::digest::Digester;
use intraware_core::foreign;
use intraware_core::run::RunContext;

use crate::plan::{Action, Plan, PlanError};
use crate::state::{Row, State};

/// What is younger than this is left alone.
const DAY: Duration = Duration::from_hours(24);

/// So much is copied at once, in bytes.
const PIECE: usize = 1 << 18;

/// The copies.
pub struct Copies {
    dir: PathBuf,
}

impl Copies {
    /// Returns those in the directory of [`crate::States`].
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.join("copies") }
    }

    /// Has a plan send copies of the files that it would send.
    pub fn keep(&self, plan: &mut Plan<'_>, context: &RunContext) -> Result<(), PlanError> {
        for item in plan.items.iter_mut().filter(|item| item.action == Action::Send) {
            let path = foreign::path(&item.row.file).to_string();
            let kept = self.copy(&item.row, context);
            item.row.file = kept.map_err(|source| PlanError::Copy { path, source })?;
        }
        Ok(())
    }

    fn copy(&self, row: &Row, context: &RunContext) -> io::Result<PathBuf> {
        let dir = self.dir.join(row.sha256.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let kept = dir.join(&row.package);
        if fs::symlink_metadata(&kept).is_ok_and(|seen| seen.is_file() && seen.len() == row.size) {
            return Ok(kept);
        }
        let temp = dir.join(format!(".{}", context.identity.run));
        let mut from = File::open(&row.file)?;
        let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
        let (mut digester, mut buffer) = (Digester::default(), vec![0; PIECE]);
        loop {
            context.stop.check().map_err(io::Error::other)?;
            match from.read(&mut buffer)? {
                0 => break,
                n => {
                    digester.update(&buffer[..n]);
                    to.write_all(&buffer[..n])?;
                }
            }
        }
        to.sync_all()?;
        if digester.finish().sha256 != row.sha256 {
            fs::remove_file(&temp)?;
            return Err(io::Error::other("somebody writes to it"));
        }
        fs::rename(&temp, &kept)?;
        for dir in [&dir, &self.dir] {
            File::open(dir)?.sync_all()?;
        }
        Ok(kept)
    }

    /// Removes what nothing needs any more. What cannot be removed is left for the next time.
    pub fn sweep(&self, rows: &[Row], context: &RunContext) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for dir in entries {
            let dir = dir?.path();
            let now = context.now().as_second();
            let is_old = |seen: fs::Metadata| {
                let age = now - std::os::unix::fs::MetadataExt::mtime(&seen);
                age >= DAY.as_secs().cast_signed()
            };
            let is_needed = rows.iter().any(|row| row.file.starts_with(&dir) && needs_file(row.state));
            if !is_needed && fs::symlink_metadata(&dir).is_ok_and(is_old) {
                fs::remove_dir_all(&dir)?;
            }
        }
        Ok(())
    }
}

/// Returns whether the file may still be read.
fn needs_file(state: State) -> bool {
    match state {
        State::Planned | State::Sent | State::Failed => true,
        State::Verified | State::Running | State::Done | State::Unknown | State::Superseded => false,
    }
}

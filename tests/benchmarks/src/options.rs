//! What every measurement can be told on the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::{Doing as _, Failure};
use crate::table::Style;

/// How to measure, and how to say it.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Have a quick look only: one round, or fewer trials
    #[arg(long)]
    pub(crate) quick: bool,

    /// Print the tables in Markdown
    #[arg(long)]
    markdown: bool,

    /// Where inputs and outputs are put [default: bench/ in the target directory]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Options {
    pub(crate) fn style(&self) -> Style {
        if self.markdown { Style::Markdown } else { Style::Text }
    }

    /// Makes the benchmark's directory unless it is there, and returns its absolute path.
    pub(crate) fn dir(&self) -> Result<PathBuf, Failure> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => default_dir()?,
        };
        fs::create_dir_all(&dir).doing(|| format!("cannot make {}", dir.display()))?;
        dir.canonicalize().doing(|| format!("cannot find {}", dir.display()))
    }
}

/// Returns the tools of a round. Each round begins with another one, so that none is always first or always
/// behind the same.
pub(crate) fn in_turn<T>(mut tools: Vec<T>, round: u32) -> Vec<T> {
    let first = usize::try_from(round).unwrap_or(0) % tools.len();
    tools.rotate_left(first);
    tools
}

fn default_dir() -> Result<PathBuf, Failure> {
    let this = std::env::current_exe().doing(|| "cannot find this program's file".to_owned())?;
    let target = this.parent().and_then(Path::parent);
    Ok(target.ok_or_else(|| Failure::new("this program is in no target directory"))?.join("bench"))
}

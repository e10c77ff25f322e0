//! What is refused is moved aside, with the reason beside it.

use std::fs;
use std::io;
use std::path::Path;

use intraware_config::UploadsConfig;

use crate::error::PublishError;
use crate::layout::make_dir;

/// Moves an upload to where the refused ones are: its `.changes`, and these of its files.
///
/// The files of one that nobody has signed stay: it may name those of others. What was refused before under
/// the same name is replaced.
pub(super) fn reject(
    config: &UploadsConfig,
    name: &str,
    files: &[&str],
    why: &str,
) -> Result<(), PublishError> {
    let rejected = &config.rejected;
    make_dir(rejected).map_err(PublishError::io("make", rejected))?;
    let reason = rejected.join(format!("{name}.reason"));
    fs::write(&reason, format!("{why}\n")).map_err(PublishError::io("write", &reason))?;
    for name in std::iter::once(&name).chain(files) {
        let from = config.incoming.join(name);
        put_aside(&from, &rejected.join(name)).map_err(PublishError::io("move aside", &from))?;
    }
    Ok(())
}

fn put_aside(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

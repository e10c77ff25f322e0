//! Signed uploads: from a directory where they arrive into the pool, and into the list of the suite that they
//! name.
//!
//! An upload is a file `NAME.changes` with the packages, and perhaps the sources, that it names by size and
//! SHA-256. What it says counts only if one of the configured keys has signed it. It comes in as a whole, or
//! not at all:
//!
//! | its state | what is done |
//! |---|---|
//! | files are missing or still growing, or it is not whole itself | it waits, for a configured time |
//! | it is signed, all is there, and nothing is wrong | it is taken in, and its suite is due |
//! | anything else | it goes to `rejected`, with the reason beside it |
//!
//! # Taking in
//!
//! Those for suites of security come first, and uploads of one source by their versions. One for which
//! something of ours is wrong, room on the disk for instance, stays where it is, and keeps no other from
//! coming in. For each:
//!
//! 1. Its files are copied to `.publish/work/upload`, and their digests taken on the way: who may write where
//!    they arrive can write to what he has put there at any time, and would own it in the pool.
//! 2. The copies are looked at: packages by `dpkg-deb`, sources by the files that they name, which may be in
//!    the pool already.
//! 3. Nothing in the pool is ever replaced, and no suite gets an earlier version than it has.
//! 4. The copies get their names in the pool, the list of the suite is written, and the suite is asked for.
//! 5. Where they arrived, the files are removed, and the `.changes` last.
//!
//! After a crash in 4 or 5 the same upload comes anew. What is in the pool, and is what the upload says, has
//! then arrived.

mod changes;
mod look;
mod reject;
mod take_in;

use intraware_config::UploadsConfig;
use intraware_core::foreign;

pub(crate) use self::look::look;
use self::look::{Upload, Verdict};
use crate::command::Commands;
use crate::error::PublishError;

/// Why an upload is refused; others read it.
type Why = String;

/// Why an upload was not taken in.
enum Failure {
    /// It is not as it must be.
    Refused(Why),
    /// Something of ours is wrong, and it can stay where it is.
    Fault(PublishError),
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Self::Fault(error)
    }
}

impl From<Why> for Failure {
    fn from(why: Why) -> Self {
        Self::Refused(why)
    }
}

/// Takes in what waits and can be; what is refused becomes a problem, and so does what there is no room for,
/// and the others go on.
pub(crate) fn take_all(
    config: &UploadsConfig,
    commands: &Commands<'_>,
    problems: &mut Vec<PublishError>,
) -> Result<(), PublishError> {
    let uploads = look(config, commands.tree, commands.context.now())?;
    // What another one needs as well stays, if this one is refused.
    let named =
        |upload: &Upload| upload.files.iter().map(|file| (upload.name.clone(), file.clone())).collect();
    let needed: Vec<(String, String)> =
        uploads.iter().flat_map(|upload| -> Vec<_> { named(upload) }).collect();
    for upload in uploads {
        commands.context.stop.check()?;
        let name = upload.name.clone();
        let is_shared = |file: &str| needed.iter().any(|(other, needed)| *other != name && needed == file);
        match take_one(config, commands, upload, is_shared) {
            Ok(()) => {}
            Err(error @ PublishError::Stopped(_)) => return Err(error),
            Err(error) => problems.push(error),
        }
    }
    Ok(())
}

/// Takes an upload in, leaves it, or moves it aside but for the files that others share with it.
fn take_one(
    config: &UploadsConfig,
    commands: &Commands<'_>,
    upload: Upload,
    is_shared: impl Fn(&str) -> bool,
) -> Result<(), PublishError> {
    let Upload { name, files, verdict } = upload;
    let shown = foreign::escape(&name);
    let why = match verdict {
        Verdict::Waits(reason) => {
            tracing::info!("the upload {shown} waits: {reason}");
            return Ok(());
        }
        Verdict::Refused(why) => why,
        Verdict::Complete(changes) => match take_in::take_in(config, commands, &name, &changes) {
            Ok(()) => {
                let (suite, signer) = (&changes.suite, &changes.signer);
                tracing::info!("took in {shown} for {suite}, signed by {signer}");
                return Ok(());
            }
            Err(Failure::Fault(error)) => return Err(error),
            Err(Failure::Refused(why)) => why,
        },
    };
    let files: Vec<&str> = files.iter().map(String::as_str).filter(|file| !is_shared(file)).collect();
    reject::reject(config, &name, &files, &why)?;
    Err(PublishError::Refused { upload: shown, why })
}

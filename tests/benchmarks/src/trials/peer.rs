//! The tools that are tried, each as people use it to deliver and, after a failure, to deliver again.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::delivery::far_end::{HOST, Way};
use crate::delivery::payloads::Payloads;
use crate::delivery::peer::{self, lftp};
use crate::failure::{Doing as _, Failure};

/// Another way to deliver a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    SftpPut,
    /// `reput` where something is at the site, else `put`: it refuses to begin.
    SftpReput,
    Scp,
    Lftp,
    Rclone,
}

impl Peer {
    pub(super) const ALL: [Self; 5] = [Self::SftpPut, Self::SftpReput, Self::Scp, Self::Lftp, Self::Rclone];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SftpPut => "sftp: put",
            Self::SftpReput => "sftp: reput",
            Self::Scp => "scp",
            Self::Lftp => "lftp: put -c",
            Self::Rclone => "rclone copyto",
        }
    }

    /// Returns the words of a command line that sends the file.
    pub(super) fn words(self, payloads: &Payloads, way: &Way, home: &Path) -> Result<Vec<OsString>, Failure> {
        let script = home.join("script");
        let write = |text: String| {
            fs::write(&script, text).doing(|| format!("cannot write {}", script.display()))?;
            Ok(OsString::from(&script))
        };
        let name = payloads.names().next().unwrap_or_default();
        let (file, base) = (payloads.flat().join(&name), way.base.display());
        match self {
            Self::SftpReput if way.base.join(&name).exists() => {
                let script = write(format!("reput \"{}\" \"{base}/{name}\"\n", file.display()))?;
                Ok(vec![
                    "sftp".into(),
                    "-F".into(),
                    (&way.ssh_config).into(),
                    "-b".into(),
                    script,
                    HOST.into(),
                ])
            }
            Self::SftpPut | Self::SftpReput => peer::Peer::Sftp.words(payloads, way, home),
            Self::Scp => peer::Peer::Scp.words(payloads, way, home),
            Self::Lftp => {
                let script = write(lftp(way, &format!("put -c -O \"{base}\" \"{}\"\n", file.display())))?;
                Ok(vec!["lftp".into(), "--norc".into(), "-f".into(), script])
            }
            Self::Rclone => peer::Peer::Rclone.words(payloads, way, home),
        }
    }
}

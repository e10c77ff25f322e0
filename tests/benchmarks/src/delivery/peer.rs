//! What people use to deliver. All speak SFTP with the same server, which runs commands as well.
//!
//! Each is set up as somebody would who cares for speed: lftp with as much under way as the server's window
//! takes, and 8 connections for many files; rclone with 64 requests at once, the largest packets that OpenSSH
//! takes, 8 files at once, and told what it would otherwise try out. rclone verifies by MD5, which is its
//! default; the others do not.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::far_end::{HOST, Way};
use super::payloads::Payloads;
use crate::failure::{Doing as _, Failure};

/// The Debian packages that hold the peers, and the server.
pub(crate) const PACKAGES: [&str; 4] = ["openssh-client", "openssh-server", "lftp", "rclone"];

/// Another way to deliver files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Sftp,
    Rclone,
    Lftp,
    Scp,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Sftp, Self::Rclone, Self::Lftp, Self::Scp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sftp => "sftp -b",
            Self::Rclone => "rclone, tuned",
            Self::Lftp => "lftp, tuned",
            Self::Scp => "scp",
        }
    }

    /// Whether it runs in the first round only, unless somebody asks for more: scp sends with the code of
    /// sftp.
    pub(crate) fn is_another(self) -> bool {
        self == Self::Scp
    }

    /// Returns the words of a command line that sends the files. What it reads besides is put into `home`.
    pub(crate) fn words(self, payloads: &Payloads, way: &Way, home: &Path) -> Result<Vec<OsString>, Failure> {
        let script = home.join("script");
        let write = |text: String| {
            fs::write(&script, text).doing(|| format!("cannot write {}", script.display()))?;
            Ok(OsString::from(&script))
        };
        let files = payloads.names().map(|name| payloads.flat().join(name));
        let base = way.base.display();
        Ok(match self {
            Self::Sftp => {
                let put = |file: std::path::PathBuf| format!("put \"{}\" \"{base}/\"\n", file.display());
                let script = write(files.map(put).collect())?;
                vec!["sftp".into(), "-F".into(), (&way.ssh_config).into(), "-b".into(), script, HOST.into()]
            }
            Self::Scp => {
                let options = ["scp".into(), "-q".into(), "-F".into(), (&way.ssh_config).into()];
                let to = format!("{HOST}:{base}/").into();
                options.into_iter().chain(files.map(OsString::from)).chain([to]).collect()
            }
            Self::Lftp => vec![
                "lftp".into(),
                "--norc".into(),
                "-f".into(),
                write(lftp(way, &lftp_send(payloads, way)))?,
            ],
            Self::Rclone => rclone(payloads, way),
        })
    }
}

fn lftp_send(payloads: &Payloads, way: &Way) -> String {
    let (flat, base) = (payloads.flat(), way.base.display());
    let put = |name: String| format!("put -O \"{base}\" \"{}\"\n", flat.join(name).display());
    match payloads.load.files {
        1 => payloads.names().map(put).collect(),
        _ => format!("mirror -R --parallel=8 --no-perms \"{}\" \"{base}\"\n", flat.display()),
    }
}

/// Returns a script for lftp that sends something. A lost connection is tried again soon, and not for ever.
pub(crate) fn lftp(way: &Way, send: &str) -> String {
    format!(
        "set cmd:fail-exit yes\nset net:max-retries 3\nset net:reconnect-interval-base 1\n\
         set sftp:auto-confirm no\nset sftp:max-packets-in-flight 256\nset sftp:size-write 32k\n\
         set sftp:connect-program \"ssh -a -x -F {}\"\nopen -u {}, sftp://{HOST}\n{send}",
        way.ssh_config.display(),
        way.user
    )
}

fn rclone(payloads: &Payloads, way: &Way) -> Vec<OsString> {
    let (flat, base) = (payloads.flat(), way.base.display());
    let mut words: Vec<OsString> = match payloads.load.files {
        1 => {
            let name = payloads.names().next().unwrap_or_default();
            let to = format!(":sftp:{base}/{name}");
            vec!["rclone".into(), "copyto".into(), flat.join(name).into(), to.into()]
        }
        _ => vec!["rclone".into(), "copy".into(), flat.into(), format!(":sftp:{base}").into()],
    };
    words.extend(rclone_options(way));
    words.extend(["--sftp-concurrency=64", "--sftp-chunk-size=255k", "--transfers=8"].map(OsString::from));
    words
}

/// Returns what rclone must know, without a configuration of its own.
fn rclone_options(way: &Way) -> impl Iterator<Item = OsString> {
    let words = [
        "--config=".to_owned(),
        format!("--sftp-host={}", way.addr.ip()),
        format!("--sftp-port={}", way.addr.port()),
        format!("--sftp-user={}", way.user),
        format!("--sftp-key-file={}", way.private_key.display()),
        format!("--sftp-known-hosts-file={}", way.known_hosts.display()),
        "--sftp-shell-type=unix".to_owned(),
        "--sftp-md5sum-command=md5sum".to_owned(),
        "--sftp-sha1sum-command=sha1sum".to_owned(),
    ];
    words.into_iter().map(OsString::from)
}

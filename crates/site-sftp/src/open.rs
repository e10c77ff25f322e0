//! What an open session has, and how it begins.

use std::time::Instant;

use intraware_core::foreign;
use intraware_core::site::{BasePath, Habits, RemotePath, SiteError, SiteErrorKind};

use crate::SftpSettings;
use crate::failure::{Failure, code};
use crate::hash::Hasher;
use crate::link::Link;
use crate::packet::{Attributes, Request};
use crate::subsystem::{Asked, Subsystem};
use crate::wire::Wire as _;

/// A question about a name that is under way.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) at: String,
    pub(super) asked: Asked,
    pub(super) since: Instant,
}

/// How far a look has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peek {
    Opening(Asked),
    Reading(Asked),
}

/// An open session.
pub(super) struct Open {
    // Dropped before the link that they speak over.
    pub(super) sftp: Subsystem,
    /// Further channels for large files.
    pub(super) further: Vec<Subsystem>,
    pub(super) hasher: Hasher,
    pub(super) link: Link,
    pub(super) settings: SftpSettings,
    /// Whom its habits are known of.
    pub(super) peer: String,
    pub(super) base: String,
    pub(super) is_flushed: bool,
    /// What is looked into beside a put.
    pub(super) peek: Option<Peek>,
    /// What is asked about a name to which something is renamed next.
    pub(super) expected: Option<Expected>,
    /// Whether the server says of a link what it leads to, even if it is asked not to follow it.
    pub(super) hides_links: bool,
}

/// The other end of a channel that never answers would be waited for.
impl Drop for Open {
    fn drop(&mut self) {
        if self.hasher.is_mute() {
            self.link.give_up();
        }
    }
}

impl Open {
    /// Starts the SFTP subsystem and finds the base, in what the login has left of the time for connecting.
    pub(super) fn begin(link: Link, settings: &SftpSettings) -> Result<Self, SiteError> {
        let mut sftp = Subsystem::start(&link).map_err(|failure| no_subsystem(&link, failure))?;
        let base = match &settings.base {
            BasePath::Absolute(base) => base.clone(),
            BasePath::Home(below) => {
                let asked = sftp.say(Request::Resolve { path: "." });
                let home = sftp
                    .hear_names(&link, asked)
                    .map_err(|failure| link.error("asking for the login directory", failure))?;
                let home = home.and_then(|names| names.into_iter().next()).unwrap_or_default();
                if home.contains(char::REPLACEMENT_CHARACTER) {
                    let text = format!("using the login directory of site {}: it is not UTF-8", link.peer);
                    return Err(SiteError::new(SiteErrorKind::Configuration, text));
                }
                join(&home, below)
            }
        };
        let peer = peer(&link);
        let takes_commands = settings.known.habits(&peer).takes_commands != Some(false);
        let hasher = if settings.exec_hash && takes_commands { Hasher::Untried } else { Hasher::Unavailable };
        // ProFTPD resolves a path before it looks.
        let hides_links = contains(link.ssh.banner_bytes().unwrap_or_default(), b"mod_sftp");
        let mut open = Self {
            sftp,
            further: Vec::new(),
            hasher,
            settings: settings.clone(),
            peer,
            link,
            base,
            is_flushed: false,
            peek: None,
            expected: None,
            hides_links,
        };
        let base = open.base.clone();
        let limits = open.sftp.say_limits();
        let looked = open.is_directory(&base);
        let heard = limits.map(|asked| open.sftp.hear_limits(&open.link, asked)).transpose();
        match looked.and_then(|is_directory| heard.map(|_| is_directory)) {
            Ok(true) => {
                open.link.is_ready();
                Ok(open)
            }
            Ok(false) => {
                let text = format!(
                    "looking at the base {} of site {}: it is not a directory; correct the url or have it made",
                    foreign::escape(&base),
                    open.link.peer
                );
                Err(SiteError::new(SiteErrorKind::Configuration, text))
            }
            Err(failure) => Err(open.link.error("looking at the base", failure)),
        }
    }

    /// Returns what is known of the server's habits.
    pub(super) fn habits(&self) -> Habits {
        self.settings.known.habits(&self.peer)
    }

    pub(super) fn at(&self, path: &RemotePath) -> String {
        join(&self.base, path.as_str())
    }

    pub(super) fn error(&self, doing: &str, path: &RemotePath, failure: Failure) -> SiteError {
        self.link.error(&format!("{doing} {path}"), failure)
    }

    pub(super) fn refusal(
        &self,
        kind: SiteErrorKind,
        doing: &str,
        path: &RemotePath,
        status: u32,
    ) -> SiteError {
        self.link.error_of(kind, &format!("{doing} {path}"), Failure::Status(status))
    }

    /// Returns whether a directory, or a link to one, is at an absolute path.
    pub(super) fn is_directory(&mut self, path: &str) -> Result<bool, Failure> {
        match self.sftp.ask_attributes(&self.link, Request::LookThrough { path }) {
            Ok(attributes) => Ok(attributes.is_directory()),
            Err(failure) if failure.kind() == SiteErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Looks at an absolute path, without following a link. A link may look like anything but a file or a
    /// directory.
    pub(super) fn look(&mut self, at: &str) -> Result<Attributes, Failure> {
        let leads = self.hides_links.then(|| self.sftp.say(Request::ReadLink { path: at }));
        let looks = self.sftp.say(Request::Look { path: at });
        let looked = self.sftp.hear_attributes(&self.link, looks);
        match leads.map(|asked| self.sftp.hear_names(&self.link, asked)) {
            Some(Ok(_)) => Ok(Attributes { size: Some(0), mode: Some(0) }),
            Some(Err(failure)) if failure.kind().is_dead() => Err(failure),
            Some(Err(_)) | None => looked,
        }
    }
}

/// Returns what the server says of itself, and its key.
fn peer(link: &Link) -> String {
    let banner = foreign::escape(link.ssh.banner_bytes().unwrap_or_default());
    let key = link.ssh.host_key().map(|(blob, _)| super::known_hosts::fingerprint(blob));
    format!("sftp, {banner}, host key {}", key.unwrap_or_default())
}

/// Makes an error of a subsystem that does not start.
fn no_subsystem(link: &Link, failure: Failure) -> SiteError {
    let doing = "starting the sftp subsystem";
    let failure = match failure {
        // There is nothing else on this connection.
        Failure::Ended => link.judge(Failure::Lost),
        failure => failure,
    };
    if !failure.is_of(code::CHANNEL_REQUEST_DENIED) {
        return link.error(doing, failure);
    }
    let text = format!(
        "{doing} at site {}: the server has none, or not for this account; have it turned on there",
        link.peer
    );
    SiteError::new(SiteErrorKind::Unsupported, text)
}

/// Joins an absolute path and one below it.
fn join(base: &str, below: &str) -> String {
    match (base.trim_end_matches('/'), below) {
        ("", "") => "/".to_owned(),
        (base, "") => base.to_owned(),
        (base, below) => format!("{base}/{below}"),
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

//! What an open session has, how it begins, and where in the server's directories it is.

use std::collections::HashSet;

use intraware_core::foreign;
use intraware_core::site::{BasePath, Habits, RemotePath, Session as _, SiteError, SiteErrorKind};

use crate::FtpSettings;
use crate::control::{Control, Failure};
use crate::data::{Channel, Ended};
use crate::hash::Hasher;
use crate::listing::Lister;
use crate::login::{Features, Login, log_in};
use crate::reply::{Reply, quoted_path};

/// Whether a directory can be entered.
pub(super) enum Entered {
    Yes,
    No,
    /// The server refuses, and does not say that there is none.
    Unclear(Reply),
}

/// An open session.
pub(super) struct Open {
    pub(super) control: Control,
    pub(super) channel: Channel,
    pub(super) features: Features,
    pub(super) base: String,
    /// The directory that the server takes us to be in.
    pub(super) entered: Option<String>,
    pub(super) lister: Lister,
    /// Whether it was seen to list a directory itself, so that a listing without that is not whole.
    pub(super) lists_itself: bool,
    /// Whether it does not know `MLST`.
    pub(super) lacks_facts: bool,
    /// Whether it has said by `MLST` of a name that something is there.
    pub(super) has_shown_facts: bool,
    pub(super) hasher: Hasher,
    /// The files of which this connection may hold a hash that is not of what is there.
    pub(super) hashed: HashSet<String>,
    pub(super) greeting: String,
    pub(super) settings: FtpSettings,
    pub(super) sets_modes: bool,
}

impl Open {
    /// Finds the base, in what the login has left of the time for connecting.
    pub(super) fn begin(login: Login, settings: &FtpSettings) -> Result<Self, SiteError> {
        let Login { mut control, tls, greeting, features } = login;
        let base = match &settings.base {
            BasePath::Absolute(base) => base.clone(),
            BasePath::Home(below) => {
                let doing = "asking for the login directory";
                let home = control.done("PWD", "").map_err(|failure| {
                    let failure = control.doubt(failure);
                    control.error(doing, failure)
                })?;
                let home = quoted_path(home.text())
                    .filter(|home| home.starts_with('/') && !home.contains(foreign::is_unsafe))
                    .ok_or_else(|| control.error(doing, Failure::Unfit("it names none that can be used")))?;
                join(&home, below)
            }
        };
        let mut open = Self {
            control,
            channel: Channel::new(tls, settings.io_timeout),
            hasher: Hasher::among(&features),
            features,
            base: base.clone(),
            hashed: HashSet::new(),
            entered: None,
            lister: Lister::Untried,
            lists_itself: false,
            lacks_facts: false,
            has_shown_facts: false,
            greeting,
            settings: settings.clone(),
            sets_modes: true,
        };
        open.channel.only_passive = open.habits().takes_epsv == Some(false);
        open.sets_modes = open.habits().sets_modes != Some(false);
        match open.enter(&base) {
            Ok(true) => {
                open.control.deadline = None;
                Ok(open)
            }
            Ok(false) => {
                let failed = |open: &Self, failure| open.control.error("looking at the base", failure);
                open.control.confirm().map_err(|failure| failed(&open, failure))?;
                let base = foreign::escape(&base);
                let text = format!(
                    "looking at the base {base} of site {}: it cannot be entered; correct the url or have it made",
                    open.control.peer
                );
                Err(SiteError::new(SiteErrorKind::Configuration, text))
            }
            Err(failure) => {
                let failure = open.control.doubt(failure);
                Err(open.control.error("looking at the base", failure))
            }
        }
    }

    /// Goes on over a new connection.
    pub(super) fn renew(&mut self) -> Result<(), SiteError> {
        self.control.take_leave();
        *self = Self::begin(log_in(&self.settings)?, &self.settings)?;
        Ok(())
    }

    /// Returns what is known of the server.
    pub(super) fn habits(&self) -> Habits {
        self.settings.known.habits(&self.peer())
    }

    /// Takes note of a habit of the server.
    pub(super) fn learn(&self, change: impl FnOnce(&mut Habits)) {
        self.settings.known.learn(&self.peer(), change);
    }

    /// Returns the absolute path of one below the base.
    pub(super) fn at(&self, path: &RemotePath) -> String {
        join(&self.base, path.as_str())
    }

    /// Returns the name of a path in the directory that holds it, after going there, so that of a name that
    /// was cut the beginning is in the same directory. If there is no going there it is the absolute path.
    pub(super) fn name_within(&mut self, path: &RemotePath) -> Result<String, Failure> {
        Ok(match self.enter(&self.at(&path.parent()))? {
            // With a dot in front, since some servers take a tilde for somebody's home.
            true => format!("./{}", path.name()),
            false => self.at(path),
        })
    }

    pub(super) fn error(&self, doing: &str, path: &RemotePath, failure: Failure) -> SiteError {
        self.control.error(&format!("{doing} {path}"), failure)
    }

    pub(super) fn refusal(
        &self,
        kind: SiteErrorKind,
        doing: &str,
        path: &RemotePath,
        why: &str,
    ) -> SiteError {
        SiteError::new(kind, format!("{doing} {path} at site {}: {why}", self.control.peer))
    }

    /// Changes to a directory, or a link to one; returns whether there is one that may be entered.
    pub(super) fn enter(&mut self, dir: &str) -> Result<bool, Failure> {
        match self.try_to_enter(dir)? {
            Entered::Yes => Ok(true),
            Entered::No => Ok(false),
            Entered::Unclear(reply) => Err(self.control.doubt(Failure::Refused(reply))),
        }
    }

    /// Does the same for a caller that finds out by itself what an unclear refusal means.
    pub(super) fn try_to_enter(&mut self, dir: &str) -> Result<Entered, Failure> {
        if self.entered.as_deref() == Some(dir) {
            return Ok(Entered::Yes);
        }
        let reply = self.control.ask("CWD", dir)?;
        self.entered = reply.is_done().then(|| dir.to_owned());
        Ok(match reply.is_done() {
            true => Entered::Yes,
            false if says_absence(reply.code) => Entered::No,
            false => Entered::Unclear(reply),
        })
    }

    /// Does something that takes a connection for data. If nobody is to be met at a port that `EPSV` has
    /// named, it is done once more over a new connection and by `PASV`, which is what packet filters read;
    /// and that is kept.
    pub(super) fn with_data<T>(
        &mut self,
        mut action: impl FnMut(&mut Channel, &mut Control) -> Result<T, Ended>,
    ) -> Result<T, Ended> {
        let failure = match action(&mut self.channel, &mut self.control) {
            Err(Ended::NotBegun(failure)) if self.channel.is_blocked => failure,
            ended => return ended,
        };
        let (dir, knew) = (self.entered.clone(), self.channel.only_passive);
        if knew {
            // It was another way once, and that is asked again by the next connection.
            self.learn(|habits| habits.takes_epsv = None);
            return Err(Ended::NotBegun(failure));
        }
        if self.renew().is_err() {
            return Err(Ended::NotBegun(failure));
        }
        self.channel.only_passive = true;
        if let Some(dir) = dir {
            self.enter(&dir)?;
        }
        let ended = action(&mut self.channel, &mut self.control);
        if self.channel.has_connected {
            tracing::info!(site = %self.control.peer, "ports of EPSV cannot be reached; PASV is used from now on");
            self.learn(|habits| habits.takes_epsv = Some(false));
        }
        ended
    }
}

/// Joins an absolute path and one below it.
fn join(base: &str, below: &str) -> String {
    match (base.trim_end_matches('/'), below) {
        ("", "") => "/".to_owned(),
        (base, "") => base.to_owned(),
        (base, below) => format!("{base}/{below}"),
    }
}

/// Returns whether a number is one that servers have for absence.
pub(super) fn says_absence(code: u16) -> bool {
    matches!(code, 450 | 550)
}

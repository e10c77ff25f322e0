//! What a site can do, found out by doing it.
//!
//! The probe puts files of its own into the site's base, tries on them what a delivery may want, and removes
//! them. It asks for nothing but what a [`Session`] offers, believes what it sees afterwards and not what was
//! answered, and leaves nothing behind, also when it fails. If it cannot help that (it was killed, the site
//! went away), the next one removes what it left ([`names`]). Where nothing can be removed, it finds that out
//! with a file that has the same name each time, and tries no more.
//!
//! What comes out, [`Capabilities`], is kept in the spool for all hosts. It is knowledge of a moment: whoever
//! goes by it must still cope with a site that has changed, and lose no more than time. To prove a content,
//! it is no substitute.

mod names;
mod trial;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::names::Names;
use self::trial::Trial;
use super::{RemotePath, Session, Site, SiteError, SiteErrorKind};
use crate::exit::{Fault, HasFault};
use crate::run::{RunContext, Stopped};

/// What was found out about a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The format of what follows.
    pub format: u32,
    /// The site's name in the configuration.
    pub site: String,
    /// What [`Session::peer`] said of it.
    pub peer: String,
    /// When.
    pub at: Timestamp,
    /// From which host.
    pub host: String,
    /// How long it took to look at a file, in microseconds; the median of some.
    pub answer_us: u64,
    /// What it can do.
    pub abilities: Abilities,
}

/// What a site can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// What it says of a file right after it took it.
    pub stat: Stat,
    /// What it gives back.
    pub reads: Reading,
    /// What it hashes by itself.
    pub hashes: Hashing,
    /// Whether a file can be gone on with at its end.
    pub appends: bool,
    /// What becomes of a file that is written to in its middle.
    pub rewrites: Rewriting,
    /// Whether it can be written behind the end of a file, so that its pieces may come in any order.
    pub writes_ahead: bool,
    /// Whether it cuts files.
    pub cuts: bool,
    /// Whether it says that a file is on its disk.
    pub flushes: bool,
    /// What becomes of a taken name when another file is renamed to it.
    pub renames: Renaming,
    /// Whether a file that was renamed was still there, and the same, when all else had been tried.
    pub keeps: bool,
    /// Whether it says how much room there is.
    pub tells_space: bool,
    /// The longest name that it takes, in bytes.
    pub longest_name: usize,
    /// Whether it takes and lists characters beyond ASCII as they are.
    pub takes_unicode: bool,
    /// Whether names may begin with a dot.
    #[serde(default = "yes")]
    pub takes_dot_names: bool,
    /// How many connections it takes at once.
    pub connections: Connections,
    /// Whether it tells upper from lower case in names; unknown if it was probed by a program that did not
    /// ask.
    #[serde(default)]
    pub tells_cases: Option<bool>,
}

/// What was true of every site that could be probed, before there was a word for it.
fn yes() -> bool {
    true
}

/// What a site says of a file right after it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stat {
    /// Its size.
    Right,
    /// Another size.
    Wrong,
    /// That there is no such file.
    Absent,
}

/// What a site gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// What was put.
    Right,
    /// Something else.
    Wrong,
    /// Nothing, as some drop boxes.
    Withheld,
}

/// What a site hashes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hashing {
    /// Files.
    Files,
    /// Nothing.
    Nothing,
    /// Something else than what was put.
    Wrong,
}

/// What becomes of a file that is written to in its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewriting {
    /// What stands behind stays.
    Keeps,
    /// It ends where the writing ended.
    Cuts,
    /// Nothing: it is refused, or leads to neither.
    Refused,
}

/// What becomes of a taken name when another file is renamed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renaming {
    /// Nothing: the site refuses.
    Guarded,
    /// Nothing, as long as we see it: we look before, and the site would overwrite it.
    LookedAt,
    /// It is overwritten although we look before.
    Overwritten,
    /// Files cannot be renamed at all.
    Impossible,
}

/// How many connections a site takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// So many, and one more was refused.
    AtMost(usize),
    /// So many; more were not tried.
    AtLeast(usize),
}

/// The format of [`Capabilities`] that this program reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// How often is looked at a file to find out how long it takes.
const LOOKS: usize = 5;

impl Capabilities {
    /// Returns the number of connections above which the site was found to refuse more.
    pub fn most_connections(&self) -> Option<usize> {
        match self.abilities.connections {
            Connections::AtMost(most) => Some(most),
            Connections::AtLeast(_) => None,
        }
    }
}

impl Abilities {
    /// Returns why nothing can be delivered to a site like this, each reason with what to do about it; if
    /// `contents_count`, a payload must be proven by more than its size.
    pub fn obstacles(&self, contents_count: bool) -> Vec<&'static str> {
        let is_provable = self.reads != Reading::Withheld || self.hashes != Hashing::Nothing;
        let reasons = [
            (
                self.stat != Stat::Right,
                "it does not say the right size of a file that it has just taken; ask its operator what happens to files",
            ),
            (
                self.reads == Reading::Wrong,
                "it gives back other bytes than it was sent; ask its operator who changes files",
            ),
            (
                self.hashes == Hashing::Wrong,
                "its hash of a file is not that of the bytes it was sent; set exec_hash = false, or ask its operator",
            ),
            (
                contents_count && !is_provable,
                "it neither hashes files nor gives them back; set verify = \"size\" for it, or have one of both allowed",
            ),
            (
                self.renames == Renaming::Overwritten,
                "a rename overwrites a file although it is looked for before; it does not fit as a site",
            ),
            (
                self.renames == Renaming::Impossible,
                "files cannot be renamed; have it allowed to the account there",
            ),
            (
                !self.keeps,
                "a file that got its name is gone or changed soon after; ask its operator who takes files away",
            ),
        ];
        reasons.into_iter().filter_map(|(applies, reason)| applies.then_some(reason)).collect()
    }
}

/// A site was not probed to the end.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Files can be put, but not removed. Deliveries need not remove anything; the probe would leave more
    /// with each run.
    #[error(
        "nothing can be removed there, so no more is tried, and {left} stays; deliveries go on, and what they leave when they fail stays as well"
    )]
    Keeps {
        /// The only file that stays, whatever number of probes there are.
        left: RemotePath,
        /// What the site said.
        source: SiteError,
    },
    /// It failed, or refuses what no delivery can do without.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The run was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl HasFault for ProbeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Site(err) | Self::Keeps { source: err, .. } => err.kind.fault(),
            Self::Stopped(_) => Fault::TryLater,
        }
    }
}

/// Finds out what a site can do, with up to `most` connections at once.
pub fn probe(site: &dyn Site, most: usize, context: &RunContext) -> Result<Capabilities, ProbeError> {
    let mut session = site.connect()?;
    let mut names = Names::new(&context.identity);
    remove_leftovers(session.as_mut(), &names, context)?;
    let learned = learn(site, session.as_mut(), &mut names, most, context);
    match (learned, clean(site, session, &names)) {
        (Ok(learned), Ok(())) => Ok(learned),
        (Ok(_), Err(err)) => Err(err.into()),
        (Err(err), cleaned) => {
            if let Err(also) = cleaned {
                tracing::warn!("files of the probe are left at the site, for the next one to remove: {also}");
            }
            Err(err)
        }
    }
}

fn learn(
    site: &dyn Site,
    session: &mut dyn Session,
    names: &mut Names,
    most: usize,
    context: &RunContext,
) -> Result<Capabilities, ProbeError> {
    let mut trial = Trial::begin(session, names, &context.stop)?;
    let mut abilities = trial.learn()?;
    let answer = trial.median_answer(LOOKS)?;
    abilities.connections = connections(site, most, context)?;
    abilities.keeps = trial.is_kept()?;
    Ok(Capabilities {
        format: FORMAT,
        site: site.name().to_owned(),
        peer: trial.session.peer(),
        at: context.now(),
        host: context.identity.host.clone(),
        answer_us: u64::try_from(answer.as_micros()).unwrap_or(u64::MAX),
        abilities,
    })
}

/// Opens connections until one is refused, and closes them again. One is open already.
fn connections(site: &dyn Site, most: usize, context: &RunContext) -> Result<Connections, ProbeError> {
    let mut others = Vec::new();
    while others.len() + 1 < most {
        context.stop.check()?;
        match another(site)? {
            Some(session) => others.push(session),
            None => return Ok(Connections::AtMost(others.len() + 1)),
        }
    }
    Ok(Connections::AtLeast(others.len() + 1))
}

/// Opens one more connection, or returns `None` if the site refuses it, twice unless a login could be locked
/// for that.
fn another(site: &dyn Site) -> Result<Option<Box<dyn Session>>, SiteError> {
    for is_last in [false, true] {
        match site.connect() {
            Ok(session) => return Ok(Some(session)),
            // It is another host, or something of ours has changed.
            Err(err) if matches!(err.kind, SiteErrorKind::HostKey | SiteErrorKind::Configuration) => {
                return Err(err);
            }
            Err(err) if is_last || err.kind == SiteErrorKind::Auth => {
                tracing::debug!("one more connection is refused: {err}");
                break;
            }
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Removes what probes have left that died.
fn remove_leftovers(session: &mut dyn Session, names: &Names, context: &RunContext) -> Result<(), SiteError> {
    let listed = match session.list(&RemotePath::base()) {
        Err(err) if err.kind.is_dead() => return Err(err),
        // Who may not list cannot see them.
        listed => listed.unwrap_or_default(),
    };
    for path in listed.iter().filter_map(|name| names.left_over(name, context.now())) {
        tracing::info!("removing {path}, which a probe has left");
        match session.remove(&path) {
            Err(err) if err.kind.is_dead() => return Err(err),
            Err(err) if err.kind != SiteErrorKind::NotFound => tracing::warn!("{err}"),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes the probe's own files; over a new connection, should the old one be lost.
fn clean(site: &dyn Site, mut session: Box<dyn Session>, names: &Names) -> Result<(), SiteError> {
    match remove_all(session.as_mut(), names) {
        Err(err) if err.kind.is_dead() => {
            drop(session);
            remove_all(site.connect()?.as_mut(), names)
        }
        done => done,
    }
}

fn remove_all(session: &mut dyn Session, names: &Names) -> Result<(), SiteError> {
    let mut failed = None;
    for (path, may_stand) in names.taken() {
        match session.remove(path) {
            Err(err) if err.kind.is_dead() => return Err(err),
            Err(err) if may_stand && err.kind != SiteErrorKind::NotFound => failed = failed.or(Some(err)),
            Ok(()) | Err(_) => {}
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Returns the median of how long `ask` took.
fn median(times: usize, mut ask: impl FnMut() -> Result<(), SiteError>) -> Result<Duration, SiteError> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = Instant::now();
        ask()?;
        taken.push(begin.elapsed());
    }
    taken.sort();
    Ok(taken.get(times / 2).copied().unwrap_or_default())
}

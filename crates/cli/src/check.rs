//! What `check` tries, for both programs: each thing for real, one line each, and the exit status of the
//! gravest.

use std::fmt;
use std::path::Path;

use clap::Args;
use intraware_config::{Config, SiteConfig, Verification};
use intraware_core::clock::{self, Doubt};
use intraware_core::deliver::Verify;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_core::lock::{Lock, LockError};
use intraware_core::outcome;
use intraware_core::run::RunContext;
use intraware_core::site::probe::{ProbeError, probe};
use intraware_core::site::{Desk, Known, RemotePath, Site, SiteError, SiteErrorKind};
use intraware_core::sites::Way;
use intraware_core::spool::Spool;
use intraware_core::txlog::chain;

use jiff::SignedDuration;
use serde::Serialize;

use crate::abilities::told;
use crate::common::Common;
use crate::failure::Failure;
use crate::process::with_command;
use crate::{amount, output, parts};

/// What cron hands its mail to, whichever mail server it belongs to.
const SENDMAIL: &str = "/usr/sbin/sendmail";

/// How to show what was found.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How one thing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Went {
    Ok,
    Failed,
    Note,
}

/// One thing that was tried, or that is worth saying.
#[derive(Debug, Serialize)]
struct Line {
    result: Went,
    /// What was tried; empty for what is only said.
    what: String,
    detail: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { result, what, detail } = self;
        match result {
            Went::Ok => write!(f, "ok      {what}: {detail}"),
            Went::Failed => write!(f, "FAILED  {what}: {detail}"),
            Went::Note => write!(f, "note    {detail}"),
        }
    }
}

/// All results, for programs.
#[derive(Serialize)]
struct Report<'r> {
    /// The exit status.
    status: u8,
    checks: &'r [Line],
}

/// The results so far.
#[derive(Debug, Default)]
pub struct Checks {
    lines: Vec<Line>,
    /// The faults of what failed.
    failed: Vec<Fault>,
    /// This process may not work on the spool.
    is_stranger: bool,
}

impl Checks {
    /// Takes in one result: what was tried, and how it went.
    pub fn take<T>(&mut self, what: &str, result: Result<(T, String), Failure>) -> Option<T> {
        match result {
            Ok((value, detail)) => {
                self.say(Went::Ok, what, detail);
                Some(value)
            }
            Err(failure) => {
                let told = with_command(&failure.to_string());
                self.say(Went::Failed, what, told);
                self.failed.push(failure.fault.unwrap_or(Fault::Configuration));
                None
            }
        }
    }

    /// Takes in one result of several things, a line for each of them; of the lines that only people who look
    /// for something need, as is meant by `is_detail`, how many there are, unless `verbose`.
    pub fn take_each<T>(
        &mut self,
        what: &str,
        result: Result<(T, Vec<String>), Failure>,
        is_detail: impl Fn(&str) -> bool,
        verbose: bool,
    ) -> Option<T> {
        let (value, lines) = match result {
            Ok(found) => found,
            Err(failure) => return self.take(what, Err(failure)),
        };
        let (details, shown): (Vec<String>, Vec<String>) =
            lines.into_iter().partition(|line| !verbose && is_detail(line));
        shown.into_iter().for_each(|line| self.say(Went::Ok, what, line));
        if !details.is_empty() {
            let told = format!("{} fields, each as it should be (-v names them)", details.len());
            self.say(Went::Ok, what, told);
        }
        Some(value)
    }

    /// Reads the configuration.
    pub fn configuration(&mut self, common: &Common) -> Option<Config> {
        let shown = foreign::path(&common.config).to_string();
        self.take("configuration", common.load().map(|config| (config, shown)))
    }

    /// Takes and gives back a lock in the spool that was opened to be changed, and looks at its free space.
    pub fn spool(
        &mut self,
        opened: Result<Spool, Failure>,
        config: &Config,
        context: &RunContext,
    ) -> Option<Spool> {
        let root = foreign::path(&config.spool.root).to_string();
        self.is_stranger = opened.as_ref().is_err_and(|failure| failure.fault == Some(Fault::Access));
        let spool = self.take("spool", opened.map(|spool| (spool.written_by(&context.identity), root)))?;
        let lock = match Lock::take(&spool.root().join("locks/check.lock"), context) {
            Ok(mut lock) => lock.confirm().map(|()| {
                // A file of its own, so that checking stops nobody; nobody needs it afterwards.
                let _ = lock.remove();
                "taken, written and given back".to_owned()
            }),
            Err(busy @ LockError::Busy(_)) => Ok(format!("{busy}")),
            Err(error) => Err(error),
        };
        self.take("locks", lock.map(|detail| ((), detail)).map_err(Failure::from));
        self.clock("the spool's file system", spool.clock_ahead(context).ok());
        self.take("host name", met(&spool, context));
        let free = spool.free_space().map(|free| ((), amount::bytes(free)));
        self.take("free space in the spool", free.map_err(Failure::from));
        let holder = intraware_core::lock::holder(&spool.manage_lock());
        if let Ok(Some(holder)) = holder {
            self.note(&format!("manage.lock is held by {holder}"));
        }
        Some(spool)
    }

    /// Looks whether this host can send what cron would mail.
    pub fn mail(&mut self) {
        if !Path::new(SENDMAIL).exists() {
            self.note(&format!("no {SENDMAIL}: what cron prints is lost"));
        }
    }

    /// Returns whether the spool belongs to another user. Then nothing more is tried: what it leaves in
    /// caches and notes would be that user's, and in the owner's way.
    pub fn is_by_stranger(&self) -> bool {
        self.is_stranger
    }

    /// Compares the clock with another one, if that was so far behind.
    pub fn clock(&mut self, whose: &str, ahead: Option<SignedDuration>) {
        let Some(ahead) = ahead else { return };
        let compared = format!("{} that of {whose}", clock::apart(ahead));
        let clock = match Doubt::of(Some(ahead), None) {
            None => Ok(((), compared)),
            Some(_) => {
                let wrong =
                    format!("{compared}; runs sign, remove and give up nothing until one of them is set");
                Err(Failure::new(Fault::TryLater, wrong))
            }
        };
        self.take::<()>("clock", clock);
    }

    /// Connects to each site, checks who it is, logs in, and looks at its base. Returns those where that went
    /// well.
    ///
    /// It tries at once a site that is left alone by runs because it was away; what goes well ends that.
    pub fn sites<'c>(
        &mut self,
        config: &'c Config,
        spool: Option<&Spool>,
        context: &RunContext,
    ) -> Vec<&'c SiteConfig> {
        let is_well = |site: &&SiteConfig| self.site(config, site, spool, context);
        config.sites.iter().filter(is_well).collect()
    }

    fn site(
        &mut self,
        config: &Config,
        configured: &SiteConfig,
        spool: Option<&Spool>,
        context: &RunContext,
    ) -> bool {
        let called = called(config, configured);
        let mut unfit = None;
        let looked = parts::site(configured, &Known::default()).and_then(|way| match way {
            Way::Shelf(site) => look(site.as_ref()).map_err(|error| {
                unfit = (error.kind == SiteErrorKind::Unsupported).then(|| chain(&error));
                error.into()
            }),
            Way::Desk(site) => desk(site.as_ref(), configured),
        });
        let is_well = self.take(&called, looked).is_some();
        if let Some(spool) = spool
            && (is_well || unfit.is_some())
            && let Err(error) = spool.keep_unfit(&configured.name, unfit, context)
        {
            self.take::<()>(&called, Err(error.into()));
        }
        if let Some(limit) = parts::limit(configured) {
            self.note(&limit);
        }
        let outage = spool.and_then(|spool| Some((spool, spool.outage(&configured.name)?)));
        match outage {
            Some((spool, _)) if is_well => {
                if let Err(error) = spool.end_outage(&configured.name) {
                    self.take::<()>(&called, Err(error.into()));
                } else {
                    self.note(&format!("{called}: runs have left it alone; the next one goes on with it"));
                }
            }
            Some((_, outage)) => self.note(&outage.told(context.now())),
            None => {}
        }
        is_well
    }

    /// Finds out what a site can do, and whether anything can be delivered there; says what has changed since
    /// the last time, and keeps it in the spool.
    pub fn probe(&mut self, config: &Config, site: &SiteConfig, spool: Option<&Spool>, context: &RunContext) {
        let called = called(config, site);
        // Nothing that is known already is believed.
        let known = Known::default();
        let made = match parts::site(site, &known) {
            Ok(Way::Shelf(made)) => Ok(made),
            // All that can be learned there was learned by logging in.
            Ok(Way::Desk(_)) => return,
            Err(failure) => Err(failure),
        };
        let probed = match made.map(|made| probe(made.as_ref(), site.connections, context)) {
            Ok(Err(keeps @ ProbeError::Keeps { .. })) => {
                self.note(&format!("{called}, probe: {}", chain(&keeps)));
                return self.forget(&called, site, spool);
            }
            Ok(probed) => probed.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        let answered = probed.map(|found| {
            let answer = format!("answers in {:.1} ms", found.answer_us as f64 / 1000.0);
            (found, answer)
        });
        let Some(found) = self.take(&format!("{called}, probe"), answered) else { return };
        let before = spool.and_then(|spool| spool.capabilities(&found.site));
        let told_before = before.as_ref().map(|before| told(&before.abilities)).unwrap_or_default();
        for (what, text) in told(&found.abilities) {
            let was = told_before.iter().find(|(also, was)| *also == what && *was != text);
            if let (Some((_, was)), Some(before)) = (was, &before) {
                self.note(&format!("{called}, {what}: since {:.0} it has changed; it was: {was}", before.at));
            }
            self.say(Went::Ok, &format!("{called}, {what}"), text);
        }
        if known.habits(&found.peer).sets_modes == Some(false) {
            self.note(&format!(
                "{called}, files: modes cannot be set there; files keep those that the server gives them"
            ));
        }
        for obstacle in found.abilities.obstacles(parts::verify(site) == Verify::Strong) {
            self.take(&called, Err::<((), String), _>(Failure::new(Fault::Configuration, obstacle)));
        }
        if let Some(spool) = spool {
            let kept = spool.keep_capabilities(&found);
            let kept = kept.and_then(|()| spool.renew_known(&found, &known, context));
            let kept = kept.map(|()| ((), "kept in the spool".to_owned()));
            self.take(&format!("{called}, what it can do"), kept.map_err(Failure::from));
        }
    }

    /// Forgets what earlier probes have found of a site that cannot be probed any more: it may have changed
    /// since.
    fn forget(&mut self, called: &str, site: &SiteConfig, spool: Option<&Spool>) {
        if let Some(Err(error)) = spool.map(|spool| spool.forget_capabilities(&site.name)) {
            self.take::<()>(&format!("{called}, what it can do"), Err(error.into()));
        }
    }

    fn note(&mut self, text: &str) {
        self.say(Went::Note, "", text.to_owned());
    }

    fn say(&mut self, result: Went, what: &str, detail: String) {
        self.lines.push(Line { result, what: what.to_owned(), detail });
    }

    /// Prints all results and returns the exit status of the gravest failure.
    pub fn finish(self, arguments: &Arguments) -> Result<u8, Failure> {
        let status = outcome::gravest(&self.failed).map_or(exit::OK, Fault::exit_status);
        if arguments.json {
            output::object(&Report { status, checks: &self.lines })?;
        } else {
            let lines: Vec<String> = self.lines.iter().map(Line::to_string).collect();
            output::text(lines.join("\n"))?;
        }
        Ok(status)
    }
}

/// Makes this host known in the spool; fails if another one has its name.
fn met(spool: &Spool, context: &RunContext) -> Result<((), String), Failure> {
    let name = &context.identity.host;
    let Some(other) = spool.meet(context)? else { return Ok(((), name.clone())) };
    let message = format!(
        "another host that is called {name} has checked this spool, {:.0}; NFSv4 takes the two for one and throws their \
         locks away, so give each a name of its own; if the other one is called otherwise by now, remove {}",
        other.at,
        foreign::path(&spool.root().join(format!("hosts/{name}.json")))
    );
    Err(Failure::new(Fault::Configuration, message))
}

/// Connects to a site and looks at its base: what there is to say about it.
fn look(site: &dyn Site) -> Result<((), String), SiteError> {
    let mut session = site.connect()?;
    let names = session.list(&RemotePath::base())?.len();
    let space = match session.free_space(&RemotePath::base())? {
        Some(free) => format!("{} free", amount::bytes(free)),
        None => "free space unknown".to_owned(),
    };
    Ok(((), format!("{}: {}, {names} names in its base, {space}", site.name(), session.peer())))
}

/// Connects to a site where packages are handed in, and logs in: what there is to say about it, or why
/// nothing can be delivered there. Nothing is announced, so that nothing is left.
fn desk(site: &dyn Site<dyn Desk>, configured: &SiteConfig) -> Result<((), String), Failure> {
    let session = site.connect()?;
    if !session.has_sha256() && configured.verify == Verification::Strong {
        let message = format!(
            "{}: {}: its server knows no SHA-256; have it updated, or set verify = \"md5\" for this site",
            site.name(),
            session.peer()
        );
        return Err(Failure::new(Fault::Configuration, message));
    }
    Ok((
        (),
        format!(
            "{}: {}, logged in; packages are handed in, nothing can be looked at",
            site.name(),
            session.peer()
        ),
    ))
}

/// Returns what a line about a site begins with; its name need not be said if it is the only one.
fn called(config: &Config, site: &SiteConfig) -> String {
    match &config.sites[..] {
        [_] => "site".to_owned(),
        _ => format!("site {}", foreign::escape(&site.name)),
    }
}

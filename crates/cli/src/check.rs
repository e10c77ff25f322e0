//! What `check` tries, for both programs: each thing for real, one line each, and the exit status of the gravest.

use intraware_core::config::Config;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_core::lock::{Lock, LockError};
use intraware_core::outcome;
use intraware_core::run::RunContext;
use intraware_core::site::RemotePath;

use crate::common::Common;
use crate::failure::Failure;
use crate::{output, parts};

/// The results so far.
#[derive(Debug, Default)]
pub struct Checks {
    lines: Vec<String>,
    /// The faults of what failed.
    failed: Vec<Fault>,
}

impl Checks {
    /// Takes in one result: what was tried, and how it went.
    pub fn take<T>(&mut self, what: &str, result: Result<(T, String), Failure>) -> Option<T> {
        match result {
            Ok((value, detail)) => {
                self.lines.push(format!("ok      {what}: {detail}"));
                Some(value)
            }
            Err(failure) => {
                self.lines.push(format!("FAILED  {what}: {failure}"));
                self.failed.push(failure.fault.unwrap_or(Fault::Configuration));
                None
            }
        }
    }

    /// Reads the configuration.
    pub fn configuration(&mut self, common: &Common) -> Option<Config> {
        let shown = foreign::path(&common.config).to_string();
        self.take("configuration", common.load().map(|config| (config, shown)))
    }

    /// Opens the spool, takes and gives back a lock in it, and looks at its free space.
    pub fn spool(&mut self, config: &Config, context: &RunContext) {
        let root = foreign::path(&config.spool.root).to_string();
        let Some(spool) = self.take("spool", parts::spool(config).map(|spool| (spool, root))) else { return };
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
        let free = spool.free_space().map(|free| ((), format!("{free} bytes")));
        self.take("free space in the spool", free.map_err(Failure::from));
        let holder = intraware_core::lock::holder(&spool.manage_lock());
        if let Ok(Some(holder)) = holder {
            self.lines.push(format!("note    manage.lock is held by {holder}"));
        }
    }

    /// Connects to the site, checks who it is, logs in, and looks at its base.
    pub fn site(&mut self, config: &Config) {
        let look = || -> Result<((), String), Failure> {
            let site = parts::site(config)?;
            let mut session = site.connect()?;
            let names = session.list(&RemotePath::base())?.len();
            let space = match session.free_space(&RemotePath::base())? {
                Some(free) => format!("{free} bytes free"),
                None => "free space unknown".to_owned(),
            };
            Ok(((), format!("{}: {}, {names} names in its base, {space}", site.name(), session.peer())))
        };
        self.take("site", look());
    }

    /// Prints all results and returns the exit status of the gravest failure.
    pub fn finish(self) -> Result<u8, Failure> {
        output::text(self.lines.join("\n"))?;
        Ok(outcome::gravest(&self.failed).map_or(exit::OK, Fault::exit_status))
    }
}

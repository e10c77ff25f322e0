//! What commands and hooks are told, and how they are run.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intraware_config::TreeConfig;
use intraware_core::foreign;
use intraware_core::run::{Amount, RunContext};
use intraware_run_parts::{Call, Hook, Said, look, run};

use crate::error::PublishError;
use crate::journal::Pass;
use crate::layout::Layout;
use crate::leftover;

/// Where programs of the system are.
const BIN: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Runs programs for one tree.
pub(crate) struct Commands<'a> {
    pub(crate) tree: &'a TreeConfig,
    pub(crate) layout: &'a Layout,
    pub(crate) context: &'a RunContext,
}

impl Commands<'_> {
    /// Runs a command of the configuration, with more arguments behind its own.
    pub(crate) fn configured(
        &self,
        words: &[String],
        more: &[String],
        environment: Vec<(OsString, OsString)>,
        current_dir: &Path,
        time: Duration,
    ) -> Result<(), PublishError> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let arguments = arguments.iter().chain(more).map(OsString::from).collect();
        self.one(Path::new(program), Call { arguments, environment, current_dir, time, output: None })
            .map(drop)
    }

    /// Runs a program of the system, and returns what it says.
    pub(crate) fn system(
        &self,
        name: &str,
        arguments: Vec<OsString>,
        time: Duration,
    ) -> Result<Said, PublishError> {
        self.system_into(name, arguments, time, None)
    }

    /// Runs a program of the system whose standard output goes into a file, if there is one.
    pub(crate) fn system_into(
        &self,
        name: &str,
        arguments: Vec<OsString>,
        time: Duration,
        output: Option<&File>,
    ) -> Result<Said, PublishError> {
        let found = BIN.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file());
        let program = found.ok_or_else(|| PublishError::Configuration(format!("{name} is not installed")))?;
        let environment = self.common();
        let current_dir = self.layout.root();
        self.one(&program, Call { arguments, environment, current_dir, time, output })
    }

    /// Runs a hook with the priority as its argument.
    pub(crate) fn hook(
        &self,
        hook: &Hook,
        pass: &Pass,
        stage: &Path,
        again: bool,
    ) -> Result<(), PublishError> {
        let environment = self.of_pass(pass, stage, again);
        let arguments = vec![pass.priority.to_string().into()];
        let time = self.tree.hook_time;
        let call = Call { arguments, environment, current_dir: stage, time, output: None };
        self.one(&hook.path, call).map(drop)
    }

    fn one(&self, program: &Path, call: Call<'_>) -> Result<Said, PublishError> {
        self.context.stop.check()?;
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let outcome = self.shown(&name, || run(program, &call));
        let (what, told) = (foreign::path(program).to_string(), outcome.told(|said| foreign::escape(said)));
        if outcome.is_success() {
            tracing::info!("{what}: {told}");
            return Ok(outcome.said);
        }
        Err(PublishError::Command { what, told })
    }

    /// Shows what is done while it is done. How much of it there is nobody knows.
    pub(crate) fn shown<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let progress = &self.context.progress;
        progress.begin(&format!("tree {}: {what}", self.tree.name), "", Amount::default());
        let done = work();
        progress.end();
        done
    }

    /// Returns what every command finds in its environment.
    pub(crate) fn common(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> =
            self.tree.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut tell = |name: &str, value: OsString| all.push((name.into(), value));
        tell("INTRAWARE_TREE", self.tree.name.clone().into());
        tell("INTRAWARE_ROOT", self.layout.root().into());
        tell("INTRAWARE_DIRTY", self.layout.dirty().into());
        tell(leftover::VARIABLE, self.context.identity.run.clone().into());
        all
    }

    /// Returns what the commands and hooks of a pass find in their environment.
    pub(crate) fn of_pass(&self, pass: &Pass, stage: &Path, again: bool) -> Vec<(OsString, OsString)> {
        let mut all = self.common();
        let mut tell = |name: &str, value: OsString| all.push((name.into(), value));
        tell("INTRAWARE_STAGE", stage.into());
        tell("INTRAWARE_DISTS", self.layout.dists_in(stage).into());
        tell("INTRAWARE_SUITES", pass.suites.join(" ").into());
        tell("INTRAWARE_PRIORITY", pass.priority.to_string().into());
        tell("INTRAWARE_PASS", pass.number.to_string().into());
        tell("INTRAWARE_AGAIN", if again { "yes" } else { "no" }.into());
        all
    }
}

/// Returns the hooks of a directory, if one is configured. One that was meant to be run and cannot be is an
/// error: what it does, a signature perhaps, would be missing.
pub(crate) fn hooks(dir: Option<&PathBuf>) -> Result<Vec<Hook>, PublishError> {
    let (hooks, faults) = hooks_and_faults(dir);
    faults.into_iter().next().map_or(Ok(hooks), Err)
}

/// Returns the hooks of a directory that can be run, and what is wrong with the others.
pub(crate) fn hooks_and_faults(dir: Option<&PathBuf>) -> (Vec<Hook>, Vec<PublishError>) {
    let Some(dir) = dir else { return (Vec::new(), Vec::new()) };
    let not_run = |path: &Path, why: String| PublishError::Command {
        what: foreign::path(path).to_string(),
        told: format!("not run: {why}"),
    };
    match look(dir) {
        Ok(listing) => {
            let faults = listing.faults().map(|left| not_run(&left.path, left.why.to_string())).collect();
            (listing.hooks, faults)
        }
        Err(error) => (Vec::new(), vec![not_run(dir, intraware_core::txlog::chain(&error))]),
    }
}

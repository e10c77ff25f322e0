//! The script that a machine is given: `job.sh`, below the values of one package.

use super::Commands;
use super::words::{Words, quote};

/// What is done at the machine, whatever the package.
const BODY: &str = include_str!("job.sh");

/// Ends the script within what it is written by; no line of it is like this.
const END: &str = "INTRAWARE-END-OF-JOB";

/// What the machine is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Run the upgrade, unless it was run, and say how it has ended.
    Begin,
    /// Say how it has ended.
    Ask,
    /// Have the check say how it has ended, if nothing else does.
    Settle,
    /// Say what was done there last, and what the version command says.
    Version,
}

/// A package at a machine, in one try of its upgrade.
pub(super) struct Job<'a> {
    pub(super) mode: Mode,
    pub(super) commands: &'a Commands,
    /// Its content and its name.
    pub(super) job: &'a str,
    pub(super) attempt: u32,
    /// The section, in one line.
    pub(super) section: &'a str,
    /// The machine as the routes name it.
    pub(super) machine: &'a str,
    /// The package there: absolute, or below the directory that a login begins in.
    pub(super) path: &'a str,
    /// Who asks.
    pub(super) owner: &'a str,
}

impl Job<'_> {
    /// Returns what a POSIX shell there reads. It does nothing before it has read all of it.
    pub(super) fn script(&self) -> String {
        let markers = self.commands.markers.at(self.machine);
        let markers = if markers.starts_with('/') { markers } else { format!("./{markers}") };
        let (markers, values) = (quote(&markers), self.values());
        format!(
            "{{
mask=$(umask); umask 077
cd && home=$PWD && mkdir -p {markers} && cd {markers} && node=./$(uname -n) || exit 1
[ -d \"$node\" ] || {{ mkdir \"$node\"; sync \"$node\" . .. 2>/dev/null || sync; }}
cd \"$node\" || exit 1
cat >\".job.$$\" <<'{END}' || exit 1
{values}{BODY}
{END}
exec sh \".job.$$\" look \"$home\" \"$mask\" </dev/null
}}
"
        )
    }

    fn values(&self) -> String {
        let Commands { upgrade, check, rollback, version, limit, .. } = self.commands;
        let mode = match self.mode {
            Mode::Begin => "begin",
            Mode::Ask => "ask",
            Mode::Settle => "settle",
            Mode::Version => "version",
        };
        let needs = |place: &str| yes(rollback.as_ref().is_some_and(|rollback| rollback.needs(place)));
        let values = [
            ("mode", mode),
            ("job", self.job),
            ("attempt", &self.attempt.to_string()),
            ("section", self.section),
            ("path", self.path),
            ("owner", self.owner),
            ("limit", &limit.as_secs().to_string()),
            ("has_check", yes(check.is_some())),
            ("has_rollback", yes(rollback.is_some())),
            ("has_version", yes(version.is_some())),
            ("needs_previous", needs("{previous}")),
            ("needs_version", needs("{version}")),
        ];
        let mut text: String = values.map(|(name, value)| format!("{name}={}\n", quote(value))).concat();
        for (name, command) in
            [("upgrade", upgrade), ("check", check), ("rollback", rollback), ("version", version)]
        {
            let command = command.as_ref().map_or_else(|| "false".to_owned(), Words::quoted);
            text.push_str(&format!("{name}() {{ launch {command}; }}\n"));
        }
        text
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

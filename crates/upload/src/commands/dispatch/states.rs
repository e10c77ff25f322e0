//! What is known of packages: `--status`, `--why`; and what people say of them: `--hold`, `--retry`.

use std::collections::BTreeMap;

use clap::Args;
use intraware_cli::failure::Failure;
use intraware_cli::{output, table};
use intraware_core::digest::Sha256Hex;
use intraware_core::exit;
use intraware_core::foreign;
use intraware_core::retry::Pause;
use intraware_dispatch::{Action, Row, State, States, Wait};
use jiff::Timestamp;
use serde::Serialize;

use super::state_failure;

/// What to show or to change.
#[derive(Debug, Args)]
#[group(id = "ask", multiple = false)]
pub(super) struct Arguments {
    /// Show how far each package is at each machine
    #[arg(long)]
    status: bool,

    /// Show all that is known of a package at its machines
    #[arg(long, value_name = "PACKAGE@HOST")]
    why: Option<String>,

    /// Do not send a package before --retry says so; PACKAGE is for all machines, @HOST for all packages
    #[arg(long, value_name = "PACKAGE@HOST")]
    hold: Option<String>,

    /// Have the next run send a package, whatever has failed before, and end a hold; an upgrade that has
    /// failed is run again
    #[arg(long, value_name = "PACKAGE@HOST")]
    retry: Option<String>,

    /// Say how an upgrade of state unknown has ended, once you have looked at the machine: done or failed
    #[arg(long, num_args = 2, value_names = ["PACKAGE@HOST", "done|failed"])]
    settle: Option<Vec<String>>,
}

impl Arguments {
    /// Returns whether any of them is given.
    pub(super) fn is_given(&self) -> bool {
        self.status
            || self.why.is_some()
            || self.hold.is_some()
            || self.retry.is_some()
            || self.settle.is_some()
    }
}

/// Finds out what packages wait for beside themselves, each by its label and content.
pub(super) type Waiting<'a> = dyn Fn(&[Row]) -> Result<BTreeMap<(String, Sha256Hex), Wait>, Failure> + 'a;

/// A row as `--why` and `--status` show it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    waits: Option<Wait>,
}

pub(super) fn run(
    states: &States,
    arguments: &Arguments,
    as_json: bool,
    now: Timestamp,
    waiting: &Waiting<'_>,
) -> Result<u8, Failure> {
    let rows = states.rows().map_err(|error| state_failure(&error))?;
    let Arguments { status: _, why, hold, retry, settle } = arguments;
    if let Some([said, verdict]) = settle.as_deref() {
        return settled(states, meant(rows, said)?, verdict, now);
    }
    if let Some(said) = why {
        let waits = waiting(&rows)?;
        let rows = meant(rows, said)?.into_iter();
        let rows: Vec<Shown> =
            rows.map(|row| Shown { waits: waits.get(&(row.label(), row.sha256)).cloned(), row }).collect();
        match as_json {
            true => output::list("packages", &rows)?,
            false => rows.iter().try_for_each(|shown| output::text(explanation(shown, now)))?,
        }
        return Ok(exit::OK);
    }
    if let Some((said, is_held)) =
        hold.as_ref().map(|said| (said, true)).or(retry.as_ref().map(|said| (said, false)))
    {
        let unfinished = |row: &Row| match row.state {
            State::Planned | State::Sent | State::Running | State::Failed | State::Unknown => true,
            State::Verified => row.is_upgraded,
            State::Done | State::Superseded => false,
        };
        let mut rows = meant(rows, said)?;
        rows.retain(unfinished);
        for row in &rows {
            states.hold(row, is_held, now).map_err(|error| state_failure(&error))?;
            if !is_held {
                states.end_outage(&row.machine).map_err(|error| state_failure(&error))?;
            }
        }
        let word = if is_held { "held" } else { "sent by the next run" };
        output::confirm(&format!("{} at machines: {word}", rows.len()))?;
        return Ok(exit::OK);
    }
    let waits = waiting(&rows)?;
    let rows: Vec<Shown> = rows
        .into_iter()
        .filter(|row| row.state != State::Superseded)
        .map(|row| Shown { waits: waits.get(&(row.label(), row.sha256)).cloned(), row })
        .collect();
    if as_json {
        output::list("packages", &rows)?;
    } else if rows.is_empty() {
        output::text("nothing was dispatched yet")?;
    } else {
        let rows = rows.iter().map(|row| cells(row, now)).collect();
        output::text(table::columns(
            &["PACKAGE", "MACHINE", "STATE", "SINCE", "CONTENT", "LAST ERROR"],
            rows,
        ))?;
    }
    Ok(exit::OK)
}

/// Notes how upgrades have ended of which that was not known.
fn settled(states: &States, rows: Vec<Row>, verdict: &str, now: Timestamp) -> Result<u8, Failure> {
    let is_done = match verdict {
        "done" => true,
        "failed" => false,
        _ => return Err(Failure::usage("--settle takes PACKAGE@HOST and then done or failed")),
    };
    let mut settled = 0;
    for row in &rows {
        settled += usize::from(states.settle(row, is_done, now).map_err(|error| state_failure(&error))?);
    }
    if settled == 0 {
        return Err(Failure::usage("its upgrade is not unknown; `upload dispatch --status` shows what is"));
    }
    output::confirm(&format!("{settled} at machines: {verdict}"))?;
    Ok(exit::OK)
}

/// Returns the rows that somebody means.
fn meant(rows: Vec<Row>, said: &str) -> Result<Vec<Row>, Failure> {
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.is_meant(said)).collect();
    if rows.is_empty() {
        let text =
            format!("nothing is known of {}; `upload dispatch --status` shows all", foreign::escape(said));
        return Err(Failure::usage(text));
    }
    Ok(rows)
}

fn cells(shown: &Shown, now: Timestamp) -> Vec<String> {
    let Shown { row, waits } = shown;
    let content = row.sha256.to_string()[..12].to_owned();
    let error = match row.state {
        State::Failed | State::Unknown => row.error.as_deref().or(row.outcome.as_deref()),
        State::Planned | State::Sent | State::Verified | State::Running | State::Done | State::Superseded => {
            row.error.as_deref()
        }
    };
    let error = foreign::tame(error.unwrap_or_default());
    vec![
        foreign::escape(&row.package),
        row.machine.clone(),
        match (waits, row.again) {
            (Some(wait), None) => format!("{}, waits {}", row.state, foreign::tame(wait.to_string())),
            (Some(_), Some(_)) | (None, _) => state(row, now),
        },
        format!("{:.0}", row.since),
        content,
        error,
    ]
}

/// Returns how far a package is, and what it waits for.
fn state(row: &Row, now: Timestamp) -> String {
    match (row.state, waits(row, now)) {
        (State::Done | State::Superseded, _) => row.state.to_string(),
        (state, _) if row.is_held => format!("{state}, held"),
        (state, Some(until)) => format!("{state}, again at {until:.0}"),
        (State::Unknown, None) if row.again.is_none() => "unknown, a person must say".to_owned(),
        (state, None) => state.to_string(),
    }
}

fn waits(row: &Row, now: Timestamp) -> Option<Timestamp> {
    row.again.filter(|until| (Pause { begun: row.since, until: *until }).is_on(now))
}

/// Returns what is done with a package, for people.
pub(super) fn action(action: Action, wait: Option<&Wait>) -> String {
    let what = match action {
        Action::Send => "send".to_owned(),
        Action::Upgrade => "upgrade, it is there".to_owned(),
        Action::Settle => "ask how its upgrade has ended".to_owned(),
        Action::Nothing => "nothing, it is there".to_owned(),
        Action::Hold => "nothing, it is held".to_owned(),
        Action::Wait(until) => format!("nothing before {until:.0}"),
        Action::Leave => "nothing before it is asked for".to_owned(),
    };
    match wait {
        Some(wait) if wait.is_short() => format!("{what}, waits {}", foreign::tame(wait.to_string())),
        Some(wait) => format!("nothing, waits {}", foreign::tame(wait.to_string())),
        None => what,
    }
}

/// Says what ends a wait.
fn turn(row: &Row, wait: &Wait) -> String {
    let package = foreign::escape(&row.package);
    let told = format!("it waits {}", foreign::tame(wait.to_string()));
    match wait {
        Wait::Away { .. } => format!("{told}; `upload dispatch --retry @{}` for now", row.machine),
        Wait::Frozen { .. } | Wait::Canary { .. } | Wait::Batch { .. } | Wait::Pause { .. } => {
            format!("{told}; a run after that sends it: `upload dispatch`")
        }
        Wait::Late { .. } => format!("{told}: `upload dispatch`"),
        Wait::Group { lacks: label, .. } | Wait::Unclear { label } => {
            format!("{told}; `upload dispatch --why {label}`")
        }
        Wait::CanaryFailed { machine } => format!(
            "{told}; `upload dispatch --why {package}@{machine}`; mend it, then `upload dispatch --retry {package}@{machine}`"
        ),
        Wait::Stopped { .. } => {
            format!("{told}; `upload dispatch --status`; mend it, then `upload dispatch --retry {package}`")
        }
    }
}

/// Returns all that is known of a package at a machine.
fn explanation(shown: &Shown, now: Timestamp) -> String {
    let Shown { row, waits: wait } = shown;
    let label = row.label();
    let next = match row.state {
        _ if row.is_held => {
            format!("nothing; a person holds it; `upload dispatch --retry {label}` ends that")
        }
        State::Planned | State::Sent | State::Verified if wait.is_some() && waits(row, now).is_none() => {
            wait.as_ref().map_or_else(String::new, |wait| turn(row, wait))
        }
        State::Planned | State::Sent => match waits(row, now) {
            Some(until) => {
                format!("the first run after {until:.0} sends it; `upload dispatch --retry {label}` for now")
            }
            None => "the next run sends it: `upload dispatch`".to_owned(),
        },
        State::Verified if row.is_upgraded => match waits(row, now) {
            Some(until) => format!("the first run after {until:.0} runs its upgrade"),
            None => "the next run runs its upgrade: `upload dispatch`".to_owned(),
        },
        State::Verified => "nothing; it is there".to_owned(),
        State::Running => {
            "the next run asks the machine for its upgrade, and begins it if nothing was begun: `upload dispatch`"
                .to_owned()
        }
        State::Done => "nothing; its upgrade has ended well".to_owned(),
        State::Unknown if row.again.is_none() => format!(
            "nothing; look at the machine, then `upload dispatch --settle {label} done`, or failed in place of done"
        ),
        State::Unknown => "the next run asks the machine how it has ended, and begins nothing: `upload dispatch`".to_owned(),
        State::Failed if row.outcome.is_some() => format!(
            "nothing; its upgrade was run and is not repeated before you say so: `upload dispatch --retry {label}`"
        ),
        State::Failed => {
            format!(
                "nothing; mend what has failed, then `upload dispatch --retry {label}` and `upload dispatch`"
            )
        }
        State::Superseded => "nothing; another content of the package came after it".to_owned(),
    };
    let mut text = format!(
        "{label}\n  state      {} since {:.0}\n  content    {} bytes, SHA-256 {}\n  file       {}\n  directory  {}\n",
        row.state,
        row.since,
        row.size,
        row.sha256,
        foreign::path(&row.file),
        foreign::escape(&row.directory)
    );
    if let Some(proof) = &row.proof {
        text.push_str(&format!("  proven by  {proof}\n"));
    }
    if let Some(outcome) = &row.outcome {
        text.push_str(&format!("  upgrade    try {}: {}\n", row.attempt, foreign::tame(outcome)));
    }
    if let Some(error) = &row.error {
        let times = row.failures;
        text.push_str(&format!(
            "  failed     {times} times in a row, the last time: {}\n",
            foreign::tame(error)
        ));
    }
    text.push_str(&format!("  next       {next}"));
    text
}

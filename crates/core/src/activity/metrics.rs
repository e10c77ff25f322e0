//! The runs of one host as metrics, in the text format of Prometheus.
//!
//! Of each kind of run the last that was cron's is told, and when the last good one ended; 0 if none is
//! known. Every series of a kind is always there, with 0 where there was nothing, so that a rule needs no
//! `absent`. There are no timestamps: node_exporter refuses a file that has some.

use std::fmt::Write as _;

use super::{NAMES, Run};
use crate::exit::Fault;

/// What becomes of builds, as runs count them.
const STATES: [&str; 5] = ["done", "left", "lagging", "failed", "not tried"];

/// A metric: its name, what it says, and its samples as labels and value.
type Metric = (&'static str, &'static str, fn(&Kind<'_>) -> Vec<(String, f64)>);

const METRICS: [Metric; 8] = [
    (
        "last_success_timestamp_seconds",
        "When the last run ended that did its work, 0 if none is known.",
        |kind| one(kind.good.map_or(0.0, |run| seconds(run.ended.as_millisecond()))),
    ),
    ("end_timestamp_seconds", "When the last run ended.", |kind| {
        one(seconds(kind.last.ended.as_millisecond()))
    }),
    ("duration_seconds", "How long the last run took.", |kind| {
        one(kind.last.ended.duration_since(kind.last.started).as_secs_f64().max(0.0))
    }),
    ("exit_status", "The exit status of the last run.", |kind| one(f64::from(kind.last.status))),
    ("found_lock_taken", "Whether the last run did nothing because another had the lock.", |kind| {
        one(f64::from(u8::from(kind.last.locked_by.is_some())))
    }),
    ("builds", "What became of builds in the last run.", |kind| match kind.last.name.as_str() {
        "manage run" | "upload run" => {
            STATES.map(|state| (label("state", state), count(&kind.last.counts, state))).into()
        }
        _ => Vec::new(),
    }),
    ("bytes", "How many bytes the last run has delivered or assembled.", |kind| {
        one(count(&kind.last.counts, "bytes"))
    }),
    ("errors", "What went wrong in the last run, by what has to happen.", |kind| {
        Fault::ALL.map(|fault| (label("kind", fault.kind()), count(&kind.last.errors, fault.kind()))).into()
    }),
];

/// What is known of the runs of one name.
struct Kind<'a> {
    last: &'a Run,
    good: Option<&'a Run>,
}

/// Returns the metrics of the runs of one host.
pub fn metrics(runs: &[Run]) -> String {
    let kinds: Vec<Kind<'_>> = NAMES.iter().filter_map(|name| kind(name, runs)).collect();
    let mut text = String::new();
    for (name, help, samples) in METRICS {
        let name = format!("intraware_run_{name}");
        let mut lines = String::new();
        for kind in &kinds {
            for (label, value) in samples(kind) {
                // Writing to a text does not fail.
                let _ = writeln!(lines, "{name}{{run=\"{}\"{label}}} {value}", kind.last.name);
            }
        }
        if !lines.is_empty() {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{lines}");
        }
    }
    text
}

fn kind<'a>(name: &str, runs: &'a [Run]) -> Option<Kind<'a>> {
    let runs = || runs.iter().filter(|run| run.name == name && !run.is_partial);
    let last = runs().max_by_key(|run| run.ended)?;
    Some(Kind { last, good: runs().filter(|run| run.is_good()).max_by_key(|run| run.ended) })
}

fn one(value: f64) -> Vec<(String, f64)> {
    vec![(String::new(), value)]
}

fn label(name: &str, value: &str) -> String {
    format!(",{name}=\"{value}\"")
}

fn count(counts: &std::collections::BTreeMap<String, u64>, what: &str) -> f64 {
    counts.get(what).copied().unwrap_or_default() as f64
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, ended: &str, status: u8) -> Run {
        Run {
            name: name.into(),
            host: "ebb".into(),
            run: "r1".into(),
            started: "2026-12-01T10:00:00Z".parse().unwrap(),
            ended: ended.parse().unwrap(),
            status,
            is_partial: false,
            locked_by: None,
            counts: [("done".to_owned(), 2), ("bytes".to_owned(), 7_000_000_000)].into(),
            errors: [("access".to_owned(), 3)].into(),
        }
    }

    #[test]
    fn s1_03_each_metric_has_help_and_type_and_no_sample_a_time() {
        assert_eq!(metrics(&[]), "");
        let good = run("manage run", "2026-12-01T10:00:02.5Z", 0);
        let bad = run("manage run", "2026-12-01T10:15:00Z", 77);
        let named = Run { is_partial: true, ..run("manage run", "2026-12-01T10:20:00Z", 0) };
        let locked = Run { locked_by: Some("flow".into()), ..run("upload run", "2026-12-01T10:20:00Z", 0) };
        let text = metrics(&[good, bad, named, locked]);
        for line in [
            "# HELP intraware_run_exit_status The exit status of the last run.",
            "# TYPE intraware_run_exit_status gauge",
            "intraware_run_exit_status{run=\"manage run\"} 77",
            "intraware_run_last_success_timestamp_seconds{run=\"manage run\"} 1796119202.5",
            "intraware_run_last_success_timestamp_seconds{run=\"upload run\"} 0",
            "intraware_run_duration_seconds{run=\"manage run\"} 900",
            "intraware_run_found_lock_taken{run=\"upload run\"} 1",
            "intraware_run_builds{run=\"manage run\",state=\"done\"} 2",
            "intraware_run_builds{run=\"manage run\",state=\"not tried\"} 0",
            "intraware_run_bytes{run=\"manage run\"} 7000000000",
            "intraware_run_errors{run=\"manage run\",kind=\"access\"} 3",
            "intraware_run_errors{run=\"manage run\",kind=\"bug\"} 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once("} ").unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            let types = text.lines().filter(|other| other.starts_with(&format!("# TYPE {name} "))).count();
            assert_eq!(types, 1, "{line}");
        }
    }
}

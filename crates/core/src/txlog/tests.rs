//! The log on a real disk: what is written, what a reader makes of the files of all hosts, and of broken
//! ones.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::run::{Clock, NoProgress, Stop};

/// A clock that goes on by a second each time it is looked at.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

fn context(host: &str, start: i64) -> RunContext {
    let identity = Identity {
        program: "upload".into(),
        host: host.into(),
        pid: 7,
        run: format!("run-{host}"),
        command: "upload".into(),
    };
    let clock = Arc::new(Ticking(AtomicI64::new(start)));
    RunContext { identity, clock, stop: Stop::default(), progress: Arc::new(NoProgress) }
}

const SUBJECT: Subject<'static> = Subject { record: "r1", job: "r1.0123456789ab" };

#[derive(Debug, thiserror::Error)]
#[error("sending to \u{1b}[31mred")]
struct Outer(#[source] io::Error);

fn failing() -> Result<(), Outer> {
    Err(Outer(io::Error::other("line\nbroken")))
}

/// Returns what was said, without the files' directory, which differs from run to run.
fn effects(merged: &Merged) -> Vec<String> {
    merged.events.iter().map(|e| format!("{} {} {:?}", e.host, e.effect, e.phase)).collect()
}

fn names(unreadable: &[String]) -> Vec<String> {
    let name = |text: &String| PathBuf::from(text).file_name().unwrap().to_string_lossy().into_owned();
    unreadable.iter().map(name).collect()
}

fn all(dir: &Path) -> Merged {
    read(dir, &Filter::default()).unwrap()
}

#[test]
fn s0_27_s0_40_s0_49_each_effect_has_a_line_before_and_one_after() {
    let dir = tempfile::tempdir().unwrap();
    let log = TxLog::open(dir.path(), &context("ebb", 0));
    let seen_inside =
        log.record(SUBJECT, Step::U4, "deliver", || Ok::<_, Outer>(all(dir.path()).events.len()));
    assert_eq!(seen_inside.unwrap(), 1, "the line before is on its way before the effect");
    log.record(SUBJECT, Step::U5, "send", failing).unwrap_err();
    log.note(Subject::default(), Step::M6, "moved aside");
    log.finish().unwrap();

    let merged = all(dir.path());
    assert!(merged.unreadable.is_empty());
    let event = |step: &str, effect: &str, phase, result: &str, second, duration_ms| Event {
        ts: Timestamp::from_second(second).unwrap(),
        host: "ebb".into(),
        pid: 7,
        program: "upload".into(),
        run: "run-ebb".into(),
        record: "r1".into(),
        name: String::new(),
        job: SUBJECT.job.into(),
        step: step.into(),
        effect: effect.into(),
        phase,
        result: result.into(),
        duration_ms,
    };
    let failed = "sending to \\x1b[31mred: line\\x0abroken";
    let note = event("M6", "moved aside", Phase::Done, "ok", 4, None);
    let wanted = [
        event("U4", "deliver", Phase::Begin, "", 0, None),
        event("U4", "deliver", Phase::Done, "ok", 1, merged.events[1].duration_ms),
        event("U5", "send", Phase::Begin, "", 2, None),
        event("U5", "send", Phase::Failed, failed, 3, merged.events[3].duration_ms),
        Event { record: String::new(), job: String::new(), ..note },
    ];
    assert_eq!(merged.events, wanted);
    assert!(merged.events[1].duration_ms.is_some() && merged.events[3].duration_ms.is_some());
}

#[test]
fn s0_04_the_files_of_all_hosts_are_one_log_in_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let say = |host: &str, start: i64, text: &str| {
        let log = TxLog::open(dir.path(), &context(host, start));
        log.note(SUBJECT, Step::U1, text);
        log.note(SUBJECT, Step::U1, &format!("{text} again"));
        log.finish().unwrap();
    };
    say("granite", 10, "second");
    say("ebb", 0, "first");
    say("flow", 20, "third");
    let wanted = [
        "ebb first Done",
        "ebb first again Done",
        "granite second Done",
        "granite second again Done",
        "flow third Done",
        "flow third again Done",
    ];
    assert_eq!(effects(&all(dir.path())), wanted);
    let only = |filter: Filter| effects(&read(dir.path(), &filter).unwrap()).len();
    assert_eq!(only(Filter { host: Some("ebb".into()), ..Filter::default() }), 2);
    assert_eq!(only(Filter { run: Some("run-flow".into()), ..Filter::default() }), 2);
    assert_eq!(only(Filter { build: Some("r1".into()), ..Filter::default() }), 6);
    assert_eq!(only(Filter { build: Some("r2".into()), ..Filter::default() }), 0);
    let since = Some(Timestamp::from_second(11).unwrap());
    assert_eq!(only(Filter { since, ..Filter::default() }), 3);
    assert_eq!(only(Filter { failed: true, ..Filter::default() }), 0);
}

#[test]
fn only_what_failed_is_shown_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = TxLog::open(dir.path(), &context("ebb", 0));
    log.note(SUBJECT, Step::U1, "fine");
    log.record(SUBJECT, Step::U5, "send", failing).unwrap_err();
    let merged = read(dir.path(), &Filter { failed: true, ..Filter::default() }).unwrap();
    assert_eq!(effects(&merged), ["ebb send Failed"]);
}

#[test]
fn rotated_files_are_read_too_packed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ebb.jsonl");
    let say = |start: i64, text: &str| {
        let log = TxLog::open(dir.path(), &context("ebb", start));
        log.note(SUBJECT, Step::U1, text);
        log.finish().unwrap();
    };
    say(0, "oldest");
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&fs::read(&path).unwrap()).unwrap();
    fs::write(dir.path().join("ebb.jsonl.2.gz"), gz.finish().unwrap()).unwrap();
    fs::remove_file(&path).unwrap();
    say(10, "older");
    fs::rename(&path, dir.path().join("ebb.jsonl-20261120")).unwrap();
    say(20, "newest");
    fs::write(dir.path().join("README"), "not a log").unwrap();
    let merged = all(dir.path());
    assert_eq!(effects(&merged), ["ebb oldest Done", "ebb older Done", "ebb newest Done"]);
    assert!(merged.unreadable.is_empty());
}

#[test]
fn a_line_that_a_power_loss_has_cut_is_reported_and_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ebb.jsonl");
    let say = |start: i64, text: &str| {
        TxLog::open(dir.path(), &context("ebb", start)).note(SUBJECT, Step::U1, text)
    };
    say(0, "before");
    say(1, "cut");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let merged = all(dir.path());
    assert_eq!(effects(&merged), ["ebb before Done"]);
    assert_eq!(names(&merged.unreadable), ["ebb.jsonl:2"]);

    say(2, "after");
    say(3, "after that");
    let merged = all(dir.path());
    assert_eq!(effects(&merged), ["ebb before Done", "ebb after Done", "ebb after that Done"]);
    assert_eq!(names(&merged.unreadable), ["ebb.jsonl:2"]);
}

#[test]
fn a_packed_file_that_is_cut_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = TxLog::open(dir.path(), &context("ebb", 0));
    (0..100).for_each(|n| log.note(SUBJECT, Step::U1, &format!("event {n}")));
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&fs::read(dir.path().join("ebb.jsonl")).unwrap()).unwrap();
    let packed = gz.finish().unwrap();
    fs::write(dir.path().join("flow.jsonl.1.gz"), &packed[..packed.len() / 2]).unwrap();
    let merged = all(dir.path());
    assert!((100..200).contains(&merged.events.len()), "{}", merged.events.len());
    assert_eq!(merged.unreadable.len(), 1);
    assert!(names(&merged.unreadable)[0].starts_with("flow.jsonl.1.gz:"));
}

#[test]
fn a_log_that_cannot_be_written_stops_no_step_and_is_reported_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = TxLog::open(&dir.path().join("nowhere"), &context("ebb", 0));
    assert_eq!(log.record(SUBJECT, Step::U4, "deliver", || Ok::<_, Outer>(7)).unwrap(), 7);
    assert_eq!(log.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
}

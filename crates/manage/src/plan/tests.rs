use jiff::{SignedDuration, Timestamp};

use super::*;
use intraware_core::deliver::Strength;
use intraware_core::exit::Fault;
use intraware_core::fingerprint::{Fingerprint, Survey, TreePolicy};
use intraware_core::lock::Held;
use intraware_core::record::Revision;
use intraware_core::site::Place;
use intraware_core::sites::{Builds, Role};
use intraware_core::spool::sample::{self, digests};
use intraware_core::spool::{Attempts, Hold, Outage, Parked, Receipt, Retry};
use intraware_core::streak::Streak;

mod chores;
mod doubt;
mod jobs;
mod pauses;
mod places;
mod waits;

const PATH: &str = "/builds/blast/p7";

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

fn roles(sites: &[(&str, &str)]) -> Roles {
    let role = |(name, pattern): &(&str, &str)| Role {
        name: (*name).to_owned(),
        builds: Builds::matching(pattern).unwrap(),
        is_required: *name != "mirror2",
        is_desk: false,
        must_prove: true,
    };
    Roles(sites.iter().map(role).collect())
}

fn policy() -> Policy {
    Policy {
        roles: roles(&[("intraware", "")]),
        keep: SignedDuration::from_hours(24 * 30),
        skip_pauses: false,
    }
}

fn id(text: &str) -> RecordId {
    text.parse().unwrap()
}

fn record(name: &str, status: Status) -> Record {
    Record {
        id: id(name),
        name: format!("Build {name}"),
        build_type: Some("Patch Build".into()),
        build_path: Some(PATH.into()),
        status,
        detail: None,
        released: false,
        size: None,
        md5: None,
        sha1: None,
        build_date: None,
        priority: None,
        revision: Revision("1".into()),
    }
}

/// A record that describes the payload `content`.
fn owner(name: &str, status: Status, content: &str) -> Record {
    let digests = digests(content);
    let described = record(name, status);
    Record { size: Some(digests.size), md5: Some(digests.md5), sha1: Some(digests.sha1), ..described }
}

/// A job of record `name` with the payload `content`, made of a directory that holds it.
fn job(name: &str, content: &str, room: Room) -> Job {
    sample::job(name, content, room, now())
}

fn receipt() -> Receipt {
    sample::receipt(now())
}

fn parked(kind: ParkKind, content: &str) -> Job {
    let why = Parked { kind, reason: "because".into(), at: now(), host: "ebb".into() };
    Job { parked: Some(why), ..job("r1", content, Room::Parked) }
}

/// A build directory that holds `content`.
fn survey(content: &str) -> Survey {
    let (policy, fingerprint) = (TreePolicy::default(), fingerprint(content));
    Survey {
        fingerprint,
        substance: fingerprint,
        files: 1,
        bytes: 1,
        entries: 1,
        warnings: Vec::new(),
        policy,
    }
}

fn fingerprint(content: &str) -> Fingerprint {
    let digest = digests(content).sha256.to_string();
    serde_json::from_value(digest.into()).expect("a digest is a fingerprint")
}

fn found(content: &str) -> Source {
    let place = Place::of_build(b"blast/p7").unwrap();
    Source::Found { place, survey: survey(content) }
}

fn seen(records: Vec<Record>, jobs: Vec<Job>) -> Snapshot {
    let selected = records.iter().map(|record| record.id.clone()).collect();
    Snapshot { records, selected, jobs, ..Snapshot::default() }
}

fn right() -> View {
    let place = Place::of_build(b"blast/p7").unwrap();
    let at = policy().roles.required(&place);
    View::Right { place, at, verified_by: Strength::ServerHash }
}

/// Plans, and returns the first build's plan in short words.
fn decide(seen: &Snapshot) -> String {
    short(&plan(seen, &policy(), now()).builds[0])
}

fn short(build: &BuildPlan) -> String {
    let steps = build.steps.iter().map(|step| match step {
        Step::Prepare { .. } => "prepare".to_owned(),
        Step::Adopt { job, .. } => format!("adopt from {}", job.room),
        Step::HandOver { job, .. } => format!("hand over from {}", job.room),
        Step::Confirm { job, .. } => format!("confirm {}", if job.is_some() { "job" } else { "without job" }),
        Step::Retire { .. } => "retire".to_owned(),
        Step::Fail { reason, .. } => format!("fail: {reason}"),
        Step::PutAside { found, .. } => format!("put aside from {}", found.room),
        Step::Park { job, kind, .. } => format!("park {kind:?} from {}", job.room),
        Step::Alarm { reason } => format!("alarm: {reason}"),
    });
    let rest = build.rest.iter().map(|rest| match rest {
        Rest::Held(_) => "held",
        Rest::DoNotRelease => "do not release",
        Rest::Completed => "completed",
        Rest::Unseen { .. } => "unseen",
        Rest::UnknownStatus => "unknown status",
        Rest::Refused { .. } => "refused",
        Rest::NotDue { .. } => "not due",
        Rest::Waiting { .. } => "waiting",
        Rest::InUse { .. } => "in use",
        Rest::Lagging { .. } => "lagging",
        Rest::SiteRests { .. } => "site rests",
        Rest::Unfit(_) => "unfit",
        Rest::CannotLook { .. } => "cannot look",
        Rest::NewerFormat { .. } => "newer format",
        Rest::NotSelected { .. } => "not selected",
        Rest::ClockInDoubt => "clock in doubt",
    });
    steps.chain(rest.map(str::to_owned)).collect::<Vec<_>>().join(", ")
}

fn chores_of(seen: &Snapshot) -> Vec<String> {
    plan(seen, &policy(), now()).chores.iter().map(ToString::to_string).collect()
}

#[test]
fn s0_06_s0_07_empty_and_error_builds_are_prepared() {
    for status in [Status::Empty, Status::Error] {
        let mut seen = seen(vec![record("r1", status)], vec![]);
        seen.sources.insert(id("r1"), found("a"));
        assert_eq!(decide(&seen), "prepare");
    }
}

#[test]
fn s0_08_s0_19_an_in_process_build_waits_while_its_payload_is_in_the_upload_area() {
    let mut waiting = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Upload)]);
    assert_eq!(decide(&waiting), "waiting");
    waiting.busy.insert(id("r1"), Held(None));
    assert_eq!(decide(&waiting), "waiting");
}

#[test]
fn s0_20_s0_23_s0_24_a_delivered_build_is_confirmed_after_a_look_at_the_site() {
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Sent)]);
    seen.views.insert(id("r1"), right());
    assert_eq!(decide(&seen), "confirm job");
    seen.jobs.clear();
    assert_eq!(decide(&seen), "confirm without job");
}

#[test]
fn s0_22_a_wrong_delivery_is_an_error_and_a_silent_site_is_not() {
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Sent)]);
    seen.views.insert(id("r1"), View::Wrong { reason: "size 3 instead of 1".into() });
    assert_eq!(decide(&seen), "fail: at the site: size 3 instead of 1");
    seen.jobs.clear();
    assert!(decide(&seen).starts_with("fail: payload lost"));
    seen.views.insert(id("r1"), View::Unknown { fault: Fault::Unreachable, reason: "refused".into() });
    assert_eq!(decide(&seen), "cannot look");
}

#[test]
fn s0_09_s0_10_completed_and_held_builds_get_no_payload_to_the_site() {
    let all = || vec![job("r1", "a", Room::Staged), job("r1", "b", Room::Upload), job("r1", "c", Room::Sent)];
    let held = seen(vec![owner("r1", Status::DoNotRelease, "a")], all());
    assert_eq!(
        decide(&held),
        "park Held from staged, park Held from upload, park Held from sent, do not release"
    );
    let completed = seen(vec![owner("r1", Status::Completed, "c")], all());
    assert_eq!(decide(&completed), "park Stale from staged, park Stale from upload, retire, completed");
}

#[test]
fn f_02_what_was_delivered_beside_a_completed_record_is_put_away_after_a_look_at_the_site() {
    let jobs = vec![job("r1", "a", Room::Sent), job("r1", "b", Room::Sent)];
    let mut seen = seen(vec![owner("r1", Status::Completed, "b")], jobs);
    seen.views.insert(id("r1"), right());
    assert_eq!(decide(&seen), "park Stale from sent, retire, completed");
    // What may be the only right copy stays.
    seen.views.insert(id("r1"), View::Wrong { reason: "other content".into() });
    assert_eq!(decide(&seen), "park Stale from sent, alarm: other content");
    for (view, expected) in [
        (View::Unknown { fault: Fault::Unreachable, reason: "refused".into() }, "cannot look"),
        (View::Resting { site: "intraware".into(), reason: "away".into() }, "site rests"),
    ] {
        seen.views.insert(id("r1"), view);
        assert_eq!(decide(&seen), expected);
    }
    // Somebody asks, and nothing is to be put away.
    seen.jobs.remove(0);
    assert_eq!(decide(&seen), "retire, unseen");
}

#[test]
fn a_build_that_conflicted_is_not_archived_again_until_it_changes_or_is_named() {
    let mut seen = seen(vec![record("r1", Status::Error)], vec![parked(ParkKind::Conflict, "a")]);
    seen.sources.insert(id("r1"), found("a"));
    assert_eq!(decide(&seen), "fail: because");
    let now_please = Policy { skip_pauses: true, ..policy() };
    assert_eq!(short(&plan(&seen, &now_please, now()).builds[0]), "prepare");
    seen.sources.insert(id("r1"), found("b"));
    assert_eq!(decide(&seen), "prepare");
}

#[test]
fn an_operators_hold_stops_everything() {
    let mut seen = seen(vec![record("r1", Status::Empty)], vec![job("r1", "a", Room::Staged)]);
    seen.sources.insert(id("r1"), found("a"));
    seen.holds.insert(
        id("r1"),
        Hold { record: id("r1"), reason: "wait".into(), since: now(), host: "ebb".into(), by: String::new() },
    );
    assert_eq!(decide(&seen), "held");
}

#[test]
fn quick_steps_come_first_and_then_priority_decides() {
    let mut records: Vec<_> = ["r1", "r2", "r3", "r4"].map(|name| record(name, Status::Empty)).into();
    for (record, (priority, path)) in
        records.iter_mut().zip([(None, "/b/1"), (Some(5), "/b/2"), (Some(1), "/b/3"), (None, "/b/4")])
    {
        record.priority = priority;
        record.build_path = Some(path.into());
    }
    let mut seen = seen(records, vec![]);
    for name in ["r1", "r2", "r3"] {
        seen.sources.insert(id(name), found(name));
    }
    seen.sources.insert(id("r4"), Source::Faulty { reason: "Build Not Found".into() });
    let order: Vec<_> =
        plan(&seen, &policy(), now()).builds.into_iter().map(|b| b.record.id.to_string()).collect();
    assert_eq!(order, ["r4", "r3", "r2", "r1"]);
}

#[test]
fn an_unknown_status_is_nobodys_business() {
    let odd = owner("r1", Status::Other("Paused".into()), "a");
    assert_eq!(decide(&seen(vec![odd], vec![job("r1", "a", Room::Staged)])), "unknown status");
}

#[test]
fn the_error_of_the_last_delivery_is_shown_while_a_job_waits() {
    let mut waiting = job("r1", "a", Room::Upload);
    waiting.attempts = Some(Attempts {
        count: 1,
        next_try: now(),
        at: now(),
        host: "ebb".into(),
        fault: Fault::TryLater,
        error: "connection refused".into(),
        streak: Streak::default(),
        stuck: None,
    });
    let seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![waiting]);
    let shown = plan(&seen, &policy(), now()).to_string();
    assert!(shown.contains("whose last try failed: connection refused"), "{shown}");
}

#[test]
fn a_record_that_the_selection_does_not_take_is_not_touched_even_if_named() {
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Staged)]);
    seen.selected.clear();
    seen.named = Some([id("r1")].into());
    assert_eq!(decide(&seen), "not selected");
    seen.incomplete = Some((Fault::TryLater, "a page was lost".into()));
    assert_eq!(decide(&seen), "cannot look");
}

#[test]
fn what_the_uploader_found_out_about_a_build_becomes_its_error() {
    let attempts = Attempts {
        count: 1,
        next_try: now(),
        at: now(),
        host: "ebb".into(),
        fault: Fault::Build,
        error: "was sent twice and differs".into(),
        streak: Streak::default(),
        stuck: None,
    };
    let failed = Job { attempts: Some(attempts), ..job("r1", "a", Room::Upload) };
    let seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![failed]);
    assert_eq!(decide(&seen), "fail: was sent twice and differs");
}

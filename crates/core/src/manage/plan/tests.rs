use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::deliver::{Delivered, Strength};
use crate::digest::{Digester, Digests};
use crate::exit::Fault;
use crate::fingerprint::{Fingerprint, Survey, TreePolicy};
use crate::lock::Held;
use crate::record::Revision;
use crate::site::Place;
use crate::sites::{Builds, Role};
use crate::spool::{Attempts, Hold, JobId, Manifest, Parked, Receipt, Retry};

mod chores;

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

fn digests(content: &str) -> Digests {
    let mut digester = Digester::default();
    digester.update(content.as_bytes());
    digester.finish()
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
    let digests = digests(content);
    let manifest = Manifest {
        format: 1,
        record: id(name),
        name: format!("Build {name}"),
        build_path: PATH.into(),
        place: Place::of_build(b"blast/p7").unwrap(),
        digests,
        fingerprint: fingerprint(content).to_string(),
        build_date: now(),
        priority: None,
        files: 1,
        bytes: 1,
        signed_by: "ABCD".into(),
        created: now(),
        created_on: "ebb".into(),
        released_before: false,
    };
    let job_id = JobId { record: id(name), generation: digests.generation() };
    let dir_name = job_id.to_string();
    Job {
        id: job_id,
        room,
        dir_name,
        manifest,
        has_payload: true,
        receipts: Vec::new(),
        lags: BTreeMap::new(),
        attempts: None,
        parked: None,
    }
}

fn receipt() -> Receipt {
    let delivery = Delivered {
        verified_by: Strength::ServerHash,
        resumed_from: 0,
        sent: 1,
        adopted: false,
        moved_aside: None,
    };
    Receipt {
        format: 1,
        site: "intraware".into(),
        peer: "sshd".into(),
        path: Place::of_build(b"blast/p7").unwrap().payload(),
        delivery,
        delivered: now(),
        host: "ebb".into(),
        run: "x".into(),
    }
}

fn parked(kind: ParkKind, content: &str) -> Job {
    let why = Parked { kind, reason: "because".into(), at: now(), host: "ebb".into() };
    Job { parked: Some(why), ..job("r1", content, Room::Parked) }
}

/// A build directory that holds `content`.
fn survey(content: &str) -> Survey {
    let (policy, fingerprint) = (TreePolicy::default(), fingerprint(content));
    Survey { fingerprint, files: 1, bytes: 1, entries: 1, warnings: Vec::new(), policy }
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
        Step::Park { job, kind, .. } => format!("park {kind:?} from {}", job.room),
    });
    let rest = build.rest.iter().map(|rest| match rest {
        Rest::Held(_) => "held",
        Rest::DoNotRelease => "do not release",
        Rest::Completed => "completed",
        Rest::UnknownStatus => "unknown status",
        Rest::NotDue { .. } => "not due",
        Rest::Waiting { .. } => "waiting",
        Rest::InUse { .. } => "in use",
        Rest::Lagging { .. } => "lagging",
        Rest::SiteRests { .. } => "site rests",
        Rest::CannotLook { .. } => "cannot look",
        Rest::NewerFormat { .. } => "newer format",
        Rest::NotSelected => "not selected",
    });
    steps.chain(rest.map(str::to_owned)).collect::<Vec<_>>().join(", ")
}

fn chores_of(seen: &Snapshot) -> Vec<String> {
    plan(seen, &policy(), now()).chores.iter().map(ToString::to_string).collect()
}

#[test]
fn a_build_goes_to_the_sites_that_take_it_and_one_that_none_takes_is_an_error() {
    let two = Policy { roles: roles(&[("intraware", "^blast/"), ("mirror", "")]), ..policy() };
    let plan_of = |seen: &Snapshot, policy: &Policy| plan(seen, policy, now()).builds[0].to_string();
    let mut empty = seen(vec![record("r1", Status::Empty)], vec![]);
    empty.sources.insert(id("r1"), found("a"));
    assert!(
        plan_of(&empty, &two).contains("put the sidecars to intraware and mirror, "),
        "{}",
        plan_of(&empty, &two)
    );
    assert!(plan_of(&empty, &policy()).contains("put the sidecars to the site, "));
    let other = Policy { roles: roles(&[("forge", "^forge/")]), ..policy() };
    let nowhere = "no required site takes blast/p7: none of their `builds` matches that path; correct them, or the path";
    assert_eq!(short(&plan(&empty, &other, now()).builds[0]), format!("fail: {nowhere}"));
    // What was prepared before the configuration changed waits; the record stays as it is.
    let staged = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Staged)]);
    assert_eq!(short(&plan(&staged, &other, now()).builds[0]), "cannot look");
    assert!(plan_of(&staged, &other).contains(nowhere));
}

#[test]
fn a_payload_is_kept_for_a_site_that_may_lag_and_no_longer_than_papers_are() {
    let policy = Policy { roles: roles(&[("intraware", ""), ("mirror2", "")]), ..policy() };
    let receipt = |site: &str| Receipt { site: site.into(), ..receipt() };
    let sent = |sites: &[&str]| {
        let receipts = sites.iter().map(|site| receipt(site)).collect();
        Job { receipts, ..job("r1", "a", Room::Sent) }
    };
    let decide = |job: Job, status: Status, now: Timestamp| {
        let mut seen = seen(vec![owner("r1", status, "a")], vec![job]);
        seen.views.insert(id("r1"), right());
        plan(&seen, &policy, now).builds[0].clone()
    };
    let confirm = decide(sent(&["intraware"]), Status::InProcess, now()).to_string();
    assert!(confirm.ends_with("Association, and keep the payload for mirror2"), "{confirm}");
    assert_eq!(short(&decide(sent(&["intraware"]), Status::Completed, now())), "lagging");
    assert_eq!(
        short(&decide(sent(&["intraware", "mirror2"]), Status::Completed, now())),
        "retire, completed"
    );
    let later = now().saturating_add(policy.keep).unwrap();
    let given_up = decide(sent(&["intraware"]), Status::Completed, later).to_string();
    assert!(given_up.contains("and give up mirror2, which did not get it in time"), "{given_up}");
}

#[test]
fn a_place_that_was_released_for_another_record_at_one_site_is_taken() {
    let two = Policy { roles: roles(&[("intraware", ""), ("mirror", "")]), ..policy() };
    let mut seen = seen(vec![record("r1", Status::Empty)], vec![]);
    seen.sources.insert(id("r1"), found("a"));
    let place = Place::of_build(b"blast/p7").unwrap();
    let release = Release { site: "mirror".into(), place, record: id("r2"), generation: None, at: now() };
    seen.releases.insert(crate::spool::Note::key(&release), release);
    assert!(
        short(&plan(&seen, &two, now()).builds[0]).starts_with("fail: blast/p7"),
        "{:?}",
        plan(&seen, &two, now())
    );
    assert_eq!(short(&plan(&seen, &policy(), now()).builds[0]), "prepare");
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
fn nothing_is_moved_under_the_hands_of_an_uploader() {
    let mut seen = seen(vec![owner("r1", Status::DoNotRelease, "a")], vec![job("r1", "a", Room::Upload)]);
    seen.busy.insert(id("r1"), Held(None));
    assert_eq!(decide(&seen), "in use");
}

#[test]
fn a_staged_job_of_an_in_process_build_is_handed_over() {
    let seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Staged)]);
    assert_eq!(decide(&seen), "hand over from staged");
}

#[test]
fn jobs_are_looked_for_in_flow_order_and_other_generations_are_parked() {
    let jobs = vec![job("r1", "a", Room::Sent), job("r1", "a", Room::Upload), job("r1", "b", Room::Upload)];
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], jobs);
    seen.views.insert(id("r1"), right());
    assert_eq!(decide(&seen), "park Stale from upload, waiting");
}

#[test]
fn a_job_of_the_same_directory_is_adopted_and_one_of_another_state_of_it_is_parked() {
    for room in [Room::Staged, Room::Upload, Room::Sent] {
        let mut seen = seen(vec![record("r1", Status::Error)], vec![job("r1", "a", room)]);
        seen.sources.insert(id("r1"), found("a"));
        assert_eq!(decide(&seen), format!("adopt from {room}"));
        seen.sources.insert(id("r1"), found("b"));
        assert_eq!(decide(&seen), format!("park Stale from {room}, prepare"));
    }
}

#[test]
fn a_parked_job_comes_back_only_when_the_reason_has_gone() {
    for (kind, expected) in [
        (ParkKind::Held, "hand over from parked"),
        (ParkKind::Stale, "hand over from parked"),
        (ParkKind::Conflict, "fail: because"),
        (ParkKind::Damaged, "fail: because"),
    ] {
        let seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![parked(kind, "a")]);
        assert_eq!(decide(&seen), expected, "{kind:?}");
    }
}

#[test]
fn a_job_with_the_records_digests_from_another_path_is_not_the_records() {
    let mut moved = owner("r1", Status::InProcess, "a");
    moved.build_path = Some("/builds/blast/p8".into());
    let mut seen = seen(vec![moved], vec![job("r1", "a", Room::Sent)]);
    seen.views.insert(id("r1"), View::Wrong { reason: "nothing there".into() });
    assert!(decide(&seen).starts_with("park Stale from sent, fail: payload lost"));
}

#[test]
fn s0_29_a_failed_build_is_tried_again_after_a_pause_or_at_once_when_it_changes_or_is_named() {
    let mut seen = seen(vec![record("r1", Status::Error)], vec![]);
    let reason = "Build Not Found".to_owned();
    seen.sources.insert(id("r1"), Source::Faulty { reason: reason.clone() });
    assert_eq!(decide(&seen), "fail: Build Not Found");
    let next_try = now() + SignedDuration::from_mins(20);
    let retry =
        Retry { record: id("r1"), attempts: 2, next_try, reason: reason.clone(), at: now(), seen: reason };
    seen.retries.insert(id("r1"), retry);
    assert_eq!(decide(&seen), "not due");
    let now_please = Policy { skip_pauses: true, ..policy() };
    assert_eq!(short(&plan(&seen, &now_please, now()).builds[0]), "fail: Build Not Found");
    assert_eq!(short(&plan(&seen, &policy(), next_try).builds[0]), "fail: Build Not Found");
    seen.sources.insert(id("r1"), found("a"));
    assert_eq!(decide(&seen), "prepare");
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
    seen.holds
        .insert(id("r1"), Hold { record: id("r1"), reason: "wait".into(), since: now(), host: "ebb".into() });
    assert_eq!(decide(&seen), "held");
}

#[test]
fn two_records_with_one_place_at_the_site_do_not_race() {
    let mut seen = seen(vec![record("r2", Status::Empty), record("r1", Status::Empty)], vec![]);
    for (name, dir) in [("r1", "blast/p7"), ("r2", "blast/P7")] {
        seen.sources.insert(id(name), found("a"));
        seen.places.insert(id(name), Place::of_build(dir.as_bytes()).unwrap());
    }
    let builds = plan(&seen, &policy(), now()).builds;
    let of = |name: &str| short(builds.iter().find(|b| b.record.id == id(name)).unwrap());
    assert_eq!(of("r1"), "prepare");
    assert!(of("r2").starts_with("fail: record r1 is delivered to the same place"));
    seen.records[0].status = Status::InProcess;
    let builds = plan(&seen, &policy(), now()).builds;
    assert!(builds.iter().any(|b| b.record.id == id("r1") && short(b).starts_with("fail: record r2")));
}

#[test]
fn a_path_released_for_another_record_is_never_used_again() {
    let mut seen = seen(vec![record("r1", Status::Empty)], vec![]);
    seen.sources.insert(id("r1"), found("a"));
    let place = Place::of_build(b"blast/p7").unwrap();
    let release = Release {
        site: "intraware".into(),
        place: place.clone(),
        record: id("r9"),
        generation: Some(digests("z").generation()),
        at: now(),
    };
    seen.releases.insert(Release::key_of("intraware", &place), release);
    assert!(decide(&seen).starts_with("fail: blast/p7/p7.tar.gz was released for record r9"));
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
fn a_record_that_was_not_named_is_still_in_the_way() {
    let mut seen = seen(vec![record("r1", Status::Error), owner("r2", Status::InProcess, "b")], vec![]);
    for name in ["r1", "r2"] {
        seen.sources.insert(id(name), found("a"));
        seen.places.insert(id(name), Place::of_build(b"blast/p7").unwrap());
    }
    seen.named = Some([id("r1")].into());
    assert!(decide(&seen).starts_with("fail: record r2 is delivered to the same place"));
    seen.records.pop();
    seen.jobs.push(job("r2", "b", Room::Upload));
    assert!(decide(&seen).starts_with("fail: record r2 is delivered to the same place"));
}

#[test]
fn a_job_that_cannot_be_read_is_not_a_job_that_is_missing() {
    let unread = Unreadable {
        room: Room::Upload,
        dir_name: job("r1", "a", Room::Upload).dir_name,
        id: Some(job("r1", "a", Room::Upload).id),
        flaw: Flaw::Unread,
        reason: "too many open files".into(),
    };
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![]);
    seen.views.insert(id("r1"), View::Wrong { reason: "nothing there".into() });
    seen.unreadable.push(unread);
    assert_eq!(decide(&seen), "cannot look");
    assert!(chores_of(&seen).is_empty());
    seen.unreadable[0].flaw = Flaw::Damaged;
    assert_eq!(decide(&seen), "cannot look");
    assert!(chores_of(&seen)[0].starts_with("park upload/"));
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
    };
    let failed = Job { attempts: Some(attempts), ..job("r1", "a", Room::Upload) };
    let seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![failed]);
    assert_eq!(decide(&seen), "fail: was sent twice and differs");
}

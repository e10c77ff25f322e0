//! What becomes of each job: one test for each verdict, and for the order.

use jiff::SignedDuration;

use super::*;
use intraware_core::record::RecordId;
use intraware_core::sites::{Builds, Role};
use intraware_core::spool::{Attempts, sample};
use intraware_core::streak::Streak;

const SITES: [(&str, bool); 2] = [("intraware", true), ("mirror", false)];

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

fn later() -> Timestamp {
    now() + SignedDuration::from_hours(1)
}

fn roles(builds: &str) -> Roles {
    let role = |(name, is_required): (&str, bool)| Role {
        name: name.to_owned(),
        builds: Builds::matching(builds).unwrap(),
        is_required,
        is_desk: false,
        must_prove: true,
    };
    Roles(SITES.map(role).into())
}

fn job(record: &str, room: Room) -> Job {
    let receipts = (room == Room::Sent).then(|| sample::receipt(now()));
    Job { receipts: receipts.into_iter().collect(), ..sample::job(record, record, room, now()) }
}

fn failed() -> Attempts {
    Attempts {
        count: 1,
        next_try: later(),
        at: now(),
        host: "ebb".into(),
        fault: Fault::TryLater,
        error: "refused".into(),
        streak: Streak::default(),
        stuck: None,
    }
}

fn away(site: &str) -> Outage {
    Outage {
        format: Outage::FORMAT,
        site: site.into(),
        count: 2,
        next_try: later(),
        at: now(),
        host: "ebb".into(),
        error: "refused".into(),
        streak: Streak::default(),
    }
}

/// Returns what a run does with a job that waits, or was sent; and one that was asked for this job by name.
fn both(job: &Job, change: impl Fn(&mut Snapshot)) -> [Verdict; 2] {
    [&[][..], &["r1".to_owned()]].map(|wanted| {
        let mut seen = Snapshot::default();
        match job.room {
            Room::Sent => seen.lagging.push(job.clone()),
            Room::Staged | Room::Upload | Room::Parked => seen.jobs.push(job.clone()),
        }
        change(&mut seen);
        let plan = plan(seen, &roles(""), wanted, now());
        let [only] = plan.jobs.try_into().unwrap_or_else(|jobs| panic!("{jobs:?}"));
        only.verdict
    })
}

fn nothing(_: &mut Snapshot) {}

#[test]
fn what_waits_goes_to_the_required_sites_and_then_to_those_that_may_lag() {
    for verdict in both(&job("r1", Room::Upload), nothing) {
        let Verdict::Deliver { to, then } = verdict else { panic!("{verdict:?}") };
        assert_eq!((to.to_string(), then.to_string()), ("intraware".to_owned(), "mirror".to_owned()));
    }
}

#[test]
fn what_no_site_takes_fails() {
    let seen = Snapshot { jobs: vec![job("r1", Room::Upload)], ..Snapshot::default() };
    let plan = plan(seen, &roles("^other/"), &[], now());
    assert!(matches!(&plan.jobs[0].verdict, Verdict::NoSite { .. }), "{plan:?}");
    assert!(plan.does_something());
}

#[test]
fn what_is_held_is_left_whoever_asks() {
    for room in [Room::Upload, Room::Sent] {
        let job = job("r1", room);
        let hold = Hold {
            record: job.id.record.clone(),
            reason: "wait".into(),
            since: now(),
            host: "ebb".into(),
            by: String::new(),
        };
        let verdicts = both(&job, |seen| drop(seen.holds.insert(job.id.record.clone(), hold.clone())));
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Held(_))), "{verdicts:?}");
    }
}

#[test]
fn what_another_process_has_is_left_to_it() {
    for room in [Room::Upload, Room::Sent] {
        let record: RecordId = "r1".parse().unwrap();
        let verdicts = both(&job("r1", room), |seen| drop(seen.busy.insert(record.clone(), Held(None))));
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::InUse { .. })), "{verdicts:?}");
    }
}

#[test]
fn what_failed_waits_for_its_pause_unless_it_is_asked_for() {
    let job = Job { attempts: Some(failed()), ..job("r1", Room::Upload) };
    let [usual, asked] = both(&job, nothing);
    assert!(
        matches!(&usual, Verdict::NotDue { next_try, lasting: None, .. } if *next_try == later()),
        "{usual:?}"
    );
    assert!(matches!(asked, Verdict::Deliver { .. }), "{asked:?}");
}

#[test]
fn what_goes_to_a_site_that_is_away_waits_unless_it_is_asked_for() {
    let job = job("r1", Room::Upload);
    let [usual, asked] = both(&job, |seen| drop(seen.outages.insert("intraware".into(), away("intraware"))));
    assert!(matches!(&usual, Verdict::SiteRests(outage) if outage.site == "intraware"), "{usual:?}");
    assert!(matches!(asked, Verdict::Deliver { .. }), "{asked:?}");
    // One that may lag holds up nothing.
    let [usual, _] = both(&job, |seen| drop(seen.outages.insert("mirror".into(), away("mirror"))));
    assert!(matches!(usual, Verdict::Deliver { .. }), "{usual:?}");
}

#[test]
fn what_a_site_lags_with_is_brought_to_it_alone() {
    for verdict in both(&job("r1", Room::Sent), nothing) {
        let Verdict::CatchUp { to } = verdict else { panic!("{verdict:?}") };
        assert_eq!(to.to_string(), "mirror");
    }
}

#[test]
fn what_a_site_lags_with_waits_while_that_failed_or_the_site_is_away() {
    let lagging = Job { lags: [("mirror".to_owned(), failed())].into(), ..job("r1", Room::Sent) };
    let of_a_failure = both(&lagging, nothing);
    let of_an_outage =
        both(&job("r1", Room::Sent), |seen| drop(seen.outages.insert("mirror".into(), away("mirror"))));
    for [usual, asked] in [of_a_failure, of_an_outage] {
        assert!(matches!(&usual, Verdict::Lags { reasons } if reasons.len() == 1), "{usual:?}");
        assert!(!usual.does_something());
        assert!(matches!(asked, Verdict::CatchUp { .. }), "{asked:?}");
    }
}

#[test]
fn the_most_urgent_goes_first_then_the_oldest_and_what_lags_last() {
    let with = |record: &str, priority, hours| {
        let mut job = job(record, Room::Upload);
        job.manifest.priority = priority;
        job.manifest.created = now() + SignedDuration::from_hours(hours);
        job
    };
    let mut lagging = job("lags", Room::Sent);
    lagging.manifest.priority = Some(0);
    let jobs = vec![with("young", None, 2), with("old", None, 1), with("urgent", Some(1), 3)];
    let seen = Snapshot { jobs, lagging: vec![lagging], ..Snapshot::default() };
    let plan = plan(seen, &roles(""), &[], now());
    let order: Vec<_> = plan.jobs.iter().map(|job| job.job.id.record.to_string()).collect();
    assert_eq!(order, ["urgent", "old", "young", "lags"]);
}

//! What is planned besides the builds.

use super::*;

#[test]
fn orphans_are_parked_only_when_all_records_were_read() {
    let mut seen = seen(vec![], vec![job("r1", "a", Room::Upload)]);
    assert!(chores_of(&seen)[0].starts_with("park job r1."), "{:?}", chores_of(&seen));
    seen.incomplete = Some((Fault::TryLater, "a page was lost".into()));
    assert!(chores_of(&seen).is_empty());
}

#[test]
fn what_is_kept_for_reference_is_removed_in_the_end() {
    let old = now() - SignedDuration::from_hours(24 * 31);
    let receipt = Receipt { delivered: old, ..receipt() };
    let sent = Job { has_payload: false, receipts: vec![receipt], ..job("r1", "a", Room::Sent) };
    let unfinished = Job { has_payload: true, ..sent.clone() };
    let mut aside = parked(ParkKind::Stale, "b");
    aside.parked.as_mut().unwrap().at = old;
    let made_then = |mut job: Job| {
        job.manifest.created = old;
        job
    };
    let [sent, unfinished, aside] = [sent, unfinished, aside].map(made_then);
    let seen = seen(vec![owner("r1", Status::Completed, "a")], vec![sent, unfinished, aside]);
    let chores = chores_of(&seen);
    assert_eq!(chores.len(), 2, "{chores:?}");
    assert!(chores[0].starts_with("remove sent/") && chores[1].starts_with("remove parked/"), "{chores:?}");
}

#[test]
fn lock_files_go_with_their_last_job_and_dead_runs_leave_nothing() {
    let mut seen = seen(vec![], vec![]);
    seen.lock_files = vec![id("r1"), id("r2")];
    seen.busy.insert(id("r2"), Held(None));
    seen.leftovers = vec!["work/ebb.1.x.0".into()];
    assert_eq!(
        chores_of(&seen),
        [
            "remove work/ebb.1.x.0, left by a run that died",
            "remove the lock file of record r1, which has no job"
        ]
    );
}

#[test]
fn what_a_later_version_wrote_is_left_alone() {
    let newer = Unreadable {
        room: Room::Upload,
        dir_name: "r1.0123456789ab".into(),
        id: Some("r1.0123456789ab".parse().unwrap()),
        flaw: Flaw::Newer,
        reason: "format 2".into(),
    };
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![]);
    seen.unreadable.push(newer);
    assert_eq!(decide(&seen), "newer format");
    assert!(chores_of(&seen).is_empty());
}

#[test]
fn a_job_parked_for_a_hold_is_kept_while_the_hold_may_be_lifted() {
    let mut held = parked(ParkKind::Held, "a");
    held.manifest.created = now() - SignedDuration::from_hours(24 * 31);
    held.parked.as_mut().unwrap().at = held.manifest.created;
    let mut seen = seen(vec![owner("r1", Status::DoNotRelease, "a")], vec![held]);
    assert!(chores_of(&seen).is_empty());
    seen.records[0].status = Status::InProcess;
    assert_eq!(decide(&seen), "hand over from parked");
    assert!(chores_of(&seen).is_empty());
    seen.records[0].status = Status::Completed;
    assert_eq!(chores_of(&seen).len(), 1);
}

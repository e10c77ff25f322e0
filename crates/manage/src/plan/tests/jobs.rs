//! What becomes of the jobs that are found.

use super::*;

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
fn g_1_what_is_damaged_fails_a_build_that_would_be_prepared_anew() {
    let Job { id: job_id, dir_name, .. } = job("r1", "a", Room::Staged);
    let damaged = Unreadable {
        room: Room::Staged,
        dir_name,
        id: Some(job_id),
        flaw: Flaw::Damaged,
        reason: "its payload is missing".into(),
    };
    for status in [Status::Empty, Status::Error] {
        let mut seen = seen(vec![record("r1", status)], vec![]);
        seen.sources.insert(id("r1"), found("a"));
        seen.unreadable.push(damaged.clone());
        assert_eq!(decide(&seen), "put aside from staged");
        assert!(chores_of(&seen).is_empty(), "a step does it");
        seen.selected.clear();
        assert_eq!(decide(&seen), "cannot look");
        assert!(chores_of(&seen)[0].starts_with("park staged/"));
        seen.selected.insert(id("r1"));
        seen.busy.insert(id("r1"), Held(None));
        assert_eq!(decide(&seen), "in use");
    }
}

#[test]
fn g_1_what_was_parked_without_its_payload_is_nothing_to_go_on_with() {
    let without = |kind| Job { has_payload: false, ..parked(kind, "a") };
    for (kind, expected) in [
        (ParkKind::Damaged, "fail: payload lost"),
        (ParkKind::Held, "fail: payload lost"),
        (ParkKind::Stale, "fail: payload lost"),
        (ParkKind::Conflict, "fail: because"),
    ] {
        let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![without(kind)]);
        seen.views.insert(id("r1"), View::Wrong { reason: "nothing there".into() });
        assert!(decide(&seen).starts_with(expected), "{kind:?}");
        let step = plan(&seen, &policy(), now()).builds[0].steps[0].clone();
        assert!(
            matches!(&step, Step::Fail { seen, .. } if *seen == fingerprint("a").to_string()),
            "the pause ends when the build changes: {step:?}"
        );
    }
}

//! What is planned by a clock that is not believed, and what is believed of times that a wrong clock has
//! noted.

use super::*;
use intraware_core::clock::Doubt;

fn doubt() -> Option<Doubt> {
    Doubt::of(Some(SignedDuration::from_hours(24 * 400)), None)
}

#[test]
fn f_05_by_a_clock_in_doubt_nothing_is_signed_and_no_signature_is_judged() {
    for (status, jobs) in [
        (Status::Empty, vec![]),
        (Status::Error, vec![job("r1", "a", Room::Staged)]),
        (Status::Empty, vec![job("r1", "b", Room::Upload)]),
        (Status::InProcess, vec![job("r1", "a", Room::Staged)]),
    ] {
        let mut seen = seen(vec![owner("r1", status, "a")], jobs);
        seen.sources.insert(id("r1"), found("a"));
        assert_ne!(decide(&seen), "clock in doubt");
        seen.doubt = doubt();
        assert_eq!(decide(&seen), "clock in doubt");
    }
    // What was delivered is confirmed, and what is at fault becomes Error.
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Sent)]);
    seen.views.insert(id("r1"), right());
    seen.doubt = doubt();
    assert_eq!(decide(&seen), "confirm job");
}

#[test]
fn f_05_by_a_clock_in_doubt_nothing_is_removed_and_no_site_is_given_up() {
    let long_ago = now() - SignedDuration::from_hours(24 * 400);
    let mut lagging = job("r1", "a", Room::Sent);
    lagging.receipts = vec![Receipt { delivered: long_ago, ..receipt() }];
    lagging.manifest.created = long_ago;
    let mut papers = Job { has_payload: false, ..lagging.clone() };
    papers.id.record = id("r2");
    let mut seen = seen(vec![owner("r1", Status::Completed, "a")], vec![lagging, papers]);
    seen.leftovers = vec!["work/ebb.1.x.0".into()];
    let policy = Policy { roles: roles(&[("intraware", ""), ("mirror2", "")]), ..policy() };
    let without = plan(&seen, &policy, now());
    assert!(without.builds[0].to_string().contains("give up mirror2"), "{without}");
    assert_eq!(without.chores.len(), 2, "{without}");
    seen.doubt = doubt();
    let with = plan(&seen, &policy, now());
    assert_eq!(short(&with.builds[0]), "lagging");
    assert!(with.chores.is_empty(), "{with}");
    assert!(with.to_string().contains("this host's clock is 400 days ahead of"), "{with}");
}

#[test]
fn f_05_what_a_clock_that_was_behind_has_noted_is_kept_from_when_it_was_made() {
    let mut lagging = job("r1", "a", Room::Sent);
    lagging.receipts = vec![Receipt { delivered: Timestamp::UNIX_EPOCH, ..receipt() }];
    let papers = Job { has_payload: false, ..lagging.clone() };
    let mut aside = parked(ParkKind::Stale, "b");
    aside.parked.as_mut().unwrap().at = Timestamp::UNIX_EPOCH;
    let policy = Policy { roles: roles(&[("intraware", ""), ("mirror2", "")]), ..policy() };
    let seen = seen(vec![owner("r1", Status::Completed, "a")], vec![lagging, papers, aside]);
    let plan = plan(&seen, &policy, now());
    assert_eq!((short(&plan.builds[0]).as_str(), plan.chores.len()), ("lagging", 0), "{plan}");
}

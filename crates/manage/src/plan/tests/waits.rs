//! Sites that are waited for: one that does not fit, and one that has been away for too long.

use super::*;
use intraware_core::spool::{Misfit, Outage};
use intraware_core::streak::LASTING;

fn misfit(hours_ago: i64) -> Misfit {
    let at = now() - SignedDuration::from_hours(hours_ago);
    Misfit { site: "intraware".into(), at, obstacles: vec!["files cannot be renamed".into()] }
}

/// Snapshots of a record that is to be prepared, of one whose job is staged, and of one whose delivery is to
/// be confirmed.
fn three(misfit: &Misfit) -> [Snapshot; 3] {
    let mut empty = seen(vec![record("r1", Status::Empty)], vec![]);
    empty.sources.insert(id("r1"), found("a"));
    let owner = || vec![owner("r1", Status::InProcess, "a")];
    let staged = seen(owner(), vec![job("r1", "a", Room::Staged)]);
    let mut sent = seen(owner(), vec![job("r1", "a", Room::Sent)]);
    sent.views.insert(id("r1"), right());
    [empty, staged, sent].map(|seen| {
        let misfits = [(misfit.site.clone(), misfit.clone())].into();
        Snapshot { misfits, ..seen }
    })
}

#[test]
fn f_00_a_site_that_does_not_fit_stops_what_would_go_there_unless_the_check_is_old_or_a_build_is_named() {
    let decide = |misfit: &Misfit, policy: &Policy| {
        three(misfit).map(|seen| short(&plan(&seen, policy, now()).builds[0]))
    };
    assert_eq!(decide(&misfit(1), &policy()), ["unfit", "unfit", "confirm job"]);
    let goes_on = ["prepare", "hand over from staged", "confirm job"];
    // Also one whose time lies in the future.
    for hours in [31 * 24, -31 * 24] {
        assert_eq!(decide(&misfit(hours), &policy()), goes_on);
    }
    let named = Policy { skip_pauses: true, ..policy() };
    assert_eq!(decide(&misfit(1), &named), goes_on);
    assert_eq!(decide(&Misfit { site: "mirror".into(), ..misfit(1) }, &policy()), goes_on);
    let [empty, staged, _] = three(&misfit(1));
    let mut both = plan(&empty, &policy(), now());
    both.builds.extend(plan(&staged, &policy(), now()).builds);
    let told = both.site_failures();
    assert!(told.len() == 1 && told[0].0 == Fault::Configuration, "once for both: {told:?}");
}

#[test]
fn f_00_same_failure_to_connect_makes_a_silent_rest_one_that_is_told() {
    let mut outage = Outage {
        format: Outage::FORMAT,
        site: "intraware".into(),
        count: 9,
        next_try: now() + SignedDuration::from_hours(1),
        at: now(),
        host: "ebb".into(),
        error: "refused".into(),
        streak: Streak::default(),
    };
    let told = |outage: &Outage| {
        let [_, staged, mut seen] = three(&misfit(0));
        seen.misfits.clear();
        seen.outages.insert("intraware".into(), outage.clone());
        let staged = Snapshot { misfits: BTreeMap::new(), outages: seen.outages.clone(), ..staged };
        seen.views.insert(id("r1"), View::Resting { site: "intraware".into(), reason: outage.to_string() });
        let mut both = plan(&seen, &policy(), now());
        both.builds.extend(plan(&staged, &policy(), now()).builds);
        both.site_failures()
    };
    for count in 1..=LASTING {
        assert_eq!(told(&outage), [], "before attempt {count}");
        outage.streak.count(Fault::Unreachable, "refused", now());
    }
    let told = told(&outage);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].0 == Fault::Configuration && told[0].1.contains("the same has happened 10 times"),
        "{told:?}"
    );
}

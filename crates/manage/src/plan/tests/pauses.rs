//! The pause after a failure, and when it is over.

use super::*;

#[test]
fn s0_29_a_failed_build_is_tried_again_after_a_pause_or_at_once_when_it_changes_or_is_named() {
    let mut seen = seen(vec![record("r1", Status::Error)], vec![]);
    let reason = "Build Not Found".to_owned();
    seen.sources.insert(id("r1"), Source::Faulty { reason: reason.clone() });
    assert_eq!(decide(&seen), "fail: Build Not Found");
    let next_try = now() + SignedDuration::from_mins(20);
    let retry = Retry {
        record: id("r1"),
        attempts: 2,
        next_try,
        reason: reason.clone(),
        at: now(),
        seen: reason,
        passing: None,
        streak: Streak::default(),
    };
    seen.retries.insert(id("r1"), retry);
    assert_eq!(decide(&seen), "not due");
    let now_please = Policy { skip_pauses: true, ..policy() };
    assert_eq!(short(&plan(&seen, &now_please, now()).builds[0]), "fail: Build Not Found");
    assert_eq!(short(&plan(&seen, &policy(), next_try).builds[0]), "fail: Build Not Found");
    seen.sources.insert(id("r1"), found("a"));
    assert_eq!(decide(&seen), "prepare");
}

#[test]
fn f_05_a_pause_that_a_wrong_clock_has_noted_is_over() {
    let mut seen = seen(vec![owner("r1", Status::InProcess, "a")], vec![job("r1", "a", Room::Staged)]);
    let (year, later) = (SignedDuration::from_hours(24 * 365), now() + SignedDuration::from_mins(20));
    let outage = |at, next_try| Outage {
        format: Outage::FORMAT,
        site: "intraware".into(),
        count: 2,
        next_try,
        at,
        host: "ahead".into(),
        error: "connection refused".into(),
        streak: Streak::default(),
    };
    seen.outages.insert("intraware".into(), outage(now(), later));
    assert_eq!(decide(&seen), "site rests");
    for (at, next_try) in [(now() + year, later + year), (now(), now() + year), (now() + year, later)] {
        seen.outages.insert("intraware".into(), outage(at, next_try));
        assert_eq!(decide(&seen), "hand over from staged", "{at} {next_try}");
    }
    let mut seen = self::seen(vec![record("r2", Status::Error)], vec![]);
    let reason = "Build Not Found".to_owned();
    seen.sources.insert(id("r2"), Source::Faulty { reason: reason.clone() });
    let (at, next_try) = (now() + year, later + year);
    let (seen_then, streak) = (reason.clone(), Streak::default());
    let retry =
        Retry { record: id("r2"), attempts: 2, next_try, reason, at, seen: seen_then, passing: None, streak };
    seen.retries.insert(id("r2"), retry);
    assert_eq!(decide(&seen), "fail: Build Not Found");
}

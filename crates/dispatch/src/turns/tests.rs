use super::*;
use crate::freeze::{Freeze, Window};
use crate::rollout::{PARALLEL, Share};
use jiff::SignedDuration;

use Standing::{Away, Done, Failed, Failing, Held, Open, Unclear};

const NOW: &str = "2026-12-04T12:00:00+00:00[UTC]";

fn rules() -> Rollout {
    Rollout {
        group: None,
        after: Vec::new(),
        parallel: PARALLEL,
        canary: 0,
        batch: None,
        pause: SignedDuration::ZERO,
        stop_at: None,
        freeze: Freeze::default(),
    }
}

fn done(minutes: i64) -> Standing {
    let now: Zoned = NOW.parse().unwrap();
    Done(now.timestamp() - SignedDuration::from_mins(minutes))
}

/// Shows the turns of one package as `go`, `-` or why not, machines being called a, b, c and so on.
fn show(rules: &Rollout, at: &[Standing]) -> String {
    show_all(rules, &[at]).remove(0)
}

fn show_all(rules: &Rollout, units: &[&[Standing]]) -> Vec<String> {
    let machines: Vec<String> =
        (b'a'..).take(units[0].len()).map(|letter| char::from(letter).to_string()).collect();
    let unit = |at: &&[Standing]| Unit { at: at.iter().copied().map(Some).collect(), before: None };
    let units: Vec<Unit> = units.iter().map(unit).collect();
    let told = |turn: &Option<Result<(), Wait>>| match turn {
        None => "-".to_owned(),
        Some(Ok(())) => "go".to_owned(),
        Some(Err(wait)) => wait.to_string(),
    };
    let turns = turns(rules, &machines, &units, &NOW.parse().unwrap(), true);
    turns.iter().map(|unit| unit.iter().map(told).collect::<Vec<_>>().join(" | ")).collect()
}

#[test]
fn s2_01_without_a_rule_all_machines_go_at_once_whatever_fails() {
    let at = [Open, Failed, Away, Held, done(1), Failing { is_now: true }, Failing { is_now: false }];
    assert_eq!(show(&rules(), &at), "go | - | - | - | - | go | -");
}

#[test]
fn s2_01_no_machine_goes_before_the_canaries_have_a_package() {
    let rules = Rollout { canary: 2, stop_at: Some(Share::Count(1)), ..rules() };
    let wait = "for the canary a, b";
    assert_eq!(show(&rules, &[Open, Open, Open, Open]), format!("go | go | {wait} | {wait}"));
    let wait = "for the canary b";
    assert_eq!(show(&rules, &[done(9), Open, Open, Open]), format!("- | go | {wait} | {wait}"));
    assert_eq!(show(&rules, &[done(9), done(9), Open, Open]), "- | - | go | go");
    // One that is away has not failed: another one takes its place.
    let wait = "for the canary a, c";
    assert_eq!(show(&rules, &[Open, Away, Open, Open]), format!("go | - | go | {wait}"));
}

#[test]
fn s2_01_a_canary_that_has_failed_keeps_a_package_from_all_others() {
    let rules = Rollout { canary: 1, ..rules() };
    let failed = "for a person: the canary a has failed";
    assert_eq!(show(&rules, &[Failed, Open, Open]), format!("- | {failed} | {failed}"));
    // For now: it is tried again, and they go on waiting.
    let failing = [Failing { is_now: true }, Open, Open];
    assert_eq!(show(&rules, &failing), format!("go | {failed} | {failed}"));
    // Another package is no worse for it.
    let both = show_all(&rules, &[&[Failed, Open], &[done(9), Open]]);
    assert_eq!(both, [format!("- | {failed}"), "- | go".to_owned()]);
}

#[test]
fn s2_01_a_share_of_failures_stops_a_package_and_machines_that_are_away_do_not() {
    let rules = Rollout { stop_at: Some(Share::Percent(50)), ..rules() };
    assert_eq!(show(&rules, &[Failed, Away, Away, Open]), "- | - | - | go");
    let stopped = "for a person: 2 of 4 machines have failed";
    assert_eq!(
        show(&rules, &[Failed, Failing { is_now: true }, Open, Away]),
        format!("- | go | {stopped} | -")
    );
}

#[test]
fn s2_01_a_batch_is_of_machines_whatever_packages_they_get() {
    let rules = Rollout { batch: Some(Share::Count(2)), ..rules() };
    let wait = "for a, b, whose turn it is";
    assert_eq!(show(&rules, &[Open, Open, Open, Open]), format!("go | go | {wait} | {wait}"));
    let both = show_all(&rules, &[&[Open, done(9), Open], &[done(9), Open, Open]]);
    assert_eq!(both, [format!("go | - | {wait}"), format!("- | go | {wait}")]);
}

#[test]
fn s2_01_a_pause_is_kept_between_batches_and_not_before_the_first() {
    let batch = Some(Share::Count(1));
    let rules = Rollout { batch, pause: SignedDuration::from_mins(10), ..rules() };
    assert_eq!(show(&rules, &[Open, Open]), "go | for a, whose turn it is");
    let wait = "until 2026-12-04T12:01:00Z, the pause after a batch";
    assert_eq!(show(&rules, &[done(9), Open, Open]), format!("- | {wait} | {wait}"));
    assert_eq!(show(&rules, &[done(10), Open, Away]), "- | go | -");
    assert_eq!(show(&rules, &[done(-60), Open, Away]), "- | go | -", "a wrong clock");
}

#[test]
fn s2_01_nothing_goes_while_it_is_frozen() {
    let windows = vec![Window::parse("Fri 11:00-Fri 13:00").unwrap()];
    let rules = Rollout { freeze: Freeze { windows, zone: None }, ..rules() };
    let wait = "until 2026-12-04T13:00:00Z, as it is frozen (Fri 11:00-Fri 13:00)";
    assert_eq!(show(&rules, &[Open, Failing { is_now: true }]), format!("{wait} | {wait}"));
    assert_eq!(show(&rules, &[Open, Unclear]), format!("{wait} | go"), "how an upgrade has ended is asked");
}

//! The runs that have ended.

use std::collections::BTreeMap;

use super::*;
use crate::activity::Run;

fn run(host: &str, id: &str, days_ago: i64) -> Run {
    let ended = now() - SignedDuration::from_hours(24 * days_ago);
    Run {
        name: "manage run".into(),
        host: host.into(),
        run: id.into(),
        started: ended - SignedDuration::from_secs(7),
        ended,
        status: 0,
        is_partial: false,
        locked_by: None,
        counts: BTreeMap::from([("done".into(), 2)]),
        errors: BTreeMap::new(),
    }
}

fn ids(spool: &Spool) -> Vec<String> {
    spool.runs().unwrap().runs.into_iter().map(|run| run.run).collect()
}

#[test]
fn s1_02_runs_of_all_hosts_are_read_in_their_order_and_the_old_ones_forgotten() {
    let world = World::new();
    assert_eq!(ids(&world.spool), Vec::<String>::new());
    let one = run("ebb", "a", 40);
    world.spool.note_run(&one, 30).unwrap();
    assert_eq!(world.spool.runs().unwrap().runs, [one]);
    world.spool.note_run(&run("flow", "b", 39), 30).unwrap();
    // The first is not yet a day too old; then it is.
    world.spool.note_run(&run("ebb", "c", 9), 30).unwrap();
    assert_eq!(ids(&world.spool), ["a", "b", "c"]);
    world.spool.note_run(&run("ebb", "d", 8), 30).unwrap();
    world.spool.note_run(&run("ebb", "e", 0), 30).unwrap();
    assert_eq!(ids(&world.spool), ["b", "c", "d", "e"]);
    world.spool.note_run(&run("ebb", "f", 0), 0).unwrap();
    assert_eq!(ids(&world.spool), ["b", "e", "f"]);
}

#[test]
fn s1_02_half_a_line_takes_no_other_with_it_and_goes_with_the_old_ones() {
    let world = World::new();
    world.spool.note_run(&run("ebb", "a", 0), 30).unwrap();
    let path = world.dir.path().join("activity/ebb.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"name\":\"mana").unwrap();
    world.spool.note_run(&run("ebb", "b", 0), 30).unwrap();
    assert_eq!(ids(&world.spool), ["a", "b"]);
    let unreadable = world.spool.runs().unwrap().unreadable;
    assert!(unreadable.len() == 1 && unreadable[0].ends_with("activity/ebb.jsonl:2"), "{unreadable:?}");
    world.spool.note_run(&run("ebb", "c", -40), 30).unwrap();
    assert_eq!(ids(&world.spool), ["c"]);
    assert_eq!(world.spool.runs().unwrap().unreadable, Vec::<String>::new());
}

#[test]
fn s1_02_runs_of_one_host_that_end_together_are_all_kept() {
    let world = World::new();
    world.spool.note_run(&run("ebb", "old", 99), 30).unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let spool = &world.spool;
            scope.spawn(move || spool.note_run(&run("ebb", &n.to_string(), 0), 30).unwrap());
        }
    });
    assert_eq!(ids(&world.spool).len(), 8);
}

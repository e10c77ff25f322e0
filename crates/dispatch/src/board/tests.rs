use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::plan::plan_rest;
use crate::route::Netrcs;
use crate::state::State;

const NOW: &str = "2026-12-04T12:00:00+00:00[UTC]";

fn routes(more: &str) -> (tempfile::TempDir, Routes) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("routes.cfg");
    std::fs::write(&file, format!("[.*]\nhost = h1 h2 h3\nlogin = u\npassword = p\n{more}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let routes = Routes::read(&file, Some(dir.path())).unwrap();
    (dir, routes)
}

fn row(package: &str, machine: &str, state: State) -> Row {
    Row {
        package: package.to_owned(),
        sha256: "0".repeat(64).parse().unwrap(),
        size: 1,
        machine: machine.to_owned(),
        directory: "~/in/".to_owned(),
        file: "/in/a".into(),
        state,
        since: "2026-12-04T11:00:00Z".parse().unwrap(),
        is_held: false,
        failures: 0,
        again: None,
        error: None,
        proof: None,
        is_upgraded: true,
        attempt: 1,
        outcome: None,
    }
}

/// Returns the machines of all jobs that may begin now, and what the others wait for.
fn seen(routes: &Routes, rows: &[Row]) -> (Vec<String>, Vec<String>) {
    let now: Zoned = NOW.parse().unwrap();
    let today = (now.date(), now.timestamp());
    let (plan, errors) = plan_rest(routes, &mut Netrcs::default(), rows.to_vec(), today);
    assert!(errors.is_empty(), "{errors:?}");
    let board = Board::new(routes, &plan, rows, &BTreeMap::new(), now.timestamp());
    let waits = board.waits(&now).into_iter().flatten().map(|wait| wait.to_string()).collect();
    let mut machines = Vec::new();
    while let Pick::Job(job) = board.lock().pick(&now) {
        machines.push(format!("{} {}", job.machine, job.items.len()));
    }
    (machines, waits)
}

#[test]
fn s2_13_no_upgrade_begins_where_another_may_still_run() {
    let (_dir, routes) = routes("");
    let rows = [
        row("a", "h1", State::Unknown),
        row("b", "h1", State::Planned),
        row("b", "h2", State::Planned),
        row("c", "h1", State::Verified),
        row("c", "h2", State::Planned),
    ];
    let (machines, waits) = seen(&routes, &rows);
    assert_eq!(machines, ["h2 2"]);
    assert_eq!(waits, ["for the upgrade of a@h1, as it is not known how that has ended"; 2]);
    // How one has ended that was begun is asked first, by itself.
    let rows = [row("a", "h1", State::Running), row("b", "h1", State::Planned)];
    assert_eq!(seen(&routes, &rows).0, ["h1 1"]);
}

#[test]
fn s2_01_a_round_is_of_a_batch_of_machines_and_all_their_packages() {
    let (_dir, routes) = routes("batch = 2\nparallel = 1");
    let rows = ["a", "b"].map(|package| ["h1", "h2", "h3"].map(|host| row(package, host, State::Planned)));
    let now: Zoned = NOW.parse().unwrap();
    let today = (now.date(), now.timestamp());
    let (plan, _) = plan_rest(&routes, &mut Netrcs::default(), rows.concat(), today);
    let board = Board::new(&routes, &plan, &rows.concat(), &BTreeMap::new(), now.timestamp());
    let mut order = Vec::new();
    loop {
        let job = board.next(&|| now.clone(), &Stop::default());
        let Some(job) = job else { break };
        // No more than `parallel` at a time, and none of the next round before this one has ended.
        assert!(matches!(board.lock().pick(&now), Pick::Later(None)));
        order.push((job.machine, job.items.len()));
        job.items.iter().for_each(|item| board.note(*item, Standing::Done(now.timestamp())));
        board.end(&job);
    }
    assert_eq!(order, [("h1", 2), ("h2", 2), ("h3", 2)]);
}

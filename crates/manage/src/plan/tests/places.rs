//! Which sites a build goes to, and who may have a place there.

use super::*;
use intraware_core::spool::Release;

/// Returns the note of a place that was released for another record.
fn released(place: Place) -> Release {
    Release { site: "intraware".into(), place, record: id("r9"), generation: None, sha256: None, at: now() }
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
    let release =
        Release { site: "mirror".into(), place, record: id("r2"), generation: None, sha256: None, at: now() };
    seen.releases.push(release);
    assert!(
        short(&plan(&seen, &two, now()).builds[0]).starts_with("fail: blast/p7"),
        "{:?}",
        plan(&seen, &two, now())
    );
    assert_eq!(short(&plan(&seen, &policy(), now()).builds[0]), "prepare");
}

#[test]
fn two_records_with_one_place_at_the_site_do_not_race() {
    let mut seen = seen(vec![record("r2", Status::Empty), record("r1", Status::Empty)], vec![]);
    for (name, dir) in [("r1", "blast/p7"), ("r2", "blast/P7")] {
        let place = Place::of_build(dir.as_bytes()).unwrap();
        seen.sources.insert(id(name), Source::Found { place: place.clone(), survey: survey("a") });
        seen.places.insert(id(name), place);
    }
    let builds = plan(&seen, &policy(), now()).builds;
    let of = |name: &str| short(builds.iter().find(|b| b.record.id == id(name)).unwrap());
    assert_eq!(of("r1"), "prepare");
    let reason = "fail: record r1 is delivered to blast/p7/p7.tar.gz, which differs from blast/P7/P7.tar.gz in letter case";
    assert!(of("r2").starts_with(reason), "{}", of("r2"));
    seen.records[0].status = Status::InProcess;
    let builds = plan(&seen, &policy(), now()).builds;
    assert!(builds.iter().any(|b| b.record.id == id("r1") && short(b).starts_with("fail: record r2")));
}

#[test]
fn a_path_released_for_another_record_is_never_used_again() {
    let mut seen = seen(vec![record("r1", Status::Empty)], vec![]);
    seen.sources.insert(id("r1"), found("a"));
    let place = Place::of_build(b"blast/p7").unwrap();
    let release = Release { generation: Some(digests("z").generation()), ..released(place.clone()) };
    seen.releases.push(release);
    assert!(decide(&seen).starts_with("fail: blast/p7/p7.tar.gz was released for record r9"));
}

#[test]
fn f_01_a_path_released_in_other_letters_is_free_only_where_the_site_is_known_to_tell_them_apart() {
    let mut seen = seen(vec![record("r1", Status::Empty)], vec![]);
    seen.sources.insert(id("r1"), found("a"));
    let place = Place::of_build(b"blast/P7").unwrap();
    seen.releases.push(released(place));
    let reason = decide(&seen);
    assert!(reason.starts_with("fail: blast/P7/P7.tar.gz was released for record r9"), "{reason}");
    assert!(reason.contains("letter case alone, and site intraware may not tell them apart"), "{reason}");
    seen.tells_cases.insert("intraware".into());
    assert_eq!(decide(&seen), "prepare");
    // The same letters are never free.
    seen.releases[0].place = Place::of_build(b"blast/p7").unwrap();
    assert!(decide(&seen).starts_with("fail: blast/p7/p7.tar.gz was released"));
}

#[test]
fn f_23_a_build_that_needs_a_directory_where_another_has_a_file_names_that_one() {
    let mut seen = seen(vec![record("r1", Status::Empty), record("r2", Status::Empty)], vec![]);
    for (name, dir) in [("r1", "z/p"), ("r2", "z/p/p.tar.gz")] {
        let place = Place::of_build(dir.as_bytes()).unwrap();
        seen.sources.insert(id(name), Source::Found { place: place.clone(), survey: survey("a") });
        seen.places.insert(id(name), place);
    }
    let builds = plan(&seen, &policy(), now()).builds;
    let of = |name: &str| short(builds.iter().find(|b| b.record.id == id(name)).unwrap());
    assert_eq!(of("r1"), "prepare");
    assert!(of("r2").starts_with(
        "fail: record r1 is delivered to z/p/p.tar.gz, and z/p/p.tar.gz/p.tar.gz.tar.gz needs a"
    ));
    // A sidecar is a file as well; and so it is the other way round, and of what was released.
    seen.records.pop();
    for (theirs, own) in [("blast/p7", "blast/p7/p7.tar.gz.MD5"), ("blast/p7/p7.tar.gz.MD5", "blast/p7")] {
        seen.sources.insert(
            id("r1"),
            Source::Found { place: Place::of_build(own.as_bytes()).unwrap(), survey: survey("a") },
        );
        let place = Place::of_build(theirs.as_bytes()).unwrap();
        seen.releases = vec![released(place)];
        seen.tells_cases.insert("intraware".into());
        assert!(decide(&seen).contains("was released for record r9"), "{own}: {}", decide(&seen));
    }
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

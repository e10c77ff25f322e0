//! What a spool makes of things that are no whole jobs.

use super::*;

#[test]
fn what_is_no_whole_job_is_reported_with_the_reason() {
    let id = manifest("abc").id().to_string();
    type Harm = fn(&Path);
    let damages: [(&str, Harm); 7] = [
        ("it has no manifest", |dir| fs::remove_file(dir.join("manifest.json")).unwrap()),
        ("EOF while parsing", |dir| fs::write(dir.join("manifest.json"), "{\"format\": 1").unwrap()),
        ("missing field", |dir| fs::write(dir.join("manifest.json"), "{\"format\": 1}").unwrap()),
        ("its payload is missing", |dir| fs::remove_file(dir.join("p7.tar.gz")).unwrap()),
        ("its manifest belongs to another job", |dir| {
            let other = serde_json::to_vec(&manifest("other")).unwrap();
            fs::write(dir.join("manifest.json"), other).unwrap();
        }),
        ("symbolic links", |dir| {
            fs::rename(dir.join("manifest.json"), dir.join("real")).unwrap();
            symlink("real", dir.join("manifest.json")).unwrap();
        }),
        ("invalid type", |dir| fs::write(dir.join("receipt.json"), "7").unwrap()),
    ];
    for (reason, harm) in damages {
        let world = World::new();
        harm(&world.spool.job_dir(&world.stage("abc")));
        let found = world.unreadable(Room::Staged);
        assert!(found.reason.contains(reason), "{reason}: {found:?}");
        assert!(
            found.flaw == Flaw::Damaged && found.id.as_ref().is_some_and(|found| found.to_string() == id),
            "{found:?}"
        );
        // It can be put aside nevertheless, under the name it has.
        world
            .spool
            .park_unreadable(&found, &parked(ParkKind::Damaged), &world.context, &mut world.lock())
            .unwrap();
        assert_eq!(world.names(), [format!("parked/{id}")].into());
        assert!(world.dir.path().join("parked").join(&id).join("parked.json").exists());
    }
}

#[test]
fn a_job_of_a_later_version_is_told_apart_from_a_damaged_one() {
    let world = World::new();
    let dir = world.spool.job_dir(&world.stage("abc"));
    fs::write(dir.join("manifest.json"), r#"{"format": 2, "record": {"id": 7}}"#).unwrap();
    let found = world.unreadable(Room::Staged);
    assert!(found.flaw == Flaw::Newer, "{found:?}");
    assert_eq!(found.reason, "format 2 is of a later version of this program");
}

#[test]
fn names_that_are_nobodys_are_passed_over_and_strangers_are_not() {
    let world = World::new();
    for name in [".nfs000000000001", ".staged.tmp"] {
        fs::write(world.dir.path().join("staged").join(name), "").unwrap();
    }
    assert!(world.spool.list(Room::Staged).unwrap().is_empty());
    fs::create_dir(world.dir.path().join("staged/lost+found")).unwrap();
    let found = world.unreadable(Room::Staged);
    assert_eq!((found.id, found.reason.as_str()), (None, "its name does not name a job"));
}

#[test]
fn a_stray_file_or_link_in_a_room_is_put_aside_and_nothing_is_written_through_it() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    let job = world.stage("abc");
    let elsewhere = outside.path().join("job");
    fs::rename(world.spool.job_dir(&job), &elsewhere).unwrap();
    let id = job.id.to_string();
    fs::write(world.dir.path().join("upload").join(&id), "no directory").unwrap();
    symlink(&elsewhere, world.dir.path().join("sent").join(&id)).unwrap();
    for room in [Room::Upload, Room::Sent] {
        let found = world.unreadable(room);
        assert_eq!((found.id.as_ref(), found.reason.as_str()), (Some(&job.id), "it is not a directory"));
        world
            .spool
            .park_unreadable(&found, &parked(ParkKind::Damaged), &world.context, &mut world.lock())
            .unwrap();
    }
    assert_eq!(world.names(), [format!("parked/{id}"), format!("parked/{id}.1")].into());
    assert!(!elsewhere.join("parked.json").exists());
}

#[test]
fn what_dead_runs_left_is_found_and_what_may_be_under_way_only_when_old() {
    let world = World::new();
    let root = world.dir.path();
    // Linux numbers processes below 2^22.
    let ours = ["work/ebb.4194304.r0.0", "retry/.r1.json.9.tmp", "released/.ab.json.9.tmp"];
    let others = ["work/ebbtide.4194304.r0.0", "work/flow.4194304.r0.0", "holds/.r1.json.9.tmp"];
    for path in ours.iter().chain(&others) {
        let path = root.join(path);
        if path.starts_with(root.join("work")) {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("p7.tar.gz"), "half").unwrap();
        } else {
            fs::write(&path, "{").unwrap();
        }
        File::open(&path).unwrap().set_modified(now().into()).unwrap();
    }
    fs::write(root.join("retry/r1.json"), "whole").unwrap();
    let found = |hours: i64| {
        let context = context_at(now() + SignedDuration::from_hours(hours));
        world.spool.leftovers(&context).unwrap().into_iter().collect::<BTreeSet<_>>()
    };
    assert_eq!(found(23), ours.map(str::to_owned).into());
    let all: BTreeSet<String> = ours.iter().chain(&others).map(|&path| path.to_owned()).collect();
    assert_eq!(found(25), all);
    all.iter().for_each(|path| world.spool.remove_leftover(path).unwrap());
    assert!(found(25).is_empty());
    assert!(root.join("retry/r1.json").exists());
}

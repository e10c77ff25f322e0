//! What is taken out of the flow: its names, what is kept of it, and how it comes back.

use super::*;

#[test]
fn a_parked_job_finds_a_free_name_and_says_why_it_is_there() {
    let world = World::new();
    for kind in [ParkKind::Stale, ParkKind::Conflict, ParkKind::Held] {
        let job = world.stage("abc");
        world.spool.park(&job, &parked(kind), &world.context, &mut world.lock()).unwrap();
    }
    let id = manifest("abc").id().to_string();
    let names = [format!("parked/{id}"), format!("parked/{id}.1"), format!("parked/{id}.2")];
    assert_eq!(world.names(), names.into());
    let kinds = world.spool.list(Room::Parked).unwrap().into_iter().map(|found| match found {
        Found::Job(job) => {
            assert_eq!((job.id.to_string(), job.room), (id.clone(), Room::Parked));
            assert_eq!(world.spool.payload(&job).exists(), job.has_payload, "{}", job.dir_name);
            let kind = job.parked.unwrap().kind;
            assert_eq!(job.has_payload, kind != ParkKind::Conflict, "{kind:?}");
            kind
        }
        Found::Unreadable(unreadable) => panic!("{unreadable:?}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [ParkKind::Stale, ParkKind::Conflict, ParkKind::Held]);
}

#[test]
fn g_1_of_one_generation_the_latest_of_each_kind_is_parked() {
    let world = World::new();
    let park = |content: &str, kind, reason: &str| {
        let why = Parked { reason: reason.to_owned(), ..parked(kind) };
        world.spool.park(&world.stage(content), &why, &world.context, &mut world.lock()).unwrap();
    };
    for reason in ["first", "second", "third"] {
        park("abc", ParkKind::Damaged, reason);
        park("abc", ParkKind::Conflict, reason);
    }
    park("other", ParkKind::Damaged, "third");
    let dir = world.spool.job_dir(&world.stage("abc"));
    fs::remove_file(dir.join("p7.tar.gz")).unwrap();
    let found = world.unreadable(Room::Staged);
    let why = Parked { reason: "fourth".to_owned(), ..parked(ParkKind::Damaged) };
    world.spool.park_unreadable(&found, &why, &world.context, &mut world.lock()).unwrap();
    let kept = world.spool.list(Room::Parked).unwrap().into_iter().map(|found| match found {
        Found::Job(job) => {
            let why = job.parked.unwrap();
            format!("{} {:?} {}", job.id.generation, why.kind, why.reason)
        }
        Found::Unreadable(unreadable) => panic!("{unreadable:?}"),
    });
    let [abc, other] = ["abc", "other"].map(|content| digests(content).generation());
    let expected =
        [format!("{abc} Conflict third"), format!("{abc} Damaged fourth"), format!("{other} Damaged third")];
    assert_eq!(kept.collect::<BTreeSet<_>>(), expected.into());
    assert!(world.spool.names("work").unwrap().is_empty(), "what was kept before is gone");
}

#[test]
fn a_parked_job_that_comes_back_gets_its_own_name_again() {
    let world = World::new();
    for kind in [ParkKind::Damaged, ParkKind::Stale] {
        world.spool.park(&world.stage("abc"), &parked(kind), &world.context, &mut world.lock()).unwrap();
    }
    let second = world.spool.list(Room::Parked).unwrap().into_iter().find_map(|found| match found {
        Found::Job(job) if job.dir_name.ends_with(".1") => Some(*job),
        _ => None,
    });
    let back = world.spool.bring_back(&second.unwrap(), &world.context, &mut world.lock()).unwrap();
    assert_eq!(back.dir_name, back.id.to_string());
    let id = back.id;
    assert_eq!(world.names(), [format!("parked/{id}"), format!("staged/{id}")].into());
    assert_eq!(world.job(Room::Staged, "abc").parked, None, "why it was parked does not hold any more");
}

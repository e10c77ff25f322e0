//! What people and programs have noted: holds, releases, and what a site can do.

use super::*;

#[test]
fn a_note_is_there_until_it_is_removed() {
    let world = World::new();
    let hold = Hold {
        record: "r1".parse().unwrap(),
        reason: "wrong licence".into(),
        since: now(),
        host: "ebb".into(),
        by: String::new(),
    };
    let key = hold.key();
    assert_eq!(world.spool.note::<Hold>(&key).unwrap(), None);
    world.spool.put_note(&hold).unwrap();
    let changed = Hold { reason: "still wrong".into(), ..hold };
    world.spool.put_note(&changed).unwrap();
    assert_eq!(world.spool.note::<Hold>(&key).unwrap(), Some(changed.clone()));
    assert_eq!(world.spool.notes::<Hold>().unwrap(), [changed]);
    assert!(world.spool.remove_note::<Hold>(&key).unwrap());
    assert!(!world.spool.remove_note::<Hold>(&key).unwrap());
    assert!(world.spool.notes::<Hold>().unwrap().is_empty());
}

#[test]
fn s0_10_a_hold_that_cannot_be_read_is_not_taken_for_none() {
    let world = World::new();
    fs::write(world.dir.path().join("holds/r1.json"), "{").unwrap();
    fs::write(world.dir.path().join("retry/r2.json"), "{").unwrap();
    let holds = world.spool.notes::<Hold>().unwrap();
    assert!(holds.len() == 1 && holds[0].record.as_str() == "r1", "{holds:?}");
    let retries = world.spool.notes::<Retry>().unwrap();
    assert!(retries.len() == 1 && retries[0].next_try < now(), "{retries:?}");
    let r1 = "r1".parse().unwrap();
    assert_eq!(world.spool.hold(&r1).unwrap().as_ref(), Some(&holds[0]));
    assert!(world.spool.remove_note::<Hold>(&NoteKey::from(&r1)).unwrap());
    assert_eq!(world.spool.hold(&r1).unwrap(), None);
}

#[test]
fn f_06_a_note_that_cannot_be_opened_counts_for_its_own_build_and_stops_no_other() {
    let world = World::new();
    let record = |id: &str| id.parse::<RecordId>().unwrap();
    let hold = Hold {
        record: record("r2"),
        reason: "wrong".into(),
        since: now(),
        host: "ebb".into(),
        by: String::new(),
    };
    world.spool.put_note(&hold).unwrap();
    let job = world.stage("one");
    let release = Release::keys_of("intraware", &job.manifest.place).0;
    // Nobody opens a link here, whoever he is: it stands for every file that is listed and not given.
    for path in ["holds/r1.json", "retry/r1.json", &format!("released/{}.json", release.0)] {
        symlink("elsewhere", world.dir.path().join(path)).unwrap();
    }
    let holds = world.spool.notes::<Hold>().unwrap();
    assert_eq!(holds.iter().map(|hold| hold.record.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
    assert!(world.spool.hold(&record("r1")).unwrap().is_some() && holds.contains(&hold));
    let retry = world.spool.note::<Retry>(&NoteKey::from(&record("r1"))).unwrap().unwrap();
    assert!(retry.next_try < now() && retry.attempts == 1, "{retry:?}");
    assert!(world.spool.notes::<Release>().unwrap().is_empty());
    assert_eq!(world.spool.released("intraware", &job).unwrap(), Released::Before(None));
    assert_eq!(world.spool.released("mirror", &job).unwrap(), Released::NotKnown);
    // What is known anew takes the place of it.
    world.spool.put_note(&Retry { reason: "again".into(), ..retry }).unwrap();
    assert_eq!(world.spool.notes::<Retry>().unwrap()[0].reason, "again");
}

#[test]
fn f_01_a_release_is_known_by_site_and_place_and_by_other_letters_unless_the_site_tells_them_apart() {
    let world = World::new();
    let release = |dir: &[u8], generation: &str| Release {
        site: "intraware".into(),
        place: Place::of_build(dir).unwrap(),
        record: "r1".parse().unwrap(),
        generation: Some(generation.parse().unwrap()),
        sha256: None,
        at: now(),
    };
    let staged = world.stage("abc");
    let released = |site: &str, dir: &[u8]| {
        let mut job = staged.clone();
        job.manifest.place = Place::of_build(dir).unwrap();
        world.spool.released(site, &job).unwrap()
    };
    let before = |release: &Release| Released::Before(release.generation);
    let small = release(b"blast/p7", "0123456789ab");
    world.spool.note_release(&small).unwrap();
    assert!(world.spool.is_noted(&small).unwrap());
    assert_eq!(released("intraware", b"blast/p7"), before(&small));
    assert_eq!(released("intraware", b"Blast/P7"), before(&small));
    assert_eq!(released("intraware", b"blast/p8"), Released::NotKnown);
    assert_eq!(released("mirror", b"blast/p7"), Released::NotKnown);

    world.spool.keep_capabilities(&capabilities("intraware")).unwrap();
    assert_eq!(released("intraware", b"Blast/P7"), Released::NotKnown);
    let large = release(b"Blast/P7", "ba9876543210");
    world.spool.note_release(&large).unwrap();
    assert_eq!(released("intraware", b"Blast/P7"), before(&large));
    assert_eq!(released("intraware", b"blast/p7"), before(&small));

    // As programs before this one have noted it.
    let old = release(b"blast/Old", "0123456789ab");
    let key = NoteKey::hashed("intraware\0blast/Old/Old.tar.gz").0;
    fs::write(world.dir.path().join(format!("released/{key}.json")), serde_json::to_vec(&old).unwrap())
        .unwrap();
    assert_eq!(released("intraware", b"blast/Old"), before(&old));
}

fn capabilities(site: &str) -> Capabilities {
    Capabilities {
        format: FORMAT_OF_CAPABILITIES,
        site: site.into(),
        peer: "sftp, SSH-2.0-x".into(),
        at: now(),
        host: "ebb".into(),
        answer_us: 400,
        abilities: Abilities {
            stat: Stat::Right,
            reads: Reading::Right,
            hashes: Hashing::Nothing,
            appends: true,
            rewrites: Rewriting::Keeps,
            writes_ahead: false,
            cuts: false,
            flushes: false,
            renames: Renaming::Guarded,
            keeps: true,
            tells_space: false,
            longest_name: 143,
            takes_unicode: true,
            takes_dot_names: true,
            tells_cases: Some(true),
            connections: Connections::AtMost(3),
        },
    }
}

#[test]
fn what_is_known_of_a_site_is_kept_under_any_name() {
    let world = World::new();
    for name in ["intraware", "../mirror 2/ü"] {
        assert_eq!(world.spool.capabilities(name), None);
        let found = capabilities(name);
        world.spool.keep_capabilities(&found).unwrap();
        assert_eq!(world.spool.capabilities(name), Some(found.clone()));
        let again = Capabilities { peer: "sftp, SSH-2.0-y".into(), ..found };
        world.spool.keep_capabilities(&again).unwrap();
        assert_eq!(world.spool.capabilities(name), Some(again));
    }
    assert_eq!(fs::read_dir(world.dir.path().join("sites")).unwrap().count(), 2);
}

#[test]
fn what_is_known_of_a_site_and_cannot_be_understood_counts_as_nothing() {
    let world = World::new();
    let found = capabilities("intraware");
    world.spool.keep_capabilities(&found).unwrap();
    let path =
        world.dir.path().join("sites").join(&durable::names(&world.dir.path().join("sites")).unwrap()[0]);
    let text = fs::read_to_string(&path).unwrap();
    for damaged in ["", "{", "{}", &text[..text.len() / 2], &text.replace("guarded", "unheard-of")] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(world.spool.capabilities("intraware"), None, "{damaged}");
        world.spool.keep_capabilities(&found).unwrap();
        assert_eq!(world.spool.capabilities("intraware"), Some(found.clone()));
    }
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    fs::write(&path, &newer).unwrap();
    assert_eq!(world.spool.capabilities("intraware"), None);
    assert_eq!(world.spool.keep_capabilities(&found).unwrap_err().fault, Fault::Configuration);
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn what_a_run_has_learned_of_a_site_is_known_to_the_next_until_it_is_old() {
    let world = World::new();
    let known = world.spool.known("intraware", None, now());
    assert_eq!(known.habits("vsftpd").takes_epsv, None);
    known.learn("vsftpd", |habits| habits.takes_epsv = Some(false));
    world.spool.keep_known("intraware", &known, &world.context).unwrap();
    let at = |then: Timestamp| world.spool.known("intraware", None, then).habits("vsftpd").takes_epsv;
    assert_eq!(at(now()), Some(false));
    assert_eq!(at(now() + SignedDuration::from_hours(29 * 24)), Some(false));
    assert_eq!(at(now() + SignedDuration::from_hours(31 * 24)), None, "servers are updated");
    assert_eq!(at(now() - SignedDuration::from_hours(1)), None, "it was noted by a clock that is ahead");
    assert_eq!(world.spool.known("other", None, now()).habits("vsftpd").takes_epsv, None);
}

#[test]
fn h_3_half_a_note_of_another_host_is_left_alone() {
    let world = World::new();
    let dir = world.dir.path().join("holds");
    let hold = Hold {
        record: "r1".parse().unwrap(),
        reason: "wrong".into(),
        since: now(),
        host: "ebb".into(),
        by: String::new(),
    };
    // What a process of the same number has under way there, by the names of older versions and by ours.
    let mine = std::process::id();
    let identity = Identity { host: "flow".into(), ..world.context.identity.clone() };
    let spools = [world.spool.clone(), world.spool.clone().written_by(&identity)];
    let numbers = (0..400).map(|n| format!(".{mine}.{n}.tmp")).chain([format!(".r1.json.{mine}.tmp")]);
    let half: Vec<_> = numbers.chain((0..400).map(|n| format!(".flow.7.r1.{n}.tmp"))).collect();
    for name in &half {
        fs::write(dir.join(name), "half").unwrap();
    }
    for spool in spools {
        for _ in 0..6 {
            spool.put_note(&hold).unwrap();
        }
    }
    for name in &half {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), "half", "{name}");
    }
    assert_eq!(durable::temps(&dir).unwrap().len(), half.len(), "it leaves none of its own");
    assert_eq!(world.spool.notes::<Hold>().unwrap(), [hold]);
}

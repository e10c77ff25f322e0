//! The spool on a real file system: what it is opened on, and each of its moves.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use jiff::SignedDuration;

use super::*;
use crate::deliver::{Delivered, Released, Strength};
use crate::digest::{Digester, Digests};
use crate::lock::Lock;
use crate::run::{Clock, Identity, NoProgress, RunContext, Stop};
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::Place;
use crate::site::probe::{
    Abilities, Capabilities, Connections, FORMAT as FORMAT_OF_CAPABILITIES, Hashing, Reading, Renaming,
    Rewriting, Stat,
};
use crate::streak::Streak;

mod activity;
mod found;
mod notes;
mod opening;
mod parking;

/// A clock that stands still.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

fn context_at(now: Timestamp) -> RunContext {
    let identity = Identity {
        program: "manage".into(),
        host: "ebb".into(),
        pid: 7,
        run: "r1".into(),
        command: "manage run".into(),
    };
    RunContext { identity, clock: Arc::new(At(now)), stop: Stop::default(), progress: Arc::new(NoProgress) }
}

/// A spool in a directory that is thrown away.
struct World {
    dir: tempfile::TempDir,
    spool: Spool,
    context: RunContext,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Spool::init(dir.path(), now()).unwrap();
        let spool = Spool::open(dir.path(), true).unwrap();
        Self { dir, spool, context: context_at(now()) }
    }

    fn lock(&self) -> Lock {
        Lock::take(&self.spool.job_lock(&"r1".parse().unwrap()), &self.context).unwrap()
    }

    /// Stages the payload `content` of record r1, as `manage` does.
    fn stage(&self, content: &str) -> Job {
        self.stage_under(content, &mut self.lock())
    }

    fn stage_under(&self, content: &str, lock: &mut Lock) -> Job {
        let manifest = manifest(content);
        let work = self.spool.work_dir(&self.context).unwrap();
        let mut file = work.create("p7.tar.gz").unwrap();
        file.write_all(content.as_bytes()).unwrap();
        work.close(file).unwrap();
        let sidecars = Sidecars::new("p7.tar.gz", &manifest.digests, b"signature".to_vec());
        work.commit(&self.spool, &manifest, &sidecars, lock).unwrap();
        self.job(Room::Staged, content)
    }

    fn job(&self, room: Room, content: &str) -> Job {
        let id = manifest(content).id();
        let found = self.spool.list(room).unwrap().into_iter().find_map(|found| match found {
            Found::Job(job) if job.id == id => Some(*job),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no job {id} in {room}"))
    }

    /// Returns the rooms with the names that stand in them, for example `upload/r1.0123456789ab`.
    fn names(&self) -> BTreeSet<String> {
        let in_room = |room: Room| {
            let names = self.spool.names(room.dir_name()).unwrap();
            names.into_iter().map(move |name| format!("{room}/{name}"))
        };
        Room::ALL.into_iter().flat_map(in_room).collect()
    }

    fn unreadable(&self, room: Room) -> Unreadable {
        match self.spool.list(room).unwrap().as_slice() {
            [Found::Unreadable(unreadable)] => unreadable.clone(),
            other => panic!("not one unreadable entry: {other:?}"),
        }
    }
}

fn manifest(content: &str) -> Manifest {
    Manifest {
        format: 1,
        record: "r1".parse().unwrap(),
        name: "p7".into(),
        build_path: "/builds/blast/p7".into(),
        place: Place::of_build(b"blast/p7").unwrap(),
        digests: digests(content),
        fingerprint: "fp".into(),
        build_date: now(),
        priority: Some(3),
        files: 1,
        bytes: content.len() as u64,
        signed_by: "ABCD".into(),
        created: now(),
        created_on: "ebb".into(),
        released_before: false,
        warnings: Vec::new(),
    }
}

fn digests(content: &str) -> Digests {
    let mut digester = Digester::default();
    digester.update(content.as_bytes());
    digester.finish()
}

fn receipt() -> Receipt {
    let delivery = Delivered {
        verified_by: Strength::ReadBack,
        resumed_from: 0,
        sent: 3,
        moved_aside: None,
        adopted: false,
    };
    Receipt {
        format: 1,
        site: "intraware".into(),
        peer: "directory /srv".into(),
        path: Place::of_build(b"blast/p7").unwrap().payload(),
        delivery,
        delivered: now(),
        host: "ebb".into(),
        run: "r1".into(),
    }
}

#[test]
fn f_02_what_gives_way_to_a_job_is_of_its_record_and_place_and_was_not_prepared_later() {
    let world = World::new();
    let older = world.stage("older");
    let why = Parked { kind: ParkKind::Stale, reason: String::new(), at: now(), host: String::new() };
    world.spool.park(&older, &why, &world.context, &mut world.lock()).unwrap();
    let job = world.stage("job");
    let ours = |job: &Job, is_latest| world.spool.ours("intraware", job, is_latest).unwrap();
    let known = Ours { others: vec![digests("older")], was_there: false };
    assert_eq!((ours(&job, true), ours(&job, false)), (known.clone(), known.clone()));
    let mut before = job.clone();
    before.manifest.created = now() - jiff::SignedDuration::from_secs(1);
    assert_eq!((ours(&before, true), ours(&before, false)), (known.clone(), Ours::default()));
    let mut elsewhere = job.clone();
    elsewhere.manifest.place = Place::of_build(b"blast/p8").unwrap();
    assert_eq!(ours(&elsewhere, true), Ours::default());
    // That it stood there is known, also when it is delivered anew.
    let sent = world.spool.deliver(&job, vec![receipt()], &world.context, &mut world.lock()).unwrap();
    let stood = Ours { was_there: true, ..known.clone() };
    assert_eq!(ours(&sent, true), stood);
    let again = world.spool.bring_back(&sent, &world.context, &mut world.lock()).unwrap();
    assert_eq!((&again.receipts, ours(&again, true)), (&Vec::new(), stood));
    assert_eq!(world.spool.ours("mirror", &again, true).unwrap(), known);
}

#[test]
fn receipts_are_read_in_the_format_of_one_site_and_of_several() {
    let world = World::new();
    let staged = world.stage("abc");
    let mut lock = world.lock();
    let dir = world.spool.job_dir(&staged);
    // As programs before several sites wrote it.
    let old = br#"{ "format": 1, "site": "intraware", "peer": "directory /srv", "path": "blast/p7/p7.tar.gz",
        "verified_by": "read-back", "resumed_from": 0, "sent": 3, "moved_aside": null, "adopted": false,
        "delivered": "2026-11-21T03:00:00Z", "host": "ebb", "run": "r1" }"#;
    fs::write(dir.join("receipt.json"), old).unwrap();
    let read = world.job(Room::Staged, "abc");
    assert_eq!(read.receipts, [Receipt { delivered: read.receipts[0].delivered, ..receipt() }]);
    let mirror = Receipt { site: "mirror".into(), ..receipt() };
    let sent =
        world.spool.deliver(&staged, vec![receipt(), mirror.clone()], &world.context, &mut lock).unwrap();
    assert_eq!(world.job(Room::Sent, "abc").receipts, [receipt(), mirror.clone()]);
    assert_eq!(sent.receipt("mirror"), Some(&mirror));
    let newer = r#"{ "format": 3, "receipts": {} }"#;
    fs::write(world.spool.job_dir(&sent).join("receipt.json"), newer).unwrap();
    assert_eq!(world.unreadable(Room::Sent).flaw, Flaw::Newer);
}

fn attempts() -> Attempts {
    Attempts {
        count: 2,
        next_try: now(),
        at: now(),
        host: "ebb".into(),
        fault: Fault::Access,
        error: "refused".into(),
        streak: Streak::default(),
        stuck: None,
    }
}

fn parked(kind: ParkKind) -> Parked {
    Parked { kind, reason: "because".into(), at: now(), host: "ebb".into() }
}

#[test]
fn s0_39_a_job_stands_in_one_room_at_a_time_and_keeps_all_it_has() {
    let world = World::new();
    let staged = world.stage("abc");
    assert!(staged.has_payload && staged.receipts.is_empty() && staged.parked.is_none());
    assert_eq!(staged.manifest, manifest("abc"));
    assert_eq!(fs::read(world.spool.payload(&staged)).unwrap(), b"abc");
    assert!(world.spool.names("work").unwrap().is_empty());

    let mut lock = world.lock();
    let upload = world.spool.transfer(&staged, Room::Upload, &world.context, &mut lock).unwrap();
    assert_eq!(upload, world.job(Room::Upload, "abc"));
    assert_eq!(world.names(), [format!("upload/{}", staged.id)].into());

    world.spool.put_attempts(&upload, &attempts()).unwrap();
    let upload = world.job(Room::Upload, "abc");
    assert_eq!(upload.attempts, Some(attempts()));
    let sent = world.spool.deliver(&upload, vec![receipt()], &world.context, &mut lock).unwrap();
    assert_eq!(sent, world.job(Room::Sent, "abc"));
    assert_eq!(sent.receipts, [receipt()]);
    assert_eq!(world.names(), [format!("sent/{}", staged.id)].into());
    let signature = world.spool.sidecars(&sent).unwrap();
    assert_eq!(signature.get(SidecarKind::Signature), b"signature");

    // Back to the start: what an earlier delivery left would be taken for the next one's.
    let back = world.spool.bring_back(&sent, &world.context, &mut lock).unwrap();
    assert_eq!(back, staged);
    assert_eq!(world.job(Room::Staged, "abc"), staged);
}

#[test]
fn s0_47_a_completed_job_loses_its_payload_alone_and_later_all() {
    let world = World::new();
    let mut lock = world.lock();
    let upload = world
        .spool
        .transfer(&world.stage_under("abc", &mut lock), Room::Upload, &world.context, &mut lock)
        .unwrap();
    let sent = world.spool.deliver(&upload, vec![receipt()], &world.context, &mut lock).unwrap();
    let half = world.spool.job_dir(&sent).join(".receipt.json.9.tmp");
    fs::write(&half, "{").unwrap();
    world.spool.retire(&sent).unwrap();
    assert!(!half.exists(), "what a dead run left half written stays for ever");
    world.spool.retire(&sent).unwrap();
    let retired = world.job(Room::Sent, "abc");
    assert_eq!(retired, Job { has_payload: false, ..sent });
    assert_eq!(world.spool.sidecars(&retired).unwrap().get(SidecarKind::Signature), b"signature");
    world.spool.discard(&retired, &world.context, &mut lock).unwrap();
    assert!(world.names().is_empty());
    assert!(world.spool.names("work").unwrap().is_empty());
}

#[test]
fn a_job_that_is_staged_already_is_kept() {
    let world = World::new();
    let first = world.stage("abc");
    let marked = world.spool.job_dir(&first).join("seen-before");
    fs::write(&marked, "").unwrap();
    assert_eq!(world.stage("abc"), first);
    assert!(marked.exists(), "the first one was replaced");
    assert!(world.spool.names("work").unwrap().is_empty());
    world.stage("other content");
    assert_eq!(world.names().len(), 2);
}

#[test]
fn what_does_not_become_a_job_leaves_nothing_behind() {
    let world = World::new();
    let work = world.spool.work_dir(&world.context).unwrap();
    work.create("p7.tar.gz").unwrap();
    let name = world.spool.names("work").unwrap();
    assert!(name[0].starts_with("ebb.7.r1."), "{name:?}");
    drop(work);
    assert!(world.spool.names("work").unwrap().is_empty());
    assert!(world.names().is_empty());
}

#[test]
fn a_job_takes_the_place_of_an_earlier_one_with_the_same_content() {
    let world = World::new();
    let staged = world.stage("abc");
    let taken = world.dir.path().join("upload").join(staged.id.to_string());
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("receipt.json"), "old").unwrap();
    world.spool.transfer(&staged, Room::Upload, &world.context, &mut world.lock()).unwrap();
    assert_eq!(world.job(Room::Upload, "abc").receipts, []);
    assert_eq!(world.names(), [format!("upload/{}", staged.id)].into());
    assert!(world.spool.names("work").unwrap().is_empty());
}

#[test]
fn a_move_that_was_made_already_is_believed_only_by_a_look_at_both_names() {
    let world = World::new();
    let staged = world.stage("abc");
    let mut lock = world.lock();
    world.spool.transfer(&staged, Room::Upload, &world.context, &mut lock).unwrap();
    // An NFS client that repeats the call gets this answer: the job is there, and not here.
    let again = world.spool.transfer(&staged, Room::Upload, &world.context, &mut lock).unwrap();
    assert_eq!(again, world.job(Room::Upload, "abc"));
    // It has gone on meanwhile: then the move was not ours to make.
    world.spool.transfer(&again, Room::Sent, &world.context, &mut lock).unwrap();
    assert_eq!(
        world.spool.transfer(&staged, Room::Upload, &world.context, &mut lock).unwrap_err().fault,
        Fault::Spool
    );
    assert_eq!(world.names(), [format!("sent/{}", staged.id)].into());
}

#[test]
fn a_run_that_lost_its_lock_moves_nothing() {
    let world = World::new();
    let staged = world.stage("abc");
    let mut lock = world.lock();
    lock.lose();
    let refused = [
        world.spool.transfer(&staged, Room::Upload, &world.context, &mut lock).map(|_| ()),
        world.spool.deliver(&staged, vec![receipt()], &world.context, &mut lock).map(|_| ()),
        world.spool.bring_back(&staged, &world.context, &mut lock).map(|_| ()),
        world.spool.park(&staged, &parked(ParkKind::Stale), &world.context, &mut lock),
        world.spool.discard(&staged, &world.context, &mut lock),
    ];
    for refusal in refused {
        let error = refusal.unwrap_err();
        assert_eq!(error.fault, Fault::TryLater);
        assert!(error.message.starts_with("lost the lock "), "{error}");
    }
    assert_eq!(world.names(), [format!("staged/{}", staged.id)].into());
    assert!(world.spool.payload(&staged).exists());

    let work = world.spool.work_dir(&world.context).unwrap();
    work.create("p7.tar.gz").unwrap();
    let sidecars = Sidecars::new("p7.tar.gz", &digests("new"), Vec::new());
    assert!(work.commit(&world.spool, &manifest("new"), &sidecars, &mut lock).is_err());
    assert_eq!(world.names(), [format!("staged/{}", staged.id)].into());
}

#[test]
fn lock_files_tell_their_records() {
    let world = World::new();
    drop(world.lock());
    drop(Lock::take(&world.spool.manage_lock(), &world.context).unwrap());
    assert_eq!(world.spool.job_locks().unwrap(), ["r1".parse().unwrap()]);
}

#[test]
fn another_signature_replaces_the_first_whole() {
    let world = World::new();
    let job = world.stage("abc");
    world.spool.replace_signature(&job, b"theirs").unwrap();
    assert_eq!(world.spool.sidecars(&job).unwrap().get(SidecarKind::Signature), b"theirs");
    fs::remove_file(world.spool.job_dir(&job).join("p7.tar.gz.asc")).unwrap();
    let error = world.spool.sidecars(&job).unwrap_err();
    assert_eq!(error.source.unwrap().to_string(), "the signature is missing");
}

//! Names, quotas, claims, and the way into `incoming`.

use std::sync::Arc;

use super::*;
use crate::accounts::Accounts;
use crate::digest::Digests;
use crate::secret::Secret;
use crate::wire::{Dialect, Verdict};

struct Scene {
    dir: tempfile::TempDir,
    room: Arc<Room>,
    account: Account,
}

fn scene(change: impl FnOnce(&mut Settings)) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings { root: dir.path().join("root"), ..Settings::default() };
    settings.limits.keep_free = "0".to_owned();
    change(&mut settings);
    let mut accounts = Accounts::default();
    accounts.set("a", &Secret::new("x"), None, None).unwrap();
    let account = accounts.find(b"a").unwrap().clone();
    Scene { dir, room: Arc::new(Room::open(Arc::new(settings)).unwrap()), account }
}

fn package(name: &str, content: &[u8]) -> Announced {
    let mut digests = Digests::begin(true);
    digests.update(content);
    let (md5, sha256) = digests.finish();
    Announced { name: name.into(), size: content.len() as u64, md5, sha256 }
}

impl Scene {
    fn admit(&self, packages: &[Announced]) -> Result<Vec<Slot>, AdmitError> {
        let announcement = Announcement { dialect: Dialect::Readme, packages: packages.to_vec() };
        self.room.admit(&self.account, &announcement)
    }

    fn refusal(&self, packages: &[Announced]) -> (Reason, Option<usize>) {
        match self.admit(packages).map(|slots| slots.len()) {
            Err(AdmitError::Refused(refusal)) => (refusal.reason, refusal.package),
            other => panic!("{other:?}"),
        }
    }

    fn send(&self, package: &Announced, content: &[u8]) -> Verdict {
        let mut slot = self.admit(std::slice::from_ref(package)).unwrap().remove(0);
        let mut file = slot.open().unwrap();
        io::Write::write_all(&mut file, content).unwrap();
        let mut digests = Digests::begin(true);
        digests.update(content);
        let (md5, sha256) = digests.finish();
        slot.settle(&file, md5, sha256).unwrap()
    }
}

#[test]
fn s4_12_only_names_that_can_do_no_harm_get_in() {
    let endings = Settings::default().names;
    for name in ["a.pkg.tar.gz", "gtk+-1@2_3.pkg.tar.zst", "A.b.pkg.tar.xz"] {
        assert!(is_name(name.as_bytes(), &endings), "{name}");
    }
    let long = "a".repeat(130) + ".pkg.tar.gz";
    for name in [
        "",
        ".pkg.tar.gz",
        "..pkg.tar.gz",
        ".a.pkg.tar.gz",
        "a",
        "a.tar.gz",
        "a/b.pkg.tar.gz",
        "../a.pkg.tar.gz",
        "a\0.pkg.tar.gz",
        "a b.pkg.tar.gz",
        "a%2fb.pkg.tar.gz",
        "é.pkg.tar.gz",
        "a.pkg.tar.gz\n",
        &long,
    ] {
        assert!(!is_name(name.as_bytes(), &endings), "{name:?}");
    }
}

#[test]
fn s4_06_a_quota_counts_what_is_there_and_what_is_under_way() {
    let scene = scene(|settings| settings.limits.quota = "100".to_owned());
    let [a, b, c] = [60, 50, 40].map(|size| package(&format!("p{size}.pkg.tar.gz"), &vec![7; size]));
    assert_eq!(scene.refusal(&[a.clone(), b.clone()]), (Reason::Quota, Some(1)));
    let under_way = scene.admit(std::slice::from_ref(&a)).unwrap();
    assert_eq!(scene.refusal(std::slice::from_ref(&b)), (Reason::Quota, Some(0)));
    assert_eq!(scene.refusal(&[c.clone(), a.clone()]), (Reason::Locked, Some(1)));
    drop(under_way);
    assert_eq!(scene.send(&a, &[7; 60]), Verdict::Pass);
    assert_eq!(scene.refusal(std::slice::from_ref(&b)), (Reason::Quota, Some(0)));
    assert_eq!(scene.admit(&[c]).unwrap()[0].held, 0);
}

#[test]
fn s4_13_a_partial_file_belongs_to_one_name_size_and_md5() {
    let scene = scene(|_| {});
    let first = package("p.pkg.tar.gz", b"one content");
    let slot = scene.admit(std::slice::from_ref(&first)).unwrap().remove(0);
    io::Write::write_all(&mut slot.open().unwrap(), b"one").unwrap();
    drop(slot);
    assert_eq!(scene.admit(std::slice::from_ref(&first)).unwrap()[0].held, 3);
    for other in [
        package("p.pkg.tar.gz", b"two content"),
        package("q.pkg.tar.gz", b"one content"),
        package("p.pkg.tar.gz", b"one conten"),
    ] {
        assert_eq!(scene.admit(&[other]).unwrap()[0].held, 0);
    }
}

#[test]
fn s4_20_s4_21_right_ones_come_to_incoming_once_and_wrong_ones_go() {
    let scene = scene(|_| {});
    let right = package("p.pkg.tar.gz", b"content");
    let partials = scene.dir.path().join("root/accounts/u1/partial");
    let incoming = scene.dir.path().join("root/incoming/u1/p.pkg.tar.gz");
    assert_eq!(scene.send(&right, b"CONTENT"), Verdict::Fail);
    assert_eq!((fs::read_dir(&partials).unwrap().count(), incoming.exists()), (0, false));
    assert_eq!(scene.send(&right, b"content"), Verdict::Pass);
    assert_eq!(
        (fs::read_dir(&partials).unwrap().count(), fs::read(&incoming).unwrap()),
        (0, b"content".to_vec())
    );

    let again = || scene.admit(std::slice::from_ref(&right)).unwrap().remove(0);
    assert!(again().is_done() && again().held == 7);
    assert_eq!(scene.refusal(&[package("p.pkg.tar.gz", b"another")]), (Reason::Exists, Some(0)));
    // A crash before the note.
    fs::remove_file(again().done_path()).unwrap();
    assert!(again().is_done() && again().done_path().exists());
    // Another program has taken it on.
    fs::remove_file(&incoming).unwrap();
    assert!(again().is_done());
}

#[test]
fn s4_20_one_right_digest_does_not_make_up_for_the_other() {
    let scene = scene(|_| {});
    let right = package("p.pkg.tar.gz", b"content");
    let other = package("p.pkg.tar.gz", b"CONTENT");
    let alone = Announced { sha256: None, ..right.clone() };
    let wrong = [
        Announced { md5: other.md5, ..right.clone() },
        Announced { md5: other.md5, ..alone.clone() },
        Announced { sha256: other.sha256, ..right },
    ];
    for announced in wrong {
        assert_eq!(scene.send(&announced, b"content"), Verdict::Fail, "{announced:?}");
    }
    assert_eq!(scene.send(&alone, b"content"), Verdict::Pass);
}

#[test]
fn s4_21_of_two_packages_of_one_name_under_way_the_first_one_stays() {
    let scene = scene(|_| {});
    let [one, other] = [b"content", b"CONTENT"].map(|content| package("p.pkg.tar.gz", content));
    let mut late = scene.admit(std::slice::from_ref(&other)).unwrap().remove(0);
    assert_eq!(scene.send(&one, b"content"), Verdict::Pass);
    let mut file = late.open().unwrap();
    io::Write::write_all(&mut file, b"CONTENT").unwrap();
    let refused = late.settle(&file, other.md5, other.sha256).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(late.incoming_path()).unwrap(), b"content");
}

#[test]
fn a_crash_between_link_and_removal_is_mended() {
    let scene = scene(|_| {});
    let right = package("p.pkg.tar.gz", b"content");
    let slot = scene.admit(std::slice::from_ref(&right)).unwrap().remove(0);
    io::Write::write_all(&mut slot.open().unwrap(), b"content").unwrap();
    fs::hard_link(slot.partial_path(), slot.incoming_path()).unwrap();
    drop(slot);
    let slot = scene.admit(&[right]).unwrap().remove(0);
    assert!(slot.is_done());
    assert!(!slot.partial_path().exists(), "the other name is removed");
}

#[test]
fn a_second_server_finds_the_root_taken() {
    let scene = scene(|_| {});
    let settings = Settings { root: scene.dir.path().join("root"), ..Settings::default() };
    let error = Room::open(Arc::new(settings)).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "another server works there");
}

#[test]
fn what_is_too_old_is_removed_unless_it_is_under_way() {
    let scene = scene(|settings| settings.limits.keep_partial_days = 0);
    let [a, b] = ["a", "b"].map(|name| package(&format!("{name}.pkg.tar.gz"), b"content"));
    let slots = scene.admit(&[a.clone(), b.clone()]).unwrap();
    slots.iter().for_each(|slot| io::Write::write_all(&mut slot.open().unwrap(), b"con").unwrap());
    let [first, second]: [Slot; 2] = slots.try_into().ok().unwrap();
    drop(second);
    scene.admit(&[package("c.pkg.tar.gz", b"c")]).unwrap();
    assert!(first.partial_path().exists());
    assert_eq!(scene.admit(&[b]).unwrap()[0].held, 0);
}

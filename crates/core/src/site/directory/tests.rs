use super::*;
use crate::deliver::{self, Delivery, Ours, Released, Verify};
use crate::digest::Digester;
use crate::site::Place;
use crate::site::conformance::{Subject, conformance};

fn subject(dir: &tempfile::TempDir) -> Subject {
    let site = Directory {
        name: "dir".into(),
        base: dir.path().into(),
        file_mode: 0o640,
        dir_mode: 0o750,
        known: Known::default(),
    };
    Subject::new(site, dir.path())
}

#[test]
fn s0_46_a_directory_keeps_the_contract_of_a_site() {
    let dir = tempfile::tempdir().unwrap();
    conformance(&subject(&dir));
}

#[test]
fn a_link_below_the_base_leads_nowhere() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
    let mut session = subject(&dir).site.connect().unwrap();
    let path = RemotePath::new("out/x").unwrap();
    let err = session.put(&path, 0, &mut &b"x"[..], &mut |_| ()).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::NotRegular);
    assert_eq!(session.make_dirs(&path).unwrap_err().kind, SiteErrorKind::NotRegular);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_rename_by_link_refuses_a_taken_name_and_finishes_an_interrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        std::fs::write(dir.path().join(name), name).unwrap();
    }
    let fd: OwnedFd = File::open(dir.path()).unwrap().into();
    let open = Open {
        site: Directory {
            name: "dir".into(),
            base: dir.path().into(),
            file_mode: 0,
            dir_mode: 0,
            known: Known::default(),
        },
        base: fd,
        writes_late: false,
    };
    let base = &open.base;
    assert_eq!(open.link_and_unlink((base, "a"), (base, "b")), Err(Errno::EXIST));
    assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"b");
    std::fs::hard_link(dir.path().join("a"), dir.path().join("c")).unwrap();
    open.link_and_unlink((base, "a"), (base, "c")).unwrap();
    assert!(!dir.path().join("a").exists() && dir.path().join("c").exists());
}

#[test]
fn a_base_that_is_not_there_is_a_matter_of_configuration() {
    let site = Directory {
        name: "dir".into(),
        base: "/nonexistent/base".into(),
        file_mode: 0o644,
        dir_mode: 0o755,
        known: Known::default(),
    };
    assert_eq!(site.connect().err().unwrap().kind, SiteErrorKind::Configuration);
}

#[test]
fn h_6_a_host_that_was_cut_off_does_not_touch_a_released_payload() {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    let payload = crate::site::conformance::noise(3_000_000);
    let mut digester = Digester::default();
    digester.update(&payload);
    let digests = digester.finish();
    let place = Place::of_build(b"blast/p7").unwrap();
    let mut local = tempfile::tempfile().unwrap();
    local.write_all(&payload).unwrap();
    // The other host was cut off with a part of it written, or with all.
    for written in [0, 1 << 20, payload.len()] {
        let dir = tempfile::tempdir().unwrap();
        let site = Directory {
            name: "dir".into(),
            base: dir.path().into(),
            file_mode: 0o644,
            dir_mode: 0o755,
            known: Known::default(),
        };
        let mut session = Open { site, base: File::open(dir.path()).unwrap().into(), writes_late: true };
        session.make_dirs(place.dir()).unwrap();
        let part = dir.path().join(place.part(digests.generation()).as_str());
        let late = File::create(&part).unwrap();
        late.write_all_at(&payload[..written], 0).unwrap();
        let delivery = Delivery {
            place: &place,
            digests: &digests,
            verify: Verify::Strong,
            released: Released::NotKnown,
            ours: &|| Ok(Ours::default()),
            go_on: &|| Ok(()),
            pool: None,
            stuck: None,
            may_commit: &|| Ok(()),
        };
        let staged = deliver::stage(&mut session, &delivery, &local, &mut |_| ()).unwrap();
        let delivered = deliver::commit(&mut session, &delivery, staged).unwrap();
        assert_eq!(delivered.sent, payload.len() as u64);
        let released = dir.path().join(place.payload().as_str());
        let seen = || {
            let seen = std::fs::metadata(&released).unwrap();
            (seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.ctime(), seen.ctime_nsec(), seen.nlink())
        };
        let before = seen();
        late.write_all_at(&payload, 0).unwrap();
        late.sync_all().unwrap();
        assert_eq!(seen(), before, "after {written} bytes");
        assert!(std::fs::read(&released).unwrap() == payload);
    }
}

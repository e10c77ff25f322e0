//! What stands at a site already: other content, and what other generations have left.

use super::*;

#[test]
fn f_01_other_content_gives_way_only_if_it_is_known_to_be_ours_and_unreleased() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let at = payload.place.payload();
        world.plant(&at, b"other");
        let delivery = Delivery { released: Released::Before(None), ..payload.delivery() };
        let err = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
        assert!(matches!(err, DeliverError::Conflict(_)), "{err}");
        assert_eq!(err.fault(), Fault::Build);
        assert_eq!(fs::read(world.local(&at)).unwrap(), b"other");
        assert_eq!(world.names(&payload), ["p7.tar.gz"], "{}", world.what);

        // That no release is known proves nothing. Nor does it that the bytes are ours, if the sidecars are
        // not there.
        let ours = Ours { others: vec![digests(b"older"), digests(b"other")], was_there: false };
        for ours in [&Ours::default(), &ours] {
            let err = payload.deliver_over(world.session().as_mut(), ours).unwrap_err();
            assert!(matches!(err, DeliverError::Foreign(_)), "{err} at {}", world.what);
            assert_eq!(err.fault(), Fault::Build);
            assert_eq!(fs::read(world.local(&at)).unwrap(), b"other");
            assert!(!world.local(&payload.part()).exists(), "{}", world.what);
        }
        world.plant_sha256(&payload.place, &payload);
        let older = Ours { others: vec![digests(b"older")], was_there: false };
        let err = payload.deliver_over(world.session().as_mut(), &older).unwrap_err();
        assert!(matches!(err, DeliverError::Foreign(_)), "{err} at {}", world.what);

        let delivered = payload.deliver_over(world.session().as_mut(), &ours).unwrap();
        let aside = payload.place.superseded(payload.digests.generation());
        assert_eq!(delivered.moved_aside.as_ref(), Some(&aside));
        assert_eq!(fs::read(world.local(&aside)).unwrap(), b"other");
        assert!(fs::read(world.local(&at)).unwrap() == payload.bytes);
        // Released or not, the same content is adopted.
        assert!(payload.deliver_as(world.session().as_mut(), &delivery).unwrap().adopted);

        fs::remove_file(world.local(&at)).unwrap();
        symlink("elsewhere", world.local(&at)).unwrap();
        let err = payload.deliver(world.session().as_mut()).unwrap_err();
        assert!(matches!(&err, DeliverError::NotRegular(path) if *path == at), "{err}");
        assert!(world.local(&at).is_symlink());
    });
}

#[test]
fn f_02_a_payload_gets_no_name_beside_the_sidecars_of_another() {
    at_each_site(|world| {
        let (stale, latest) = (Payload::noise(), Payload::new(b"the latest".to_vec()));
        let at = stale.place.payload();
        world.plant_sha256(&stale.place, &latest);
        let ours = Ours { others: vec![latest.digests], was_there: true };
        let refused = |what: &str| {
            let err = stale.deliver_over(world.session().as_mut(), &ours).unwrap_err();
            assert!(matches!(err, DeliverError::Stale(_)), "{what} at {}: {err}", world.what);
            assert_eq!(err.fault(), Fault::Build);
        };
        refused("a free name");
        assert!(!world.local(&at).exists());
        world.plant(&at, &latest.bytes);
        refused("a taken name");
        assert_eq!(fs::read(world.local(&at)).unwrap(), latest.bytes);
        // It is small, and sent before anything is looked at.
        let small = Payload::new(b"small and stale".to_vec());
        fs::remove_file(world.local(&at)).unwrap();
        let err = small.deliver_over(world.session().as_mut(), &ours).unwrap_err();
        assert!(matches!(err, DeliverError::Stale(_)), "{err} at {}", world.what);
        assert!(!world.local(&at).exists());
    });
}

#[test]
fn content_that_appears_during_the_upload_is_dealt_with_before_the_rename() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let at = payload.place.payload();
        let same = || {
            world.plant(&at, &payload.bytes);
            Ok(())
        };
        let delivery = Delivery { may_commit: &same, ..payload.delivery() };
        let delivered = payload.deliver_as(world.session().as_mut(), &delivery).unwrap();
        assert!(delivered.adopted && delivered.sent == SIZE as u64, "{}", world.what);
        world.assert_delivered(&payload);
        fs::remove_file(world.local(&at)).unwrap();
        let other = || {
            world.plant(&at, b"other");
            Ok(())
        };
        let released = Released::Before(None);
        let delivery = Delivery { may_commit: &other, released, ..payload.delivery() };
        let err = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
        assert!(matches!(err, DeliverError::Conflict(_)), "{err}");
        assert_eq!(fs::read(world.local(&at)).unwrap(), b"other");
    });
}

#[test]
fn what_other_generations_left_is_removed_and_nothing_else() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let beside = |name: &str| RemotePath::new(&format!("{}/{name}", payload.place.dir())).unwrap();
        world.plant(&beside(".p7.tar.gz.0123456789ab.part"), b"old");
        let kept =
            [".p7.tar.gz.0123456789.part", ".p7.tar.gz.notes", ".p8.tar.gz.0123456789ab.part", "notes"];
        for name in kept {
            world.plant(&beside(name), b"not ours");
        }
        symlink("notes", world.local(&beside(".p7.tar.gz.ba9876543210.part"))).unwrap();
        payload.deliver(world.session().as_mut()).unwrap();
        let names = world.names(&payload);
        assert!(!names.iter().any(|name| name == ".p7.tar.gz.0123456789ab.part"), "{names:?}");
        assert_eq!(names.len(), kept.len() + 2, "{names:?}");
    });
}

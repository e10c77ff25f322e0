//! What stands at a site already: other content, and what other generations have left.

use super::*;

#[test]
fn other_content_gives_way_if_it_was_never_released_and_stays_if_it_was() {
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

        let delivered = payload.deliver(world.session().as_mut()).unwrap();
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

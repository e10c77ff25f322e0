//! Sites that do not keep what they were given, and what else may stand at a final name.

use super::*;

fn cut(file: &Path) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(1_234_567).unwrap();
}

fn append(file: &Path) {
    fs::OpenOptions::new().append(true).open(file).unwrap().write_all(b"more").unwrap();
}

fn lose(file: &Path) {
    fs::remove_file(file).unwrap();
}

/// Delivers to a site that does this to the file so many times once it has said that it has all of it.
fn deliver_to_harm(
    world: &World,
    payload: &Payload,
    harm: fn(&Path),
    times: usize,
) -> Result<Delivered, DeliverError> {
    let part = world.local(&payload.part());
    let mut left = times;
    let mut progress = |done: u64| {
        if done == SIZE as u64 && left > 0 {
            left -= 1;
            harm(&part);
        }
    };
    let file = payload.file.try_clone().unwrap();
    let delivered = deliver(world.session().as_mut(), &payload.delivery(), &file, &mut progress);
    assert!(left < times, "nothing was done at {}", world.what);
    delivered
}

type Harm = fn(&Path);

#[test]
fn a_file_that_the_site_cuts_lengthens_or_loses_before_it_is_verified_is_sent_again() {
    at_each_site(|world| {
        let harms: [(&str, Harm); 3] = [("cut", cut), ("lengthened", append), ("lost", lose)];
        for (what, harm) in harms {
            let what = format!("{what} at {}", world.what);
            let payload = Payload::noise();
            let at = world.local(&payload.place.payload());
            match deliver_to_harm(world, &payload, harm, 1) {
                Ok(delivered) => assert_eq!(delivered.sent, 2 * SIZE as u64, "{what}"),
                // Over FTP that is noticed as soon as the server has said that it is done.
                Err(err) => {
                    assert_eq!(err.fault(), Fault::TryLater, "{what}: {err}");
                    assert!(!at.exists(), "{what}: {err}");
                    payload.deliver(world.session().as_mut()).unwrap();
                }
            }
            world.assert_delivered(&payload);
            fs::remove_file(&at).unwrap();

            let err = deliver_to_harm(world, &payload, harm, usize::MAX).unwrap_err();
            let is_told = matches!(err, DeliverError::Corrupt(_)) || err.fault() == Fault::TryLater;
            assert!(is_told && !at.exists(), "{what}, each time: {err}");
            payload.deliver(world.session().as_mut()).unwrap();
            world.assert_delivered(&payload);
            fs::remove_file(at).unwrap();
        }
    });
}

#[test]
fn a_payload_that_the_site_has_spoilt_gives_way_if_it_was_never_released_and_stays_if_it_was() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let at = payload.place.payload();
        let mut same_size = payload.bytes.clone();
        same_size[SIZE - 1] ^= 1;
        let longer = [payload.bytes.as_slice(), b"more"].concat();
        for (what, other) in
            [("of the same size", &same_size[..]), ("longer", &longer), ("cut", &payload.bytes[..SIZE - 1])]
        {
            world.plant(&at, other);
            let delivery = Delivery { released: Released::Before(None), ..payload.delivery() };
            let err = payload.deliver_as(world.session().as_mut(), &delivery).unwrap_err();
            assert!(matches!(err, DeliverError::Conflict(_)), "{what} at {}: {err}", world.what);
            assert!(fs::read(world.local(&at)).unwrap() == other, "{what} at {}", world.what);

            // Its receipt says that it stood there, and the sidecars that no other was prepared since.
            let was_there = Ours { others: Vec::new(), was_there: true };
            let other_payload = Payload::new(b"another".to_vec());
            for sidecars in [None, Some(&other_payload)] {
                sidecars.iter().for_each(|of| world.plant_sha256(&payload.place, of));
                let err = payload.deliver_over(world.session().as_mut(), &was_there).unwrap_err();
                assert!(matches!(err, DeliverError::Foreign(_)), "{what} at {}: {err}", world.what);
                assert!(fs::read(world.local(&at)).unwrap() == other, "{what} at {}", world.what);
            }
            world.plant_sha256(&payload.place, &payload);
            let delivered = payload.deliver_over(world.session().as_mut(), &was_there).unwrap();
            let aside = delivered.moved_aside.expect("it was in the way");
            assert!(fs::read(world.local(&aside)).unwrap() == other, "{what} at {}", world.what);
            assert!(fs::read(world.local(&at)).unwrap() == payload.bytes, "{what} at {}", world.what);
            fs::remove_file(world.local(&at)).unwrap();
            fs::remove_file(world.local(&payload.place.sidecar(SidecarKind::Sha256))).unwrap();
        }
        world.make_dir(&at);
        let err = payload.deliver(world.session().as_mut()).unwrap_err();
        assert!(matches!(&err, DeliverError::NotRegular(path) if *path == at), "{}: {err}", world.what);
        assert!(world.local(&at).is_dir());
    });
}

#[test]
fn a_payload_that_the_site_loses_after_the_rename_is_seen_to_be_missing_and_delivered_again() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let at = world.local(&payload.place.payload());
        let expected = Expected {
            size: payload.digests.size,
            md5: None,
            sha1: None,
            sha256: Some(payload.digests.sha256),
            sidecars: None,
            depth: Inspect::SizeAndServerHash,
        };
        let see = || inspect(world.session().as_mut(), &payload.place, &expected).unwrap().payload;
        payload.deliver(world.session().as_mut()).unwrap();
        assert_eq!(
            see(),
            PayloadView::Right(match world.strength {
                Strength::ServerHash => Strength::ServerHash,
                Strength::ReadBack | Strength::Md5 | Strength::Size => Strength::Size,
            })
        );
        cut(&at);
        assert_eq!(see(), PayloadView::WrongSize { found: 1_234_567 }, "{}", world.what);
        lose(&at);
        assert_eq!(see(), PayloadView::Absent, "{}", world.what);
        payload.deliver(world.session().as_mut()).unwrap();
        world.assert_delivered(&payload);
    });
}

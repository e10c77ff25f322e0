//! What lies beside a payload, and a look at all of it.

use super::*;

#[test]
fn s0_35_sidecars_are_put_whole_and_replaced_when_they_differ() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let (place, generation) = (&payload.place, payload.digests.generation());
        let mut session = world.session();
        session.make_dirs(place.dir()).unwrap();
        let ours = sidecars_of(&payload, b"signature");
        let put = |session: &mut dyn Session, sidecars: &Sidecars| {
            put_sidecars(session, place, generation, sidecars)
        };
        world.plant(&place.sidecar_part(SidecarKind::Md5, generation), &[b'x'; 5_000]);
        let old = "0123456789ab".parse().unwrap();
        world.plant(&place.sidecar_part(SidecarKind::Signature, old), b"stale");
        assert_eq!(put(session.as_mut(), &ours).unwrap(), 5, "{}", world.what);
        assert_eq!(put(session.as_mut(), &ours).unwrap(), 0, "{}", world.what);
        let names = world.names(&payload);
        assert_eq!(names.len(), 5, "{names:?}");
        // Of the same size, and yet another one.
        assert_eq!(put(session.as_mut(), &sidecars_of(&payload, b"SIGNATURE")).unwrap(), 1);
        assert_eq!(fs::read(world.local(&place.sidecar(SidecarKind::Signature))).unwrap(), b"SIGNATURE");
        for (kind, content) in ours.iter().skip(1) {
            assert_eq!(fs::read(world.local(&place.sidecar(kind))).unwrap(), content, "{kind:?}");
        }
        let md5 = world.local(&place.sidecar(SidecarKind::Md5));
        fs::remove_file(&md5).unwrap();
        fs::create_dir(&md5).unwrap();
        assert_eq!(put(session.as_mut(), &ours).unwrap_err().kind, SiteErrorKind::NotRegular);
        assert!(md5.is_dir());
    });
}

#[test]
fn s0_21_the_payload_and_its_sidecars_are_seen_as_they_are() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let place = &payload.place;
        let ours = sidecars_of(&payload, b"signature");
        let mut session = world.session();
        let record = Expected {
            size: payload.digests.size,
            md5: Some(payload.digests.md5),
            sha1: Some(payload.digests.sha1),
            sha256: None,
            sidecars: None,
            depth: Inspect::ReadBack,
        };
        let manifest = Expected { sha256: Some(payload.digests.sha256), sidecars: Some(&ours), ..record };
        let mut see = |expected: &Expected<'_>| inspect(session.as_mut(), place, expected).unwrap();
        let nothing = see(&manifest);
        assert_eq!(nothing.payload, PayloadView::Absent);
        assert!(nothing.sidecars.iter().all(|(_, view)| *view == SidecarView::Absent));

        payload.deliver(world.session().as_mut()).unwrap();
        put_sidecars(world.session().as_mut(), place, payload.digests.generation(), &ours).unwrap();
        for (expected, strength) in [
            (manifest, world.strength),
            (record, Strength::ReadBack),
            (Expected { depth: Inspect::SizeAndServerHash, ..record }, Strength::Size),
        ] {
            let view = see(&expected);
            assert_eq!(view.payload, PayloadView::Right(strength), "{}", world.what);
            assert!(
                view.sidecars.iter().all(|(_, seen)| *seen == SidecarView::Present),
                "{view:?} at {}",
                world.what
            );
        }

        let other = Payload::new(b"other".to_vec());
        for (kind, content) in sidecars_of(&other, b"").iter() {
            world.plant(&place.sidecar(kind), content);
        }
        let wrong = |view: &SiteView| view.sidecars.map(|(_, view)| view == SidecarView::Wrong);
        assert_eq!(wrong(&see(&manifest)), [true; 5], "{}", world.what);
        // The record does not know the SHA-256, so it cannot say that it is wrong.
        assert_eq!(wrong(&see(&record)), [true, true, true, true, false], "{}", world.what);

        let mut spoilt = payload.bytes.clone();
        spoilt[SIZE / 2] ^= 1;
        world.plant(&place.payload(), &spoilt);
        assert_eq!(see(&manifest).payload, PayloadView::WrongContent);
        assert_eq!(see(&record).payload, PayloadView::WrongContent);
        world.plant(&place.payload(), &spoilt[1..]);
        assert_eq!(see(&record).payload, PayloadView::WrongSize { found: SIZE as u64 - 1 });
        replace_by_link(&world.local(&place.payload()));
        assert_eq!(see(&record).payload, PayloadView::NotRegular);
    });
}

fn replace_by_link(path: &Path) {
    fs::remove_file(path).unwrap();
    symlink("elsewhere", path).unwrap();
}

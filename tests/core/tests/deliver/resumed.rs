//! Deliveries that go on with what an earlier one has left.

use super::*;

#[test]
fn a_partial_file_is_resumed_behind_a_proven_prefix_only() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let whole = SIZE as u64;
        let mut wrong = payload.bytes[..2_000_000].to_vec();
        wrong[1_234_567] ^= 1;
        let mut same_size = payload.bytes.clone();
        same_size[0] ^= 1;
        let longer = [payload.bytes.as_slice(), b"more"].concat();
        for (what, partial, from) in [
            ("a prefix", &payload.bytes[..1_500_001], 1_500_001),
            ("nothing", &[][..], 0),
            ("other bytes", &wrong, 1 << 20),
            (
                "the same size",
                &same_size,
                if world.session().writes_anywhere() { whole - (1 << 20) } else { 0 },
            ),
            ("a longer one", &longer, 0),
            ("the whole", &payload.bytes, whole),
        ] {
            world.plant(&payload.part(), partial);
            let delivered = payload.deliver(world.session().as_mut()).unwrap();
            let told = (delivered.resumed_from, delivered.sent, delivered.verified_by);
            assert_eq!(told, (from, whole - from, world.strength), "{what} at {}", world.what);
            world.assert_delivered(&payload);
            fs::remove_file(world.local(&payload.place.payload())).unwrap();
        }
    });
}

#[test]
fn a_site_that_takes_no_file_from_the_middle_gets_it_from_the_beginning() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    let payload = Payload::noise();
    let part = ftpd.root().join(payload.part().as_str());
    let (neither, no_restart) = ("AllowOverwrite off\nAllowStoreRestart off", "AllowStoreRestart off");
    for (lines, partial) in [
        (neither, &payload.bytes[..1_000_000]),
        (neither, &[]),
        (no_restart, &payload.bytes[..1_000_000]),
        (no_restart, &[]),
    ] {
        ftpd.configure(lines);
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, partial).unwrap();
        for at in part.ancestors().take_while(|at| *at != ftpd.root()) {
            chown(at, Some(65_534), Some(65_534)).unwrap();
        }
        let delivered = payload.deliver(Ftp::new(ftp_settings(&ftpd)).connect().unwrap().as_mut()).unwrap();
        assert_eq!((delivered.resumed_from, delivered.sent), (0, SIZE as u64));
        let at = ftpd.root().join(payload.place.payload().as_str());
        assert!(fs::read(&at).unwrap() == payload.bytes);
        fs::remove_file(at).unwrap();
    }
}

#[test]
fn a_temporary_name_that_is_no_file_is_left_alone() {
    at_each_site(|world| {
        let payload = Payload::noise();
        let part = world.local(&payload.part());
        world.plant(&RemotePath::new("victim").unwrap(), b"precious");
        world.make_dir(payload.place.dir());
        symlink(world.base.join("victim"), &part).unwrap();
        let refused = |what: &str| {
            let err = payload.deliver(world.session().as_mut()).unwrap_err();
            assert!(
                matches!(&err, DeliverError::NotRegular(path) if *path == payload.part()),
                "{what}: {err}"
            );
            assert!(!world.local(&payload.place.payload()).exists());
        };
        refused("a link");
        assert!(part.is_symlink());
        assert_eq!(fs::read(world.base.join("victim")).unwrap(), b"precious");
        fs::remove_file(&part).unwrap();
        fs::create_dir(&part).unwrap();
        refused("a directory");
        assert!(part.is_dir());
    });
}

#[test]
fn s0_46_a_delivery_over_ftp_with_data_cut_at_any_byte_is_completed_by_the_next() {
    for kind in [Kind::ProFtpd, Kind::Vsftpd, Kind::PureFtpd] {
        let ftpd = Ftpd::start(kind, Security::Plain);
        let relay = FtpRelay::start(ftpd.addr(), LineFault::None);
        let (protection, port) = (Protection::None, relay.addr().port());
        let site = Ftp::new(FtpSettings { protection, port, ..ftp_settings(&ftpd) });
        let payload = Payload::noise();
        let at = ftpd.root().join(payload.place.payload().as_str());
        for cut in [0, 1, 70_000, 1_000_000, 1_500_001, SIZE as u64 - 1] {
            for fault in [LineFault::CutAfter(cut), LineFault::ResetAfter(cut), LineFault::LoseAfter(cut)] {
                relay.set_data(fault);
                relay.set_data(fault);
                let result = payload.deliver(site.connect().unwrap().as_mut());
                let err = result.expect_err("the cut is noticed");
                assert_eq!(err.fault(), Fault::TryLater, "{fault:?} at {kind:?}: {err}");
                assert!(!at.exists(), "{fault:?} at {kind:?}: a final name of what did not arrive");
                // What the server had taken in when it noticed.
                ftpd.kill_connections();
                relay.set_data(LineFault::None);
                let part = ftpd.root().join(payload.part().as_str());
                let there = fs::metadata(part).map_or(0, |part| part.len());
                let delivered = payload.deliver(site.connect().unwrap().as_mut()).unwrap();
                let told = (delivered.resumed_from, delivered.sent);
                assert_eq!(told, (there, SIZE as u64 - there), "{fault:?} at {kind:?}");
                assert!(
                    there <= cut && (there == cut || !matches!(fault, LineFault::LoseAfter(_))),
                    "{there}"
                );
                assert!(fs::read(&at).unwrap() == payload.bytes, "{fault:?} at {kind:?}");
                fs::remove_file(&at).unwrap();
            }
        }
    }
}

#[test]
fn s0_46_a_delivery_cut_at_any_byte_is_completed_by_the_next() {
    let sshd = Sshd::start(Access::Shell);
    let relay = Relay::start(sshd.addr(), LineFault::None);
    let site = Sftp::new(through(sftp_settings(&sshd), &relay));
    let payload = Payload::noise();
    let at = sshd.root().join(payload.place.payload().as_str());
    payload.deliver(site.connect().unwrap().as_mut()).unwrap();
    let whole = relay.sent();
    let ends = (whole - 1_200..whole).step_by(120);
    let cuts = [3_000, 40_000, 500_000, 1_500_000, 2_500_000, 2_990_000].into_iter().chain(ends);
    let mut resumed = 0;
    for cut in cuts {
        fs::remove_file(&at).unwrap();
        relay.set(LineFault::CutAfter(cut));
        let result = site
            .connect()
            .map_err(DeliverError::from)
            .and_then(|mut session| payload.deliver(session.as_mut()));
        // Whatever happened, a final name shows the whole payload or nothing (I4).
        assert!(!at.exists() || fs::read(&at).unwrap() == payload.bytes, "cut after {cut}");
        if let Err(err) = result {
            assert_eq!(err.fault(), Fault::TryLater, "cut after {cut}: {err}");
        }
        relay.set(LineFault::None);
        sshd.kill_connections();
        let delivered = payload.deliver(site.connect().unwrap().as_mut()).unwrap();
        assert!(fs::read(&at).unwrap() == payload.bytes, "cut after {cut}");
        assert_eq!(fs::read_dir(at.parent().unwrap()).unwrap().count(), 1, "cut after {cut}");
        resumed += u64::from(delivered.resumed_from > 0);
        if cut > whole - 300 {
            assert_eq!(delivered.sent, 0, "cut after {cut} of {whole}");
        }
    }
    assert!(resumed > 3, "only {resumed} were resumed");
}

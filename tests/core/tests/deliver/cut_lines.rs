//! A server that carries out the beginning of a line when the connection ends in the middle of it.

use super::*;

/// A ProFTPD in the clear, behind a relay of its control connection.
struct Cut {
    ftpd: Ftpd,
    relay: Relay,
    site: Ftp,
}

/// How a line is cut: the client hears of it, or it hears the answer to what is left.
const CUTS: [fn(u64) -> LineFault; 2] = [LineFault::CutAfter, LineFault::LoseAfter];

impl Cut {
    fn new() -> Self {
        let ftpd = Ftpd::start(Kind::ProFtpd, Security::Plain);
        let relay = Relay::start(ftpd.addr(), LineFault::None);
        let (protection, port) = (Protection::None, relay.addr().port());
        let site = Ftp::new(FtpSettings { protection, port, ..ftp_settings(&ftpd) });
        Self { ftpd, relay, site }
    }

    fn at(&self, path: &RemotePath) -> PathBuf {
        self.ftpd.root().join(path.as_str())
    }

    /// Begins with this alone in the payload's directory.
    fn prepare(&self, payload: &Payload, there: &[(RemotePath, &[u8])]) {
        self.ftpd.kill_connections();
        self.relay.set(LineFault::None);
        let dir = self.at(payload.place.dir());
        let _ = fs::remove_dir_all(self.ftpd.root().join("blast"));
        fs::create_dir_all(&dir).unwrap();
        for (path, bytes) in there {
            fs::write(self.at(path), bytes).unwrap();
            chown(self.at(path), Some(65_534), Some(65_534)).unwrap();
        }
        for at in dir.ancestors().take_while(|at| *at != self.ftpd.root()) {
            chown(at, Some(65_534), Some(65_534)).unwrap();
        }
    }

    fn names(&self, payload: &Payload) -> Vec<String> {
        let entries = fs::read_dir(self.at(payload.place.dir())).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Returns after how many bytes a command that begins like this, and goes on, could be cut there.
    fn ends_of_names(
        &self,
        like: &str,
        action: impl FnOnce(&mut dyn Session) -> Result<usize, SiteError>,
    ) -> Vec<u64> {
        let relay = FtpRelay::start(self.ftpd.addr(), LineFault::None);
        let (protection, port) = (Protection::None, relay.addr().port());
        let site = Ftp::new(FtpSettings { protection, port, ..ftp_settings(&self.ftpd) });
        action(site.connect().unwrap().as_mut()).unwrap();
        let (mut said, mut ends) = (0, Vec::new());
        for command in relay.commands() {
            if command.len() > like.len() && command.starts_with(like) {
                ends.push((said + like.len()) as u64);
            }
            said += command.len() + 2;
        }
        ends
    }

    /// Returns how many bytes the client says while it does this.
    fn said(&self, action: impl FnOnce(&mut dyn Session)) -> u64 {
        let mut session = self.site.connect().unwrap();
        action(session.as_mut());
        self.relay.sent()
    }
}

#[test]
fn a_payload_that_got_half_its_name_is_found_again() {
    let (cut, payload) = (Cut::new(), Payload::noise());
    let final_name = cut.at(&payload.place.payload());
    let whole = [(payload.part(), payload.bytes.as_slice())];
    cut.prepare(&payload, &whole);
    let said = cut.said(|session| assert_eq!(payload.deliver(session).unwrap().sent, 0));
    let mut halves = 0;
    // The last commands are RNTO and NOOP.
    for at in (said - 40..said).rev() {
        for fault in CUTS.map(|cut| cut(at)) {
            cut.prepare(&payload, &whole);
            cut.relay.set(fault);
            let outcome = payload.deliver(cut.site.connect().unwrap().as_mut());
            let names = cut.names(&payload);
            halves +=
                u32::from(!names.iter().any(|name| final_name.ends_with(name) || name.starts_with('.')));
            match outcome {
                Ok(_) => assert_eq!(names, ["p7.tar.gz"], "{fault:?} of {said}: a false success"),
                Err(error) => assert_eq!(error.fault(), Fault::TryLater, "{fault:?} of {said}: {error}"),
            }
            cut.relay.set(LineFault::None);
            cut.ftpd.kill_connections();
            let delivered = payload.deliver(cut.site.connect().unwrap().as_mut()).unwrap();
            assert_eq!(delivered.sent, 0, "{fault:?} of {said}: {names:?}");
            assert!(fs::read(&final_name).unwrap() == payload.bytes);
            assert_eq!(cut.names(&payload), ["p7.tar.gz"], "{fault:?} of {said}: {names:?}");
        }
    }
    assert!(halves > 5, "only {halves} had half a name");
}

#[test]
fn sidecars_that_got_half_their_names_are_put_right_and_no_payload_is_lost_for_them() {
    let (cut, payload) = (Cut::new(), Payload::new(noise(1000)));
    let (place, generation) = (&payload.place, payload.digests.generation());
    let ours = sidecars_of(&payload, b"signature");
    let final_name = cut.at(&place.payload());
    let put = |session: &mut dyn Session| put_sidecars(session, place, generation, &ours);
    let alone = [(place.payload(), payload.bytes.as_slice())];
    let other: Vec<_> = SidecarKind::ALL.map(|kind| (place.sidecar(kind), &b"other"[..])).into();
    let replaced = [&alone[..], &other].concat();
    let (mut is_taken, mut is_lost) = (0, 0);
    for there in [&[][..], &alone, &replaced] {
        cut.prepare(&payload, there);
        let said = cut.said(|session| assert_eq!(put(session).unwrap(), 5));
        cut.prepare(&payload, there);
        let taking = cut.ends_of_names(&format!("RNTO ./{}", place.payload_name()), put);
        assert!(taking.len() >= 5, "{taking:?}");
        for (round, at) in (180..said).step_by(97).chain(taking).enumerate() {
            cut.prepare(&payload, there);
            let fault = CUTS[round % 2](at);
            cut.relay.set(fault);
            let outcome = cut.site.connect().and_then(|mut session| put(session.as_mut()));
            if let Err(error) = outcome {
                assert_eq!(error.kind.fault(), Fault::TryLater, "{fault:?} of {said}: {error}");
            }
            if there.is_empty() {
                is_taken += u32::from(final_name.exists());
            } else {
                is_lost += u32::from(fs::read(&final_name).unwrap_or_default() != payload.bytes);
                assert!(final_name.exists(), "{fault:?} of {said}: the payload was removed");
            }
            cut.relay.set(LineFault::None);
            cut.ftpd.kill_connections();
            let mut session = cut.site.connect().unwrap();
            put(session.as_mut()).unwrap();
            payload.deliver(session.as_mut()).unwrap();
            assert!(fs::read(&final_name).unwrap() == payload.bytes);
            // A sidecar that was to give way may have got half a temporary name, and is not ours to remove.
            let names = cut.names(&payload);
            let shown = names.iter().filter(|name| !name.starts_with('.')).count();
            assert_eq!(shown, 6, "{fault:?} of {said}: {names:?}");
            for (kind, content) in ours.iter() {
                assert_eq!(fs::read(cut.at(&place.sidecar(kind))).unwrap(), content);
            }
        }
    }
    assert!(is_taken + is_lost > 0, "no sidecar got the payload's name");
}

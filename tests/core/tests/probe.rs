//! What the probe finds out about real servers and a directory, and what it leaves there: nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use intraware_test_support::disk::SmallDisk;
use intraware_test_support::ftpd::{Ftpd, Kind, Security};
use intraware_test_support::odd_ftpd::{Habits as Odd, OddFtpd};
use intraware_test_support::odd_sftp::{Commands, OddSftp};
use intraware_test_support::proftpd::ModSftp;
use intraware_test_support::relay::{Fault as LineFault, Relay};
use intraware_test_support::sshd::{Access, Sshd};

use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::run::RunContext;
use intraware_core::run::{Clock, Identity, NoProgress, Stop};
use intraware_core::site::probe::*;
use intraware_core::site::{Directory, Known, Site, SiteErrorKind};
use intraware_site_ftp::Ftp;
use intraware_site_ftp::servers::{ftp_settings, odd_settings};
use intraware_site_sftp::Sftp;
use intraware_site_sftp::servers::{mod_sftp_settings, sftp_settings, through};
use jiff::Timestamp;

/// A clock that stands still.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn context() -> RunContext {
    let identity = Identity {
        program: "upload".into(),
        host: "ebb".into(),
        pid: std::process::id(),
        run: "20261121T120000Z-0a1b2c3d".into(),
        command: "upload check".into(),
    };
    let clock = Arc::new(At("2026-11-21T12:00:00Z".parse().unwrap()));
    RunContext { identity, clock, stop: Stop::default(), progress: Arc::new(NoProgress) }
}

/// What a site can do that lacks nothing, asked for three connections.
fn everything() -> Abilities {
    Abilities {
        stat: Stat::Right,
        reads: Reading::Right,
        hashes: Hashing::Files,
        appends: true,
        rewrites: Rewriting::Keeps,
        writes_ahead: true,
        cuts: true,
        flushes: true,
        renames: Renaming::Guarded,
        keeps: true,
        tells_space: true,
        longest_name: 255,
        takes_unicode: true,
        takes_dot_names: true,
        tells_cases: Some(true),
        connections: Connections::AtLeast(3),
    }
}

/// What FTP offers anywhere.
fn over_ftp() -> Abilities {
    Abilities {
        hashes: Hashing::Nothing,
        writes_ahead: false,
        cuts: false,
        flushes: false,
        renames: Renaming::LookedAt,
        tells_space: false,
        ..everything()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[track_caller]
fn finds(site: &dyn Site, root: &Path, expected: &Abilities) {
    let found = probe(site, 3, &context()).unwrap();
    assert_eq!(&found.abilities, expected);
    assert_eq!((found.site.as_str(), found.host.as_str()), (site.name(), "ebb"));
    assert!(found.answer_us > 0 && !found.peer.is_empty());
    assert_eq!(names(root), [""; 0], "it leaves something");
    assert_eq!(expected.obstacles(true), [""; 0]);
    let kept: Capabilities = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(kept, found);
}

#[test]
fn a_directory_can_do_everything() {
    let dir = tempfile::tempdir().unwrap();
    let site = Directory {
        name: "dir".into(),
        base: dir.path().into(),
        file_mode: 0o640,
        dir_mode: 0o750,
        known: Known::default(),
    };
    finds(&site, dir.path(), &everything());
}

#[test]
fn what_openssh_can_do_depends_on_what_the_account_may() {
    let without_commands = Abilities { hashes: Hashing::Nothing, ..everything() };
    let bare = Abilities { cuts: false, flushes: false, tells_space: false, ..without_commands.clone() };
    for (access, expected) in [
        (Access::Shell, everything()),
        (Access::SftpOnly, without_commands.clone()),
        (Access::Chrooted, without_commands.clone()),
        (Access::Bare, bare),
    ] {
        let sshd = Sshd::start(access);
        finds(&Sftp::new(sftp_settings(&sshd)), &sshd.root(), &expected);
    }
    // A command needs a session besides the one that the files go over.
    let sshd = Sshd::start(Access::Shell);
    sshd.configure("MaxSessions 1");
    finds(&Sftp::new(sftp_settings(&sshd)), &sshd.root(), &without_commands);
}

#[test]
fn n_12_names_that_are_not_listed_are_asked_for() {
    let server = OddSftp::start("hides-dots", Commands::Run);
    let expected = Abilities { tells_space: false, ..everything() };
    finds(&Sftp::new(sftp_settings(&server)), &server.root(), &expected);
}

#[test]
fn n_3_a_site_that_overwrites_on_a_rename_is_fit_since_we_look_before() {
    let server = OddSftp::start("overwrites", Commands::Run);
    let expected = Abilities { tells_space: false, renames: Renaming::LookedAt, ..everything() };
    finds(&Sftp::new(sftp_settings(&server)), &server.root(), &expected);
}

#[test]
fn what_proftpd_can_do_over_sftp() {
    let can = Abilities { hashes: Hashing::Nothing, ..everything() };
    let server = ModSftp::start("");
    finds(&Sftp::new(mod_sftp_settings(&server)), &server.root(), &can);
    // Names of more than 150 bytes are refused.
    let server = ModSftp::start("SFTPExtensions -fsync\nPathDenyFilter \"/[^/]{151,}$\"");
    finds(
        &Sftp::new(mod_sftp_settings(&server)),
        &server.root(),
        &Abilities { flushes: false, longest_name: 150, ..can },
    );
}

#[test]
fn what_ftp_servers_can_do() {
    for (kind, security, expected) in [
        (Kind::ProFtpd, Security::Explicit, Abilities { hashes: Hashing::Files, ..over_ftp() }),
        (Kind::Vsftpd, Security::Implicit, over_ftp()),
        (Kind::Vsftpd, Security::Plain, over_ftp()),
        (Kind::PureFtpd, Security::Explicit, Abilities { rewrites: Rewriting::Cuts, ..over_ftp() }),
    ] {
        let ftpd = Ftpd::start(kind, security);
        finds(&Ftp::new(ftp_settings(&ftpd)), &ftpd.root(), &expected);
    }
}

#[test]
fn what_is_not_allowed_is_found_out() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Plain);
    // No files are gone on with.
    ftpd.configure("AllowStoreRestart off\n<Limit APPE>\nDenyAll\n</Limit>");
    let expected =
        Abilities { hashes: Hashing::Files, appends: false, rewrites: Rewriting::Refused, ..over_ftp() };
    finds(&Ftp::new(ftp_settings(&ftpd)), &ftpd.root(), &expected);
}

#[test]
fn a_site_that_gives_nothing_back_can_be_used_only_if_size_is_enough() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    ftpd.configure("download_enable=NO");
    let found = probe(&Ftp::new(ftp_settings(&ftpd)), 1, &context()).unwrap().abilities;
    let expected = Abilities { reads: Reading::Withheld, connections: Connections::AtLeast(1), ..over_ftp() };
    assert_eq!(found, expected);
    assert!(found.obstacles(true).len() == 1 && found.obstacles(true)[0].contains("verify = \"size\""));
    assert_eq!(found.obstacles(false), [""; 0]);
}

#[test]
fn files_that_cannot_be_renamed_are_no_site() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Plain);
    ftpd.configure("<Limit RNFR>\nDenyAll\n</Limit>");
    let found = probe(&Ftp::new(ftp_settings(&ftpd)), 1, &context()).unwrap().abilities;
    assert_eq!(found.renames, Renaming::Impossible);
    assert!(found.obstacles(false).len() == 1 && found.obstacles(false)[0].contains("cannot be renamed"));
    assert_eq!(names(&ftpd.root()), [""; 0]);
}

#[test]
fn f_23_where_nothing_can_be_removed_one_file_stays_whatever_number_of_probes_there_are() {
    for (kind, refusal) in [
        (Kind::ProFtpd, "<Limit DELE>\nDenyAll\n</Limit>"),
        (Kind::ProFtpd, "AllowOverwrite off\n<Limit DELE>\nDenyAll\n</Limit>"),
        (Kind::Vsftpd, "cmds_denied=DELE"),
    ] {
        let ftpd = Ftpd::start(kind, Security::Plain);
        ftpd.configure(refusal);
        for _ in 0..3 {
            let ProbeError::Keeps { left, source } =
                probe(&Ftp::new(ftp_settings(&ftpd)), 1, &context()).unwrap_err()
            else {
                panic!("another end")
            };
            assert!(
                source.kind == SiteErrorKind::Permission && source.message.contains("removing"),
                "{source:?}"
            );
            assert_eq!(names(&ftpd.root()), [left.name()]);
        }
    }
}

#[test]
fn a_site_that_takes_files_away_is_found_out() {
    let sshd = Sshd::start(Access::SftpOnly);
    let (root, ended) = (sshd.root(), Arc::new(AtomicBool::new(false)));
    let seen = Arc::clone(&ended);
    // As a program that brings everything elsewhere that has got its name.
    let taker = thread::spawn(move || {
        while !seen.load(Ordering::SeqCst) {
            for name in names(&root).iter().filter(|name| name.ends_with(".renamed")) {
                // The probe may have removed it.
                let _ = fs::remove_file(root.join(name));
            }
            thread::yield_now();
        }
    });
    let found = probe(&Sftp::new(sftp_settings(&sshd)), 3, &context());
    ended.store(true, Ordering::SeqCst);
    taker.join().unwrap();
    let found = found.unwrap().abilities;
    assert!(!found.keeps && found.obstacles(true)[0].contains("gone or changed"), "{found:?}");
    assert_eq!(names(&sshd.root()), [""; 0]);
}

#[test]
fn as_many_connections_are_found_as_the_site_takes() {
    let sshd = Sshd::start(Access::SftpOnly);
    sshd.limit_connections(2);
    let site = Sftp::new(sftp_settings(&sshd));
    let found = probe(&site, 8, &context()).unwrap();
    assert_eq!((found.abilities.connections, found.most_connections()), (Connections::AtMost(2), Some(2)));
    sshd.limit_connections(usize::MAX);
    let found = probe(&site, 8, &context()).unwrap();
    assert_eq!((found.abilities.connections, found.most_connections()), (Connections::AtLeast(8), None));
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Explicit);
    ftpd.limit_connections(3);
    assert_eq!(probe(&Ftp::new(ftp_settings(&ftpd)), 8, &context()).unwrap().most_connections(), Some(3));
    assert_eq!(names(&ftpd.root()), [""; 0]);
}

#[test]
fn a_cut_connection_leaves_nothing() {
    let sshd = Sshd::start(Access::SftpOnly);
    for after in [20_000, 60_000, 106_000] {
        let relay = Relay::start(sshd.addr(), LineFault::CutAfter(after));
        let site = Sftp::new(through(sftp_settings(&sshd), &relay));
        let ProbeError::Site(err) = probe(&site, 1, &context()).unwrap_err() else { panic!("no stop") };
        assert_eq!(err.kind, SiteErrorKind::Disconnected, "{after}: {err:?}");
        assert_eq!(relay.accepted(), 2);
        assert_eq!(names(&sshd.root()), [""; 0], "cut after {after}");
    }
}

#[test]
fn what_dead_probes_have_left_is_removed_and_nothing_else() {
    let sshd = Sshd::start(Access::SftpOnly);
    let left = [".intraware-probe.ebb.4194304.20261121T115959Z-00000000.a"];
    let others = [
        ".intraware-probe.flow.7.20261121T115959Z-00000000.a",
        ".intraware-probe.flow",
        ".p7.tar.gz.0123456789ab.part",
    ];
    for name in left.iter().chain(&others) {
        fs::write(sshd.root().join(name), "x").unwrap();
    }
    probe(&Sftp::new(sftp_settings(&sshd)), 1, &context()).unwrap();
    let mut found = names(&sshd.root());
    found.sort();
    assert_eq!(found, [others[1], others[0], others[2]]);
}

#[test]
fn a_run_that_is_asked_to_stop_leaves_nothing() {
    let sshd = Sshd::start(Access::SftpOnly);
    let context = context();
    context.stop.flag().store(true, Ordering::SeqCst);
    let stopped = probe(&Sftp::new(sftp_settings(&sshd)), 3, &context).unwrap_err();
    assert!(matches!(stopped, ProbeError::Stopped(_)) && stopped.fault() == Fault::TryLater);
    assert_eq!(names(&sshd.root()), [""; 0]);
}

#[test]
fn a_full_disk_is_no_answer() {
    let sshd = Sshd::start(Access::SftpOnly);
    let disk = SmallDisk::mount(&sshd.root(), 64 << 10);
    let ProbeError::Site(err) = probe(&Sftp::new(sftp_settings(&sshd)), 1, &context()).unwrap_err() else {
        panic!("no stop")
    };
    assert_eq!(err.kind, SiteErrorKind::NoSpace, "{err:?}");
    assert_eq!(names(&sshd.root()), [""; 0]);
    drop(disk);
}

#[test]
fn f_14_that_names_with_dots_are_refused_is_found_out() {
    let ftpd = Ftpd::start(Kind::PureFtpd, Security::Plain);
    ftpd.configure("-x");
    let left = "intraware-probe.ebb.4194304.20261121T115959Z-00000000.a";
    fs::write(ftpd.root().join(left), "x").unwrap();
    let found = probe(&Ftp::new(ftp_settings(&ftpd)), 1, &context()).unwrap().abilities;
    assert!(!found.takes_dot_names && found.appends && found.keeps, "{found:?}");
    assert_eq!(found.obstacles(true), [""; 0]);
    assert_eq!(names(&ftpd.root()), [""; 0]);
}

#[test]
fn p_10_what_a_server_cannot_do_is_named_and_nothing_is_left() {
    let odd = Odd { lists_itself: false, facts_are_local: true, ..Odd::default() };
    let features: &[&str] = &["SIZE", "MLST type*;size*;"];
    let odd = Odd { features: Some(features), lacks: &["MLSD", "RNFR", "SITE"], ..odd };
    let ftpd = OddFtpd::start(odd.clone());
    let found = probe(&Ftp::new(odd_settings(&ftpd)), 1, &context()).unwrap().abilities;
    assert_eq!((found.stat, found.renames), (Stat::Right, Renaming::Impossible), "{found:?}");
    assert_eq!(names(&ftpd.root()), [""; 0]);
    let ftpd = OddFtpd::start(Odd { lacks: &["MLSD", "STOR", "APPE"], ..odd });
    let ProbeError::Site(err) = probe(&Ftp::new(odd_settings(&ftpd)), 1, &context()).unwrap_err() else {
        panic!("no stop")
    };
    assert_eq!(err.kind, SiteErrorKind::Unsupported, "{err:?}");
}

#[test]
fn p_10_only_a_file_that_was_put_can_be_left() {
    // Where nothing can be put, it is not the removal of it that is told.
    for (lacks, doing, left) in [
        (&["MLSD", "STOR", "APPE", "DELE"][..], "writing", &[][..]),
        (&["MLSD", "DELE"], "removing", &[".intraware-probe.removal"]),
    ] {
        let ftpd = OddFtpd::start(Odd { lacks, ..Odd::default() });
        let error = probe(&Ftp::new(odd_settings(&ftpd)), 1, &context()).unwrap_err();
        let ProbeError::Site(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind, SiteErrorKind::Unsupported);
        assert!(error.message.starts_with(doing), "{error:?}");
        assert_eq!(names(&ftpd.root()), left);
    }
}

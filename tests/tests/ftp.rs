//! Sites over FTP: the whole way of a build to real servers, and what the configuration lets through.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use intraware_tests::Bench;
use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::odd_ftpd::{GoingOn, Habits, OddFtpd};
use serde_json::Value;

/// More than one buffer of everything on the way.
fn fill(dir: &Path) {
    let noise: Vec<u8> = (0..700_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(dir.join("noise"), noise).expect("a file");
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
}

fn receipts(bench: &Bench) -> Vec<Value> {
    let jobs = fs::read_dir(bench.path("spool/sent")).expect("what was sent");
    let receipts: Vec<_> = jobs
        .map(|job| fs::read(job.expect("a job").path().join("receipt.json")).expect("a receipt"))
        .map(|text| serde_json::from_slice(&text).expect("JSON"))
        .collect();
    assert!(!receipts.is_empty(), "nothing was sent");
    receipts
}

#[test]
fn s0_46_builds_are_delivered_over_ftps_and_confirmed() {
    for (kind, security, verified_by) in [
        (Kind::Vsftpd, Security::Explicit, "read-back"),
        (Kind::Vsftpd, Security::Implicit, "read-back"),
        (Kind::ProFtpd, Security::Explicit, "server-hash"),
        (Kind::PureFtpd, Security::Explicit, "read-back"),
    ] {
        let bench = Bench::builder().ftpd(kind, security).build();
        for name in ["p1", "p2"] {
            bench.add_build(name, &format!("blast/5.1/{name}"), fill);
        }
        bench.manage(&["run"]).expect_silence();
        bench.upload(&["run"]).expect_silence();
        for receipt in receipts(&bench) {
            assert_eq!(receipt["verified_by"], verified_by, "{kind:?}: {receipt}");
        }
        bench.manage(&["run"]).expect_silence();
        ["p1", "p2"].iter().for_each(|name| bench.assert_delivered(name));
        let check = bench.upload(&["check"]).expect(0).stdout;
        assert!(check.contains("site: bench: ftps, ") && check.contains("certificate SHA256:"), "{check}");
    }
}

#[test]
fn a_site_in_the_clear_must_be_allowed() {
    let mut bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Plain).build();
    bench.add_build("p1", "p1", fill);
    bench.set_site("allow_plaintext", false);
    bench.manage(&["run"]).expect(78).complains(&["site.url", "ftps://", "allow_plaintext = true"]);
    assert_eq!(bench.ftpd().accepted(), 0);
    bench.set_site("allow_plaintext", true);
    bench.deliver();
    bench.assert_delivered("p1");
    let check = bench.upload(&["check"]).expect(0).stdout;
    assert!(check.contains("ftp without protection"), "{check}");
}

#[test]
fn a_certificate_that_is_not_trusted_gets_no_login_and_ends_with_77() {
    let mut bench = Bench::builder().ftpd(Kind::ProFtpd, Security::Explicit).build();
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    bench.ftpd().present("elsewhere");
    let before = bench.ftpd().log().matches("USER").count();
    let fingerprint = bench.ftpd().certificates().fingerprint("elsewhere");
    let shown = fingerprint.replace(':', "").to_lowercase();
    bench.upload(&["run"]).expect(77).complains(&["certificate", &shown, "no login was tried"]);
    assert_eq!(bench.ftpd().log().matches("USER").count(), before);
    assert_eq!(bench.status("p1"), ("In Process".to_owned(), String::new()));
    // A person has compared it.
    bench.set_site("ca_file", "");
    bench.set_site("certificate_sha256", fingerprint);
    bench.manage(&["retry", "p1"]).expect(0);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p1");
}

#[test]
fn the_password_may_be_in_a_netrc_file_that_nobody_else_reads() {
    let mut bench = Bench::builder().ftpd(Kind::PureFtpd, Security::Explicit).build();
    bench.add_build("p1", "p1", fill);
    let netrc = bench.path("etc/netrc");
    let (user, password) = (bench.ftpd().user(), bench.ftpd().password());
    let text =
        format!("default login x password y\nmachine 127.0.0.1\n  login {user}\n  password \"{password}\"\n");
    fs::write(&netrc, text).expect("a netrc file");
    fs::set_permissions(&netrc, Permissions::from_mode(0o644)).expect("chmod");
    bench.unset_site("password.file");
    bench.set_site("netrc", netrc.to_str().expect("text"));
    let anonymous = bench.ftpd().url().replace(&format!("{user}@"), "");
    bench.set_site("url", Value::from(anonymous));
    bench.manage(&["run"]).expect(77).complains(&[netrc.to_str().expect("text"), "0644", "chmod 600"]);
    assert_eq!(bench.ftpd().accepted(), 0);
    fs::set_permissions(&netrc, Permissions::from_mode(0o600)).expect("chmod");
    bench.deliver();
    bench.assert_delivered("p1");
}

/// A bench whose site is an FTP server with habits of its own, in the clear.
fn odd_bench(odd: &OddFtpd) -> Bench {
    let mut bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Plain).build();
    bench.set_site("url", odd.url());
    bench.add_build("p1", "p1", fill);
    bench
}

#[test]
fn p_1_what_cannot_be_gone_on_with_is_sent_anew_by_the_next_run() {
    let odd = OddFtpd::start(Habits { longest: 1_000_000, ..Habits::default() });
    let mut bench = odd_bench(&odd);
    bench.set_site("io_timeout_s", 5);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect(75);
    odd.change(|habits| (habits.longest, habits.going_on) = (u64::MAX, GoingOn::Stalls));
    bench.upload(&["run"]).expect(75).complains(&["from byte 1000000 on", "try again later"]);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("p1").0, "Completed");
}

#[test]
fn f_14_a_site_that_refuses_dots_is_delivered_to() {
    let bench = Bench::builder().ftpd(Kind::PureFtpd, Security::Explicit).build();
    bench.ftpd().configure("-x");
    bench.add_build("p1", "p1", fill);
    for _ in 0..2 {
        bench.manage(&["run"]).expect_silence();
        bench.upload(&["run"]).expect_silence();
    }
    bench.assert_delivered("p1");
    let check = bench.upload(&["check"]).expect(0).stdout;
    assert!(check.contains("none that begin with a dot"), "{check}");
}

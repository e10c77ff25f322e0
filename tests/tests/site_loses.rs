//! Sites that do not keep what was delivered to them: seen before the record is Completed, and put right.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Builder};

/// What becomes of a payload under its final name, and what is said about it.
type Harm = (&'static str, fn(&Path), &'static str);

const HARMS: [Harm; 3] = [
    ("lost", |payload| fs::remove_file(payload).expect("a payload"), "the payload is missing"),
    ("cut", |payload| open(payload).set_len(5).expect("a payload"), "the payload has 5 bytes"),
    ("lengthened", lengthen, "which is not its size"),
];

/// For sites that hash; of others, `upload` has read it back before the rename.
const CHANGED: Harm = ("changed", change, "other content");

fn open(payload: &Path) -> File {
    OpenOptions::new().write(true).open(payload).expect("a payload")
}

fn lengthen(payload: &Path) {
    let mut file = OpenOptions::new().append(true).open(payload).expect("a payload");
    file.write_all(b"more").expect("a longer payload");
}

fn change(payload: &Path) {
    let mut file = open(payload);
    file.seek(SeekFrom::Start(100)).and_then(|_| file.write_all(b"rotten")).expect("another payload");
}

/// Delivers a build for each harm, does it, and has the programs find that and put it right.
fn puts_right(builder: Builder, harms: &[Harm]) {
    let bench = builder.build();
    for (name, ..) in harms {
        bench.add_build(name, &format!("blast/{name}"), |dir| {
            fs::write(dir.join("setup.sh"), format!("echo {name} {}\n", "x".repeat(5_000))).expect("a file");
        });
    }
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    harms.iter().for_each(|(name, harm, _)| harm(&bench.payload(name)));
    let told: Vec<_> = harms.iter().flat_map(|(name, _, reason)| [*name, *reason]).collect();
    bench.manage(&["run"]).expect(1).complains(&told);
    for (name, _, reason) in harms {
        let (status, detail) = bench.status(name);
        assert!(status == "Error" && detail.contains(reason), "{name}: {status}, {detail}");
        assert_eq!(bench.record(name)["released"], false, "{name}");
    }
    // From the payload that the spool still has, in the next cycle.
    let jobs = bench.spool_listing().sent;
    assert_eq!(jobs.len(), harms.len());
    // All but what is lost is moved aside, which is said.
    bench.manage(&["run"]).expect(0).complains(&["was moved aside to"]);
    assert_eq!(bench.spool_listing().upload, jobs);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    harms.iter().for_each(|(name, ..)| bench.assert_delivered(name));
}

#[test]
fn s0_20_s0_21_s0_22_what_a_site_that_hashes_does_to_a_payload_is_found_and_put_right() {
    let harms = [&HARMS[..], &[CHANGED]].concat();
    puts_right(Bench::builder(), &harms);
    puts_right(Bench::builder().sshd(Access::Shell), &harms);
    puts_right(Bench::builder().ftpd(Kind::ProFtpd, Security::Explicit), &harms);
}

#[test]
fn s0_20_s0_21_s0_22_what_a_site_without_hashes_does_to_a_payload_is_found_and_put_right() {
    puts_right(Bench::builder().sshd(Access::SftpOnly), &HARMS);
    puts_right(Bench::builder().ftpd(Kind::Vsftpd, Security::Explicit), &HARMS);
    puts_right(Bench::builder().ftpd(Kind::PureFtpd, Security::Explicit), &HARMS);
}

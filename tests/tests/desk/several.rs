//! A desk beside other sites.

use super::*;

#[test]
fn with_a_site_over_sftp_neither_shows_what_the_other_cannot_have() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let mut desk = bench.add_desk("desk", "");
    bench.add_build("p7", "blast/p7", fill);
    bench.manage(&["run"]).expect_silence();
    desk.stop();
    bench.upload(&["run"]).expect(69).complains(&["p7", "at site desk"]);
    assert!(!bench.payload("p7").exists(), "it waits for the desk under its temporary name");
    desk.start_again();
    bench.sshd().refuse_client(true);
    bench.upload(&["run", "--job", "p7"]).expect(77).complains(&["at site bench"]);
    assert!(desk.names().is_empty(), "{:?}", desk.names());
    bench.sshd().refuse_client(false);
    bench.upload(&["run", "--job", "p7"]).expect(0);
    assert_eq!(desk.names(), names("blast@p7.tar.gz"));
    let receipt = receipt(&bench);
    let strengths = receipt["receipts"].as_array().expect("a list").iter();
    let strengths: Vec<_> = strengths.map(|receipt| (&receipt["site"], &receipt["verified_by"])).collect();
    assert_eq!(
        strengths,
        [(&json!("desk"), &json!("server-hash")), (&json!("bench"), &json!("server-hash"))]
    );
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn a_desk_that_may_lag_is_caught_up() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let mut desk = bench.add_desk("desk", "");
    bench.set_other_site("desk", "required", false);
    desk.stop();
    bench.add_build("p7", "blast/p7", small);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect(0).complains(&["site desk lags"]);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    desk.start_again();
    bench.upload(&["run", "--job", "p7"]).expect(0);
    assert_eq!(desk.names(), names("blast@p7.tar.gz"));
}

#[test]
fn of_two_desks_none_shows_what_the_other_has_not_got() {
    let mut bench = Bench::builder().desk("").build();
    let second = bench.add_desk("second", "");
    bench.add_build("p7", "p7", fill);
    bench.manage(&["run"]).expect_silence();
    bench.desk().stop();
    bench.upload(&["run"]).expect(69).complains(&["p7 (1)"]);
    assert_eq!((second.names().len(), second.partial().len()), (0, 1), "it has all but the last byte");
    bench.desk().start_again();
    bench.upload(&["run", "--job", "p7"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_eq!(second.names(), bench.desk().names());
}

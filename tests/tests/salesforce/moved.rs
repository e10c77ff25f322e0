//! The organisation has moved to another instance between two runs.

use intraware_tests::support::salesforce::Gone;

use super::*;

#[test]
fn f_04_a_run_whose_kept_session_leads_nowhere_logs_in_and_goes_on() {
    for gone in [Some(Gone::NotFound), Some(Gone::NotReset), Some(Gone::Redirect), None] {
        let bench = bench();
        let old = bench.salesforce().move_to_instance().expect("another port");
        bench.manage(&["run"]).expect_silence();
        bench.upload(&["run"]).expect_silence();
        match gone {
            Some(gone) => old.leave(gone),
            None => drop(old),
        }
        bench.salesforce().move_back();
        // Who only looks keeps nothing, and sees all the same.
        bench.manage(&["--dry-run"]).expect(0);
        bench.manage(&["run"]).expect_silence();
        assert_eq!(requests(&bench, LOGIN), 3, "{gone:?}");
        bench.manage(&["run"]).expect_silence();
        assert_eq!(requests(&bench, LOGIN), 3, "{gone:?}");
        assert_whole(&bench);
    }
}

#[test]
fn f_04_a_check_logs_in_anew_and_replaces_what_was_kept() {
    let bench = bench();
    bench.manage(&["run"]).expect_silence();
    let before = requests(&bench, LOGIN);
    bench.manage(&["check"]).expect(0);
    assert_eq!(requests(&bench, LOGIN), before + 1);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    assert_eq!(requests(&bench, LOGIN), before + 1, "the new one is kept");
    assert_whole(&bench);
}

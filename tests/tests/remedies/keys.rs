//! Secrets of the wrong owner or mode, and a kept session that cannot be read.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Program};

use super::{USER, as_root, as_user, fill, give, remedy, set_mode, type_as_root};

#[test]
fn newcomer_s4_a_secret_of_roots_is_given_to_the_programs_user() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    give(&bench);
    let key = bench.path("etc/signing-key.asc");
    chown(&key, Some(0), Some(0)).expect("root takes it");
    let run = as_user(&bench, Program::Manage, &["run"]).expect(77).complains(&["belongs to root (0)"]);
    type_as_root(&bench, &remedy(&run, "chown"));
    as_user(&bench, Program::Manage, &["run"]).expect_silence();
}

#[test]
fn newcomer_s4_root_is_told_to_look_at_a_secret_as_the_user_whose_it_is() {
    let bench = Bench::builder().build();
    give(&bench);
    let key = bench.path("etc/signing-key.asc");
    let arguments = ["check-key", key.to_str().expect("a path")];
    let run = as_root(&bench, Program::Manage, &arguments).expect(77);
    assert!(!run.stderr.contains("chown"), "who obeys would break what cron runs: {run:?}");
    type_as_root(&bench, &remedy(&run, "su"));
    assert_eq!(fs::metadata(&key).expect("the key").uid(), USER.1);
}

#[test]
fn newcomer_s4_a_secret_that_others_can_read_is_made_private() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.add_build("p1", "p1", fill);
    let key = bench.path("etc/signing-key.asc");
    set_mode(&key, 0o644);
    let run = bench.manage(&["run"]).expect(77);
    type_as_root(&bench, &remedy(&run, "chmod"));
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn newcomer_s4_a_configuration_that_everybody_can_write_is_made_safe() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    set_mode(&bench.path("etc/intraware.toml"), 0o666);
    let run = bench.manage(&["run"]).expect(78);
    type_as_root(&bench, &remedy(&run, "chmod"));
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn newcomer_s3_a_kept_session_that_cannot_be_read_costs_a_login_and_a_warning() {
    let bench = Bench::builder().salesforce().build();
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    give(&bench);
    let token = bench.path("var/salesforce-token.json");
    chown(&token, Some(0), Some(0)).expect("root takes it");
    let said = ["cannot read the cached token", "Permission denied", "logging in anew"];
    as_user(&bench, Program::Manage, &["run"]).expect(0).complains(&said);
    assert_eq!(fs::metadata(&token).expect("the token").uid(), USER.1, "it is replaced");
    as_user(&bench, Program::Manage, &["run"]).expect_silence();

    set_mode(&token, 0o644);
    as_user(&bench, Program::Manage, &["run"]).expect(0).complains(&["has mode 0644; logging in anew"]);
    as_user(&bench, Program::Manage, &["run"]).expect_silence();

    // Where nothing can be kept, each run says so and goes on.
    chown(&token, Some(0), Some(0)).expect("root takes it");
    chown(bench.path("var"), Some(0), Some(0)).expect("root takes the directory");
    let said = ["logging in anew", "the session is not kept for the next run"];
    as_user(&bench, Program::Manage, &["run"]).expect(0).complains(&said);
}

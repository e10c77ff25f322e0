//! What Salesforce, and what stands in front of it, does to a run: how it ends, and that no build is lost,
//! delivered twice or wrongly marked.
//!
//! Each fault hits three builds on their way: while they are prepared, or while they are confirmed. When it
//! is gone, the next runs of cron must bring all three to the end, each archived once and delivered once.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use intraware_tests::support::relay::Fault as Cut;
use intraware_tests::support::salesforce::{Fault, FieldSpec, FieldType, ObjectSpec, On};
use intraware_tests::support::sshd::Access;
use intraware_tests::{BUILD, Bench, Run};
use serde_json::{Value, json};

mod day;
mod moved;
mod pages;
mod passing;

const NAMES: [&str; 3] = ["p1", "p2", "p3"];

const ALWAYS: u32 = u32::MAX;

fn fill(dir: &Path) {
    fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {}\n", dir.display())).expect("a file");
}

/// A bench with three builds to deliver.
fn bench() -> Bench {
    let bench = Bench::builder().salesforce().build();
    add_builds(&bench);
    bench
}

fn add_builds(bench: &Bench) {
    for name in NAMES {
        bench.add_build(name, &format!("blast/{name}"), fill);
    }
}

/// Returns how many requests so far begin so.
fn requests(bench: &Bench, beginning: &str) -> usize {
    bench.salesforce().log().iter().filter(|line| line.starts_with(beginning)).count()
}

const QUERY: &str = "GET /services/data/v66.0/query";
const UPDATE: &str = "PATCH ";
const LOGIN: &str = "POST /services/oauth2/token";

/// Returns how often a step of the protocol was done.
fn done(bench: &Bench, step: &str) -> usize {
    bench.tx_events().iter().filter(|event| event["step"] == step && event["phase"] == "done").count()
}

/// Checks that the three builds are delivered, that nothing was done twice, and that nothing is left.
#[track_caller]
fn assert_whole(bench: &Bench) {
    for name in NAMES {
        bench.assert_delivered(name);
    }
    assert_eq!(["M2", "U4", "C4"].map(|step| done(bench, step)), [3; 3], "archived, delivered, removed");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 3, 0]);
    assert_eq!(bench.spool_listing().work, Vec::<String>::new());
}

/// Returns the status of each build, in the order of the names.
fn status(bench: &Bench) -> [String; 3] {
    NAMES.map(|name| bench.status(name).0)
}

/// Checks that no record says what is not so: nothing is released before it is Completed, nothing is an
/// Error.
#[track_caller]
fn assert_truthful(bench: &Bench) {
    for name in NAMES {
        let record = bench.record(name);
        let is_completed = record["status"] == "Completed";
        assert!(matches!(record["status"].as_str(), None | Some("In Process" | "Completed")), "{record}");
        assert_eq!(
            (&record["released"], &record["detail"]),
            (&json!(is_completed), &Value::Null),
            "{record}"
        );
    }
}

/// Checks that a fault has hit as often as it should; one that hits always has no end.
#[track_caller]
fn assert_hit(bench: &Bench, times: u32) {
    assert!(
        times == ALWAYS || bench.salesforce().pending_faults() == 0,
        "the fault has not hit {times} times"
    );
}

/// Lets a fault hit the run that prepares, and returns that run. Afterwards all is well within two cycles.
#[track_caller]
fn while_preparing(fault: Fault, on: On, times: u32) -> Run {
    let bench = bench();
    bench.salesforce().inject(fault, on, 0, times);
    let run = bench.manage(&["run"]);
    assert_hit(&bench, times);
    assert_truthful(&bench);
    bench.salesforce().clear_faults();
    bench.deliver();
    bench.deliver();
    assert_whole(&bench);
    run
}

/// Lets a fault hit the run that confirms, and returns that run. Afterwards all is well with the next one.
#[track_caller]
fn while_confirming(fault: Fault, on: On, times: u32) -> Run {
    let bench = bench();
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    bench.salesforce().inject(fault, on, 0, times);
    let run = bench.manage(&["run"]);
    assert_hit(&bench, times);
    assert_truthful(&bench);
    bench.salesforce().clear_faults();
    bench.manage(&["run"]).expect_silence();
    assert_whole(&bench);
    run
}

#[test]
fn s0_16_an_expired_session_is_renewed_wherever_it_expires() {
    for on in [On::Query, On::Update, On::Get] {
        while_preparing(Fault::ExpireSession, on, 1).expect_silence();
        while_confirming(Fault::ExpireSession, on, 1).expect_silence();
    }
}

#[test]
fn s0_16_one_login_serves_many_runs_until_the_session_expires() {
    let bench = bench();
    bench.deliver();
    assert_eq!(requests(&bench, LOGIN), 1);
    bench.salesforce().expire_sessions();
    bench.deliver();
    assert_eq!(requests(&bench, LOGIN), 2);
    assert_whole(&bench);
}

#[test]
fn a_session_that_is_refused_again_after_a_login_needs_a_person() {
    let run = while_preparing(Fault::ExpireSession, On::AnyCall, ALWAYS);
    run.expect(77).complains(&["INVALID_SESSION_ID", "check that the user may use the API"]);
}

#[test]
fn a_refused_login_needs_a_person_and_shows_no_secret() {
    let bench = bench();
    let secret = bench.path("etc/client.secret");
    let right = fs::read(&secret).expect("the client's secret");
    fs::write(&secret, "canary-5D20").expect("another secret");
    let run = bench.manage(&["-vv", "run"]).expect(77);
    let run = run.complains(&["invalid_client", "check client_id and client_secret"]);
    assert!(!run.stderr.contains("canary-5D20"), "{run:?}");
    assert_truthful(&bench);
    fs::write(&secret, right).expect("the right secret");
    bench.deliver();
    assert_whole(&bench);
}

#[test]
fn the_request_limit_ends_all_calls_of_the_run_and_no_upload() {
    let bench = bench();
    bench.manage(&["run", "--build", "p3"]).expect_silence();
    let before = requests(&bench, "");
    bench.salesforce().inject(Fault::RequestLimit, On::Update, 0, ALWAYS);
    let run = bench.manage(&["run"]).expect(75);
    run.complains(&["REQUEST_LIMIT_EXCEEDED", "p1", "p2", "2 builds wait"]);
    assert_eq!(requests(&bench, "") - before, 2, "one query, one refused update");
    assert_eq!(status(&bench), ["", "", "In Process"]);
    assert_eq!(bench.spool_listing().counts(), [1, 1, 0, 0, 0], "what was archived is kept");
    bench.upload(&["run"]).expect_silence();
    bench.salesforce().clear_faults();
    bench.deliver();
    assert_whole(&bench);
}

#[test]
fn the_request_limit_is_not_asked_twice() {
    let run = while_preparing(Fault::RequestLimit, On::Query, ALWAYS).expect(75);
    run.complains(&["REQUEST_LIMIT_EXCEEDED", "wait until the 24 hour window has moved on"]);
    while_confirming(Fault::RequestLimit, On::Update, ALWAYS).expect(75);
}

#[test]
fn a_page_of_html_with_503_is_outlasted_if_it_is_short() {
    while_preparing(Fault::Unavailable(None), On::Query, 2).expect_silence();
    while_preparing(Fault::Unavailable(None), On::Update, 1).expect_silence();
    while_confirming(Fault::Unavailable(None), On::Update, 1).expect_silence();
}

#[test]
fn a_page_of_html_with_503_that_stays_is_left_to_the_next_run() {
    for on in [On::Query, On::Update] {
        let run = while_preparing(Fault::Unavailable(None), on, ALWAYS).expect(75);
        run.complains(&["status 503", "We are down for maintenance"]);
        while_confirming(Fault::Unavailable(None), on, ALWAYS).expect(75);
    }
}

#[test]
fn a_server_that_asks_for_an_hour_is_not_asked_again_in_this_run() {
    let bench = bench();
    bench.salesforce().inject(Fault::Unavailable(Some(3600)), On::Query, 0, ALWAYS);
    bench.manage(&["run"]).expect(75).complains(&["status 503"]);
    assert_eq!(requests(&bench, QUERY), 1);
}

#[test]
fn s0_38_an_update_whose_answer_is_lost_is_made_once() {
    for fault in [Fault::LoseAnswer, Fault::BadGateway] {
        let bench = bench();
        bench.salesforce().inject(fault.clone(), On::Update, 0, 3);
        bench.manage(&["run"]).expect_silence();
        assert_eq!(requests(&bench, UPDATE), 3, "{fault:?}");
        bench.upload(&["run"]).expect_silence();
        bench.salesforce().inject(fault.clone(), On::Update, 0, 3);
        bench.manage(&["run"]).expect_silence();
        assert_eq!(requests(&bench, UPDATE), 6, "{fault:?}");
        assert_eq!(bench.salesforce().pending_faults(), 0);
        assert_whole(&bench);
    }
}

#[test]
fn an_update_that_never_arrived_is_sent_again() {
    while_preparing(Fault::Disconnect, On::Update, 1).expect_silence();
    while_confirming(Fault::Disconnect, On::Update, 1).expect_silence();
}

#[test]
fn s0_38_an_update_whose_outcome_stays_unknown_is_found_out_by_the_next_run() {
    for stage in [while_preparing_blindly, while_confirming_blindly] {
        stage().expect(75).complains(&["p1", "try again later"]);
    }
}

/// The first update takes effect; its answer, and every attempt to read the record back, are lost.
fn lose_sight(bench: &Bench) {
    bench.salesforce().inject(Fault::LoseAnswer, On::Update, 0, 1);
    bench.salesforce().inject(Fault::Unavailable(None), On::Get, 0, ALWAYS);
}

fn while_preparing_blindly() -> Run {
    let bench = bench();
    lose_sight(&bench);
    let run = bench.manage(&["run"]);
    assert_eq!(status(&bench), ["In Process", "", ""]);
    assert_eq!(bench.spool_listing().counts(), [1, 0, 0, 0, 0]);
    bench.salesforce().clear_faults();
    bench.deliver();
    assert_whole(&bench);
    run
}

fn while_confirming_blindly() -> Run {
    let bench = bench();
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    lose_sight(&bench);
    let run = bench.manage(&["run"]);
    assert_eq!(status(&bench), ["Completed", "In Process", "In Process"]);
    assert_eq!(bench.spool_listing().counts(), [0, 0, 3, 0, 0], "no payload goes before its record is known");
    bench.salesforce().clear_faults();
    bench.manage(&["run"]).expect_silence();
    assert_whole(&bench);
    run
}

#[test]
fn truncated_json_changes_nothing_and_shows_its_beginning() {
    let run = while_preparing(Fault::TruncatedJson, On::Query, ALWAYS).expect(69);
    run.complains(&["cannot query Build__c: the answer is not the expected JSON: \"{\"done\":true"]);
    while_preparing(Fault::TruncatedJson, On::Describe, ALWAYS).expect(69);
    while_preparing(Fault::TruncatedJson, On::Login, ALWAYS).expect(69);
    while_confirming(Fault::TruncatedJson, On::Query, ALWAYS).expect(69);
    // Only the revision after an update that was made is missed; nobody needs it any more.
    while_preparing(Fault::TruncatedJson, On::Get, 3).expect_silence();
}

#[test]
fn a_login_page_with_200_is_no_answer() {
    let run = while_preparing(Fault::HtmlOk, On::Query, ALWAYS).expect(69);
    run.complains(&["Login | Salesforce", "check that the address is Salesforce's"]);
}

#[test]
fn a_redirect_is_not_followed_with_the_token() {
    while_preparing(Fault::Redirect, On::Query, ALWAYS).expect(69).complains(&["302"]);
}

#[test]
fn an_answer_without_end_and_one_that_drips_are_given_up() {
    while_preparing(Fault::Endless, On::Query, 1).expect(75);
    let mut bench = bench();
    bench.set("records.salesforce.io_timeout_s", 1);
    bench.salesforce().inject(Fault::Drip, On::Query, 0, ALWAYS);
    bench.manage(&["run"]).expect(75).complains(&["cannot query Build__c", "try again later"]);
    assert_truthful(&bench);
}

#[test]
fn a_row_that_somebody_else_locks_is_tried_again() {
    while_preparing(Fault::RowLocked, On::Update, 2).expect_silence();
    while_preparing(Fault::RowLocked, On::Update, ALWAYS).expect(75).complains(&["UNABLE_TO_LOCK_ROW"]);
    while_confirming(Fault::RowLocked, On::Update, ALWAYS).expect(75);
}

#[test]
fn a_record_under_approval_delays_no_other_and_is_not_an_error() {
    let run = while_preparing(Fault::EntityLocked, On::Update, 1).expect(1);
    let run = run.complains(&["p1", "ENTITY_IS_LOCKED"]);
    assert!(!run.stderr.contains("p2") && !run.stderr.contains("p3"), "{run:?}");
    while_confirming(Fault::EntityLocked, On::Update, 1).expect(1);
}

#[test]
fn nobody_at_the_address_is_told_apart_from_a_bad_answer() {
    let mut bench = bench();
    let right = bench.salesforce().url().to_owned();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    bench.set("records.salesforce.login_url", format!("http://127.0.0.1:{port}"));
    bench.manage(&["run"]).expect(69).complains(&["check the address, name service and firewall"]);
    bench.set("records.salesforce.login_url", right);
    bench.deliver();
    assert_whole(&bench);
}

/// The object of the reference configuration, with one field changed.
fn changed_object(change: impl Fn(&mut Vec<FieldSpec>)) -> ObjectSpec {
    let mut spec = ObjectSpec::build();
    change(&mut spec.fields);
    spec
}

#[test]
fn a_missing_field_and_a_missing_picklist_value_are_named_before_any_work() {
    let without_field = changed_object(|fields| fields.retain(|field| field.name != "SHA1_Digest__c"));
    let without_value = changed_object(|fields| {
        let status = fields.iter_mut().find(|field| field.name == "Magma_Intraware_Upload__c");
        if let Some(FieldType::Picklist { values, .. }) = status.map(|field| &mut field.kind) {
            values.retain(|value| value != "In Process");
        }
    });
    for (spec, named) in [(without_field, "SHA1_Digest__c"), (without_value, "In Process")] {
        let bench = Bench::builder().salesforce().build();
        bench.salesforce().define(spec);
        bench.manage(&["run"]).expect(78).complains(&[named, "does not fit the configuration"]);
        assert_eq!(bench.spool_listing().counts(), [0; 5]);
        bench.salesforce().define(ObjectSpec::build());
        add_builds(&bench);
        bench.deliver();
        assert_whole(&bench);
    }
}

#[test]
fn s0_41_without_a_place_for_the_token_each_run_logs_out() {
    let mut bench = bench();
    bench.set("records.salesforce.cache_dir", "");
    bench.deliver();
    assert_whole(&bench);
    assert_eq!(requests(&bench, LOGIN), 2);
    assert_eq!(requests(&bench, "POST /services/oauth2/revoke"), 2);
    assert_eq!(fs::read_dir(bench.path("var")).expect("var").count(), 0, "no token is kept");
}

#[test]
fn s0_14_manage_with_nothing_to_do_makes_one_call_and_connects_to_no_site() {
    let mut bench = Bench::builder().salesforce().sshd(Access::Shell).build();
    add_builds(&bench);
    bench.deliver();
    let relay = bench.relay(Cut::None);
    let (calls, logins) = (bench.salesforce().calls(), bench.salesforce().logins());
    bench.manage(&["run"]).expect_silence();
    assert_eq!((bench.salesforce().calls() - calls, bench.salesforce().logins() - logins), (1, 0));
    assert_eq!(relay.accepted(), 0);
    assert_whole(&bench);
}

#[test]
fn s0_43_upload_with_nothing_to_do_connects_to_nobody() {
    let mut bench = Bench::builder().salesforce().sshd(Access::Shell).build();
    let relay = bench.relay(Cut::None);
    bench.upload(&["run"]).expect_silence();
    assert_eq!(relay.accepted(), 0);
    assert_eq!(bench.salesforce().log(), Vec::<String>::new());
    // The relay is where upload goes when there is something to do.
    bench.add_build("p1", "blast/p1", fill);
    bench.manage(&["run"]).expect_silence();
    let before = relay.accepted();
    bench.upload(&["run"]).expect_silence();
    assert_eq!(relay.accepted(), before + 1);
}

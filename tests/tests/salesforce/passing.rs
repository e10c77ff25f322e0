//! Refusals that pass by themselves: no record says a word of them, and the next run goes on.

use super::*;

fn refusal(status: u16, code: &str, message: &str) -> Fault {
    Fault::Answer(status, json!([{ "errorCode": code, "message": message }]).to_string())
}

/// What a trigger of the organisation says when another transaction has the record that it wants.
const NESTED: &str = "BuildTrigger: execution of AfterUpdate caused by: System.DmlException: Update failed. \
                      First exception on row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access: []";

#[test]
fn f_16_what_salesforce_refuses_for_now_is_left_to_the_next_run() {
    for (fault, on) in [
        (refusal(400, "QUERY_TIMEOUT", "Your query request was running for too long."), On::Query),
        (refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), On::Query),
        (Fault::Answer(429, "Too many requests".into()), On::Query),
        (refusal(503, "REQUEST_RUNNING_TOO_LONG", "Your request was running for too long"), On::Update),
        (refusal(400, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "read only"), On::Update),
        (refusal(400, "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"), On::Update),
        (refusal(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", NESTED), On::Update),
    ] {
        let run = while_preparing(fault.clone(), on, ALWAYS);
        assert_eq!(run.status, 75, "{fault:?}: {run:?}");
    }
    while_confirming(refusal(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", NESTED), On::Update, 2)
        .expect_silence();
    let run =
        while_preparing(Fault::Answer(403, "<html>Forbidden by proxy</html>".into()), On::Query, ALWAYS);
    run.expect(69).complains(&["no proxy stands between"]);
}

#[test]
fn f_16_a_name_without_an_address_is_nobody_there() {
    let mut bench = bench();
    bench.set("records.salesforce.login_url", "https://no-such-org.invalid");
    bench.manage(&["run"]).expect(69).complains(&["no address is known for the host's name"]);
}

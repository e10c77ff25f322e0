//! Answers that are lost, late, or no answers.

use super::*;

#[test]
fn a_lost_answer_is_resolved_by_reading_back() {
    for (fault, updates) in [
        (Broken::LoseAnswer, 1),
        (Broken::BadGateway, 1),
        (Broken::Disconnect, 2),
        (Broken::Unavailable(None), 2),
    ] {
        let server = server();
        let mut store = store(&server);
        let record = settled(&server, &mut store, "In Process");
        server.inject(fault.clone(), On::Update, 0, 1);
        let revision = store.write(&record, &Change::Delivered).unwrap();
        assert_eq!(stored(&server, &record)[STATUS], "Completed", "{fault:?}");
        assert_eq!(read(&mut store, record.id.as_str()).revision, revision, "{fault:?}");
        let sent = server.log().iter().filter(|line| line.starts_with("PATCH")).count();
        assert_eq!(sent, updates, "{fault:?}");
    }
}

#[test]
fn a_lost_answer_after_somebody_s_hold_is_a_hold() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.edit(BUILD, record.id.as_str(), json!({ STATUS: "Do Not Release" }));
    server.inject(Broken::LoseAnswer, On::Update, 0, 1);
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Held);
}

#[test]
fn an_outcome_that_cannot_be_read_back_is_for_the_next_run() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.inject(Broken::LoseAnswer, On::Update, 0, 1);
    server.inject(Broken::Unavailable(None), On::Get, 0, 9);
    match store.write(&record, &Change::Delivered) {
        Err(WriteError::Store(error)) => assert_eq!(error.fault, Fault::TryLater),
        other => panic!("{other:?}"),
    }
    // The next run reads what was done, and a repetition is refused.
    let server_side = stored(&server, &record);
    assert_eq!(server_side[STATUS], "Completed");
}

#[test]
fn an_expired_session_costs_a_login_and_nothing_else() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.expire_sessions();
    store.write(&record, &Change::Delivered).unwrap();
    assert_eq!(server.logins(), 2);
    server.inject(Broken::ExpireSession, On::Query, 0, 9);
    assert_eq!(fault(store.select()).0, Fault::Access);
}

#[test]
fn an_exhausted_allowance_stops_all_calls_of_the_run() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.inject(Broken::RequestLimit, On::AnyCall, 0, 1);
    let before = server.calls();
    assert_eq!(fault(store.select()).0, Fault::TryLater);
    assert_eq!(fault(store.select()).0, Fault::TryLater);
    assert!(matches!(store.write(&record, &Change::Delivered), Err(WriteError::Store(_))));
    assert_eq!(server.calls() - before, 1);
    assert_eq!(stored(&server, &record)[STATUS], "In Process");
}

#[test]
fn outages_and_rubbish_have_their_faults() {
    let cases = [
        (Broken::Unavailable(None), Fault::TryLater, "maintenance"),
        (Broken::ServerError, Fault::TryLater, "UNKNOWN_EXCEPTION"),
        (Broken::TruncatedJson, Fault::Unreachable, "not the expected JSON"),
        (Broken::HtmlOk, Fault::Unreachable, "Login | Salesforce"),
        (
            Broken::Answer(400, r#"[{"errorCode":"INVALID_FIELD","message":"No such column"}]"#.into()),
            Fault::Configuration,
            "INVALID_FIELD",
        ),
    ];
    let server = server();
    server.create(BUILD, build("Error"));
    let mut store = store(&server);
    store.select().unwrap();
    for (broken, expected, text) in cases {
        server.inject(broken.clone(), On::Query, 0, 3);
        let (fault, message) = fault(store.select());
        assert_eq!(fault, expected, "{broken:?}: {message}");
        assert!(message.contains(text) && !message.contains('\n'), "{message}");
        server.clear_faults();
    }
    let gone = server.url().to_owned();
    drop(store);
    drop(server);
    let other = super::tests::server();
    let mut store = store_of(&other, SalesforceSettings { login_url: gone, ..settings(&other) });
    assert_eq!(fault(store.select()).0, Fault::Unreachable);
}

#[test]
fn a_lost_page_leaves_what_was_read_and_says_so() {
    let server = server();
    for i in 0..4500 {
        server.create(
            BUILD,
            json!({ "Name": format!("b{i}"), "build_type__c": "Patch Build", "Build_Path__c": "/b" }),
        );
    }
    let mut store = store(&server);
    for fault in [Broken::LosePage, Broken::RepeatPage, Broken::TruncatedJson, Broken::RequestLimit] {
        server.inject(fault.clone(), On::NextPage, 1, 9);
        let selected = store.select().unwrap();
        assert!(selected.missing.is_some(), "{fault:?}");
        let mut ids: Vec<_> = selected.records.iter().map(|record| record.id.clone()).collect();
        ids.dedup();
        assert!(ids.len() == selected.records.len() && ids.len() >= 4000, "{fault:?}: {}", ids.len());
        // A used up allowance ends this store's run.
        store = super::tests::store(&server);
        server.clear_faults();
    }
}

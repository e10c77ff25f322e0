//! A session that was kept, and an organisation that has moved meanwhile.

use std::fs;
use std::time::Duration;

use intraware_test_support::salesforce::{Fault, Gone, On};
use rsforce::{Access, Client, Kind, TokenStore};
use serde_json::json;

use crate::*;

/// Makes clients as the runs of cron are: with one file for the session.
struct Runs {
    server: Salesforce,
    store: TokenStore,
    _dir: tempfile::TempDir,
}

impl Runs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = TokenStore { path: dir.path().join("token"), access: Access::ReadWrite };
        Self { server: server(), store, _dir: dir }
    }

    fn run(&self) -> Client {
        let timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_millis(800) };
        let settings = Settings { token_store: Some(self.store.clone()), timeouts, ..settings(&self.server) };
        client_of(settings).0
    }
}

#[test]
fn f_04_a_kept_session_that_leads_where_the_organisation_no_longer_is_costs_one_login() {
    for gone in Gone::ALL.map(Some).into_iter().chain([None]) {
        let runs = Runs::new();
        let old = runs.server.move_to_instance().unwrap();
        runs.run().query(&all()).unwrap();
        assert_eq!(runs.server.logins(), 1);
        match gone {
            Some(gone) => old.leave(gone),
            None => drop(old),
        }
        runs.server.move_back();
        let mut client = runs.run();
        client.query(&all()).unwrap_or_else(|error| panic!("{gone:?}: {error}"));
        client.query(&all()).unwrap();
        runs.run().query(&all()).unwrap();
        assert_eq!(runs.server.logins(), 2, "{gone:?}");
    }
}

#[test]
fn f_04_whatever_is_wrong_with_a_kept_address_the_login_tells_the_right_one() {
    let runs = Runs::new();
    runs.run().query(&all()).unwrap();
    let kept = fs::read_to_string(&runs.store.path).unwrap();
    let port = runs.server.port();
    // No such name, no TLS there, not an address of ours.
    for (i, wrong) in ["https://no-such-org.invalid".into(), format!("https://127.0.0.1:{port}"), "x".into()]
        .into_iter()
        .enumerate()
    {
        fs::write(&runs.store.path, kept.replace(runs.server.url(), &wrong)).unwrap();
        // The owner's address is the login's, which stays.
        let mut changed: Value = serde_json::from_str(&kept).unwrap();
        changed["instance_url"] = json!(wrong);
        fs::write(&runs.store.path, changed.to_string()).unwrap();
        runs.run().query(&all()).unwrap_or_else(|error| panic!("{wrong}: {error}"));
        assert_eq!(runs.server.logins(), i as u64 + 2, "{wrong}");
    }
}

#[test]
fn f_04_a_write_that_met_the_wrong_place_is_not_sent_again_and_the_next_request_logs_in() {
    let runs = Runs::new();
    let id = runs.server.create("Build__c", json!({}));
    let fields = change(&[("Product__c", json!("x"))]);
    for gone in [Gone::Page, Gone::BadGateway, Gone::Closes] {
        let old = runs.server.move_to_instance().unwrap();
        runs.run().log_in().unwrap();
        old.leave(gone);
        runs.server.move_back();
        let mut client = runs.run();
        let error = client.update(&builds(), &id, &fields, None).unwrap_err();
        assert_eq!(error.kind(), Kind::UnknownOutcome, "{gone:?}: {error}");
        assert_eq!(client.get(&builds(), &id, &[name("Product__c")]).unwrap()["Product__c"], json!(null));
    }
    // Where it was certainly not taken it is sent again.
    drop(runs.server.move_to_instance().map(|_| runs.run().log_in().unwrap()));
    runs.server.move_back();
    runs.run().update(&builds(), &id, &fields, None).unwrap();
}

#[test]
fn f_04_what_the_api_itself_answers_costs_no_login() {
    let runs = Runs::new();
    runs.run().query(&all()).unwrap();
    for (fault, kind) in [
        (Fault::ServerError, None),
        (Fault::RequestLimit, Some(Kind::RequestLimit)),
        (
            Fault::Answer(400, r#"[{"errorCode":"INVALID_FIELD","message":"m"}]"#.into()),
            Some(Kind::NoSuchField),
        ),
    ] {
        runs.server.inject(fault.clone(), On::Query, 0, 1);
        assert_eq!(runs.run().query(&all()).err().map(|error| error.kind()), kind, "{fault:?}");
    }
    // A session that has proved itself leads to the right place.
    let mut client = runs.run();
    client.query(&all()).unwrap();
    runs.server.inject(Fault::HtmlOk, On::Query, 0, 1);
    assert_eq!(client.query(&all()).unwrap_err().kind(), Kind::BadAnswer);
    assert_eq!(runs.server.logins(), 1);
}

#[test]
fn f_04_who_checks_logs_in_anew() {
    let runs = Runs::new();
    runs.run().query(&all()).unwrap();
    let before = fs::read(&runs.store.path).unwrap();
    runs.run().log_in().unwrap();
    assert_eq!(runs.server.logins(), 2);
    assert_ne!(fs::read(&runs.store.path).unwrap(), before);
}

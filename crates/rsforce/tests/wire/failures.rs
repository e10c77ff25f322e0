//! What the network and the service do wrong, and that nothing is done twice because of it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use intraware_test_support::salesforce::{Fault, On};
use rsforce::{Access, Kind, TokenStore};
use serde_json::json;

use crate::*;

#[test]
fn an_outage_is_waited_for_and_then_reported() {
    let server = server();
    let (mut client, clock) = client(&server);
    server.inject(Fault::Unavailable(Some(2)), On::Query, 0, 2);
    client.query(&all()).unwrap();
    assert_eq!(clock.pauses(), [Duration::from_secs(2); 2]);

    server.inject(Fault::Unavailable(None), On::Query, 0, 9);
    let error = client.query(&all()).unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Unavailable, Some(503)));
    assert!(error.to_string().contains("down for maintenance"), "{error}");
    assert_eq!(server.calls(), 3 + 3);
}

#[test]
fn an_exhausted_allowance_is_not_asked_again() {
    let server = server();
    let (mut client, clock) = client(&server);
    server.inject(Fault::RequestLimit, On::AnyCall, 0, 9);
    let error = client.query(&all()).unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::RequestLimit, Some(403)));
    assert_eq!((server.calls(), clock.pauses().len()), (1, 0));
}

#[test]
fn a_write_whose_answer_is_lost_is_sent_once_and_its_outcome_unknown() {
    for fault in [Fault::LoseAnswer, Fault::BadGateway, Fault::Disconnect, Fault::Unavailable(None)] {
        let server = server();
        let (mut client, clock) = client(&server);
        let id = server.create("Build__c", json!({}));
        server.inject(fault.clone(), On::Update, 0, 1);
        let error = client.update(&builds(), &id, &change(&[("Product__c", json!("x"))]), None).unwrap_err();
        assert_eq!(error.kind(), Kind::UnknownOutcome, "{fault:?}");
        assert_eq!((server.calls(), clock.pauses().len()), (1, 0), "{fault:?}");
        let made = server.record("Build__c", &id).unwrap()["Product__c"] == "x";
        assert_eq!(made, matches!(fault, Fault::LoseAnswer | Fault::BadGateway), "{fault:?}");
    }
}

#[test]
fn a_refused_write_is_sent_again_only_if_waiting_helps() {
    let server = server();
    let (mut client, clock) = client(&server);
    let id = server.create("Build__c", json!({}));
    let fields = change(&[("Product__c", json!("x"))]);
    server.inject(Fault::RowLocked, On::Update, 0, 2);
    client.update(&builds(), &id, &fields, None).unwrap();
    assert_eq!((server.calls(), clock.pauses().len()), (3, 2));
    server.inject(Fault::EntityLocked, On::Update, 0, 1);
    assert_eq!(client.update(&builds(), &id, &fields, None).unwrap_err().kind(), Kind::EntityLocked);
    assert_eq!(clock.pauses().len(), 2);
}

#[test]
fn an_expired_session_replays_the_write_with_its_condition() {
    let server = server();
    let (mut client, _) = client(&server);
    let id = server.create("Build__c", json!({}));
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    client.log_in().unwrap();
    server.expire_sessions();
    let fields = change(&[("Product__c", json!("x"))]);
    let error = client.update(&builds(), &id, &fields, Some(long_ago)).unwrap_err();
    assert_eq!(error.kind(), Kind::Modified);
    assert_eq!(server.logins(), 2);
}

#[test]
fn lost_and_repeated_pages_leave_what_was_read_and_say_so() {
    for fault in [Fault::LosePage, Fault::RepeatPage, Fault::TruncatedJson, Fault::HtmlOk] {
        let server = server();
        for i in 0..900 {
            server.create("Build__c", json!({ "Name": format!("b{i}") }));
        }
        let (mut client, _) = client_of(Settings { page_size: Some(200), ..settings(&server) });
        server.inject(fault.clone(), On::NextPage, 1, 9);
        let rows = client.query(&all()).unwrap();
        let lost = rows.lost.unwrap();
        assert!(matches!(lost.kind(), Kind::PageLost | Kind::BadAnswer), "{fault:?}: {lost}");
        assert!(matches!(rows.rows.len(), 400 | 600), "{fault:?}: {}", rows.rows.len());
    }
}

#[test]
fn answers_that_are_not_the_api_s_are_told_with_their_beginning() {
    let server = server();
    let (mut client, _) = client(&server);
    server.create("Build__c", json!({}));
    for (fault, shown) in [
        (Fault::TruncatedJson, "records"),
        (Fault::HtmlOk, "Login | Salesforce"),
        (Fault::Redirect, "302"),
        (Fault::Answer(200, "[]".into()), "[]"),
        (Fault::Answer(200, "{\"a\":\"\u{1b}[2J\"}".into()), "\\x1b[2J"),
    ] {
        server.inject(fault.clone(), On::Query, 0, 1);
        let error = client.query(&all()).unwrap_err();
        assert_eq!(error.kind(), Kind::BadAnswer, "{fault:?}: {error}");
        assert!(error.to_string().contains(shown), "{error}");
    }
}

#[test]
fn bodies_end_in_time_and_in_size() {
    let server = server();
    server.create("Build__c", json!({}));
    let quick = Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(1) };
    let (mut client, _) = client_of(Settings { timeouts: quick, ..settings(&server) });
    server.inject(Fault::Drip, On::Query, 0, 1);
    let started = Instant::now();
    assert_eq!(client.query(&all()).unwrap_err().kind(), Kind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(5));

    let (mut patient, _) = crate::client(&server);
    server.inject(Fault::Endless, On::Query, 0, 1);
    assert_eq!(patient.query(&all()).unwrap_err().kind(), Kind::TooLarge);
}

#[test]
fn a_read_whose_connection_ends_is_tried_again() {
    let server = server();
    server.create("Build__c", json!({}));
    let (mut client, clock) = client(&server);
    for fault in [Fault::LoseAnswer, Fault::CutBody] {
        server.inject(fault, On::Query, 0, 1);
    }
    assert_eq!(client.query(&all()).unwrap().rows.len(), 1);
    assert_eq!(clock.pauses().len(), 2);
}

#[test]
fn nobody_there_is_unreachable_within_the_time_allowed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = server();
    let (mut client, clock) =
        client_of(Settings { login_url: format!("http://{free}"), ..settings(&server) });
    assert_eq!(client.log_in().unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(clock.pauses().len(), 2);

    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let quick = Timeouts { connect: Duration::from_secs(5), total: Duration::from_millis(500) };
    let login_url = format!("http://{}", mute.local_addr().unwrap());
    let (mut client, _) = client_of(Settings { login_url, timeouts: quick, ..settings(&server) });
    let started = Instant::now();
    assert_eq!(client.log_in().unwrap_err().kind(), Kind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_answer_that_holds_a_token_is_never_shown() {
    let server = server();
    server.inject(Fault::TruncatedJson, On::Login, 0, 1);
    let (mut client, _) = client(&server);
    let error = client.log_in().unwrap_err();
    assert_eq!(error.kind(), Kind::BadAnswer);
    let mut shown = format!("{error:?}");
    client.log_in().unwrap();
    shown.push_str(&format!("{client:?}"));
    assert!(!shown.contains("canary") && !shown.contains("client-secret"), "{shown}");
}

#[test]
fn f_16_a_name_that_is_not_found_is_nobody_there_and_a_write_to_it_has_not_left() {
    let server = server();
    let nowhere = "https://no-such-org.invalid";
    let settings = || Settings { login_url: nowhere.into(), ..settings(&server) };
    let error = client_of(settings()).0.log_in().unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let owner = json!({ "login_url": nowhere, "client_id": App::default().client_id, "username": "" });
    let kept = json!({ "format": 1, "owner": owner, "instance_url": nowhere, "access_token": "t" });
    std::fs::write(&path, kept.to_string()).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let store = TokenStore { path, access: Access::Read };
    let (mut client, _) = client_of(Settings { token_store: Some(store), ..settings() });
    let error = client.update(&builds(), "a0B5g0000000001EAA", &change(&[]), None).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
}

#[test]
fn f_16_a_write_that_was_refused_for_now_is_sent_again() {
    let server = server();
    let id = server.create("Build__c", json!({}));
    let (mut client, clock) = client(&server);
    let fields = change(&[("Product__c", json!("x"))]);
    for status in [408, 425, 429] {
        server.inject(Fault::Answer(status, "<html>later</html>".into()), On::Update, 0, 2);
        client.update(&builds(), &id, &fields, None).unwrap();
    }
    assert_eq!(clock.pauses().len(), 6);
}

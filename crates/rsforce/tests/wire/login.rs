//! Logging in, keeping the session, and what is said when it is refused.

use std::fs;
use std::sync::Arc;

use intraware_test_support::salesforce::{App, Fault, On, Options, Salesforce};
use jiff::SignedDuration;
use rsforce::{Access, Client, Kind, Login, Secret, SigningKey, TokenStore};

use crate::*;

fn jwt(pem: &[u8]) -> Login {
    let app = App::default();
    let key = SigningKey::from_pem(pem).unwrap();
    Login::JwtBearer { client_id: app.client_id, username: app.username, audience: None, key }
}

fn password(password: &str) -> Login {
    let app = App::default();
    Login::Password {
        client_id: app.client_id,
        client_secret: Secret::new(app.client_secret),
        username: app.username,
        password: Secret::new(password),
    }
}

#[test]
fn s0_16_each_way_to_log_in_gives_a_session() {
    let server = server();
    let pkcs1 = {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(&path, key()).unwrap();
        openssl(&["rsa", "-traditional", "-in", path.to_str().unwrap()])
    };
    assert!(pkcs1.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    let ways = [jwt(key()), jwt(&pkcs1), client_credentials(), password(&App::default().password)];
    for (i, login) in ways.into_iter().enumerate() {
        let (mut client, _) = client_of(Settings { login, ..settings(&server) });
        assert!(client.query(&all()).unwrap().rows.is_empty());
        assert_eq!(server.logins(), i as u64 + 1);
        assert_eq!(client.calls(), 1);
    }
}

#[test]
fn refused_logins_are_not_repeated_and_say_what_to_check() {
    let server = server();
    let other_key = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let app = App::default();
    let wrong_secret =
        Login::ClientCredentials { client_id: app.client_id, client_secret: Secret::new("canary-wrong") };
    let cases = [
        (jwt(&other_key), "invalid_grant", "clock"),
        (wrong_secret, "invalid_client", "client_secret"),
        (password("canary-wrong"), "invalid_grant", "password"),
    ];
    for (i, (login, code, hint)) in cases.into_iter().enumerate() {
        let (mut client, clock) = client_of(Settings { login, ..settings(&server) });
        let error = client.log_in().unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::LoginRefused, Some(code)));
        assert!(error.to_string().contains(hint), "{error}");
        assert!(!format!("{error:?}{client:?}").contains("canary"), "{error:?}");
        assert_eq!((server.logins(), clock.pauses().len()), (i as u64 + 1, 0));
    }
}

#[test]
fn a_wrong_clock_is_a_refused_login() {
    let server = server();
    let clock = TestClock { wrong_by: SignedDuration::from_hours(-1), ..TestClock::default() };
    let settings = Settings { login: jwt(key()), ..settings(&server) };
    let error = Client::new(settings, Arc::new(clock)).unwrap().log_in().unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::LoginRefused, Some("invalid_grant")));
    assert!(error.to_string().contains("this host's clock is 60 minutes behind the server's"), "{error}");
}

#[test]
fn keys_that_cannot_sign_are_refused_before_any_request() {
    let weak = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let curve = openssl(&["genpkey", "-algorithm", "ED25519"]);
    for pem in [&weak[..], &curve[..], b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
    {
        assert_eq!(SigningKey::from_pem(pem).unwrap_err().kind(), Kind::Settings);
    }
}

#[test]
fn a_session_is_kept_for_the_next_run_and_renewed_once_when_it_has_expired() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let store = TokenStore { path: dir.path().join("token"), access: Access::ReadWrite };
    let with_store = || client_of(Settings { token_store: Some(store.clone()), ..settings(&server) }).0;

    with_store().query(&all()).unwrap();
    with_store().query(&all()).unwrap();
    assert_eq!(server.logins(), 1);

    let before = fs::read(&store.path).unwrap();
    server.expire_sessions();
    let reading = TokenStore { access: Access::Read, ..store.clone() };
    let (mut dry, _) = client_of(Settings { token_store: Some(reading), ..settings(&server) });
    dry.query(&all()).unwrap();
    assert_eq!(server.logins(), 2);
    assert_eq!(fs::read(&store.path).unwrap(), before, "a reading run keeps no token");

    let mut client = with_store();
    client.query(&all()).unwrap();
    assert_eq!(server.logins(), 3);
    assert_ne!(fs::read(&store.path).unwrap(), before);
    assert_eq!(client.calls(), 2, "the refused call and its repetition");
}

#[test]
fn a_new_session_that_is_refused_too_is_an_error() {
    let server = server();
    server.inject(Fault::ExpireSession, On::Query, 0, 9);
    let (mut client, _) = client(&server);
    let error = client.query(&all()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::SessionRefused, Some("INVALID_SESSION_ID")));
    assert_eq!((server.logins(), server.calls()), (2, 2));
}

#[test]
fn logging_out_ends_the_session_and_forgets_it() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let store = TokenStore { path: dir.path().join("token"), access: Access::ReadWrite };
    let (mut client, _) = client_of(Settings { token_store: Some(store.clone()), ..settings(&server) });
    client.log_in().unwrap();
    client.log_out().unwrap();
    assert!(!store.path.exists());
    client.query(&all()).unwrap();
    assert_eq!(server.logins(), 2);
}

#[test]
fn an_overloaded_login_is_tried_again() {
    let server = server();
    server.inject(Fault::Unavailable(None), On::Login, 0, 2);
    let (mut client, clock) = client(&server);
    client.log_in().unwrap();
    assert_eq!(clock.pauses().len(), 2);
}

#[test]
fn a_private_authority_is_trusted_only_when_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key_path, certificate_path) = (path("tls.key"), path("tls.crt"));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        &key_path,
        "-out",
        &certificate_path,
    ]);
    let certificate = fs::read(&certificate_path).unwrap();
    let tls = Some((certificate.clone(), fs::read(&key_path).unwrap()));
    let server = Salesforce::start(Options { tls, ..Options::default() }).unwrap();
    assert!(server.url().starts_with("https://"));

    let error = client(&server).0.log_in().unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error:?}");
    assert!(error.to_string().contains("ca_file"), "{error}");
    let (mut trusting, _) = client_of(Settings { ca_pem: Some(certificate), ..settings(&server) });
    trusting.query(&all()).unwrap();
}

#[test]
fn unsafe_settings_are_refused() {
    let server = server();
    let refused = |settings: Settings| {
        let error = Client::new(settings, Arc::new(TestClock::default())).unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
        error.to_string()
    };
    assert!(
        refused(Settings { login_url: "http://login.salesforce.com".into(), ..settings(&server) })
            .contains("https")
    );
    for version in ["66", "v66.0", "66.0/../..", "", "66."] {
        refused(Settings { api_version: version.into(), ..settings(&server) });
    }
    refused(Settings { page_size: Some(5000), ..settings(&server) });
}

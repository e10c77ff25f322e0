//! The client against a server that speaks the real wire protocol, on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod failures;
mod login;
mod moved;
mod records;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use intraware_test_support::salesforce::{App, Options, Salesforce, public_key};
use jiff::{SignedDuration, Timestamp};
use rsforce::{
    Client, Clock, Condition, Literal, Login, Name, Query, Secret, Settings, SystemClock, Timeouts,
};
use serde_json::Value;

/// The real clock, but for pauses, which are noted and not made, and for a time that may be wrong.
#[derive(Debug, Default)]
struct TestClock {
    pauses: Mutex<Vec<Duration>>,
    wrong_by: SignedDuration,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.wrong_by
    }

    fn pause(&self, time: Duration) {
        self.pauses.lock().unwrap().push(time);
    }

    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

impl TestClock {
    fn pauses(&self) -> Vec<Duration> {
        self.pauses.lock().unwrap().clone()
    }
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is needed for this test");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An RSA key in PKCS #8 PEM, made once for all tests.
fn key() -> &'static [u8] {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(|| openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]))
}

fn server() -> Salesforce {
    let app = App { public_key: Some(public_key(key())), ..App::default() };
    Salesforce::start(Options { app, ..Options::default() }).unwrap()
}

fn client_credentials() -> Login {
    let app = App::default();
    Login::ClientCredentials { client_id: app.client_id, client_secret: Secret::new(app.client_secret) }
}

fn settings(server: &Salesforce) -> Settings {
    Settings {
        login_url: server.url().to_owned(),
        api_version: "66.0".into(),
        login: client_credentials(),
        token_store: None,
        ca_pem: None,
        timeouts: Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(20) },
        page_size: None,
    }
}

fn client(server: &Salesforce) -> (Client, Arc<TestClock>) {
    client_of(settings(server))
}

fn client_of(settings: Settings) -> (Client, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    (Client::new(settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap(), clock)
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn builds() -> Name {
    name("Build__c")
}

fn query_where(filter: Option<Condition>) -> Query {
    Query { fields: vec![name("Id"), name("Name")], object: builds(), filter, order: None, limit: None }
}

fn all() -> Query {
    query_where(None)
}

fn text(text: &str) -> Literal {
    Literal::Text(text.into())
}

fn change(fields: &[(&str, Value)]) -> BTreeMap<Name, Value> {
    fields.iter().map(|(field, value)| (name(field), value.clone())).collect()
}

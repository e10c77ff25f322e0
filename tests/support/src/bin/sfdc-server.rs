//! Serves the Salesforce wire protocol on loopback for scripts and shell tests.
//!
//! `sfdc-server [SEED.json]` prints `url: …` and `port: …` and serves until it is ended. The seed,
//! every part of which may be missing:
//!
//! ```json
//! {
//!   "app": { "client_id": "…", "client_secret": "…", "username": "…", "password": "…",
//!            "private_key": "file of the key whose public half the app holds" },
//!   "port": 0,
//!   "tls": { "certificates": "file", "key": "file" },
//!   "public_url": "https://…",
//!   "records": { "Build__c": [ { "Name": "b1", "Build_Path__c": "/builds/b1" } ] }
//! }
//! ```

use std::error::Error;
use std::fs;
use std::io::Write as _;

use intraware_test_support::salesforce::{App, Options, Salesforce, public_key};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let seed: Value = match std::env::args_os().nth(1) {
        Some(path) => serde_json::from_slice(&fs::read(path)?)?,
        None => Value::Null,
    };
    let server = Salesforce::start(options(&seed)?)?;
    for (object, records) in seed["records"].as_object().into_iter().flatten() {
        for record in records.as_array().into_iter().flatten() {
            server.create(object, record.clone());
        }
    }
    let mut out = std::io::stdout();
    writeln!(out, "url: {}\nport: {}", server.url(), server.port())?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}

fn options(seed: &Value) -> Result<Options, Box<dyn Error>> {
    let mut app = App::default();
    let given = &seed["app"];
    for (name, field) in [
        ("client_id", &mut app.client_id),
        ("client_secret", &mut app.client_secret),
        ("username", &mut app.username),
        ("password", &mut app.password),
    ] {
        if let Some(text) = given[name].as_str() {
            *field = text.to_owned();
        }
    }
    if let Some(path) = given["private_key"].as_str() {
        app.public_key = Some(public_key(&fs::read(path)?));
    }
    let tls = match (seed["tls"]["certificates"].as_str(), seed["tls"]["key"].as_str()) {
        (Some(certificates), Some(key)) => Some((fs::read(certificates)?, fs::read(key)?)),
        _ => None,
    };
    Ok(Options {
        app,
        port: seed["port"].as_u64().unwrap_or(0).try_into()?,
        tls,
        public_url: seed["public_url"].as_str().map(str::to_owned),
    })
}

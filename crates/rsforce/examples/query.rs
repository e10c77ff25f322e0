//! Prints the names of accounts: `cargo run --example query -- LOGIN_URL CONSUMER_KEY USERNAME KEY.pem`.
//!
//! The app in Salesforce holds the certificate of the key, and lets the user in without being asked.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use rsforce::{Client, Condition, Literal, Login, Name, Query, Settings, SigningKey, SystemClock, Timeouts};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [login_url, client_id, username, key] = &arguments[..] else {
        return Err("give LOGIN_URL CONSUMER_KEY USERNAME KEY.pem".into());
    };
    let login = Login::JwtBearer {
        client_id: client_id.clone(),
        username: username.clone(),
        audience: None,
        key: SigningKey::from_pem(&std::fs::read(key)?)?,
    };
    let settings = Settings {
        login_url: login_url.clone(),
        api_version: "66.0".to_owned(),
        login,
        token_store: None,
        ca_pem: None,
        timeouts: Timeouts::default(),
        page_size: None,
    };
    let mut client = Client::new(settings, Arc::new(SystemClock))?;
    let name = Name::new("Name")?;
    let accounts = Query {
        fields: vec![name.clone()],
        object: Name::new("Account")?,
        filter: Some(Condition::IsNot(name, Literal::Null)),
        order: None,
        limit: Some(20),
    };
    let mut out = std::io::stdout().lock();
    let found = client.query(&accounts)?;
    for row in found.rows {
        writeln!(out, "{}", row["Name"])?;
    }
    client.log_out()?;
    // A page that is lost is no shorter result.
    found.lost.map_or(Ok(()), |lost| Err(lost.into()))
}

//! What other processes may ask of the server: faults, people's edits, and a look at its state.
//!
//! Below `/__control/`, JSON in and out: `POST fault` (see [`super::fault`]), `POST edit`
//! `{"object", "id", "fields"}`, `POST create` `{"object", "fields"}`, `POST delete`
//! `{"object", "id"}`, `POST expire-sessions`, `POST advance` `{"seconds"}`, `GET records/OBJECT`,
//! `GET counts`, `GET log`.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::fault::Ordered;
use super::org::{Org, Row};
use super::refusal::Refusal;
use super::wire::{Answer, Request};

/// Answers a request to `/__control/…`.
pub(crate) fn call(org: &mut Org, request: &Request) -> Answer {
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match act(org, request, &asked) {
        Ok(answer) => Answer::json(200, &answer),
        Err(refusal) => Answer::json(refusal.status, &refusal.body()),
    }
}

fn act(org: &mut Org, request: &Request, asked: &Value) -> Result<Value, Refusal> {
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    let fields = || asked["fields"].as_object().cloned().unwrap_or_default();
    let what = request.path.trim_start_matches("/__control/");
    match (request.method.as_str(), what) {
        ("POST", "fault") => {
            org.faults.push(Ordered::from_json(asked).map_err(Refusal::json)?);
            Ok(json!({}))
        }
        ("POST", "edit") => org.update(text("object"), text("id"), &fields(), true).map(|()| json!({})),
        ("POST", "create") => org.create(text("object"), &fields()).map(|id| json!({ "id": id })),
        ("POST", "delete") => org.delete(text("object"), text("id")).map(|()| json!({})),
        ("POST", "expire-sessions") => {
            org.sessions.clear();
            Ok(json!({}))
        }
        ("POST", "advance") => {
            org.advance(SignedDuration::from_secs(asked["seconds"].as_i64().unwrap_or(0)));
            Ok(json!({}))
        }
        ("GET", "counts") => Ok(json!({ "calls": org.calls, "logins": org.logins })),
        ("GET", "log") => Ok(json!(org.log)),
        ("GET", records) => {
            let object = records.strip_prefix("records/").ok_or_else(Refusal::no_resource)?;
            let rows: Vec<&Row> = org.table(object)?.rows.values().collect();
            Ok(json!(rows))
        }
        _ => Err(Refusal::no_resource()),
    }
}

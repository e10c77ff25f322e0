//! A record in one form, whichever store keeps it.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Turns a row of the Salesforce object into the common form.
pub(crate) fn of_salesforce(row: &Value) -> Value {
    let trigger = row["Intraware_Upload__c"].as_str();
    json!({
        "id": row["Id"],
        "name": row["Name"],
        "path": row["Build_Path__c"],
        "status": row["Magma_Intraware_Upload__c"],
        "detail": row["Magma_Intraware_Upload_Detail__c"],
        "released": matches!(trigger, Some("Ready for Intraware File Association" | "File Associated")),
        "size": row["Payload_Size__c"],
        "md5": row["MD5_Digest__c"],
        "sha1": row["SHA1_Digest__c"],
        "build_date": row["Build_Creation_Date__c"].as_str().map(whole_seconds),
        "priority": row["Priority__c"],
    })
}

/// Turns what `manage records show` prints into the common form.
pub(crate) fn of_sqlite(shown: &Value) -> Value {
    let status = match &shown["status"] {
        Value::String(word) => match word.as_str() {
            "empty" => Value::Null,
            "error" => json!("Error"),
            "in-process" => json!("In Process"),
            "completed" => json!("Completed"),
            "do-not-release" => json!("Do Not Release"),
            other => panic!("a status called {other}"),
        },
        other => other["other"].clone(),
    };
    json!({
        "id": shown["id"],
        "name": shown["name"],
        "path": shown["build_path"],
        "status": status,
        "detail": shown["detail"],
        "released": shown["released"],
        "size": shown["size"],
        "md5": shown["md5"],
        "sha1": shown["sha1"],
        "build_date": shown["build_date"].as_str().map(whole_seconds),
        "priority": shown["priority"],
    })
}

/// Writes a time as `2026-11-20T10:11:12Z`.
fn whole_seconds(text: &str) -> String {
    let time = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).or_else(|_| text.parse());
    let time: Timestamp = time.unwrap_or_else(|error| panic!("{text} is no time: {error}"));
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

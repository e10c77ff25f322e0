//! Rows of Salesforce as records, and changes as the fields that are written.
//!
//! What stands in a row was put there by anybody: a number may be negative, a field of another
//! type than yesterday. What cannot be what it should is as if it were not there; only a row
//! without a key or a time of its last change is unusable.
//!
//! A revision is the time of the last change, which Salesforce keeps in whole seconds, and a digest
//! of everything we read, so that two changes within one second differ as well.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rsforce::{Name, Row, parse_datetime, print_datetime};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use intraware_core::foreign::escape;
use intraware_core::record::{Change, Record, RecordId, Revision, Status};
use intraware_core::store::values::Values;

use super::description::Description;

/// The largest whole number that JSON keeps exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) const ID: &str = "Id";
pub(super) const MODIFIED: &str = "LastModifiedDate";

/// Returns the id of 18 characters for one of 15 or 18; `None` if Salesforce has no such id.
///
/// The last three characters tell the letter case of the first fifteen.
pub(super) fn whole_id(id: &str) -> Option<RecordId> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut whole = id[..15].to_owned();
    for chunk in id.as_bytes()[..15].chunks(5) {
        let capitals = chunk.iter().enumerate().map(|(i, b)| usize::from(b.is_ascii_uppercase()) << i);
        whole.push(char::from(ALPHABET[capitals.sum::<usize>()]));
    }
    if id.len() == 18 && id != whole { None } else { whole.parse().ok() }
}

/// Reads a row; `Err` says why it is unusable.
pub(super) fn record(row: &Row, names: &Description, values: &Values) -> Result<Record, String> {
    let id = row.get(ID).and_then(Value::as_str).unwrap_or_default();
    let id = whole_id(id).ok_or_else(|| format!("a record has the id \"{}\"", escape(id)))?;
    let modified = row.get(MODIFIED).and_then(Value::as_str).and_then(parse_datetime);
    let modified = modified.ok_or_else(|| format!("record {id} has no usable {MODIFIED}"))?;
    let text = |name: &Name| row.get(name.as_str()).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number =
        |name: &Name| row.get(name.as_str()).and_then(Value::as_f64).filter(|n| n.abs() <= MAX_EXACT);
    let mut record = Record {
        name: text(&names.name).unwrap_or(id.as_str()).to_owned(),
        id,
        build_type: text(&names.build_type).map(str::to_owned),
        build_path: text(&names.build_path).map(str::to_owned),
        status: status(row.get(names.status.as_str()), values),
        detail: names.detail.as_ref().and_then(|detail| text(&detail.name)).map(str::to_owned),
        released: values.is_released(text(&names.trigger)),
        size: number(&names.size).filter(|size| *size >= 0.0 && size.fract() == 0.0).map(|size| size as u64),
        md5: text(&names.md5).and_then(parsed),
        sha1: text(&names.sha1).and_then(parsed),
        build_date: text(&names.build_date).and_then(date),
        priority: names.priority.as_ref().and_then(number).map(|priority| priority.floor() as i64),
        revision: Revision(String::new()),
    };
    record.revision = revision(&record, modified);
    Ok(record)
}

/// Returns the value of the field that has this name in any letter case.
fn field<'r>(row: &'r Row, name: &str) -> &'r Value {
    let found = row.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// Returns whether a field has the value that `wanted` stands for in the configuration.
pub(super) fn is(row: &Row, name: &str, wanted: &str) -> bool {
    match field(row, name) {
        Value::String(text) => text.eq_ignore_ascii_case(wanted),
        Value::Null => wanted.is_empty(),
        other => other.to_string().eq_ignore_ascii_case(wanted),
    }
}

/// Returns a field's value, for people.
pub(super) fn told(row: &Row, name: &str) -> String {
    match field(row, name) {
        Value::Null => "empty".to_owned(),
        Value::String(text) => format!("\"{}\"", escape(text)),
        other => escape(other.to_string()),
    }
}

fn status(stored: Option<&Value>, values: &Values) -> Status {
    match stored {
        None | Some(Value::Null) => Status::Empty,
        Some(Value::String(word)) => values.status_of(Some(word)),
        Some(other) => Status::Other(other.to_string()),
    }
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// Reads a date with or without a time. A day, whose zone nobody knows, stands for its beginning in UTC, so
/// that all hosts read the same.
fn date(text: &str) -> Option<Timestamp> {
    parse_datetime(text).or_else(|| {
        let day: jiff::civil::Date = text.parse().ok()?;
        day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
    })
}

fn revision(record: &Record, modified: Timestamp) -> Revision {
    let content = format!(
        "{:?}",
        (
            (&record.name, &record.build_type, &record.build_path, &record.status, &record.detail),
            (record.released, record.size, record.md5, record.sha1, record.build_date, record.priority),
        )
    );
    let digest = Sha256::digest(content);
    let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Revision(format!("{} {digest}", print_datetime(modified)))
}

/// Returns the time of the last change that a revision names.
pub(super) fn modified(revision: &Revision) -> Option<Timestamp> {
    parse_datetime(revision.0.split_once(' ')?.0)
}

/// Returns the fields that a change sets. A day is the one that people see in `zone`, as `ls -l` shows it to
/// them.
pub(super) fn fields(
    change: &Change,
    names: &Description,
    values: &Values,
    zone: &TimeZone,
) -> BTreeMap<Name, Value> {
    let status = |status: Status| (names.status.clone(), json!(values.word(&status)));
    let detail = |text: Value| names.detail.iter().map(move |detail| (detail.name.clone(), text.clone()));
    match change {
        Change::Prepared { build_date, digests } => {
            let date = if names.keeps_day {
                build_date.to_zoned(zone.clone()).date().to_string()
            } else {
                print_datetime(*build_date)
            };
            let described = [
                status(Status::InProcess),
                (names.build_date.clone(), json!(date)),
                (names.size.clone(), json!(digests.size)),
                (names.md5.clone(), shown(digests.md5)),
                (names.sha1.clone(), shown(digests.sha1)),
            ];
            described.into_iter().chain(detail(Value::Null)).collect()
        }
        Change::Failed { reason } => {
            let length = names.detail.as_ref().map_or(0, |detail| detail.length);
            [status(Status::Error)].into_iter().chain(detail(json!(cut(reason, length)))).collect()
        }
        Change::Delivered => {
            let fields = [status(Status::Completed), (names.trigger.clone(), json!(values.ready))];
            // A person may have put it back to In Process after an Error.
            fields.into_iter().chain(detail(Value::Null)).collect()
        }
        Change::Retry => [status(Status::Empty)].into_iter().chain(detail(Value::Null)).collect(),
    }
}

fn shown(value: impl Display) -> Value {
    json!(value.to_string())
}

/// Cuts a text to so many characters, as Salesforce counts them: in UTF-16.
fn cut(text: &str, length: usize) -> String {
    let text = text.trim();
    if text.encode_utf16().count() <= length {
        return text.to_owned();
    }
    let mut room = length.saturating_sub(1);
    let fits = |c: &char| {
        let fits = c.len_utf16() <= room;
        room = room.saturating_sub(c.len_utf16());
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Returns whether a row holds what a change wrote.
pub(super) fn holds(row: &Row, written: &BTreeMap<Name, Value>) -> bool {
    written.iter().all(|(name, wanted)| match (wanted, row.get(name.as_str()).unwrap_or(&Value::Null)) {
        (Value::Number(wanted), Value::Number(stored)) => wanted.as_f64() == stored.as_f64(),
        (Value::String(wanted), Value::String(stored)) => {
            wanted == stored || date(wanted).is_some_and(|time| date(stored) == Some(time))
        }
        (wanted, stored) => wanted == stored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_15_and_18_characters_name_the_same_record() {
        assert_eq!(whole_id("a0B5g00000XyZ12").unwrap().as_str(), "a0B5g00000XyZ12EAF");
        assert_eq!(whole_id("a0B5g00000XyZ12EAF").unwrap().as_str(), "a0B5g00000XyZ12EAF");
        for wrong in ["", "a0B5g00000XyZ12EAG", "a0B5g00000XyZ1", "a0B5g00000XyZ1/", "ä0B5g00000XyZ1"] {
            assert_eq!(whole_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters_to_the_field_s_length() {
        assert_eq!(cut("four", 4), "four");
        assert_eq!(cut("fourteen", 4), "fou…");
        assert_eq!(cut("💣💣💣", 4), "💣…");
        assert_eq!(cut("a  bcd", 4), "a…");
    }
}

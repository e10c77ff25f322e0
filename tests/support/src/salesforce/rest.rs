//! The resources of the API, and who may use them.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Map, Value, json};

use super::fault::{Fault, On, due};
use super::org::{Cursor, Org, Row};
use super::refusal::Refusal;
use super::schema::{ObjectSpec, parse_time};
use super::soql;
use super::wire::{Answer, Request};

/// The versions that exist; what is older is gone.
const VERSIONS: std::ops::RangeInclusive<u32> = 31..=67;

/// What to do with a request, beside answering it.
pub(crate) struct Reaction {
    pub(crate) answer: Answer,
    pub(crate) fault: Option<Fault>,
}

/// Answers a request to `/services/data/…`.
pub(crate) fn call(org: &mut Org, request: &Request) -> Reaction {
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).skip(2).collect();
    let Some((version, resource)) = parts.split_first() else {
        return Reaction { answer: Answer::json(200, &versions()), fault: None };
    };
    let fault = due(&mut org.faults, kind_of(request, resource));
    if fault == Some(Fault::ExpireSession) {
        org.sessions.clear();
    }
    if let Some(Fault::EditFirst { object, id, fields }) = &fault {
        org.update(object, id, fields, true)
            .unwrap_or_else(|refusal| panic!("edit {id}: {}", refusal.body()));
    }
    org.calls += 1;
    let answered = match fault.as_ref().and_then(instead) {
        Some(answer) => Ok(answer),
        None => answer(org, request, version, resource, fault.as_ref()),
    };
    let answer = answered.unwrap_or_else(|refusal| Answer::json(refusal.status, &refusal.body()));
    let usage = format!("api-usage={}/{}", org.calls, org.allowance);
    Reaction { answer: answer.with("Sforce-Limit-Info", usage), fault }
}

fn kind_of(request: &Request, resource: &[&str]) -> On {
    match (request.method.as_str(), resource) {
        (_, ["query"]) => On::Query,
        (_, ["query", _]) => On::NextPage,
        (_, ["sobjects", _, "describe"]) => On::Describe,
        ("PATCH", ["sobjects", _, _]) => On::Update,
        ("GET", ["sobjects", _, _]) => On::Get,
        _ => On::AnyCall,
    }
}

/// The answer that a fault gives instead of doing anything.
pub(crate) fn instead(fault: &Fault) -> Option<Answer> {
    let refuse = |status, code: &str, message: &str| {
        let refusal = Refusal::new(status, code, message);
        Some(Answer::json(refusal.status, &refusal.body()))
    };
    match fault {
        Fault::RequestLimit => refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        Fault::ServerError => refuse(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1-2"),
        Fault::RowLocked => {
            refuse(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        }
        Fault::EntityLocked => refuse(400, "ENTITY_IS_LOCKED", "the entity is locked for editing"),
        Fault::Unavailable(pause) => {
            let page = "<html><head><title>We are down for maintenance</title></head><body></body></html>";
            let answer = Answer::html(503, page);
            Some(match pause {
                Some(seconds) => answer.with("Retry-After", seconds.to_string()),
                None => answer,
            })
        }
        Fault::HtmlOk => {
            Some(Answer::html(200, "<!DOCTYPE html><html><title>Login | Salesforce</title></html>"))
        }
        Fault::Redirect => Some(Answer::empty(302).with("Location", "https://login.salesforce.com/")),
        // Never written: the connection ends instead.
        Fault::Disconnect => Some(Answer::empty(500)),
        Fault::Answer(status, body) => {
            Some(Answer { status: *status, headers: Vec::new(), body: body.clone().into_bytes() })
        }
        Fault::ExpireSession
        | Fault::LoseAnswer
        | Fault::BadGateway
        | Fault::TruncatedJson
        | Fault::CutBody
        | Fault::Drip
        | Fault::Endless
        | Fault::RepeatPage
        | Fault::LosePage
        | Fault::EditFirst { .. } => None,
    }
}

fn versions() -> Value {
    VERSIONS
        .map(|version| {
            let number = format!("{version}.0");
            json!({ "label": format!("Release {version}"), "url": format!("/services/data/v{number}"), "version": number })
        })
        .collect()
}

/// A request needs a session that has not ended.
fn check_session(org: &Org, request: &Request) -> Result<(), Refusal> {
    let token = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("OAuth ")));
    let is_live = token.is_some_and(|token| org.sessions.iter().any(|session| session == token));
    if is_live { Ok(()) } else { Err(Refusal::no_session()) }
}

/// A version may be in use, retired, or unheard of.
fn check_version(version: &str) -> Result<(), Refusal> {
    let number = version.strip_prefix('v').and_then(|version| version.strip_suffix(".0"));
    match number.and_then(|number| number.parse::<u32>().ok()) {
        Some(number) if VERSIONS.contains(&number) => Ok(()),
        Some(number) if number < *VERSIONS.start() => {
            let message = format!("API version {number}.0 has been retired");
            Err(Refusal::new(410, "UNSUPPORTED_API_VERSION", message))
        }
        _ => Err(Refusal::no_resource()),
    }
}

fn answer(
    org: &mut Org,
    request: &Request,
    version: &str,
    resource: &[&str],
    fault: Option<&Fault>,
) -> Result<Answer, Refusal> {
    check_session(org, request)?;
    check_version(version)?;
    let base = format!("/services/data/{version}");
    match (request.method.as_str(), resource) {
        ("GET", []) => Ok(Answer::json(
            200,
            &json!({
                "sobjects": format!("{base}/sobjects"), "query": format!("{base}/query"),
                "limits": format!("{base}/limits"),
            }),
        )),
        ("GET", ["limits"]) => {
            let left = org.allowance.saturating_sub(org.calls);
            let limits = json!({ "DailyApiRequests": { "Max": org.allowance, "Remaining": left } });
            Ok(Answer::json(200, &limits))
        }
        ("GET", ["query"]) => query(org, request, &base),
        ("GET", ["query", locator]) => next_page(org, locator, &base, fault),
        ("GET", ["sobjects"]) => {
            let all: Vec<Value> = org.specs().iter().map(|spec| spec.summary(&base)).collect();
            Ok(Answer::json(200, &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all })))
        }
        ("GET", ["sobjects", object]) => {
            let about = org.table(object)?.spec.summary(&base);
            Ok(Answer::json(200, &json!({ "objectDescribe": about, "recentItems": [] })))
        }
        ("GET", ["sobjects", object, "describe"]) => {
            Ok(Answer::json(200, &org.table(object)?.spec.describe(&base)))
        }
        ("POST", ["sobjects", object]) => {
            let id = org.create(object, &json_body(request)?)?;
            Ok(Answer::json(201, &json!({ "id": id, "success": true, "errors": [] })))
        }
        ("GET", ["sobjects", object, id]) => get(org, request, object, id, &base),
        ("PATCH", ["sobjects", object, id]) => {
            let fields = json_body(request)?;
            check_unmodified(org, request, object, id)?;
            org.update(object, id, &fields, false)?;
            Ok(Answer::empty(204))
        }
        ("DELETE", ["sobjects", object, id]) => {
            check_unmodified(org, request, object, id)?;
            org.delete(object, id)?;
            Ok(Answer::empty(204))
        }
        (method, ["limits" | "query" | "sobjects", ..]) if method != "GET" => {
            let message = format!("HTTP Method '{method}' not allowed. Allowed are HEAD,GET");
            Err(Refusal::new(405, "METHOD_NOT_ALLOWED", message))
        }
        _ => Err(Refusal::no_resource()),
    }
}

fn json_body(request: &Request) -> Result<Row, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Refusal::new(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content-Type {kind} is not supported"),
        ));
    }
    serde_json::from_slice(&request.body).map_err(|error| Refusal::json(error.to_string()))
}

/// Reads a condition's date; one that is no HTTP date is refused, not passed over.
fn date_header(request: &Request, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = request.header(name) else { return Ok(None) };
    let date = DateTimeParser::new().parse_timestamp(text).ok().filter(|_| text.ends_with("GMT"));
    let message = format!("{name}: {text} is not an HTTP date");
    date.map(Some).ok_or_else(|| Refusal::new(400, "INVALID_HEADER", message))
}

fn modified(row: &Row) -> Option<Timestamp> {
    parse_time(row["LastModifiedDate"].as_str()?)
}

fn check_unmodified(org: &mut Org, request: &Request, object: &str, id: &str) -> Result<(), Refusal> {
    let since = date_header(request, "if-unmodified-since")?;
    let row = org.row(object, id)?;
    if since.is_some_and(|since| modified(row).is_some_and(|modified| modified > since)) {
        return Err(Refusal::new(412, "PRECONDITION_FAILED", "the record was modified after the given date"));
    }
    Ok(())
}

fn get(org: &mut Org, request: &Request, object: &str, id: &str, base: &str) -> Result<Answer, Refusal> {
    let since = date_header(request, "if-modified-since")?;
    let row = org.row(object, id)?.clone();
    if since.is_some_and(|since| modified(&row).is_some_and(|modified| modified <= since)) {
        return Ok(Answer::empty(304));
    }
    let spec = &org.table(object)?.spec;
    let names: Vec<String> = match request.parameter("fields") {
        None => spec.fields.iter().map(|field| field.name.clone()).collect(),
        Some(list) => {
            let names = list.split(',').map(|name| Ok(spec.required_field(name)?.name.clone()));
            names.collect::<Result<_, Refusal>>()?
        }
    };
    Ok(Answer::json(200, &shown(spec, &row, &names, base)))
}

/// A record as it is answered: its attributes, and the fields that were asked for.
fn shown(spec: &ObjectSpec, row: &Row, names: &[String], base: &str) -> Value {
    let id = row["Id"].as_str().unwrap_or_default();
    let mut shown = Map::new();
    let url = format!("{base}/sobjects/{}/{id}", spec.name);
    shown.insert("attributes".into(), json!({ "type": spec.name, "url": url }));
    shown.extend(names.iter().map(|name| (name.clone(), row.get(name).cloned().unwrap_or(Value::Null))));
    Value::Object(shown)
}

fn query(org: &mut Org, request: &Request, base: &str) -> Result<Answer, Refusal> {
    let text =
        request.parameter("q").ok_or_else(|| Refusal::malformed("A query string has to be specified"))?;
    let select = soql::parse(text, &org.specs())?;
    let size = match request.header("sforce-query-options").and_then(|value| value.strip_prefix("batchSize="))
    {
        Some(size) => size.trim().parse::<usize>().unwrap_or(2000).clamp(200, 2000),
        None => 2000,
    };
    let table = org.table(&select.object)?;
    let found = select.run(table.rows.values());
    if select.fields.is_empty() {
        return Ok(Answer::json(200, &json!({ "totalSize": found.len(), "done": true, "records": [] })));
    }
    let rows: Vec<Value> = found.iter().map(|row| shown(&table.spec, row, &select.fields, base)).collect();
    let name = format!("01g5g{:010}AAA", org.unique());
    let mut cursor = Cursor { rows, at: 0, size };
    let page = cursor.page(&name, base);
    org.cursors.insert(name, cursor);
    Ok(Answer::json(200, &page))
}

fn next_page(org: &mut Org, locator: &str, base: &str, fault: Option<&Fault>) -> Result<Answer, Refusal> {
    let lost = || Refusal::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    if fault == Some(&Fault::LosePage) {
        org.cursors.clear();
    }
    let (name, at) = locator.rsplit_once('-').ok_or_else(lost)?;
    let cursor = org.cursors.get_mut(name).ok_or_else(lost)?;
    cursor.at = at.parse().ok().filter(|at| *at <= cursor.rows.len()).ok_or_else(lost)?;
    let mut page = cursor.page(name, base);
    if fault == Some(&Fault::RepeatPage) {
        page["done"] = json!(false);
        page["nextRecordsUrl"] = json!(format!("{base}/query/{locator}"));
    }
    Ok(Answer::json(200, &page))
}

impl Cursor {
    fn page(&mut self, name: &str, base: &str) -> Value {
        let end = (self.at + self.size).min(self.rows.len());
        let mut page = json!({
            "totalSize": self.rows.len(), "done": end == self.rows.len(), "records": self.rows[self.at..end],
        });
        if end < self.rows.len() {
            page["nextRecordsUrl"] = json!(format!("{base}/query/{name}-{end}"));
        }
        page
    }
}

//! What can go wrong, one [`Kind`] for each thing that a caller would do something different about.
//!
//! A refusal of the REST API is an array of `{"message", "errorCode", "fields"}`, one of the token
//! endpoint is `{"error", "error_description"}`, and what stands in front of both (load balancers,
//! maintenance and login pages) answers HTML with any status. All three are read here.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::shown::shown;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A setting is wrong; nothing was sent.
    Settings,
    /// The file of the cached token cannot be used safely.
    TokenFile,
    /// Nobody answers at the address, or the name is unknown; nothing was sent.
    Unreachable,
    /// The other side's certificate is not trusted, or TLS failed; nothing was sent.
    Tls,
    /// The connection ended before the answer was complete.
    Interrupted,
    /// The answer did not come, or not completely, within the time allowed.
    Timeout,
    /// A write was sent and its answer was lost: it may have taken effect. Read the record back.
    UnknownOutcome,
    /// The service is down or overloaded (5xx).
    Unavailable,
    /// The token endpoint refused the credentials.
    LoginRefused,
    /// The session is refused although it is new.
    SessionRefused,
    /// The user may not do this (403, INSUFFICIENT_ACCESS).
    Forbidden,
    /// The organisation's allowance of requests is used up.
    RequestLimit,
    /// The query is not SOQL.
    MalformedQuery,
    /// A field does not exist, or the user cannot see or change it.
    NoSuchField,
    /// The object does not exist, or the user cannot see it.
    NoSuchType,
    /// Somebody else is writing the record just now.
    RowLocked,
    /// The record is locked, by an approval process for example, until a person releases it.
    EntityLocked,
    /// There is no such record.
    NotFound,
    /// The record was deleted.
    Deleted,
    /// The record was modified after the time named by the caller (412).
    Modified,
    /// A validation rule of the organisation refused the values.
    ValidationRule,
    /// A value is not in a restricted picklist.
    RestrictedPicklist,
    /// A text is longer than its field.
    StringTooLong,
    /// Another refusal of the request.
    Rejected,
    /// The API version does not exist any more (410).
    VersionGone,
    /// The answer is not what the API answers: HTML, truncated or wrongly typed JSON, a redirect.
    BadAnswer,
    /// The answer is longer than allowed.
    TooLarge,
    /// A page of a query is missing, repeated, or would be fetched from elsewhere.
    PageLost,
}

/// A failed call.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    details: Box<Details>,
}

#[derive(Debug, Default)]
struct Details {
    doing: String,
    what: String,
    status: Option<u16>,
    code: Option<String>,
    fields: Vec<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}{}", self.details.doing, self.details.what, hint(self.kind, self.code()))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.details.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl Error {
    pub(crate) fn new(kind: Kind, doing: impl Into<String>, what: impl Into<String>) -> Self {
        let details = Details { doing: doing.into(), what: what.into(), ..Details::default() };
        Self { kind, details: Box::new(details) }
    }

    pub(crate) fn caused(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.details.source = Some(source.into());
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.details.status = Some(status);
        self
    }

    pub(crate) fn with_pause(mut self, retry_after: Option<Duration>) -> Self {
        self.details.retry_after = retry_after;
        self
    }

    fn with_code(mut self, code: String) -> Self {
        self.details.code = Some(code);
        self
    }

    /// Adds that our clock is so far ahead of the server's.
    pub(crate) fn by_a_clock_ahead(mut self, ahead: SignedDuration) -> Self {
        let minutes = ahead.as_secs().unsigned_abs().div_ceil(60);
        let which = if ahead.is_negative() { "behind" } else { "ahead of" };
        self.details.what.push_str(&format!("; this host's clock is {minutes} minutes {which} the server's"));
        self
    }

    /// Turns a failure after a write was sent into what it means for the record.
    pub(crate) fn into_unknown_outcome(mut self) -> Self {
        self.kind = Kind::UnknownOutcome;
        self
    }

    /// Returns what kind of failure it was.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.details.status
    }

    /// Returns the error code that Salesforce gave, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.details.code.as_deref()
    }

    /// Returns the fields that Salesforce named.
    pub fn fields(&self) -> &[String] {
        &self.details.fields
    }

    /// Returns how long the server asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.details.retry_after
    }

    /// Returns what went wrong, without what was being done.
    pub fn what(&self) -> &str {
        &self.details.what
    }
}

/// What to do now, as the end of the message.
fn hint(kind: Kind, code: Option<&str>) -> &'static str {
    match kind {
        Kind::Settings | Kind::TokenFile | Kind::Rejected => "",
        Kind::LoginRefused => login_hint(code),
        Kind::Unreachable => "; check the address, name service and firewall",
        Kind::Tls => "; if the certificate comes from a private authority, name it as ca_file",
        Kind::Interrupted | Kind::Timeout | Kind::Unavailable | Kind::RowLocked => "; try again later",
        Kind::UnknownOutcome => "; the change may have been made: read the record before anything else",
        Kind::SessionRefused => {
            "; check that the user may use the API and that no IP range excludes this host"
        }
        Kind::Forbidden => "; give the integration user access to it",
        Kind::RequestLimit => "; wait until the 24 hour window has moved on, or raise the allowance",
        Kind::MalformedQuery => "; check the configured names and filters",
        Kind::NoSuchField | Kind::NoSuchType => {
            "; check the configured name and the integration user's field access"
        }
        Kind::EntityLocked => "; it is locked by an approval process or a person, who must release it",
        Kind::NotFound | Kind::Deleted => "; it no longer exists",
        Kind::Modified => "; read it again",
        Kind::ValidationRule => "; the rule is the organisation's own",
        Kind::RestrictedPicklist => "; add the value to the picklist or configure another",
        Kind::StringTooLong => "; make the field longer",
        Kind::VersionGone => "; configure a newer api_version",
        Kind::BadAnswer => "; check that the address is Salesforce's and no proxy stands between",
        Kind::TooLarge => "; read fewer or shorter fields",
        Kind::PageLost => "; what was read is incomplete",
    }
}

fn login_hint(code: Option<&str>) -> &'static str {
    match code {
        Some("invalid_grant") => {
            "; check user name, key or password, that the app is pre-authorised for the user, and this host's clock"
        }
        Some("invalid_client_id" | "invalid_client") => "; check client_id and client_secret",
        Some("invalid_app_access") => "; let an administrator pre-authorise the app for the user",
        Some("unsupported_grant_type") => "; this way to log in is switched off in the organisation",
        Some("inactive_user" | "inactive_org") => "; let an administrator activate it",
        Some("rate_limit_exceeded" | "login_rate_exceeded") => "; wait an hour",
        _ => "; check login_url and the app's settings",
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiRefusal {
    #[serde(default)]
    message: String,
    error_code: String,
    #[serde(default)]
    fields: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OauthRefusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Reads the refusal of a REST call.
pub(crate) fn api_refusal(doing: &str, status: u16, body: &[u8], retry_after: Option<Duration>) -> Error {
    let refusals: Vec<ApiRefusal> = serde_json::from_slice(body).unwrap_or_default();
    let Some(first) = refusals.into_iter().next() else {
        let what = match shown(body) {
            text if text.is_empty() => format!("status {status} without a body"),
            text => format!("status {status}: {text}"),
        };
        return Error::new(kind_of_status(status), doing, what).with_status(status).with_pause(retry_after);
    };
    let code = shown(&first.error_code);
    let what = format!("{code}: {}", shown(&first.message));
    let mut error =
        Error::new(kind_of(status, &code), doing, what).with_status(status).with_pause(retry_after);
    error.details.fields = first.fields.unwrap_or_default().iter().map(shown).collect();
    error.with_code(code)
}

/// Reads the refusal of the token endpoint.
pub(crate) fn login_refusal(doing: &str, status: u16, body: &[u8], retry_after: Option<Duration>) -> Error {
    let Ok(refusal) = serde_json::from_slice::<OauthRefusal>(body) else {
        return api_refusal(doing, status, body, retry_after);
    };
    let code = shown(&refusal.error);
    let kind = if status >= 500 { Kind::Unavailable } else { Kind::LoginRefused };
    let what = format!("{code}: {}", shown(&refusal.error_description));
    Error::new(kind, doing, what).with_status(status).with_pause(retry_after).with_code(code)
}

/// The code decides where there is one; the same code comes with several statuses.
fn kind_of(status: u16, code: &str) -> Kind {
    match code {
        // The last is a session of another instance.
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" | "Bad_OAuth_Token" | "URL_NOT_RESET" => {
            Kind::SessionRefused
        }
        "REQUEST_LIMIT_EXCEEDED" => Kind::RequestLimit,
        "MALFORMED_QUERY" | "INVALID_QUERY_FILTER_OPERATOR" => Kind::MalformedQuery,
        "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" => Kind::NoSuchField,
        "INVALID_TYPE" => Kind::NoSuchType,
        "INVALID_QUERY_LOCATOR" => Kind::PageLost,
        "UNABLE_TO_LOCK_ROW" => Kind::RowLocked,
        "SERVER_UNAVAILABLE" => Kind::Unavailable,
        "ENTITY_IS_LOCKED" => Kind::EntityLocked,
        "NOT_FOUND" => Kind::NotFound,
        "ENTITY_IS_DELETED" => Kind::Deleted,
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "API_DISABLED_FOR_ORG"
        | "API_CURRENTLY_DISABLED" => Kind::Forbidden,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => Kind::ValidationRule,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" => Kind::RestrictedPicklist,
        "STRING_TOO_LONG" => Kind::StringTooLong,
        "UNSUPPORTED_API_VERSION" => Kind::VersionGone,
        _ => kind_of_status(status),
    }
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        401 => Kind::SessionRefused,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        410 => Kind::VersionGone,
        412 => Kind::Modified,
        400..=499 => Kind::Rejected,
        500.. => Kind::Unavailable,
        _ => Kind::BadAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_code_then_by_status() {
        let cases = [
            (401, "INVALID_SESSION_ID", Kind::SessionRefused),
            (403, "REQUEST_LIMIT_EXCEEDED", Kind::RequestLimit),
            (400, "MALFORMED_QUERY", Kind::MalformedQuery),
            (400, "INVALID_FIELD", Kind::NoSuchField),
            (400, "INVALID_TYPE", Kind::NoSuchType),
            (400, "UNABLE_TO_LOCK_ROW", Kind::RowLocked),
            (400, "ENTITY_IS_LOCKED", Kind::EntityLocked),
            (404, "NOT_FOUND", Kind::NotFound),
            (404, "ENTITY_IS_DELETED", Kind::Deleted),
            (400, "INSUFFICIENT_ACCESS_OR_READONLY", Kind::Forbidden),
            (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", Kind::ValidationRule),
            (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", Kind::RestrictedPicklist),
            (400, "STRING_TOO_LONG", Kind::StringTooLong),
            (503, "SERVER_UNAVAILABLE", Kind::Unavailable),
            (412, "PRECONDITION_FAILED", Kind::Modified),
            (410, "UNSUPPORTED_API_VERSION", Kind::VersionGone),
            (400, "SOMETHING_NEW", Kind::Rejected),
        ];
        for (status, code, kind) in cases {
            let body = format!(r#"[{{"message":"m\u001b","errorCode":"{code}","fields":["F__c"]}}]"#);
            let error = api_refusal("try", status, body.as_bytes(), None);
            assert_eq!((error.kind(), error.code(), error.status()), (kind, Some(code), Some(status)));
            assert_eq!(error.fields(), ["F__c"]);
            assert!(error.to_string().starts_with(&format!("cannot try: {code}: m\\x1b")), "{error}");
        }
    }

    #[test]
    fn a_page_of_html_is_an_outage_that_shows_its_beginning() {
        let error = api_refusal("query", 503, b"<html>\n<h1>Down</h1>", None);
        assert_eq!(error.kind(), Kind::Unavailable);
        assert_eq!(error.to_string(), "cannot query: status 503: <html> <h1>Down</h1>; try again later");
    }

    #[test]
    fn a_refused_login_says_what_to_check() {
        let body = br#"{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}"#;
        let error = login_refusal("log in", 400, body, None);
        assert_eq!((error.kind(), error.code()), (Kind::LoginRefused, Some("invalid_grant")));
        assert!(error.to_string().contains("pre-authorised for the user"), "{error}");
    }
}

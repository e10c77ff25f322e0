//! What a refusal says, read from three kinds of answers.
//!
//! A refusal of the REST API is an array of `{"message", "errorCode", "fields"}`, one of the token
//! endpoint is `{"error", "error_description"}`, and what stands in front of both (load balancers,
//! maintenance and login pages) answers HTML with any status.
//!
//! The code decides where there is one; the same code comes with several statuses. What runs inside of the
//! organisation (triggers, flows) hands on what it met under a code of its own, with the first one in the
//! text; whether that passes is up to the first one, so it is looked for. Without a code it is not Salesforce
//! that has spoken, and nothing is believed of the request but what HTTP itself says: that it was refused for
//! now, or may not have been heard.

use std::time::Duration;

use serde::Deserialize;

use super::{Error, Kind};
use intraware_shown::excerpt;

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
        let what = match excerpt(body) {
            text if text.is_empty() => format!("status {status} without a body"),
            text => format!("status {status}: {text}"),
        };
        return Error::new(kind_of_page(status), doing, what).with_status(status).with_pause(retry_after);
    };
    let code = excerpt(&first.error_code);
    let what = format!("{code}: {}", excerpt(&first.message));
    let mut error = Error::new(kind_of(status, &code, &first.message), doing, what)
        .with_status(status)
        .with_pause(retry_after);
    error.details.fields = first.fields.unwrap_or_default().iter().map(excerpt).collect();
    error.with_code(code)
}

/// Reads the refusal of the token endpoint.
pub(crate) fn login_refusal(doing: &str, status: u16, body: &[u8], retry_after: Option<Duration>) -> Error {
    let Ok(refusal) = serde_json::from_slice::<OauthRefusal>(body) else {
        return api_refusal(doing, status, body, retry_after);
    };
    let code = excerpt(&refusal.error);
    let kind = match &*code {
        _ if status >= 500 || is_for_now(status) => Kind::Unavailable,
        // It says itself that the request should be sent again.
        "unknown_error" | "server_error" | "temporarily_unavailable" => Kind::Unavailable,
        "rate_limit_exceeded" | "login_rate_exceeded" => Kind::NotNow,
        _ => Kind::LoginRefused,
    };
    let what = format!("{code}: {}", excerpt(&refusal.error_description));
    Error::new(kind, doing, what).with_status(status).with_pause(retry_after).with_code(code)
}

/// Codes of what runs inside of the organisation, which may hand on another one in its text.
const WRAPPERS: [&str; 5] = [
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    "CANNOT_EXECUTE_FLOW_TRIGGER",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "APEX_ERROR",
    "PROCESSING_HALTED",
];

fn kind_of(status: u16, code: &str, message: &str) -> Kind {
    if WRAPPERS.contains(&code) {
        let words = message.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let mut inner = words.filter_map(kind_of_code);
        if let Some(kind) = inner.find(|kind| is_passing(*kind)) {
            return kind;
        }
    }
    match code {
        // Too many that take long at the same time; the allowance of a day is another limit.
        "REQUEST_LIMIT_EXCEEDED" if message.contains("Concurrent") => Kind::Unavailable,
        "TXN_SECURITY_METERING_ERROR" => Kind::NotNow,
        code if code.starts_with("TXN_SECURITY_") => Kind::Forbidden,
        code => kind_of_code(code).unwrap_or_else(|| kind_of_status(status)),
    }
}

fn is_passing(kind: Kind) -> bool {
    matches!(kind, Kind::RowLocked | Kind::Unavailable | Kind::NotNow)
}

/// Returns what a code means, if it is one that somebody does something about.
fn kind_of_code(code: &str) -> Option<Kind> {
    Some(match code {
        // The last ones are a session of another instance.
        "INVALID_SESSION_ID"
        | "INVALID_AUTH_HEADER"
        | "Bad_OAuth_Token"
        | "URL_NOT_RESET"
        | "ORG_NOT_OWNED_BY_INSTANCE" => Kind::SessionRefused,
        // The user, or the organisation, may not use the API at all.
        "API_DISABLED_FOR_ORG" | "CLIENT_NOT_ACCESSIBLE_FOR_USER" | "ORG_LOCKED" | "TRIAL_EXPIRED" => {
            Kind::SessionRefused
        }
        "INVALID_LOGIN"
        | "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"
        | "LOGIN_CHALLENGE_ISSUED"
        | "LOGIN_CHALLENGE_PENDING"
        | "LOGIN_DURING_RESTRICTED_DOMAIN"
        | "LOGIN_MUST_USE_SECURITY_TOKEN"
        | "PASSWORD_LOCKOUT" => Kind::LoginRefused,
        "REQUEST_LIMIT_EXCEEDED" => Kind::RequestLimit,
        "MALFORMED_QUERY" | "INVALID_QUERY_FILTER_OPERATOR" => Kind::MalformedQuery,
        "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" => Kind::NoSuchField,
        "INVALID_TYPE" => Kind::NoSuchType,
        "INVALID_QUERY_LOCATOR" => Kind::PageLost,
        "UNABLE_TO_LOCK_ROW" | "RECORD_IN_USE_BY_WORKFLOW" => Kind::RowLocked,
        "SERVER_UNAVAILABLE" | "TOO_MANY_APEX_REQUESTS" | "SSO_SERVICE_DOWN" => Kind::Unavailable,
        "API_CURRENTLY_DISABLED"
        | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE"
        | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
        | "LOGIN_DURING_RESTRICTED_TIME"
        | "ORG_IN_MAINTENANCE"
        | "QUERY_TIMEOUT"
        | "REQUEST_RUNNING_TOO_LONG"
        | "STORAGE_LIMIT_EXCEEDED"
        | "EXCEEDED_QUOTA"
        | "TERRITORY_REALIGN_IN_PROGRESS" => Kind::NotNow,
        "ENTITY_IS_LOCKED" => Kind::EntityLocked,
        "NOT_FOUND" => Kind::NotFound,
        "ENTITY_IS_DELETED" => Kind::Deleted,
        "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE" => Kind::Modified,
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "FUNCTIONALITY_NOT_ENABLED" => Kind::Forbidden,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => Kind::ValidationRule,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" => Kind::RestrictedPicklist,
        "STRING_TOO_LONG" => Kind::StringTooLong,
        "UNSUPPORTED_API_VERSION" => Kind::VersionGone,
        _ => return None,
    })
}

/// Returns whether HTTP says that the request was not taken, and that it may be later.
fn is_for_now(status: u16) -> bool {
    matches!(status, 408 | 425 | 429)
}

/// What a code means that is not known.
fn kind_of_status(status: u16) -> Kind {
    match status {
        401 => Kind::SessionRefused,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        410 => Kind::VersionGone,
        412 => Kind::Modified,
        status if is_for_now(status) => Kind::Unavailable,
        400..=499 => Kind::Rejected,
        500.. => Kind::Unavailable,
        _ => Kind::BadAnswer,
    }
}

/// What an answer without a code means: a page of what stands between says nothing of a record or a right.
fn kind_of_page(status: u16) -> Kind {
    match kind_of_status(status) {
        Kind::Forbidden | Kind::NotFound | Kind::Rejected => Kind::BadAnswer,
        kind => kind,
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
            (400, "TXN_SECURITY_NO_ACCESS", Kind::Forbidden),
            (403, "API_DISABLED_FOR_ORG", Kind::SessionRefused),
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

    #[test]
    fn f_16_what_passes_by_itself_is_told_from_what_does_not() {
        let cases = [
            (400, "QUERY_TIMEOUT", "Your query request was running for too long.", Kind::NotNow),
            (503, "REQUEST_RUNNING_TOO_LONG", "Your request was running for too long", Kind::NotNow),
            (400, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "read only", Kind::NotNow),
            (403, "API_CURRENTLY_DISABLED", "a system problem", Kind::NotNow),
            (400, "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", Kind::NotNow),
            (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Kind::RequestLimit),
            (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", Kind::Unavailable),
            (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
                Kind::Unavailable,
            ),
            (429, "SOMETHING_NEW", "slow down", Kind::Unavailable),
            (
                400,
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "T: execution of AfterUpdate caused by: System.DmlException: Update failed. First exception on row 0; first \
                 error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: []",
                Kind::RowLocked,
            ),
            (400, "CANNOT_EXECUTE_FLOW_TRIGGER", "UNABLE_TO_LOCK_ROW: unable to obtain", Kind::RowLocked),
            (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "UNABLE_TO_LOCK_ROW, unable", Kind::RowLocked),
            (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "a build on hold stays", Kind::ValidationRule),
            (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: FIELD_INTEGRITY_EXCEPTION", Kind::Rejected),
        ];
        for (status, code, message, kind) in cases {
            let body = serde_json::json!([{ "errorCode": code, "message": message }]).to_string();
            assert_eq!(
                api_refusal("try", status, body.as_bytes(), None).kind(),
                kind,
                "{status} {code}: {message}"
            );
        }
    }

    #[test]
    fn f_16_a_page_says_nothing_of_a_record_or_a_right() {
        for (status, kind) in [
            (408, Kind::Unavailable),
            (425, Kind::Unavailable),
            (429, Kind::Unavailable),
            (502, Kind::Unavailable),
            (504, Kind::Unavailable),
            (400, Kind::BadAnswer),
            (403, Kind::BadAnswer),
            (404, Kind::BadAnswer),
            (407, Kind::BadAnswer),
            (302, Kind::BadAnswer),
            (412, Kind::Modified),
            (401, Kind::SessionRefused),
        ] {
            for body in [&b"<html>no</html>"[..], b""] {
                assert_eq!(api_refusal("try", status, body, None).kind(), kind, "{status}");
            }
        }
    }

    #[test]
    fn f_16_a_login_that_is_refused_for_now_needs_no_person() {
        for (status, code, kind) in [
            (400, "unknown_error", Kind::Unavailable),
            (400, "rate_limit_exceeded", Kind::NotNow),
            (429, "invalid_grant", Kind::Unavailable),
            (503, "server_error", Kind::Unavailable),
            (400, "invalid_grant", Kind::LoginRefused),
        ] {
            let body = format!(r#"{{"error":"{code}","error_description":"retry your request"}}"#);
            assert_eq!(login_refusal("log in", status, body.as_bytes(), None).kind(), kind, "{code}");
        }
    }
}

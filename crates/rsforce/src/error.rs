//! What can go wrong, one [`Kind`] for each thing that a caller would do something different about.
//!
//! What is answered is read in [`refusal`].

mod refusal;

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

pub(crate) use refusal::{api_refusal, login_refusal};

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
    /// The service is down or overloaded (5xx, or a status or code that says so).
    Unavailable,
    /// The service will not do it for a while: a query that took too long, a time in which it is read only,
    /// an organisation without room. Asking again at once would not help.
    NotNow,
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
        Kind::Interrupted | Kind::Timeout | Kind::Unavailable | Kind::RowLocked | Kind::NotNow => {
            "; try again later"
        }
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

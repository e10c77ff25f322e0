//! What a failure of Salesforce means for a run, and a refusal for a record.

use rsforce::{Error, Kind};

use intraware_core::exit::Fault;
use intraware_core::store::{StoreError, WriteRefusal};

/// Returns what has to happen before a call that failed so can succeed.
fn fault_of(kind: Kind) -> Fault {
    match kind {
        Kind::Unreachable | Kind::BadAnswer => Fault::Unreachable,
        Kind::Interrupted
        | Kind::Timeout
        | Kind::UnknownOutcome
        | Kind::Unavailable
        | Kind::NotNow
        | Kind::RequestLimit
        | Kind::RowLocked
        | Kind::TooLarge
        | Kind::PageLost
        | Kind::Modified => Fault::TryLater,
        Kind::TokenFile
        | Kind::Tls
        | Kind::LoginRefused
        | Kind::SessionRefused
        | Kind::Forbidden
        | Kind::EntityLocked => Fault::Access,
        Kind::Settings
        | Kind::MalformedQuery
        | Kind::NoSuchField
        | Kind::NoSuchType
        | Kind::NotFound
        | Kind::Deleted
        | Kind::ValidationRule
        | Kind::RestrictedPicklist
        | Kind::StringTooLong
        | Kind::Rejected
        | Kind::VersionGone => Fault::Configuration,
    }
}

/// Turns a failed call into the store's error. The text is escaped already, and says what to do.
pub(super) fn store_error(error: &Error) -> StoreError {
    let message = error.to_string();
    match std::error::Error::source(error) {
        None => StoreError::new(fault_of(error.kind()), message),
        Some(cause) => StoreError::caused(
            fault_of(error.kind()),
            message,
            intraware_core::foreign::escape(cause.to_string()),
        ),
    }
}

/// What a failed update says about the record.
pub(super) enum Verdict {
    /// The change was not made, for this reason.
    Refused(WriteRefusal),
    /// Somebody was there first, or a rule refused: what the record is now says which.
    LookAgain(Option<String>),
    /// Nobody knows whether it was made.
    Unknown,
    /// The store failed.
    Failed,
}

/// Returns what a failed update says about the record.
pub(super) fn verdict(error: &Error) -> Verdict {
    match error.kind() {
        Kind::NotFound | Kind::Deleted => Verdict::Refused(WriteRefusal::Gone),
        // Somebody else is at it. It is about this record alone, and the others go on.
        Kind::RowLocked => Verdict::Refused(WriteRefusal::Busy(error.to_string())),
        Kind::Modified => Verdict::LookAgain(None),
        Kind::ValidationRule => Verdict::LookAgain(Some(error.what().to_owned())),
        Kind::RestrictedPicklist
        | Kind::StringTooLong
        | Kind::EntityLocked
        | Kind::Forbidden
        | Kind::Rejected => Verdict::Refused(WriteRefusal::Rejected(error.what().to_owned())),
        Kind::UnknownOutcome => Verdict::Unknown,
        Kind::Settings
        | Kind::TokenFile
        | Kind::Unreachable
        | Kind::Tls
        | Kind::Interrupted
        | Kind::Timeout
        | Kind::Unavailable
        | Kind::NotNow
        | Kind::LoginRefused
        | Kind::SessionRefused
        | Kind::RequestLimit
        | Kind::MalformedQuery
        | Kind::NoSuchField
        | Kind::NoSuchType
        | Kind::VersionGone
        | Kind::BadAnswer
        | Kind::TooLarge
        | Kind::PageLost => Verdict::Failed,
    }
}

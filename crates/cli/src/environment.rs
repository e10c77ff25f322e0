//! The only place that reads environment variables, besides clap's `INTRAWARE_CONFIG`.

use std::ffi::OsString;

use jiff::tz::TimeZone;

/// Returns a variable of the environment.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Returns the time zone of the clock on the wall: that of `TZ`, or the host's.
pub fn time_zone() -> TimeZone {
    TimeZone::system()
}

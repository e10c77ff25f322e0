//! The forms in which Salesforce and HTTP write times.

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// Reads a dateTime as Salesforce writes it (`2026-11-20T10:11:12.000+0000`) or as RFC 3339 does.
pub fn parse_datetime(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok().or_else(|| text.parse().ok())
}

/// Writes a dateTime as Salesforce takes it, in whole seconds, which is all that it keeps.
pub fn print_datetime(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes an HTTP date; `None` for years that have no such form.
pub(crate) fn print_http_date(time: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

/// Reads an HTTP date.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_in_the_forms_of_the_wire() {
        let time: Timestamp = "2026-11-20T10:11:12Z".parse().unwrap();
        assert_eq!(parse_datetime("2026-11-20T10:11:12.000+0000"), Some(time));
        assert_eq!(parse_datetime("2026-11-20T11:11:12.000+01:00"), Some(time));
        assert_eq!(parse_datetime("2026-11-20"), None);
        assert_eq!(print_datetime(time), "2026-11-20T10:11:12Z");
        assert_eq!(print_http_date(time).as_deref(), Some("Fri, 20 Nov 2026 10:11:12 GMT"));
        assert_eq!(parse_http_date("Fri, 20 Nov 2026 10:11:12 GMT"), Some(time));
    }
}

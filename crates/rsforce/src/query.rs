//! The pages of a query's result, and what can be wrong with them.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Kind};
use intraware_shown::excerpt;

/// One record as it came: its fields by name, without the attributes.
pub type Row = Map<String, Value>;

/// What a query read.
#[derive(Debug)]
pub struct Rows {
    /// The records.
    pub rows: Vec<Row>,
    /// Why there may be more than these, if so. A record's absence then means nothing.
    pub lost: Option<Error>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    total_size: u64,
    done: bool,
    next_records_url: Option<String>,
    pub(crate) records: Vec<Row>,
}

/// Follows the pages of one query, and notices when they do not add up.
#[derive(Debug)]
pub(crate) struct Pages {
    doing: String,
    visited: HashSet<String>,
    read: u64,
}

impl Pages {
    pub(crate) fn new(doing: String) -> Self {
        Self { doing, visited: HashSet::new(), read: 0 }
    }

    /// Reads a page.
    pub(crate) fn parse(&self, body: &[u8]) -> Result<Page, Error> {
        let mut page: Page = crate::json::parse(&self.doing, body)?;
        page.records.iter_mut().for_each(|row| drop(row.remove("attributes")));
        Ok(page)
    }

    /// Returns the path of the page after `page`, or `None` if that was the last.
    pub(crate) fn after(&mut self, page: &Page) -> Result<Option<String>, Error> {
        let lost = |what: String| Err(Error::new(Kind::PageLost, &self.doing, what));
        self.read += page.records.len() as u64;
        if page.done {
            return if self.read < page.total_size {
                lost(format!("only {} of {} records came", self.read, page.total_size))
            } else {
                Ok(None)
            };
        }
        let Some(next) = &page.next_records_url else {
            return lost("there are more pages, but no address of the next".into());
        };
        // The token goes with the request: it must stay on the instance, below its data.
        let stays = next.starts_with("/services/data/")
            && next.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'?' | b'%'))
            && !next.split('/').any(|part| part == "..");
        if !stays {
            return lost(format!("the next page would be fetched from \"{}\"", excerpt(next)));
        }
        if page.records.is_empty() {
            return lost("a page is empty but not the last".into());
        }
        if !self.visited.insert(next.clone()) {
            return lost(format!("the pages go round in a circle at \"{}\"", excerpt(next)));
        }
        Ok(Some(next.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pages: &mut Pages, text: &str) -> Result<Option<String>, Error> {
        let page = pages.parse(text.as_bytes())?;
        pages.after(&page)
    }

    #[test]
    fn pages_are_followed_to_the_last() {
        let mut pages = Pages::new("query".into());
        let first = r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/01g-1","records":[{"Id":"a"}]}"#;
        assert_eq!(after(&mut pages, first).unwrap().as_deref(), Some("/services/data/v66.0/query/01g-1"));
        let last = r#"{"totalSize":2,"done":true,"records":[{"Id":"b"}]}"#;
        assert_eq!(after(&mut pages, last).unwrap(), None);
    }

    #[test]
    fn what_does_not_add_up_is_a_lost_page() {
        let cases = [
            r#"{"totalSize":2,"done":true,"records":[{"Id":"a"}]}"#,
            r#"{"totalSize":2,"done":false,"records":[{"Id":"a"}]}"#,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v1/q","records":[]}"#,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"https://evil.example/q","records":[{}]}"#,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"//evil.example/q","records":[{}]}"#,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/../../x","records":[{}]}"#,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/x y","records":[{}]}"#,
        ];
        for case in cases {
            let error = after(&mut Pages::new("query".into()), case).unwrap_err();
            assert_eq!(error.kind(), Kind::PageLost, "{case}");
        }
    }

    #[test]
    fn a_circle_of_pages_is_noticed() {
        let mut pages = Pages::new("query".into());
        let page = r#"{"totalSize":9,"done":false,"nextRecordsUrl":"/services/data/v1/q","records":[{}]}"#;
        after(&mut pages, page).unwrap();
        assert_eq!(after(&mut pages, page).unwrap_err().kind(), Kind::PageLost);
    }

    #[test]
    fn wrong_types_truncation_and_deep_nesting_are_bad_answers() {
        let deep = format!("{{\"records\":{}", "[".repeat(10_000));
        for case in ["", "<html>", r#"{"totalSize":"2"}"#, r#"{"totalSize":2,"done":true,"rec"#, &deep] {
            let error = Pages::new("query".into()).parse(case.as_bytes()).err().unwrap();
            assert_eq!(error.kind(), Kind::BadAnswer, "{case:.40}");
        }
    }
}

//! The directory at a machine that packages are put into.

use std::fmt;

use intraware_core::site::{BasePath, PathError, RemotePath};
use jiff::civil::Date;

/// Stands for the day, as in `20261201`.
const DATE: &str = "{date}";

/// The directory if none is written.
const DEFAULT: &str = "newcx/{date}";

/// A directory, in which the day may still have to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Whether it is below the directory that a login begins in, and not below the root.
    is_home: bool,
    below: String,
}

impl Default for Directory {
    fn default() -> Self {
        Self { is_home: true, below: DEFAULT.to_owned() }
    }
}

impl Directory {
    /// Takes a directory, or says what is allowed. One that is not absolute is below the directory that a
    /// login begins in.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const ALLOWED: &str =
            "must be a directory such as ~/newcx/{date} or /srv/in, without \".\" and \"..\"";
        let (is_home, below) = match text.strip_prefix('/') {
            Some(below) => (false, below),
            None if text == "~" => (true, ""),
            None => (true, text.strip_prefix("~/").unwrap_or(text)),
        };
        let below = below.trim_end_matches('/');
        // With the longest day in its place.
        let sample = below.replace(DATE, "99999999");
        let is_known = !sample.contains(['{', '}']) && !below.starts_with('~');
        if !is_known || (!below.is_empty() && RemotePath::new(&sample).is_err()) {
            return Err(ALLOWED);
        }
        Ok(Self { is_home, below: below.to_owned() })
    }

    /// Returns it on a day, as messages show it.
    pub fn on(&self, day: Date) -> Dated {
        let below = self.below.replace(DATE, &day.strftime("%Y%m%d").to_string());
        Dated { is_home: self.is_home, below }
    }
}

/// A directory at a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    is_home: bool,
    below: String,
}

impl Dated {
    /// Takes it back from what [`Dated`] displays as.
    pub(crate) fn noted(text: &str) -> Self {
        let (is_home, below) = match text.strip_prefix("~/") {
            Some(below) => (true, below),
            None => (false, text.trim_start_matches('/')),
        };
        Self { is_home, below: below.trim_end_matches('/').to_owned() }
    }

    /// Returns whether it is below the directory that a login begins in.
    pub(crate) fn is_home(&self) -> bool {
        self.is_home
    }

    /// Returns the path below the directory that a session begins in.
    pub(crate) fn below(&self) -> Result<RemotePath, PathError> {
        RemotePath::try_from(self.below.clone())
    }

    /// Returns the directory that a session begins in.
    pub fn base(&self) -> BasePath {
        if self.is_home { BasePath::Home(String::new()) } else { BasePath::Absolute("/".to_owned()) }
    }
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = if self.is_home { "~/" } else { "/" };
        let end = if self.below.is_empty() { "" } else { "/" };
        write!(f, "{begin}{}{end}", self.below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_08_the_directory_is_one_of_the_day_unless_another_is_written() {
        let day = Date::constant(2016, 7, 25);
        assert_eq!(Directory::default().on(day).to_string(), "~/newcx/20160725/");
        for (written, shown) in [
            ("/srv/in/{date}/", "/srv/in/20160725/"),
            ("~", "~/"),
            ("~/", "~/"),
            ("in", "~/in/"),
            ("/", "/"),
            ("~/a b/{date}-x", "~/a b/20160725-x/"),
        ] {
            let dated = Directory::parse(written).unwrap().on(day);
            assert_eq!(dated.to_string(), shown, "{written}");
            assert_eq!(Dated::noted(shown), dated, "{written}");
        }
        for wrong in ["../x", "/a/../b", "~root/x", "/a//b", "/a/{day}", "a\nb", "/a/}"] {
            assert!(Directory::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}

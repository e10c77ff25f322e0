//! A configuration file as it was written: TOML, with the line of everything in it.
//!
//! Nothing is known here about which keys exist. `[[site]]` is the one array of tables; the dotted name of a key in it
//! is the same for each element, and whoever asks says which element is meant.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::foreign;

/// A parsed file.
pub(super) struct Written<'i> {
    text: &'i str,
    root: DeTable<'i>,
    /// The tables of `[[site]]`, with where each begins.
    sites: Vec<(usize, DeTable<'i>)>,
}

/// What the names of the keys of sites begin with.
const SITE: &str = "site.";

/// A key of the file that leads to a value or to a table nobody asked for.
pub(super) struct Found {
    /// The dotted name.
    pub(super) key: String,
    /// In which site it stands, if in one.
    pub(super) site: usize,
    /// Where the key stands.
    pub(super) line: usize,
    /// Whether the name is asked for, but as a table.
    pub(super) should_be_table: bool,
}

impl<'i> Written<'i> {
    /// Parses `text`, or says everything that is wrong with its syntax.
    pub(super) fn parse(text: &'i str) -> Result<Self, Vec<Problem>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(errors.iter().map(|error| syntax_problem(text, error)).collect());
        }
        let mut written = Self { text, root: root.into_inner(), sites: Vec::new() };
        written.take_sites().map_err(|problem| vec![problem])?;
        Ok(written)
    }

    /// Takes the tables of `[[site]]` out of the root.
    fn take_sites(&mut self) -> Result<(), Problem> {
        let Some(site) = self.root.remove("site") else { return Ok(()) };
        let problem = |at, message: &str| {
            let line = Some(line_at(self.text, at));
            Problem { line, key: "site".into(), value: None, message: message.into() }
        };
        let start = site.span().start;
        let DeValue::Array(sites) = site.into_inner() else {
            return Err(problem(start, "must be written [[site]], in double brackets"));
        };
        for site in sites {
            let start = site.span().start;
            let DeValue::Table(table) = site.into_inner() else {
                return Err(problem(start, "must be written [[site]], with its keys below"));
            };
            self.sites.push((start, table));
        }
        match self.sites.is_empty() {
            true => Err(problem(start, "must be written [[site]], with its keys below")),
            false => Ok(()),
        }
    }

    /// Returns how many sites there are.
    pub(super) fn sites(&self) -> usize {
        self.sites.len()
    }

    /// Returns the value at a dotted name; that of this site, if it is the name of a site's key.
    pub(super) fn get(&self, key: &str, site: usize) -> Option<&Spanned<DeValue<'i>>> {
        let (key, mut table) = match key.strip_prefix(SITE) {
            Some(key) => (key, &self.sites.get(site)?.1),
            None => (key, &self.root),
        };
        let (tables, last) = key.rsplit_once('.').unwrap_or(("", key));
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            table = table.get(name)?.get_ref().as_table()?;
        }
        table.get(last)
    }

    /// Returns the line that the value at a dotted name begins on.
    pub(super) fn line_of(&self, key: &str, site: usize) -> Option<usize> {
        self.get(key, site).map(|value| line_at(self.text, value.span().start))
    }

    /// Returns the line that the table begins on in which a site's key belongs.
    pub(super) fn line_of_site(&self, key: &str, site: usize) -> Option<usize> {
        let (start, _) = self.sites.get(site).filter(|_| key.starts_with(SITE))?;
        Some(line_at(self.text, *start))
    }

    /// Returns the keys that do not lead to a name in `asked`.
    pub(super) fn others(&self, asked: &[&str]) -> Vec<Found> {
        let mut found = Vec::new();
        self.walk(&self.root, "", 0, asked, &mut found);
        for (site, (_, table)) in self.sites.iter().enumerate() {
            self.walk(table, SITE, site, asked, &mut found);
        }
        found
    }

    fn walk(&self, table: &DeTable<'i>, prefix: &str, site: usize, asked: &[&str], found: &mut Vec<Found>) {
        for (name, value) in table {
            // A quoted name with a dot in it would look like a name in another table.
            let bare = !name.get_ref().contains('.');
            let key = format!("{prefix}{}", name.get_ref());
            if bare && asked.contains(&key.as_str()) {
                continue;
            }
            let below = format!("{key}.");
            let is_table = bare && asked.iter().any(|name| name.starts_with(&below));
            match value.get_ref().as_table() {
                Some(table) if is_table => self.walk(table, &below, site, asked, found),
                _ => found.push(Found {
                    key,
                    site,
                    line: line_at(self.text, name.span().start),
                    should_be_table: is_table,
                }),
            }
        }
    }
}

/// Tells a syntax error without quoting the line, which may hold a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| line_at(text, span.start));
    let is_empty = line.and_then(|line| text.lines().nth(line - 1)).is_some_and(has_no_value);
    // The parser takes what stands on the next line for the value, or nothing for a text without quotes.
    let what = if is_empty {
        "nothing stands behind the \"=\"".to_owned()
    } else {
        foreign::escape(error.message())
    };
    Problem { line, key: String::new(), value: None, message: format!("is not valid TOML: {what}") }
}

/// Returns whether a line is a key without a value.
fn has_no_value(line: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(_, value)| value.trim_start().is_empty() || value.trim_start().starts_with('#'))
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

//! A configuration file as it was written: TOML, with the line of everything in it.
//!
//! Nothing is known here about which keys exist. `[[site]]` is the one array of tables; its single
//! element is put where `[site]` would be, so that every key has one dotted name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::foreign;

/// A parsed file.
pub(super) struct Written<'i> {
    text: &'i str,
    root: DeTable<'i>,
}

/// A key of the file that leads to a value or to a table nobody asked for.
pub(super) struct Found {
    /// The dotted name.
    pub(super) key: String,
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
        let mut written = Self { text, root: root.into_inner() };
        let problems = written.unwrap_site();
        if problems.is_empty() { Ok(written) } else { Err(problems) }
    }

    /// Puts the table of the only `[[site]]` in the place of the array.
    fn unwrap_site(&mut self) -> Vec<Problem> {
        let Some(site) = self.root.get_mut("site") else { return Vec::new() };
        let line = line_at(self.text, site.span().start);
        let problem = |line, message: &str| {
            vec![Problem { line: Some(line), key: "site".into(), value: None, message: message.into() }]
        };
        let DeValue::Array(sites) = site.get_mut() else {
            return problem(line, "must be written [[site]], in double brackets");
        };
        if let Some(second) = sites.get(1) {
            let line = line_at(self.text, second.span().start);
            return problem(line, "is a second site; exactly one [[site]] is allowed for now");
        }
        match sites.first().cloned() {
            Some(only) if only.get_ref().is_table() => {
                *site = only;
                Vec::new()
            }
            _ => problem(line, "must be written [[site]], with its keys below"),
        }
    }

    /// Returns the value at a dotted name.
    pub(super) fn get(&self, key: &str) -> Option<&Spanned<DeValue<'i>>> {
        let (tables, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &self.root;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            table = table.get(name)?.get_ref().as_table()?;
        }
        table.get(last)
    }

    /// Returns the line that the value at a dotted name begins on.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        self.get(key).map(|value| line_at(self.text, value.span().start))
    }

    /// Returns the keys that do not lead to a name in `asked`.
    pub(super) fn others(&self, asked: &[&str]) -> Vec<Found> {
        let mut found = Vec::new();
        self.walk(&self.root, "", asked, &mut found);
        found
    }

    fn walk(&self, table: &DeTable<'i>, prefix: &str, asked: &[&str], found: &mut Vec<Found>) {
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
                Some(table) if is_table => self.walk(table, &below, asked, found),
                _ => found.push(Found {
                    key,
                    line: line_at(self.text, name.span().start),
                    should_be_table: is_table,
                }),
            }
        }
    }
}

/// Tells a syntax error without quoting the line, which may hold a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    Problem {
        line: error.span().map(|span| line_at(text, span.start)),
        key: String::new(),
        value: None,
        message: format!("is not valid TOML: {}", foreign::escape(error.message())),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

//! A configuration file as it was written: TOML, with the line of everything in it.
//!
//! Nothing is known here about which keys exist, but that `[[site]]` and `[[tree]]` are arrays of tables; the
//! dotted name of a key in one is the same for each element, and whoever asks says which element is meant.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use intraware_core::foreign;

/// A parsed file.
pub(super) struct Written<'i> {
    text: &'i str,
    root: DeTable<'i>,
    /// The tables of each of [`ARRAYS`], with where each begins.
    arrays: [Vec<(usize, DeTable<'i>)>; ARRAYS.len()],
}

/// The arrays of tables.
const ARRAYS: [&str; 2] = ["site", "tree"];

/// Returns which array a dotted name is a key in, and the name there.
fn in_array(key: &str) -> Option<(usize, &str)> {
    let (array, key) = key.split_once('.')?;
    Some((ARRAYS.iter().position(|name| *name == array)?, key))
}

/// A key of the file that leads to a value or to a table nobody asked for.
pub(super) struct Found {
    /// The dotted name.
    pub(super) key: String,
    /// In which element of its array it stands, if in one.
    pub(super) element: usize,
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
        let mut written = Self { text, root: root.into_inner(), arrays: Default::default() };
        let taken = ARRAYS.map(|array| written.take(array));
        for (array, tables) in written.arrays.iter_mut().zip(taken) {
            *array = tables.map_err(|problem| vec![problem])?;
        }
        Ok(written)
    }

    /// Takes the tables of an array out of the root.
    fn take(&mut self, name: &str) -> Result<Vec<(usize, DeTable<'i>)>, Problem> {
        let Some(array) = self.root.remove(name) else { return Ok(Vec::new()) };
        let problem = |at, how: &str| {
            let line = Some(line_at(self.text, at));
            Problem {
                line,
                key: name.into(),
                value: None,
                message: format!("must be written [[{name}]], {how}"),
            }
        };
        let start = array.span().start;
        let DeValue::Array(elements) = array.into_inner() else {
            return Err(problem(start, "in double brackets"));
        };
        let mut tables = Vec::new();
        for element in elements {
            let start = element.span().start;
            let DeValue::Table(table) = element.into_inner() else {
                return Err(problem(start, "with its keys below"));
            };
            tables.push((start, table));
        }
        if tables.is_empty() { Err(problem(start, "with its keys below")) } else { Ok(tables) }
    }

    /// Returns the names at the top but those of the arrays.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.root.keys().map(|name| name.get_ref().as_ref())
    }

    /// Returns how many elements an array has.
    pub(super) fn count(&self, array: &str) -> usize {
        ARRAYS.iter().position(|name| *name == array).map_or(0, |array| self.arrays[array].len())
    }

    /// Returns the value at a dotted name; that of this element, if it is the name of a key in an array.
    pub(super) fn get(&self, key: &str, element: usize) -> Option<&Spanned<DeValue<'i>>> {
        let (key, mut table) = match in_array(key) {
            Some((array, key)) => (key, &self.arrays[array].get(element)?.1),
            None => (key, &self.root),
        };
        let (tables, last) = key.rsplit_once('.').unwrap_or(("", key));
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            table = table.get(name)?.get_ref().as_table()?;
        }
        table.get(last)
    }

    /// Returns the line that the value at a dotted name begins on.
    pub(super) fn line_of(&self, key: &str, element: usize) -> Option<usize> {
        self.get(key, element).map(|value| line_at(self.text, value.span().start))
    }

    /// Returns the line that the element begins on in which a key of an array belongs.
    pub(super) fn line_of_element(&self, key: &str, element: usize) -> Option<usize> {
        let (array, _) = in_array(key)?;
        let (start, _) = self.arrays[array].get(element)?;
        Some(line_at(self.text, *start))
    }

    /// Returns the keys that do not lead to a name in `asked`.
    pub(super) fn others(&self, asked: &[&str]) -> Vec<Found> {
        let mut found = Vec::new();
        self.walk(&self.root, "", 0, asked, &mut found);
        for (name, array) in ARRAYS.iter().zip(&self.arrays) {
            for (element, (_, table)) in array.iter().enumerate() {
                self.walk(table, &format!("{name}."), element, asked, &mut found);
            }
        }
        found
    }

    fn walk(
        &self,
        table: &DeTable<'i>,
        prefix: &str,
        element: usize,
        asked: &[&str],
        found: &mut Vec<Found>,
    ) {
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
                Some(table) if is_table => self.walk(table, &below, element, asked, found),
                _ => found.push(Found {
                    key,
                    element,
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

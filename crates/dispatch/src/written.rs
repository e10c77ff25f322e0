//! The file of routes as it was written, in either of its forms: sections with keys, and the line of each.
//!
//! Nothing is known here about which keys exist. The section that is called `DEFAULT` gives all others what
//! they do not say, as in Python's `configparser`, for which the first such files were written.

mod cfg;
mod toml;

use std::path::Path;

use intraware_core::secret::{Secret, read_private_file};
use zeroize::Zeroizing;

use crate::error::{Problem, Problems, RouteError};

/// The section that gives others what they do not say.
const DEFAULT: &str = "DEFAULT";

/// A file with its sections in their order.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) defaults: Section,
    pub(crate) sections: Vec<Section>,
}

/// A section.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) keys: Vec<Key>,
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A value, which may be a password.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Some text; all that the plain form has.
    Text(Secret),
    /// Texts.
    List(Vec<String>),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A table with one text in it: its key, and the text.
    Table(String, Vec<String>),
}

impl Section {
    pub(crate) fn get(&self, key: &str) -> Option<&Key> {
        self.keys.iter().find(|found| found.name == key)
    }
}

impl Written {
    /// Reads a file that nobody else can read: one whose name ends with `.toml` as TOML, others in the plain
    /// form.
    pub(crate) fn read(path: &Path) -> Result<Self, RouteError> {
        let bytes = read_private_file(path)?;
        let text = bytes.expose_str().ok_or_else(|| {
            Problems::of(path, vec![Problem::at(1, "is not valid UTF-8; save it in that encoding")])
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_toml = path.extension().is_some_and(|ending| ending == "toml");
        let read = if is_toml { toml::read(text) } else { cfg::read(text) };
        let written = read.map_err(|problems| Problems::of(path, problems))?;
        Ok(written)
    }

    /// Takes in a section, or says what is wrong with it.
    fn add(&mut self, section: Section, problems: &mut Vec<Problem>) {
        if section.name == DEFAULT && self.defaults.line == 0 {
            self.defaults = section;
            return;
        }
        let known = self.sections.iter().chain([&self.defaults]).find(|known| known.name == section.name);
        match known {
            Some(Section { line, .. }) if *line > 0 => {
                let what = format!("there is such a section on line {line} already; make them one");
                problems.push(Problem { section: Some(section.name), ..Problem::at(section.line, what) });
            }
            Some(_) | None => self.sections.push(section),
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(Secret::new(Zeroizing::new(text.as_bytes().to_vec()).to_vec()))
}

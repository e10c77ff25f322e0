//! The plain form, as Python's `configparser` reads it, with these differences:
//!
//! - A value may stand in quotes, which do not belong to it.
//! - A percent sign is a percent sign.
//! - A section's name ends at the last `]` of its line, so that an expression may have some in it.
//! - A value goes on in the lines right below that begin further right; an empty line ends it.
//! - A value that begins with `[` or `{` is one of TOML, on one line.

use super::{Key, Section, Value, Written, text, toml};
use crate::error::Problem;

/// Reads all of it, or says everything that is wrong with its form.
pub(super) fn read(file: &str) -> Result<Written, Vec<Problem>> {
    let mut reader = Reader::default();
    for (index, line) in file.lines().enumerate() {
        reader.line(index + 1, line);
    }
    reader.end_section();
    let Reader { written, mut problems, .. } = reader;
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(written) } else { Err(problems) }
}

#[derive(Default)]
struct Reader {
    written: Written,
    problems: Vec<Problem>,
    section: Option<Section>,
    open: Option<Open>,
}

/// A value that may go on in the next line.
struct Open {
    name: String,
    line: usize,
    indent: usize,
    text: zeroize::Zeroizing<String>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let words = line.trim();
        let indent = line.len() - line.trim_start().len();
        if words.is_empty() {
            return self.end_key();
        }
        if words.starts_with(['#', ';']) {
            return;
        }
        if let Some(open) = self.open.as_mut().filter(|open| indent > open.indent) {
            open.text.push('\n');
            open.text.push_str(words);
            return;
        }
        self.end_key();
        if words.starts_with('[') {
            return self.begin_section(number, words);
        }
        match words.split_once(['=', ':']) {
            Some((name, value)) if !name.trim().is_empty() => self.begin_key(number, indent, name, value),
            Some(_) | None => self.complain(number, "is neither a section in brackets nor `key = value`"),
        }
    }

    fn begin_section(&mut self, line: usize, words: &str) {
        self.end_section();
        let name = match words[1..].rsplit_once(']') {
            Some((name, "")) if !name.trim().is_empty() => name.to_owned(),
            Some((_, "")) => {
                self.complain(line, "a section needs an expression for names of packages");
                String::new()
            }
            Some(_) | None => {
                self.complain(line, "a section's line must end with its closing bracket");
                String::new()
            }
        };
        self.section = Some(Section { name, line, keys: Vec::new() });
    }

    fn begin_key(&mut self, line: usize, indent: usize, name: &str, value: &str) {
        let name = name.trim().to_ascii_lowercase();
        let Some(section) = &self.section else {
            return self.complain(line, "stands in no section; put `[EXPRESSION]` above it");
        };
        if let Some(Key { line: first, .. }) = section.get(&name) {
            let what = format!("{name} is set on line {first} already");
            return self.complain(line, &what);
        }
        let text = zeroize::Zeroizing::new(value.trim().to_owned());
        self.open = Some(Open { name, line, indent, text });
    }

    fn end_key(&mut self) {
        let Some(Open { name, line, text, .. }) = self.open.take() else { return };
        match value(&text) {
            Ok(value) => {
                if let Some(section) = &mut self.section {
                    section.keys.push(Key { name, line, value });
                }
            }
            Err(what) => self.complain(line, &format!("{name}: {what}")),
        }
    }

    fn end_section(&mut self) {
        self.end_key();
        if let Some(section) = self.section.take().filter(|section| !section.name.is_empty()) {
            self.written.add(section, &mut self.problems);
        }
    }

    fn complain(&mut self, line: usize, what: &str) {
        let section =
            self.section.as_ref().map(|section| section.name.clone()).filter(|name| !name.is_empty());
        self.problems.push(Problem { section, ..Problem::at(line, what) });
    }
}

fn value(written: &str) -> Result<Value, &'static str> {
    if written.starts_with(['[', '{']) {
        return toml::value(written).ok_or("begins like a list or a table of TOML, and is none");
    }
    for quote in ['"', '\''] {
        if let Some(inner) = written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Ok(text(inner));
        }
    }
    Ok(text(written))
}

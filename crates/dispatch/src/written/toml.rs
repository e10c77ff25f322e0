//! The same as TOML: each section is a table whose name is the expression.

use intraware_core::foreign;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Key, Section, Value, Written, text};
use crate::error::Problem;

/// Reads all of it, or says everything that is wrong with its form.
pub(super) fn read(file: &str) -> Result<Written, Vec<Problem>> {
    let line_at = |offset: usize| 1 + file.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let (root, errors) = DeTable::parse_recoverable(file);
    if !errors.is_empty() {
        // The line itself is not told: it may hold a password.
        let told = |error: &toml::de::Error| {
            let line = error.span().map_or(1, |span| line_at(span.start));
            Problem::at(line, format!("is not valid TOML: {}", foreign::escape(error.message())))
        };
        return Err(errors.iter().map(told).collect());
    }
    let mut problems = Vec::new();
    let mut sections = Vec::new();
    for (name, value) in root.get_ref() {
        let line = line_at(name.span().start);
        let name = name.get_ref().to_string();
        match value.get_ref() {
            DeValue::Table(table) => sections.push(section(name, line, table, &line_at, &mut problems)),
            _ => problems.push(Problem::at(line, "stands in no section; put `['EXPRESSION']` above it")),
        }
    }
    sections.sort_by_key(|section| section.line);
    let mut written = Written::default();
    sections.into_iter().for_each(|section| written.add(section, &mut problems));
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(written) } else { Err(problems) }
}

fn section(
    name: String,
    line: usize,
    table: &DeTable<'_>,
    line_at: &dyn Fn(usize) -> usize,
    problems: &mut Vec<Problem>,
) -> Section {
    let mut keys = Vec::new();
    for (key, found) in table {
        let at = line_at(key.span().start);
        match value_of(found) {
            Some(value) => keys.push(Key { name: key.get_ref().to_string(), line: at, value }),
            None => problems.push(Problem {
                section: Some(name.clone()),
                ..Problem::at(
                    at,
                    format!("{}: has a value of no known kind", foreign::escape(&**key.get_ref())),
                )
            }),
        }
    }
    keys.sort_by_key(|key| key.line);
    Section { name, line, keys }
}

/// Reads one value that stands in the plain form.
pub(super) fn value(written: &str) -> Option<Value> {
    let line = zeroize::Zeroizing::new(format!("value = {written}"));
    let table = DeTable::parse(&line).ok()?;
    value_of(table.get_ref().get("value")?)
}

fn value_of(found: &Spanned<DeValue<'_>>) -> Option<Value> {
    match found.get_ref() {
        DeValue::String(words) => Some(text(words)),
        DeValue::Boolean(flag) => Some(Value::Flag(*flag)),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Number)
        }
        DeValue::Array(_) => texts(found).map(Value::List),
        DeValue::Table(table) => {
            let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
            Some(Value::Table(key.get_ref().to_string(), texts(value)?))
        }
        DeValue::Float(_) | DeValue::Datetime(_) => None,
    }
}

/// Returns a text, or a list of them.
fn texts(found: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    match found.get_ref() {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Array(items) => {
            items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

//! A small SOQL: what clients send, parsed strictly and refused as the real service refuses it.
//!
//! `SELECT field[, …] FROM object [WHERE …] [ORDER BY field [ASC|DESC] [NULLS FIRST|LAST], …]
//! [LIMIT n] [OFFSET n]`, and `SELECT COUNT() FROM …`. As in Salesforce, text compares without
//! regard to case, `AND` and `OR` do not mix without parentheses, and a query cannot compare long text.

mod parse;

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::schema::{FieldSpec, FieldType, ObjectSpec, parse_time};

/// A parsed query.
#[derive(Debug)]
pub(crate) struct Select {
    /// Empty for `COUNT()`.
    pub(crate) fields: Vec<String>,
    pub(crate) object: String,
    filter: Option<Filter>,
    order: Vec<(String, bool)>,
    limit: Option<usize>,
    offset: usize,
}

#[derive(Debug)]
enum Filter {
    Compare(String, Comparison, Literal),
    In(String, bool, Vec<Literal>),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Time(Timestamp),
    Day(String),
}

/// Parses a query and checks it against the objects.
pub(crate) fn parse(text: &str, objects: &[&ObjectSpec]) -> Result<Select, Refusal> {
    let mut select = parse::select(text)?;
    let object = objects.iter().find(|object| object.name.eq_ignore_ascii_case(&select.object));
    let object = object.ok_or_else(|| Refusal::no_type(&select.object))?;
    select.object = object.name.clone();
    for field in &mut select.fields {
        *field = object.required_field(field)?.name.clone();
    }
    for (field, _) in &mut select.order {
        *field = filterable(object, field)?.name.clone();
    }
    if let Some(filter) = &mut select.filter {
        filter.check(object)?;
    }
    Ok(select)
}

fn filterable<'a>(object: &'a ObjectSpec, name: &str) -> Result<&'a FieldSpec, Refusal> {
    let field = object.required_field(name)?;
    if field.is_filterable() {
        return Ok(field);
    }
    let message = format!("field '{}' can not be filtered in a query call", field.name);
    Err(Refusal::new(400, "INVALID_FIELD", message))
}

impl Filter {
    /// Checks names and types, and writes the names in the object's own case.
    fn check(&mut self, object: &ObjectSpec) -> Result<(), Refusal> {
        match self {
            Self::And(all) | Self::Or(all) => all.iter_mut().try_for_each(|filter| filter.check(object)),
            Self::Not(filter) => filter.check(object),
            Self::In(name, _, values) => {
                let field = filterable(object, name)?;
                *name = field.name.clone();
                values.iter().try_for_each(|value| check_literal(field, value))
            }
            Self::Compare(name, _, value) => {
                let field = filterable(object, name)?;
                *name = field.name.clone();
                check_literal(field, value)
            }
        }
    }

    fn holds(&self, row: &Map<String, Value>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|filter| filter.holds(row)),
            Self::Or(all) => all.iter().any(|filter| filter.holds(row)),
            Self::Not(filter) => !filter.holds(row),
            Self::In(field, negated, values) => {
                let stored = row.get(field).unwrap_or(&Value::Null);
                values.iter().any(|value| compare(stored, value) == Some(Ordering::Equal)) != *negated
            }
            Self::Compare(field, comparison, value) => {
                let stored = row.get(field).unwrap_or(&Value::Null);
                let order = compare(stored, value);
                match comparison {
                    Comparison::Equal => order == Some(Ordering::Equal),
                    Comparison::NotEqual => order != Some(Ordering::Equal),
                    Comparison::Less => order == Some(Ordering::Less),
                    Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
                    Comparison::Greater => order == Some(Ordering::Greater),
                    Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
                    Comparison::Like => is_like(stored, value),
                }
            }
        }
    }
}

fn check_literal(field: &FieldSpec, value: &Literal) -> Result<(), Refusal> {
    let fits = match (&field.kind, value) {
        (_, Literal::Null) => true,
        (FieldType::Id, Literal::Text(id)) => {
            let fits = matches!(id.len(), 15 | 18) && id.bytes().all(|b| b.is_ascii_alphanumeric());
            if !fits {
                let message = format!("invalid ID field: {id}");
                return Err(Refusal::new(400, "INVALID_QUERY_FILTER_OPERATOR", message));
            }
            true
        }
        (FieldType::Text(_) | FieldType::Picklist { .. }, Literal::Text(_)) => true,
        (FieldType::Number(..), Literal::Number(_)) => true,
        (FieldType::DateTime, Literal::Time(_)) => true,
        (FieldType::Date, Literal::Day(_)) => true,
        (FieldType::Checkbox, Literal::Bool(_)) => true,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let message = format!("value of filter criterion for field '{}' must be of the field's type", field.name);
    Err(Refusal::new(400, "INVALID_FIELD", message))
}

fn compare(stored: &Value, value: &Literal) -> Option<Ordering> {
    match (stored, value) {
        (Value::Null, Literal::Null) => Some(Ordering::Equal),
        (Value::Bool(stored), Literal::Null) => Some(stored.cmp(&false)),
        (Value::Bool(stored), Literal::Bool(value)) => Some(stored.cmp(value)),
        (Value::Number(stored), Literal::Number(value)) => stored.as_f64()?.partial_cmp(value),
        (Value::String(stored), Literal::Time(value)) => Some(parse_time(stored)?.cmp(value)),
        (Value::String(stored), Literal::Day(value)) => Some(stored.as_str().cmp(value)),
        // Ids of 15 characters are the first 15 of those of 18.
        (Value::String(stored), Literal::Text(value)) if stored.len() == 18 && value.len() == 15 => {
            Some(stored[..15].cmp(value))
        }
        (Value::String(stored), Literal::Text(value)) => {
            Some(stored.to_lowercase().cmp(&value.to_lowercase()))
        }
        (Value::Null, Literal::Text(value)) if value.is_empty() => Some(Ordering::Equal),
        _ => None,
    }
}

fn is_like(stored: &Value, pattern: &Literal) -> bool {
    let (Value::String(stored), Literal::Text(pattern)) = (stored, pattern) else { return false };
    fn matches(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| matches(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && matches(&text[1..], rest),
            Some((c, rest)) => text.first() == Some(c) && matches(&text[1..], rest),
        }
    }
    let chars = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    matches(&chars(stored), &chars(pattern))
}

impl Select {
    /// Returns the records that the query selects, whole, in its order.
    pub(crate) fn run<'a>(
        &self,
        records: impl Iterator<Item = &'a Map<String, Value>>,
    ) -> Vec<&'a Map<String, Value>> {
        let mut found: Vec<_> =
            records.filter(|row| self.filter.as_ref().is_none_or(|filter| filter.holds(row))).collect();
        for (field, descending) in self.order.iter().rev() {
            let key = |row: &Map<String, Value>| row.get(field).cloned().unwrap_or(Value::Null);
            found.sort_by(|a, b| {
                let order = order_of(&key(a), &key(b));
                if *descending { order.reverse() } else { order }
            });
        }
        found.into_iter().skip(self.offset).take(self.limit.unwrap_or(usize::MAX)).collect()
    }
}

fn order_of(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Value::String(a), Value::String(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        _ => Ordering::Equal,
    }
}

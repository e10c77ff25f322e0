//! A small SOQL: what clients send, parsed strictly and refused as the real service refuses it.
//!
//! `SELECT field[, …] FROM object [WHERE …] [ORDER BY field [ASC|DESC] [NULLS FIRST|LAST], …]
//! [LIMIT n] [OFFSET n]`, and `SELECT COUNT() FROM …`. As in Salesforce, text compares without
//! regard to case, `AND` and `OR` do not mix without parentheses, and a query cannot compare long text.

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

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(&'static str),
}

/// Parses a query and checks it against the objects.
pub(crate) fn parse(text: &str, objects: &[&ObjectSpec]) -> Result<Select, Refusal> {
    let mut parser = Parser { tokens: tokenize(text)?, at: 0 };
    let mut select = parser.select()?;
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

fn tokenize(text: &str) -> Result<Vec<Token>, Refusal> {
    const SYMBOLS: [&str; 12] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "*", ";"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (token, after) = quoted(&rest[1..])?;
            tokens.push(Token::Text(token));
            rest = after;
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '+' | '-');
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(Refusal::malformed(format!(
                    "line 1:{} no viable alternative at character '{first}'",
                    text.len() - rest.len()
                )));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Reads a text up to its closing quote; only the escapes that exist are taken.
fn quoted(text: &str) -> Result<(String, &str), Refusal> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((value, &text[at + 1..])),
            '\n' | '\r' => return Err(Refusal::malformed("line breaks are not allowed in string literals")),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('b') => value.push('\u{8}'),
                Some('f') => value.push('\u{c}'),
                Some(c @ ('\\' | '\'' | '"')) => value.push(c),
                // Only LIKE may escape its wildcards; there is none that needs it here.
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    let c = code.and_then(char::from_u32);
                    value.push(c.ok_or_else(|| Refusal::malformed(format!("invalid escape \\u{digits}")))?);
                }
                other => {
                    let other = other.map_or_else(String::new, String::from);
                    return Err(Refusal::malformed(format!(
                        "Invalid string literal. Illegal character sequence '\\{other}' in string literal"
                    )));
                }
            },
            c => value.push(c),
        }
    }
    Err(Refusal::malformed("line 1:1 mismatched character '<EOF>' expecting '''"))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn select(&mut self) -> Result<Select, Refusal> {
        self.expect("select")?;
        let mut fields = vec![self.name()?];
        if fields[0].eq_ignore_ascii_case("count") && self.take_symbol("(") {
            self.expect_symbol(")")?;
            fields.clear();
        }
        while !fields.is_empty() && self.take_symbol(",") {
            fields.push(self.name()?);
        }
        self.expect("from")?;
        let object = self.name()?;
        let filter = if self.take("where") { Some(self.filter()?) } else { None };
        let mut order = Vec::new();
        if self.take("order") {
            self.expect("by")?;
            loop {
                order.push((self.name()?, self.direction()?));
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        let limit = if self.take("limit") { Some(self.count()?) } else { None };
        let offset = if self.take("offset") { self.count()? } else { 0 };
        match self.tokens.get(self.at) {
            None => Ok(Select { fields, object, filter, order, limit, offset }),
            Some(token) => Err(unexpected(token)),
        }
    }

    fn direction(&mut self) -> Result<bool, Refusal> {
        let descending = self.take("desc");
        if !descending {
            self.take("asc");
        }
        if self.take("nulls") && !self.take("first") {
            self.expect("last")?;
        }
        Ok(descending)
    }

    fn filter(&mut self) -> Result<Filter, Refusal> {
        let mut all = vec![self.condition()?];
        let word = match self.tokens.get(self.at) {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => "and",
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("or") => "or",
            _ => return Ok(all.remove(0)),
        };
        while self.take(word) {
            all.push(self.condition()?);
        }
        Ok(if word == "and" { Filter::And(all) } else { Filter::Or(all) })
    }

    fn condition(&mut self) -> Result<Filter, Refusal> {
        if self.take("not") {
            return Ok(Filter::Not(Box::new(self.condition()?)));
        }
        if self.take_symbol("(") {
            let filter = self.filter()?;
            self.expect_symbol(")")?;
            return Ok(filter);
        }
        let field = self.name()?;
        let negated = self.take("not");
        if self.take("in") {
            self.expect_symbol("(")?;
            let mut values = vec![self.literal()?];
            while self.take_symbol(",") {
                values.push(self.literal()?);
            }
            self.expect_symbol(")")?;
            return Ok(Filter::In(field, negated, values));
        }
        let comparison = match self.next()? {
            _ if negated => return Err(Refusal::malformed("expecting 'IN' after 'NOT'")),
            Token::Symbol("=") => Comparison::Equal,
            Token::Symbol("!=" | "<>") => Comparison::NotEqual,
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessOrEqual,
            Token::Symbol(">") => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) if word.eq_ignore_ascii_case("like") => Comparison::Like,
            token => return Err(unexpected(&token)),
        };
        Ok(Filter::Compare(field, comparison, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let word = match self.next()? {
            Token::Text(text) => return Ok(Literal::Text(text)),
            Token::Word(word) => word,
            token => return Err(unexpected(&token)),
        };
        Ok(match word.to_ascii_lowercase().as_str() {
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            lower => {
                if let Ok(number) = lower.parse() {
                    Literal::Number(number)
                } else if let Some(time) = parse_time(&word) {
                    Literal::Time(time)
                } else if word.parse::<jiff::civil::Date>().is_ok() {
                    Literal::Day(word)
                } else {
                    return Err(Refusal::malformed(format!("unexpected token: '{word}'")));
                }
            }
        })
    }

    fn next(&mut self) -> Result<Token, Refusal> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token.ok_or_else(|| Refusal::malformed("unexpected token: '<EOF>'"))
    }

    fn name(&mut self) -> Result<String, Refusal> {
        match self.next()? {
            Token::Word(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok(word),
            token => Err(unexpected(&token)),
        }
    }

    fn count(&mut self) -> Result<usize, Refusal> {
        match self.next()? {
            Token::Word(word) if word.bytes().all(|b| b.is_ascii_digit()) => {
                word.parse().map_err(|_| Refusal::malformed("number is too large"))
            }
            token => Err(unexpected(&token)),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let taken =
            matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(taken);
        taken
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let taken = matches!(self.tokens.get(self.at), Some(Token::Symbol(next)) if *next == symbol);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, word: &str) -> Result<(), Refusal> {
        if self.take(word) { Ok(()) } else { Err(unexpected(&self.next()?)) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), Refusal> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(unexpected(&self.next()?)) }
    }
}

fn unexpected(token: &Token) -> Refusal {
    let shown = match token {
        Token::Word(text) | Token::Text(text) => text.as_str(),
        Token::Symbol(symbol) => symbol,
    };
    Refusal::malformed(format!("unexpected token: '{shown}'"))
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

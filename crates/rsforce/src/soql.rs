//! SOQL, built so that no value can become syntax.
//!
//! SOQL has no bind variables. Names are checked when they are made, values are escaped when they
//! are written, and an empty value is compared as `= null`, which is what Salesforce stores for it.

use std::fmt;

/// The name of an object or a field, safe to stand in a query or a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// A text that cannot be the name of an object or a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an API name: a letter, then letters, digits and underscores, at most 80")]
pub struct NotName(String);

impl Name {
    /// Checks `text` and takes it as a name.
    pub fn new(text: &str) -> Result<Self, NotName> {
        let fits = text.len() <= 80
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if fits { Ok(Self(text.to_owned())) } else { Err(NotName(intraware_shown::excerpt(text))) }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value to compare a field with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// No value.
    Null,
    /// Text, or the API value of a picklist. Empty text is no value.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) if text.is_empty() => f.write_str("null"),
            Self::Text(text) => write_quoted(f, text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
        }
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c.is_control() => write!(f, "\\u{:04X}", c as u32)?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("'")
}

/// What records must fulfil.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The field has this value.
    Is(Name, Literal),
    /// The field has another value.
    IsNot(Name, Literal),
    /// The field has one of these values; with none of them, nothing fulfils it.
    In(Name, Vec<Literal>),
    /// All of these hold; there must be at least one.
    All(Vec<Condition>),
    /// One of these holds; there must be at least one.
    Any(Vec<Condition>),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(field, value) => write!(f, "{field} = {value}"),
            Self::IsNot(field, value) => write!(f, "{field} != {value}"),
            // `IN ()` is not SOQL, and a record without an id does not exist.
            Self::In(_, values) if values.is_empty() => f.write_str("Id = null"),
            Self::In(field, values) => {
                write!(f, "{field} IN (")?;
                write_joined(f, values, ", ")?;
                f.write_str(")")
            }
            Self::All(conditions) => write_group(f, conditions, " AND "),
            Self::Any(conditions) => write_group(f, conditions, " OR "),
        }
    }
}

fn write_group(f: &mut fmt::Formatter<'_>, conditions: &[Condition], word: &str) -> fmt::Result {
    if let [single] = conditions {
        return write!(f, "{single}");
    }
    f.write_str("(")?;
    write_joined(f, conditions, word)?;
    f.write_str(")")
}

fn write_joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], word: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(word)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// The order of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending(Name),
    /// Largest first.
    Descending(Name),
}

/// A query over one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What to read; at least one.
    pub fields: Vec<Name>,
    /// Where to read it.
    pub object: Name,
    /// Which records; all, if there is none.
    pub filter: Option<Condition>,
    /// In which order, if it matters.
    pub order: Option<Order>,
    /// At most how many records.
    pub limit: Option<u32>,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        write_joined(f, &self.fields, ", ")?;
        write!(f, " FROM {}", self.object)?;
        match &self.filter {
            Some(Condition::All(all)) => {
                f.write_str(" WHERE ")?;
                write_joined(f, all, " AND ")?;
            }
            Some(filter) => write!(f, " WHERE {filter}")?,
            None => {}
        }
        match &self.order {
            Some(Order::Ascending(field)) => write!(f, " ORDER BY {field}")?,
            Some(Order::Descending(field)) => write!(f, " ORDER BY {field} DESC")?,
            None => {}
        }
        self.limit.map_or(Ok(()), |limit| write!(f, " LIMIT {limit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_query_is_written_with_escapes_and_null() {
        let query = Query {
            fields: vec![name("Id"), name("Build_Path__c")],
            object: name("Build__c"),
            filter: Some(Condition::All(vec![
                Condition::In(
                    name("T__c"),
                    vec![Literal::Text("O'Hara\\".into()), Literal::Text("b".into())],
                ),
                Condition::IsNot(name("Build_Path__c"), Literal::Text(String::new())),
                Condition::Any(vec![
                    Condition::Is(name("S__c"), Literal::Null),
                    Condition::Is(name("S__c"), Literal::Text("a\nb\u{7f}".into())),
                ]),
            ])),
            order: Some(Order::Descending(name("Id"))),
            limit: Some(5),
        };
        assert_eq!(
            query.to_string(),
            "SELECT Id, Build_Path__c FROM Build__c WHERE T__c IN ('O\\'Hara\\\\', 'b') \
             AND Build_Path__c != null AND (S__c = null OR S__c = 'a\\nb\\u007F') ORDER BY Id DESC LIMIT 5"
        );
    }

    #[test]
    fn names_cannot_hold_syntax() {
        for wrong in ["", "1a", "a b", "a'--", "a.b", "ä", "_a", &"a".repeat(81)] {
            assert!(Name::new(wrong).is_err(), "{wrong}");
        }
        assert!(Name::new("ns__Field__c").is_ok());
    }

    #[test]
    fn no_values_fulfil_nothing() {
        assert_eq!(Condition::In(name("Name"), vec![]).to_string(), "Id = null");
    }
}

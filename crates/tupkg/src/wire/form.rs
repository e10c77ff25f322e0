//! Fields as HTML forms send them: `name=value` joined by `&`, with everything unusual as `%XX`.
//!
//! Values are bytes: every file name comes through as it is. Reading is strict, so that no message has two
//! meanings: a name twice, a field without `=`, an escape that is none, are refused. `@` is written as it is,
//! as the protocol's own example has it; a space is written `%20`, and read from `+` as well.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use zeroize::{Zeroize as _, Zeroizing};

/// Everything but letters, digits and these.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b'@');

/// A message that is no list of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A field without `=`, or without a name.
    #[error("field {0} is not name=value")]
    NoField(usize),
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("field {0} has a % without two hexadecimal digits")]
    Escape(usize),
    /// A field's name holds something else than small letters and digits.
    #[error("field {0} has a name of other characters than small letters and digits")]
    Name(usize),
    /// Two fields have one name.
    #[error("field {0} is there twice")]
    Twice(usize),
}

/// The fields of a message, in its order. Wiped when dropped, for one of them may be a password.
#[derive(Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    /// Reads the fields of a message. Errors count fields from 1.
    pub fn parse(message: &[u8]) -> Result<Self, FormError> {
        let mut fields = Self::default();
        let mut names = std::collections::HashSet::new();
        for (number, part) in (1..).zip(message.split(|byte| *byte == b'&')) {
            let equals = part.iter().position(|byte| *byte == b'=').ok_or(FormError::NoField(number))?;
            let (name, value) = (&part[..equals], &part[equals + 1..]);
            if name.is_empty() {
                return Err(FormError::NoField(number));
            }
            if !name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                return Err(FormError::Name(number));
            }
            if !names.insert(name) {
                return Err(FormError::Twice(number));
            }
            let value = unescaped(value).ok_or(FormError::Escape(number))?;
            fields.0.push((String::from_utf8_lossy(name).into_owned(), value));
        }
        Ok(fields)
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns each name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Adds a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl AsRef<[u8]>) {
        self.0.push((name.into(), value.as_ref().to_vec()));
    }

    /// Returns the message.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        let escaped = |value| percent_encode(value, ESCAPED).map(str::len).sum::<usize>();
        let length = self.iter().map(|(name, value)| name.len() + 2 + escaped(value)).sum();
        // Room for all of it from the start: a growing buffer would leave copies behind.
        let mut message = Zeroizing::new(Vec::with_capacity(length));
        for (name, value) in self.iter() {
            if !message.is_empty() {
                message.push(b'&');
            }
            message.extend_from_slice(name.as_bytes());
            message.push(b'=');
            percent_encode(value, ESCAPED).for_each(|part| message.extend_from_slice(part.as_bytes()));
        }
        message
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

fn unescaped(value: &[u8]) -> Option<Vec<u8>> {
    let is_digit = |at: usize| value.get(at).is_some_and(u8::is_ascii_hexdigit);
    let is_escape = |at: usize| is_digit(at + 1) && is_digit(at + 2);
    if !(0..value.len()).all(|at| value[at] != b'%' || is_escape(at)) {
        return None;
    }
    let spaced = Zeroizing::new(
        value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<u8>>(),
    );
    Some(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(message: &str) -> Result<Vec<u8>, FormError> {
        Fields::parse(message.as_bytes()).map(|fields| fields.iter().next().unwrap().1.to_vec())
    }

    #[test]
    fn s4_04_fields_are_escaped_as_forms_are() {
        assert_eq!(one("a=x%2By+z%20%41").unwrap(), b"x+y z A");
        assert_eq!(one("a=").unwrap(), b"");
        assert_eq!(one("a=b=c").unwrap(), b"b=c");
        let mut fields = Fields::default();
        fields.push("username", "bfinch@example.net");
        fields.push("password", "a+b &=%\u{e9}");
        assert_eq!(&fields.message()[..], b"username=bfinch@example.net&password=a%2Bb%20%26%3D%25%C3%A9");
    }

    #[test]
    fn s4_04_what_has_no_meaning_is_refused() {
        for (message, error) in [
            ("", FormError::NoField(1)),
            ("a", FormError::NoField(1)),
            ("a=1&&b=2", FormError::NoField(2)),
            ("=1", FormError::NoField(1)),
            ("a=1&a=1", FormError::Twice(2)),
            ("a=%", FormError::Escape(1)),
            ("a=%4", FormError::Escape(1)),
            ("a=%4g", FormError::Escape(1)),
            ("a%41=1", FormError::Name(1)),
            ("A=1", FormError::Name(1)),
        ] {
            assert_eq!(one(message), Err(error), "{message}");
        }
        // Escaped twice is not escaped at all after the first time.
        assert_eq!(one("a=%252F").unwrap(), b"%2F");
    }

    proptest! {
        #[test]
        fn s4_12_every_byte_of_a_value_comes_through(values in prop::collection::vec(any::<Vec<u8>>(), 1..5)) {
            let mut fields = Fields::default();
            values.iter().enumerate().for_each(|(i, value)| fields.push(format!("f{i}"), value));
            let read = Fields::parse(&fields.message()).unwrap();
            prop_assert!(read == fields);
        }
    }
}

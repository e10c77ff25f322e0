//! The step from a file as written to values: typed, defaulted, and checked one by one.
//!
//! What is asked for here is what exists: a key of the file that nobody asked for is unknown. A value
//! that is wrong is noted as a [`Problem`] and read as its default, so that reading goes on and finds
//! the other problems; [`Reader::finish`] then lets nothing through.

mod lists;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::de::DeValue;

use super::problem::Problem;
use super::rules::{self, Rule};
use super::written::{Found, Written};
use super::{Entry, Origin};
use intraware_core::bandwidth::{RATE_FORM, Rate, TIMETABLE_FORM, Timetable, Unclear};
use intraware_core::foreign;
use intraware_core::secret::SecretSource;

/// Longest distance, in edits, at which a known key is taken for the one that was meant.
const NEAR: usize = 4;

/// Reads values by their dotted names.
pub(super) struct Reader<'i> {
    written: &'i Written<'i>,
    defaults: &'i Written<'i>,
    /// The element of an array whose keys are read.
    element: usize,
    asked: Vec<&'static str>,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl<'i> Reader<'i> {
    /// Reads from `written`, and from `defaults` what it does not say.
    pub(super) fn new(written: &'i Written<'i>, defaults: &'i Written<'i>) -> Self {
        Self { written, defaults, element: 0, asked: Vec::new(), entries: Vec::new(), problems: Vec::new() }
    }

    /// Reads each site in turn; the one of the reference, if the file has none.
    pub(super) fn each_site<T>(&mut self, read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.each(self.written.count("site").max(1), read)
    }

    /// Reads each tree in turn, if there are any.
    pub(super) fn each_tree<T>(&mut self, read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.each(self.written.count("tree"), read)
    }

    fn each<T>(&mut self, count: usize, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let read = (0..count).map(|element| {
            self.element = element;
            read(self)
        });
        let read = read.collect();
        self.element = 0;
        read
    }

    /// Turns to an element that was read before.
    pub(super) fn back_to(&mut self, element: usize) {
        self.element = element;
    }

    /// Returns an entry for each value read, or the problems if there are any.
    pub(super) fn finish(mut self) -> Result<Vec<Entry>, Vec<Problem>> {
        self.note_unknown(self.written.others(&self.asked).into_iter());
        if self.problems.is_empty() { Ok(self.entries) } else { Err(self.problems) }
    }

    fn note_unknown(&mut self, others: impl Iterator<Item = Found>) {
        for other in others {
            let message = if other.should_be_table {
                "must be a table".to_owned()
            } else {
                match nearest(&other.key, &self.asked) {
                    Some(known) => format!("is not a known key; did you mean {known}?"),
                    None => "is not a known key; config/intraware.toml lists all of them".to_owned(),
                }
            };
            self.element = other.element;
            let key = foreign::escape(self.label(&other.key));
            self.problems.push(Problem { line: Some(other.line), key, value: None, message });
        }
    }

    /// As [`Reader::finish`], but looks at no other table than this one, of which there may be several.
    pub(super) fn finish_below(mut self, table: &str) -> Result<Vec<Entry>, Vec<Problem>> {
        let others = self.written.others(&self.asked);
        let (below, element) = (format!("{table}."), format!("{table}["));
        self.problems.retain(|problem| problem.key.starts_with(&below) || problem.key.starts_with(&element));
        self.note_unknown(
            others.into_iter().filter(|other| other.key == table || other.key.starts_with(&below)),
        );
        if self.problems.is_empty() { Ok(self.entries) } else { Err(self.problems) }
    }

    /// Returns the names of everything that was asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Notes that the value of `key` cannot be used; `allowed` says what can.
    pub(super) fn refuse(&mut self, key: &str, allowed: impl Into<String>) {
        let value = self.value(key).and_then(shown);
        self.note(key, value, allowed.into());
    }

    /// Notes that `key` says nothing and must; its value is never shown.
    pub(super) fn demand(&mut self, key: &str, why: impl Into<String>) {
        self.note(key, None, why.into());
    }

    /// Reads a text; "" if nothing is set.
    pub(super) fn text(&mut self, key: &'static str) -> String {
        let text = match self.ask(key) {
            None => String::new(),
            Some(DeValue::String(text)) if !text.chars().any(foreign::is_unsafe) => text.to_string(),
            Some(DeValue::String(_)) => {
                self.demand(key, "must not hold line breaks or other control characters");
                String::new()
            }
            Some(_) => self.mistyped(key, "must be a text in quotes"),
        };
        let value =
            if text.is_empty() { "not set".to_owned() } else { format!("\"{}\"", foreign::escape(&text)) };
        self.enter(key, value);
        text
    }

    /// Reads a text that may be missing, by its rule.
    pub(super) fn optional<T>(&mut self, key: &'static str, rule: Rule<T>) -> Option<T> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        rule(&text).map_err(|allowed| self.refuse(key, allowed)).ok()
    }

    /// Reads a text as [`Self::optional`] does, of which no more is shown than its meaning shows.
    pub(super) fn hidden<T: Display>(&mut self, key: &'static str, rule: Rule<T>) -> Option<T> {
        let meaning = match self.ask(key) {
            Some(DeValue::String(text)) if text.is_empty() => None,
            Some(DeValue::String(text)) => rule(text).map_err(|allowed| self.demand(key, allowed)).ok(),
            Some(_) => {
                self.demand(key, "must be a text in quotes");
                None
            }
            None => None,
        };
        let value = meaning.as_ref().map_or_else(|| "not set".to_owned(), |meaning| format!("\"{meaning}\""));
        self.enter(key, value);
        meaning
    }

    /// Reads a text that must be there, by its rule; `instead` stands in for one that is wrong.
    pub(super) fn required<T>(&mut self, key: &'static str, rule: Rule<T>, instead: T) -> T {
        self.optional(key, rule).unwrap_or_else(|| {
            self.demand(key, "must be set");
            instead
        })
    }

    /// Reads an absolute path that must be there.
    pub(super) fn path(&mut self, key: &'static str) -> PathBuf {
        self.required(key, rules::absolute, PathBuf::new())
    }

    /// Reads one of a few words, each with its meaning.
    pub(super) fn choice<T: Clone>(&mut self, key: &'static str, meanings: &[(&str, T)]) -> T {
        let text = self.text(key);
        if let Some((_, meaning)) = meanings.iter().find(|(word, _)| *word == text) {
            return meaning.clone();
        }
        let words: Vec<String> = meanings.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        self.refuse(key, format!("must be {}", words.join(" or ")));
        meanings[0].1.clone()
    }

    /// Reads true or false.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        let flag = match self.ask(key) {
            Some(DeValue::Boolean(flag)) => *flag,
            Some(_) => self.mistyped(key, "must be true or false"),
            None => false,
        };
        self.enter(key, flag.to_string());
        flag
    }

    /// Reads an integer within `range`.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> u64 {
        let number = match self.ask(key) {
            Some(DeValue::Integer(digits)) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number)).unwrap_or_else(|| {
            self.refuse(key, format!("must be a whole number from {} to {}", range.start(), range.end()));
            *range.start()
        });
        self.enter(key, number.to_string());
        number
    }

    /// Reads a rate, or a list of times with the rates that begin then.
    pub(super) fn timetable(&mut self, key: &'static str) -> Timetable {
        let read = match self.ask(key) {
            None => Ok(Timetable::always(Rate::OFF)),
            Some(DeValue::String(text)) => {
                Rate::parse(text).map(Timetable::always).ok_or_else(|| RATE_FORM.to_owned())
            }
            Some(DeValue::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                Timetable::parse(texts.unwrap_or_default()).map_err(|unclear| match unclear {
                    Unclear::Entry => TIMETABLE_FORM.to_owned(),
                    Unclear::Twice(when) => format!("must not say two things about {when}"),
                })
            }
            Some(_) => Err(TIMETABLE_FORM.to_owned()),
        };
        let value = self.value(key).and_then(shown).unwrap_or_default();
        self.enter(key, value);
        read.unwrap_or_else(|allowed| {
            self.refuse(key, allowed);
            Timetable::always(Rate::OFF)
        })
    }

    /// Reads where a secret comes from. What stands there is shown to nobody until it is known to be
    /// a source: people do write the secret itself.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<SecretSource> {
        let source = match self.ask(key) {
            None => None,
            Some(value) => match source_of(value) {
                Ok(source) => Some(source),
                Err(allowed) => {
                    self.demand(key, allowed);
                    None
                }
            },
        };
        let value = source.as_ref().map_or("not set".to_owned(), SecretSource::to_string);
        self.enter(key, value);
        source
    }

    /// Reads a table whose keys are chosen by whoever writes it: API names, each with one text.
    pub(super) fn equalities(&mut self, key: &'static str) -> Vec<(String, String)> {
        self.pairs(key, rules::identifier, rules::word)
    }

    /// Reads a table whose keys are chosen by whoever writes it; keys and texts each by their rule.
    pub(super) fn pairs(
        &mut self,
        key: &'static str,
        key_rule: Rule<String>,
        text_rule: Rule<String>,
    ) -> Vec<(String, String)> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        let Some(table) = value.as_table() else { return self.mistyped(key, "must be a table") };
        let mut pairs = BTreeMap::new();
        for (name, value) in table {
            let dotted = format!("{key}.{}", foreign::escape(name.get_ref().as_ref()));
            match (key_rule(name.get_ref()), value.get_ref().as_str().map(text_rule)) {
                (Ok(name), Some(Ok(word))) => {
                    let value = format!("\"{}\"", foreign::escape(&word));
                    self.entries.push(Entry { origin: self.origin(&dotted), key: dotted, value });
                    pairs.insert(name, word);
                }
                (Err(allowed), _) => self.refuse(&dotted, format!("the key {allowed}")),
                (_, Some(Err(allowed))) => self.refuse(&dotted, allowed),
                (_, None) => self.refuse(&dotted, "must be a text in quotes"),
            }
        }
        pairs.into_iter().collect()
    }

    /// Notes the first problem of a key; what follows from it is no news.
    fn note(&mut self, key: &str, value: Option<String>, message: String) {
        let label = self.label(key);
        if self.problems.iter().all(|problem| problem.key != label) {
            let line = self.line_of(key).or_else(|| self.written.line_of_element(key, self.element));
            self.problems.push(Problem { line, key: label, value, message });
        }
    }

    /// Returns what messages call a key: as it is, or with the number of its table where there are several.
    fn label(&self, key: &str) -> String {
        match key.split_once('.') {
            Some((array, key)) if self.written.count(array) > 1 => {
                format!("{array}[{}].{key}", self.element + 1)
            }
            _ => key.to_owned(),
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<&'i DeValue<'i>> {
        // The keys of all elements are the same ones.
        if self.element == 0 {
            self.asked.push(key);
        }
        self.value(key)
    }

    fn value(&self, key: &str) -> Option<&'i DeValue<'i>> {
        let value = self.written.get(key, self.element).or_else(|| self.defaults.get(key, 0));
        value.map(|value| value.get_ref())
    }

    fn mistyped<T: Default>(&mut self, key: &str, allowed: &str) -> T {
        self.refuse(key, allowed);
        T::default()
    }

    /// A key that somebody chose may have dots in it, and is then found by its table.
    fn line_of(&self, key: &str) -> Option<usize> {
        let table = || {
            let mut tables = self
                .asked
                .iter()
                .filter(|asked| key.strip_prefix(**asked).is_some_and(|r| r.starts_with('.')));
            tables.find_map(|table| self.written.line_of(table, self.element))
        };
        self.written.line_of(key, self.element).or_else(table)
    }

    fn origin(&self, key: &str) -> Origin {
        self.line_of(key).map_or(Origin::Default, |line| Origin::File { line })
    }

    fn enter(&mut self, key: &'static str, value: String) {
        self.entries.push(Entry { key: self.label(key), value, origin: self.origin(key) });
    }
}

/// Reads `{ file = … }`, `{ env = … }` or `{ command = […] }`.
fn source_of(value: &DeValue<'_>) -> Result<SecretSource, &'static str> {
    const FORMS: &str =
        "must be { file = \"/…\" }, { env = \"…\" } or { command = [\"/…\", …] }, never the secret itself";
    let table = value.as_table().filter(|table| table.len() == 1).ok_or(FORMS)?;
    let (kind, value) = table.iter().next().ok_or(FORMS)?;
    let value = value.get_ref();
    match (kind.get_ref().as_ref(), value.as_str(), value.as_array()) {
        ("file", Some(path), _) => rules::absolute(path).map(SecretSource::File),
        ("env", Some(name), _) => rules::variable(name).map(SecretSource::Env),
        ("command", _, Some(words)) => {
            let words: Option<Vec<String>> =
                words.iter().map(|word| word.get_ref().as_str().map(str::to_owned)).collect();
            let words = words.ok_or("must have a command of texts in quotes")?;
            match words.first().map(|program| rules::absolute(program)) {
                Some(Ok(_)) => Ok(SecretSource::Command(words)),
                _ => Err("must have a command that begins with the absolute path of a program"),
            }
        }
        _ => Err(FORMS),
    }
}

/// Returns a value as TOML, or none if it may hold a secret that was put in the wrong place.
fn shown(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) if may_hold_secret(text) => None,
        DeValue::String(text) => Some(format!("\"{}\"", foreign::escape(text.as_ref()))),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| shown(item.get_ref())).collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
        DeValue::Table(_) => None,
    }
}

/// Returns whether a text looks like a key or like a URL with a password.
fn may_hold_secret(text: &str) -> bool {
    let user = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    text.contains("-----") || text.contains('\n') || user.is_some_and(|(user, _)| user.contains(':'))
}

/// Returns the known key or table that `unknown` is most probably a slip of: near as a whole, or with
/// the same last name in another table.
fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let tables = known.iter().flat_map(|key| key.match_indices('.').map(|(dot, _)| &key[..dot]));
    let near = known
        .iter()
        .copied()
        .chain(tables)
        .map(|key| (strsim::damerau_levenshtein(unknown, key), key))
        .filter(|(distance, key)| *distance <= NEAR && *distance * 2 <= key.len())
        .min();
    near.map(|(_, key)| key).or_else(|| known.iter().find(|key| last(key) == last(unknown)).copied())
}

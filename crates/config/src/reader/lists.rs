//! Keys that hold a list of texts.

use toml::de::DeValue;

use super::{Reader, Rule, rules, shown};
use intraware_core::foreign;

impl Reader<'_> {
    /// Reads a list of texts, each by the rule; at least one, none twice.
    pub(in super::super) fn list<T: PartialEq>(&mut self, key: &'static str, rule: Rule<T>) -> Vec<T> {
        let list = self.some(key, rule);
        match self.value(key) {
            None => self.demand(key, "must be set"),
            Some(DeValue::Array(items)) if items.is_empty() => self.refuse(key, "must name at least one"),
            // Whatever else is wrong was said.
            Some(_) => {}
        }
        list
    }

    /// Reads a list of texts, each by the rule; perhaps none, none twice.
    pub(in super::super) fn some<T: PartialEq>(&mut self, key: &'static str, rule: Rule<T>) -> Vec<T> {
        let items = match self.ask(key) {
            None => return self.not_set(key),
            Some(DeValue::Array(items)) => items,
            Some(_) => return self.mistyped(key, "must be a list of texts in quotes, in brackets"),
        };
        let mut list = Vec::new();
        for item in items.iter() {
            let checked = match item.get_ref().as_str() {
                Some(text) => rule(text),
                None => Err("must be a list of texts in quotes"),
            };
            match checked {
                Ok(value) if list.contains(&value) => self.refuse(key, "must not name anything twice"),
                Ok(value) => list.push(value),
                Err(allowed) => self.refuse(key, format!("each {allowed}")),
            }
        }
        let value = self.value(key).and_then(shown).unwrap_or_default();
        self.enter(key, value);
        list
    }

    /// Reads the words of a command; none, if it is not set. The first is the program's absolute path.
    pub(in super::super) fn command(&mut self, key: &'static str) -> Vec<String> {
        const FORM: &str = "must be a list of texts in quotes: an absolute path, and arguments";
        let items = match self.ask(key) {
            None => return self.not_set(key),
            Some(DeValue::Array(items)) => items,
            Some(_) => return self.mistyped(key, FORM),
        };
        let words: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
        let words = words.unwrap_or_default();
        let is_sound = words.len() == items.len()
            && words.first().is_none_or(|program| rules::absolute(program).is_ok())
            && !words.iter().any(|word| word.chars().any(foreign::is_unsafe));
        if !is_sound {
            self.refuse(key, FORM);
        }
        let value = self.value(key).and_then(shown).unwrap_or_default();
        self.enter(key, value);
        words.into_iter().map(str::to_owned).collect()
    }

    fn not_set<T>(&mut self, key: &'static str) -> Vec<T> {
        self.enter(key, "not set".to_owned());
        Vec::new()
    }
}

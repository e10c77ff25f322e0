//! The step from a section as it was written to typed values. A key that nobody has asked for is unknown; a
//! value that is wrong is noted and read as its default, so that all that is wrong is found.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use intraware_core::foreign;
use intraware_core::secret::{Secret, SecretSource};

use crate::error::Problem;
use crate::upgrade::Words;
use crate::written::{Key, Section, Value};

/// How many letters may be wrong in a key that is still guessed.
const NEAR: usize = 3;

/// Where a password is.
#[derive(Debug, Clone)]
pub enum Password {
    /// In the file of routes itself, which nobody else can read.
    Written(Secret),
    /// Somewhere else.
    Source(SecretSource),
}

/// Reads the keys of a section, and those of the section that gives others what they do not say.
pub(crate) struct Reader<'a> {
    section: &'a Section,
    defaults: &'a Section,
    home: Option<&'a Path>,
    asked: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        section: &'a Section,
        defaults: &'a Section,
        home: Option<&'a Path>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self { section, defaults, home, asked: Vec::new(), problems }
    }

    /// Returns a key and the section that it stands in. An empty value is none.
    fn find(&self, key: &str) -> Option<(&'a Key, &'a Section)> {
        let is_set = |found: &&Key| match &found.value {
            Value::Text(text) => !text.expose().is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Flag(_) | Value::Number(_) | Value::Table(..) => true,
        };
        let found = [self.section, self.defaults].into_iter();
        found.filter_map(|section| Some((section.get(key).filter(is_set)?, section))).next()
    }

    fn ask(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        self.find(key).map(|(found, _)| &found.value)
    }

    /// Returns whether nothing is said of a key.
    pub(crate) fn is_unset(&self, key: &str) -> bool {
        self.find(key).is_none()
    }

    /// Notes that a value cannot be used; the value itself is not told.
    pub(crate) fn refuse(&mut self, key: &str, allowed: &str) {
        let (line, section) = match self.find(key) {
            Some((found, section)) => (found.line, section),
            None => (self.section.line, self.section),
        };
        let message = format!("{key}: {allowed}");
        self.problems.push(Problem { line, section: Some(section.name.clone()), message });
    }

    /// Notes something of the section as a whole.
    pub(crate) fn note(&mut self, line: usize, message: String) {
        self.problems.push(Problem { line, section: Some(self.section.name.clone()), message });
    }

    /// Reads a text of one line.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, |text| Ok(text.to_owned()))
    }

    /// Reads a text of one line by its rule.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        match self.ask(key)? {
            // As it would be written without quotes.
            Value::Number(number) => {
                rule(&number.to_string()).map_err(|allowed| self.refuse(key, allowed)).ok()
            }
            Value::Text(text) => {
                let text = text.expose_str().unwrap_or_default();
                let read = if text.contains('\n') {
                    Err("must be on one line; lines below that begin further right belong to it")
                } else if text.chars().any(foreign::is_unsafe) {
                    Err("must not hold control characters")
                } else {
                    rule(text)
                };
                read.map_err(|allowed| self.refuse(key, allowed)).ok()
            }
            Value::List(_) | Value::Flag(_) | Value::Table(..) => {
                self.refuse(key, "must be a text");
                None
            }
        }
    }

    /// Reads a secret of one line.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.parsed(key, |text| Ok(Secret::new(text.as_bytes())))
    }

    /// Reads a password, or where it is.
    pub(crate) fn password(&mut self, key: &'static str) -> Option<Password> {
        let Some((Key { value: Value::Table(kind, words), .. }, _)) = self.find(key) else {
            return self.secret(key).map(Password::Written);
        };
        self.asked.push(key);
        let source = match (&kind[..], &words[..]) {
            ("file", [path]) if Path::new(path).is_absolute() => SecretSource::File(path.into()),
            ("env", [name]) if !name.is_empty() => SecretSource::Env(name.clone()),
            ("command", [program, ..]) if Path::new(program).is_absolute() => {
                SecretSource::Command(words.clone())
            }
            _ => {
                let forms =
                    "must be a password, { file = \"/…\" }, { env = \"…\" } or { command = [\"/…\", …] }";
                self.refuse(key, forms);
                return None;
            }
        };
        Some(Password::Source(source))
    }

    /// Reads a path of this host.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let home = self.home;
        self.parsed(key, |text| match (text.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => Ok(home.join(below)),
            (Some(_), None) => Err("begins with ~, and HOME is not set"),
            (None, _) if Path::new(text).is_absolute() => Ok(text.into()),
            (None, _) => Err("must be an absolute path, or one that begins with ~/"),
        })
    }

    /// Reads a path of this host that is below the home directory if it is not set.
    pub(crate) fn file(&mut self, key: &'static str, below_home: &str) -> PathBuf {
        let default = self.home.map(|home| home.join(below_home));
        if self.is_unset(key) && default.is_none() {
            self.asked.push(key);
            self.refuse(key, "must be set, as HOME is not");
        }
        self.path(key).or(default).unwrap_or_default()
    }

    /// Reads one or more values, with blanks or commas between them.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        let words: Vec<String> = match self.ask(key) {
            None => return Vec::new(),
            Some(Value::List(list)) => list.clone(),
            Some(Value::Text(text)) => {
                let words = text.expose_str().unwrap_or_default().split([' ', '\t', '\n', ',']);
                words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            Some(Value::Flag(_) | Value::Number(_) | Value::Table(..)) => {
                self.refuse(key, "must be a text or a list of texts");
                return Vec::new();
            }
        };
        let read: Result<Vec<T>, &'static str> = words.iter().map(|word| rule(word)).collect();
        read.map_err(|allowed| self.refuse(key, allowed)).unwrap_or_default()
    }

    /// Reads one or more values, with commas or ends of lines between them.
    pub(crate) fn lines<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        let lines: Vec<String> = match self.ask(key) {
            None => return Vec::new(),
            Some(Value::List(list)) => list.clone(),
            Some(Value::Text(text)) => {
                let lines = text.expose_str().unwrap_or_default().split(['\n', ',']);
                lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
            }
            Some(Value::Flag(_) | Value::Number(_) | Value::Table(..)) => {
                self.refuse(key, "must be a text or a list of texts");
                return Vec::new();
            }
        };
        let read: Result<Vec<T>, &'static str> = lines.iter().map(|line| rule(line)).collect();
        read.map_err(|allowed| self.refuse(key, allowed)).unwrap_or_default()
    }

    /// Reads a command: a list, of which each text is one word.
    pub(crate) fn words(&mut self, key: &'static str) -> Option<Words> {
        let words = match self.ask(key)? {
            Value::List(words) => words,
            Value::Text(_) | Value::Flag(_) | Value::Number(_) | Value::Table(..) => {
                self.refuse(key, "must be a list, as in [\"/opt/app/upgrade\", \"{path}\"]");
                return None;
            }
        };
        if words.iter().any(|word| word.chars().any(foreign::is_unsafe)) {
            self.refuse(key, "must not hold control characters");
            return None;
        }
        Words::parse(words).map_err(|allowed| self.refuse(key, allowed)).ok()
    }

    /// Reads a whole number.
    pub(crate) fn number(&mut self, key: &'static str, allowed: RangeInclusive<u32>) -> Option<u32> {
        let number = match self.ask(key)? {
            Value::Number(number) => u32::try_from(*number).ok(),
            Value::Text(text) => text.expose_str().and_then(|text| text.parse().ok()),
            Value::List(_) | Value::Flag(_) | Value::Table(..) => None,
        };
        let number = number.filter(|number| allowed.contains(number));
        if number.is_none() {
            self.refuse(key, &format!("must be a number from {} to {}", allowed.start(), allowed.end()));
        }
        number
    }

    /// Reads yes or no, which is no if nothing is said.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        let flag = match self.ask(key) {
            None => return false,
            Some(Value::Flag(flag)) => Some(*flag),
            Some(Value::Text(text)) => {
                match &text.expose_str().unwrap_or_default().to_ascii_lowercase()[..] {
                    "yes" | "true" | "on" | "1" => Some(true),
                    "no" | "false" | "off" | "0" => Some(false),
                    _ => None,
                }
            }
            Some(Value::List(_) | Value::Number(_) | Value::Table(..)) => None,
        };
        if flag.is_none() {
            self.refuse(key, "must be yes or no");
        }
        flag.unwrap_or(false)
    }

    /// Reads one of these words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(key) else { return default };
        let found = words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        found.map(|(_, meant)| *meant).unwrap_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(key, &format!("must be one of {}", words.join(", ")));
            default
        })
    }

    /// Notes the keys that nobody has asked for.
    pub(crate) fn finish(self) {
        for section in [self.section, self.defaults] {
            for Key { name, line, .. } in &section.keys {
                if self.asked.contains(&&name[..]) {
                    continue;
                }
                let near =
                    self.asked.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
                let advice = match near {
                    Some((distance, known)) if distance <= NEAR => format!("did you mean {known}?"),
                    _ => format!("known are {}", self.asked.join(", ")),
                };
                let message = format!("{}: is no known key; {advice}", foreign::escape(name));
                self.problems.push(Problem { line: *line, section: Some(section.name.clone()), message });
            }
        }
    }
}

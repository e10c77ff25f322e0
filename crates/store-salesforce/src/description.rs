//! Whether the object in Salesforce is what the configuration says, and the names to use for it.
//!
//! The object is described once and the description kept for a day beside the token, so that a run
//! with nothing to do costs one query. Every disagreement is reported at once: a missing field,
//! a wrong type, a field that is too short, not writable or not comparable, a word that a
//! restricted picklist does not take.

use rsforce::{Condition, Field, Literal, Name, Object};

use intraware_core::foreign::escape;
use intraware_core::store::values::Values;

use super::settings::SalesforceSettings;

/// The object's names in the case that answers use, and what writing it needs to know.
#[derive(Debug, Clone)]
pub(super) struct Description {
    pub(super) object: Name,
    pub(super) name: Name,
    pub(super) build_type: Name,
    pub(super) build_path: Name,
    pub(super) status: Name,
    pub(super) detail: Option<Detail>,
    pub(super) trigger: Name,
    pub(super) size: Name,
    pub(super) md5: Name,
    pub(super) sha1: Name,
    pub(super) build_date: Name,
    /// Whether the date is kept as a day, without a time.
    pub(super) keeps_day: bool,
    pub(super) priority: Option<Name>,
    /// What a record must hold besides to be selected.
    pub(super) filter: Vec<Condition>,
}

/// The field for the reason of an Error.
#[derive(Debug, Clone)]
pub(super) struct Detail {
    pub(super) name: Name,
    /// In characters.
    pub(super) length: usize,
}

/// What was looked at and what is wrong, for people.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) lines: Vec<String>,
    pub(super) problems: Vec<String>,
}

/// Types of fields, by what they can hold.
const TEXT: &[&str] = &["string", "textarea", "url", "email", "phone"];
const WORD: &[&str] = &["picklist", "string", "combobox"];
const NUMBER: &[&str] = &["double", "int", "long", "currency", "percent"];
const DAY: &[&str] = &["date", "datetime"];

/// What a field has to be.
struct Need<'a> {
    key: &'static str,
    name: &'a str,
    kinds: &'static [&'static str],
    written: bool,
    compared: bool,
    /// Characters of a text, digits of a number.
    room: u32,
    words: Vec<&'a str>,
}

impl<'a> Need<'a> {
    fn read(key: &'static str, name: &'a str, kinds: &'static [&'static str]) -> Self {
        Self { key, name, kinds, written: false, compared: false, room: 0, words: Vec::new() }
    }

    fn compared(self) -> Self {
        Self { compared: true, ..self }
    }

    fn written(self, room: u32) -> Self {
        Self { written: true, room, ..self }
    }

    fn words(self, words: Vec<&'a str>) -> Self {
        Self { words, ..self }
    }
}

impl Description {
    /// Compares the object with the configuration. Without a problem, there is a description.
    pub(super) fn new(
        settings: &SalesforceSettings,
        values: &Values,
        object: &Object,
    ) -> (Option<Self>, Findings) {
        let mut found = Findings::default();
        let description = Self::find(settings, values, object, &mut found);
        (description.filter(|_| found.problems.is_empty()), found)
    }

    fn find(
        settings: &SalesforceSettings,
        values: &Values,
        object: &Object,
        found: &mut Findings,
    ) -> Option<Self> {
        found.object(object);
        let fields = &settings.fields;
        let mut look = |need: Need<'_>| found.field(object, &need);
        // All are looked at before the first `?`, so that every problem is told at once.
        let name = look(Need::read("name", &fields.name, TEXT).compared());
        let types = values.build_type.iter().map(String::as_str).collect();
        let build_type = look(Need::read("build_type", &fields.build_type, WORD).compared().words(types));
        let build_path = look(Need::read("build_path", &fields.build_path, TEXT).compared());
        let words = vec![&*values.error, &values.in_process, &values.completed, &values.do_not_release];
        let status = look(Need::read("status", &fields.status, WORD).compared().written(0).words(words));
        let detail = fields.detail.as_deref().map(|name| look(Need::read("detail", name, TEXT).written(40)));
        let words = vec![&*values.ready, &values.associated];
        let trigger = look(Need::read("trigger", &fields.trigger, WORD).written(0).words(words));
        let size = look(Need::read("size", &fields.size, NUMBER).written(11));
        let md5 = look(Need::read("md5", &fields.md5, TEXT).written(32));
        let sha1 = look(Need::read("sha1", &fields.sha1, TEXT).written(40));
        let build_date = look(Need::read("build_date", &fields.build_date, DAY).written(0));
        let priority = fields.priority.as_deref().map(|name| look(Need::read("priority", name, NUMBER)));
        let filter = found.filter(object, &settings.filter);
        let detail = match detail {
            Some(field) => {
                let field = field?;
                Some(Detail { name: name_of(field)?, length: field.length as usize })
            }
            None => None,
        };
        let priority = match priority {
            Some(field) => Some(name_of(field?)?),
            None => None,
        };
        let build_date = build_date?;
        Some(Self {
            object: Name::new(&object.name).ok()?,
            name: name_of(name?)?,
            build_type: name_of(build_type?)?,
            build_path: name_of(build_path?)?,
            status: name_of(status?)?,
            detail,
            trigger: name_of(trigger?)?,
            size: name_of(size?)?,
            md5: name_of(md5?)?,
            sha1: name_of(sha1?)?,
            build_date: name_of(build_date)?,
            keeps_day: build_date.kind == "date",
            priority,
            filter,
        })
    }
}

fn name_of(field: &Field) -> Option<Name> {
    Name::new(&field.name).ok()
}

impl Findings {
    /// Looks at the object itself.
    fn object(&mut self, object: &Object) {
        self.lines.push(format!("object {}: found", escape(&object.name)));
        if !object.queryable {
            self.problems.push(format!("object {} cannot be queried", escape(&object.name)));
        }
        if !object.updateable {
            self.problems.push(format!("object {} cannot be changed", escape(&object.name)));
        }
    }

    /// Looks at one field.
    fn field<'o>(&mut self, object: &'o Object, need: &Need<'_>) -> Option<&'o Field> {
        let label = format!("field {} (fields.{})", escape(need.name), need.key);
        let Some(field) = object.field(need.name) else {
            self.problems.push(format!("{label} does not exist or is hidden from the integration user"));
            return None;
        };
        let before = self.problems.len();
        if !need.kinds.contains(&field.kind.as_str()) {
            let (kind, kinds) = (escape(&field.kind), need.kinds.join(" or "));
            self.problems.push(format!("{label} is of type {kind} and must be {kinds}"));
        }
        if need.written && !field.updateable {
            self.problems.push(format!("{label} cannot be changed by the integration user"));
        }
        if need.compared && !field.filterable {
            self.problems.push(format!("{label} cannot be compared in a query"));
        }
        let room = if NUMBER.contains(&field.kind.as_str()) {
            field.precision.saturating_sub(field.scale)
        } else {
            field.length
        };
        if need.room > 0 && room > 0 && room < need.room {
            self.problems.push(format!("{label} has room for {room} characters and needs {}", need.room));
        }
        self.words(field, need, &label);
        if self.problems.len() == before {
            let access = if need.written { ", writable" } else { "" };
            self.lines.push(format!("{label}: {}{access}", escape(&field.kind)));
        }
        Some(field)
    }

    /// Looks whether a picklist takes the words that are written and asked for.
    fn words(&mut self, field: &Field, need: &Need<'_>, label: &str) {
        if field.kind != "picklist" {
            return;
        }
        for word in need.words.iter().filter(|word| !field.offers(word)) {
            let word = escape(word);
            if field.restricted_picklist {
                self.problems.push(format!("{label} does not offer the value \"{word}\""));
            } else {
                self.lines.push(format!("{label}: takes \"{word}\" although its picklist does not list it"));
            }
        }
    }

    /// Looks at the filters, and writes each in its field's type.
    fn filter(&mut self, object: &Object, filter: &[(String, String)]) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for (name, value) in filter {
            let label = format!("field {} (records.filter)", escape(name));
            let Some(field) = object.field(name) else {
                self.problems.push(format!("{label} does not exist or is hidden from the integration user"));
                continue;
            };
            if !field.filterable {
                self.problems.push(format!("{label} cannot be compared in a query"));
            }
            let literal = match field.kind.as_str() {
                "boolean" => value.parse().ok().map(Literal::Boolean),
                kind if NUMBER.contains(&kind) => value.parse().ok().map(Literal::Integer),
                kind if DAY.contains(&kind) => None,
                _ => Some(Literal::Text(value.clone())),
            };
            match (literal, name_of(field)) {
                (Some(literal), Some(name)) => {
                    self.lines.push(format!("{label}: {}", escape(&field.kind)));
                    conditions.push(Condition::Is(name, literal));
                }
                _ => {
                    let (kind, value) = (escape(&field.kind), escape(value));
                    self.problems.push(format!("{label} is of type {kind} and cannot be \"{value}\""));
                }
            }
        }
        conditions
    }
}

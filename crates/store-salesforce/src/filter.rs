//! What is read of records, and which of them: the parts of a query.

use intraware_core::store::values::Values;
use rsforce::{Condition, Literal, Name};

use super::description::Description;
use super::row::{ID, MODIFIED};

impl Description {
    /// Returns what is read of each record.
    pub(super) fn fields(&self) -> Vec<Name> {
        let system = [ID, MODIFIED].into_iter().filter_map(|name| Name::new(name).ok());
        let all = [&self.name, &self.build_type, &self.build_path, &self.status, &self.trigger, &self.size];
        let more = [&self.md5, &self.sha1, &self.build_date];
        let optional = self.detail.iter().map(|detail| &detail.name).chain(&self.priority);
        system.chain(all.into_iter().chain(more).chain(optional).cloned()).collect()
    }

    /// Returns what a record must fulfil to be due.
    pub(super) fn due(&self, values: &Values) -> Condition {
        let status = vec![
            Condition::Is(self.status.clone(), Literal::Null),
            self.has_status(&values.error),
            self.has_status(&values.in_process),
        ];
        self.ours(
            values,
            vec![Condition::IsNot(self.build_path.clone(), Literal::Null), Condition::Any(status)],
        )
    }

    pub(super) fn has_status(&self, word: &str) -> Condition {
        Condition::Is(self.status.clone(), Literal::Text(word.to_owned()))
    }

    /// Returns what a record must fulfil to be one of those that are processed here, and to fulfil `more`.
    pub(super) fn ours(&self, values: &Values, more: Vec<Condition>) -> Condition {
        let types = values.build_type.iter().cloned().map(Literal::Text).collect();
        let mut all = vec![Condition::In(self.build_type.clone(), types)];
        all.extend(more);
        all.extend(self.filter.iter().cloned());
        Condition::All(all)
    }
}

/// Returns the field that a condition of the filter compares.
pub(super) fn compared(condition: &Condition) -> Option<&Name> {
    match condition {
        Condition::Is(name, _) | Condition::IsNot(name, _) | Condition::In(name, _) => Some(name),
        Condition::All(_) | Condition::Any(_) => None,
    }
}

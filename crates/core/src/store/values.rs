//! The words that stand for statuses in a record store.
//!
//! Which words an organisation uses is configuration; what they mean is [`Status`]. Both stores
//! translate here and nowhere else, so that they cannot disagree. Words are compared exactly:
//! Salesforce finds `completed` where `Completed` was asked for, and a status in another letter
//! case is somebody else's word, not ours.

use crate::foreign::escape;
use crate::record::{Record, Status};

/// The words of the status field, the association field and the build type field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Values {
    /// The build types whose records are selected.
    pub build_type: Vec<String>,
    /// Status: the last try failed.
    pub error: String,
    /// Status: prepared, waiting or under way.
    pub in_process: String,
    /// Status: delivered and verified.
    pub completed: String,
    /// Status: on hold.
    pub do_not_release: String,
    /// Association: the payload may be tied to the record.
    pub ready: String,
    /// Association: it was tied; set by the site's owner, never by us.
    pub associated: String,
}

impl Values {
    /// Returns the status that a stored value stands for; no value and an empty one are the same.
    pub fn status_of(&self, stored: Option<&str>) -> Status {
        match stored {
            None | Some("") => Status::Empty,
            Some(word) if word == self.error => Status::Error,
            Some(word) if word == self.in_process => Status::InProcess,
            Some(word) if word == self.completed => Status::Completed,
            Some(word) if word == self.do_not_release => Status::DoNotRelease,
            Some(word) => Status::Other(word.to_owned()),
        }
    }

    /// Returns the value that is stored for `status`; empty is stored as no value.
    pub fn word<'a>(&'a self, status: &'a Status) -> Option<&'a str> {
        match status {
            Status::Empty => None,
            Status::Error => Some(&self.error),
            Status::InProcess => Some(&self.in_process),
            Status::Completed => Some(&self.completed),
            Status::DoNotRelease => Some(&self.do_not_release),
            Status::Other(word) => Some(word),
        }
    }

    /// Returns why a record is not selected, as far as it tells itself.
    pub fn why_left_out(&self, record: &Record) -> Option<String> {
        let taken = self.build_type.iter().map(|word| format!("\"{}\"", escape(word)));
        let taken = taken.collect::<Vec<_>>().join(", ");
        match &record.build_type {
            None => Some(format!("it has no build type, and records.values.build_type takes {taken}")),
            Some(kind) if !self.build_type.contains(kind) => Some(format!(
                "its build type is \"{}\", and records.values.build_type takes {taken}",
                escape(kind)
            )),
            Some(_) if record.build_path.as_ref().is_none_or(String::is_empty) => {
                Some("it has no build path".to_owned())
            }
            Some(_) => None,
        }
    }

    /// Returns whether an association value says that the build was released to customers.
    pub fn is_released(&self, stored: Option<&str>) -> bool {
        stored.is_some_and(|word| word == self.ready || word == self.associated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            build_type: vec!["Patch Build".into()],
            error: "Error".into(),
            in_process: "In Process".into(),
            completed: "Done".into(),
            do_not_release: "Do Not Release".into(),
            ready: "Ready".into(),
            associated: "File Associated".into(),
        }
    }

    #[test]
    fn every_status_survives_being_stored_and_read() {
        let values = values();
        let all = [
            Status::Empty,
            Status::Error,
            Status::InProcess,
            Status::Completed,
            Status::DoNotRelease,
            Status::Other("Parked".into()),
        ];
        for status in all {
            assert_eq!(values.status_of(values.word(&status)), status);
        }
        assert_eq!(values.status_of(Some("")), Status::Empty);
    }

    #[test]
    fn a_word_in_another_letter_case_or_with_a_space_is_not_ours() {
        for word in ["done", "DONE", "Done ", " ", "in process"] {
            assert_eq!(values().status_of(Some(word)), Status::Other(word.into()));
        }
    }

    #[test]
    fn s0_26_both_association_values_mean_released() {
        let values = values();
        assert!(values.is_released(Some("Ready")) && values.is_released(Some("File Associated")));
        assert!(
            !values.is_released(None) && !values.is_released(Some("")) && !values.is_released(Some("ready"))
        );
    }
}

//! What every record store must do: the contract of [`RecordStore`] as a suite, run on each
//! implementation against the real thing.
//!
//! A store under test comes as a [`Subject`]: the store as programs see it, and the [`People`] who work
//! on the same records past it, as they do with Salesforce's pages or the `sqlite3` shell. The suite
//! looks at a record through both, so a store cannot agree with itself alone.
//!
//! [`conformance_suite!`](crate::conformance_suite) makes one `#[test]` of each function here.

mod reading;
mod writing;

use jiff::Timestamp;

pub use self::reading::*;
pub use self::writing::*;

use super::values::Values;
use super::{RecordStore, WriteError, WriteRefusal};
use crate::digest::{Digester, Digests};
use crate::record::{Change, Record, RecordId, Revision, Status};

/// A fresh, empty store under test.
pub struct Subject {
    /// The store as programs see it.
    pub store: Box<dyn RecordStore>,
    /// The same records as people see them.
    pub people: Box<dyn People>,
    /// The words that the store was given; with exactly one build type.
    pub values: Values,
}

/// The people's side of a store: they see and change what is stored, as it is stored.
pub trait People {
    /// Adds a record.
    fn add(&mut self, sheet: &Sheet) -> RecordId;

    /// Changes one field of a record; none clears it, and so does "" in a store that knows no difference.
    fn edit(&mut self, id: &RecordId, field: Field, value: Option<&str>);

    /// Removes a record.
    fn remove(&mut self, id: &RecordId);

    /// Shows a record.
    fn show(&mut self, id: &RecordId) -> Sheet;

    /// Lets time pass until an edit made now has another revision than one made before.
    fn settle(&mut self);
}

/// A record as it is stored; none is a field without a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The build's name.
    pub name: String,
    /// The kind of build.
    pub build_type: Option<String>,
    /// Where it lies.
    pub build_path: Option<String>,
    /// The upload status.
    pub status: Option<String>,
    /// The reason of an Error.
    pub detail: Option<String>,
    /// The association field.
    pub association: Option<String>,
    /// The payload's size.
    pub size: Option<u64>,
    /// The payload's MD5.
    pub md5: Option<String>,
    /// The payload's SHA-1.
    pub sha1: Option<String>,
    /// The build's date.
    pub build_date: Option<Timestamp>,
    /// How urgent it is.
    pub priority: Option<i64>,
}

/// A field that people edit in these tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The build's path.
    BuildPath,
    /// The upload status.
    Status,
    /// The association field.
    Association,
}

/// Makes a `#[test]` of each function of the suite; `$make` returns a new [`Subject`].
#[macro_export]
macro_rules! conformance_suite {
    ($make:path) => {
        $crate::conformance_suite! { $make:
            s0_17_select_takes_what_is_due_and_nothing_else,
            newcomer_s2_one_record_that_went_through_a_spool_is_found,
            s0_17_words_are_compared_letter_by_letter,
            s0_18_a_record_is_read_as_it_is_stored,
            s0_26_both_association_words_mean_released,
            get_reads_any_status_and_leaves_out_what_is_not_there,
            find_takes_ids_and_exact_names,
            s0_36_s0_37_s0_38_prepared_describes_the_payload_in_one_write,
            s0_07_s0_29_failed_says_why,
            a_long_reason_is_cut_between_characters,
            s0_24_s0_25_delivered_completes_and_hands_over_in_one_write,
            retry_clears_status_and_reason,
            a_build_goes_all_the_way_on_returned_revisions,
            what_is_not_legal_is_refused_and_changes_nothing,
            s0_10_a_hold_is_never_left,
            s0_10_a_hold_set_a_moment_ago_is_never_left,
            a_record_that_moved_is_refused_and_stays_as_people_left_it,
            a_write_repeated_after_success_is_refused_as_moved,
            a_record_that_is_gone_is_refused_as_gone,
            one_write_touches_one_record,
            check_tells_what_it_looked_at,
        }
    };
    ($make:path: $($case:ident),+ $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::store::conformance::$case(&mut $make());
            }
        )+
    };
}

const PATH: &str = "/builds/blast/5.1/p7";

impl Subject {
    /// Returns the sheet of a build that is due in `status`.
    fn due(&self, name: &str, status: &Status) -> Sheet {
        Sheet {
            name: name.into(),
            build_type: Some(self.values.build_type[0].clone()),
            build_path: Some(PATH.into()),
            status: self.values.word(status).map(str::to_owned),
            ..Sheet::default()
        }
    }

    /// Adds a build that is due in `status` and reads it.
    fn added(&mut self, name: &str, status: &Status) -> Record {
        let sheet = self.due(name, status);
        let id = self.people.add(&sheet);
        self.read(&id)
    }

    fn read(&mut self, id: &RecordId) -> Record {
        let mut found = self.store.get(std::slice::from_ref(id)).expect("the record can be read");
        assert_eq!(found.len(), 1, "record {id} is there once");
        found.remove(0)
    }

    fn selected(&mut self) -> Vec<RecordId> {
        let selected = self.store.select().expect("the records can be selected");
        assert!(selected.missing.is_none(), "{:?}", selected.missing);
        let mut ids: Vec<RecordId> = selected.records.into_iter().map(|record| record.id).collect();
        ids.sort();
        ids
    }

    fn write(&mut self, record: &Record, change: &Change) -> Revision {
        self.store.write(record, change).expect("the change is made")
    }

    /// Makes a change that must be refused, and checks that the record stays as it is.
    fn refused(&mut self, record: &Record, change: &Change) -> WriteRefusal {
        let before = self.people.show(&record.id);
        let refusal = match self.store.write(record, change) {
            Err(WriteError::Refused { id, refusal }) => {
                assert_eq!(id, record.id);
                refusal
            }
            other => panic!("{change:?} from {} was not refused: {other:?}", record.status),
        };
        assert_eq!(self.people.show(&record.id), before, "{change:?} was refused ({refusal}) and yet made");
        refusal
    }
}

/// The digests of some payload; of more than 4 GiB, as payloads are.
fn digests() -> Digests {
    let mut digester = Digester::default();
    digester.update(b"a payload");
    Digests { size: 5_000_000_007, ..digester.finish() }
}

/// Every status.
fn statuses() -> [Status; 6] {
    [
        Status::Empty,
        Status::Error,
        Status::InProcess,
        Status::Completed,
        Status::DoNotRelease,
        Status::Other("Parked".into()),
    ]
}

//! What a store must keep when it writes: all of a change or nothing, only from where it was planned,
//! and never away from Do Not Release.

use super::{Field, Sheet, Subject, digests, statuses};
use crate::record::{Change, Record, Status};
use crate::store::{WriteError, WriteRefusal};

fn prepared() -> Change {
    let build_date = "2026-11-20T10:11:12Z".parse().expect("a time");
    Change::Prepared { build_date, digests: digests() }
}

fn failed(reason: &str) -> Change {
    Change::Failed { reason: reason.into() }
}

/// Every kind of change.
fn changes() -> [Change; 4] {
    [prepared(), failed("Build Not Found"), Change::Delivered, Change::Retry]
}

/// Date, size, digests and status become visible together, and an old reason goes.
pub fn s0_36_s0_37_s0_38_prepared_describes_the_payload_in_one_write(on: &mut Subject) {
    for from in [Status::Empty, Status::Error] {
        let sheet = Sheet { detail: Some("the disk was full".into()), ..on.due(&format!("b {from}"), &from) };
        let id = on.people.add(&sheet);
        let record = on.read(&id);
        on.write(&record, &prepared());
        let Change::Prepared { build_date, .. } = prepared() else { unreachable!() };
        let wanted = Sheet {
            status: Some(on.values.in_process.clone()),
            detail: None,
            size: Some(digests().size),
            md5: Some(digests().md5.to_string()),
            sha1: Some(digests().sha1.to_string()),
            build_date: Some(build_date),
            ..sheet
        };
        assert_eq!(on.people.show(&id), wanted);
        assert!(on.read(&id).describes(&digests()));
    }
}

/// An Error has its reason, and what was known of the payload stays.
pub fn s0_07_s0_29_failed_says_why(on: &mut Subject) {
    for from in [Status::Empty, Status::Error, Status::InProcess] {
        let sheet = Sheet { size: Some(7), ..on.due(&format!("b {from}"), &from) };
        let id = on.people.add(&sheet);
        let record = on.read(&id);
        on.write(&record, &failed("Build Not Found: 'x' \\ é"));
        let wanted = Sheet {
            status: Some(on.values.error.clone()),
            detail: Some("Build Not Found: 'x' \\ é".into()),
            ..sheet
        };
        assert_eq!(on.people.show(&id), wanted);
    }
}

/// Field lengths count characters, and a reason that is too long does not fail the write.
pub fn a_long_reason_is_cut_between_characters(on: &mut Subject) {
    let record = on.added("b", &Status::Empty);
    let reason = "ü€".repeat(150_000);
    on.write(&record, &failed(&reason));
    let detail = on.people.show(&record.id).detail.expect("a reason");
    assert!((100..reason.len()).contains(&detail.chars().count()), "{}", detail.len());
    assert!(reason.starts_with(detail.trim_end_matches('…')));

    let record = on.added("c", &Status::Empty);
    let reason = "ü€".repeat(150);
    on.write(&record, &failed(&reason));
    let detail = on.people.show(&record.id).detail.expect("a reason");
    assert!(detail.chars().count() >= 100 && reason.starts_with(detail.trim_end_matches('…')), "{detail}");
}

/// Completed and Ready for association are one write.
pub fn s0_24_s0_25_delivered_completes_and_hands_over_in_one_write(on: &mut Subject) {
    let sheet = Sheet { size: Some(7), ..on.due("b", &Status::InProcess) };
    let id = on.people.add(&sheet);
    let record = on.read(&id);
    on.write(&record, &Change::Delivered);
    let wanted = Sheet {
        status: Some(on.values.completed.clone()),
        association: Some(on.values.ready.clone()),
        ..sheet
    };
    assert_eq!(on.people.show(&id), wanted);
    assert!(on.read(&id).released);
    assert_eq!(on.selected(), []);
}

/// After a retry the record is as if nothing had been tried.
pub fn retry_clears_status_and_reason(on: &mut Subject) {
    let sheet = Sheet { detail: Some("the disk was full".into()), ..on.due("b", &Status::Error) };
    let id = on.people.add(&sheet);
    let record = on.read(&id);
    on.write(&record, &Change::Retry);
    assert_eq!(on.people.show(&id), Sheet { status: None, detail: None, ..sheet });
}

/// A returned revision is the one that the record has, so the next write needs no read.
pub fn a_build_goes_all_the_way_on_returned_revisions(on: &mut Subject) {
    let mut record = on.added("b", &Status::Empty);
    let life = [
        (failed("Build Not Found"), Status::Error),
        (Change::Retry, Status::Empty),
        (prepared(), Status::InProcess),
        (Change::Delivered, Status::Completed),
    ];
    for (change, status) in life {
        record.revision = on.write(&record, &change);
        record.status = status;
        let read = on.read(&record.id);
        assert_eq!((&read.status, &read.revision), (&record.status, &record.revision), "after {change:?}");
    }
}

/// From each status only the legal changes are made.
pub fn what_is_not_legal_is_refused_and_changes_nothing(on: &mut Subject) {
    for status in statuses() {
        for (i, change) in changes().iter().enumerate().filter(|(_, change)| !change.is_legal_from(&status)) {
            let record = on.added(&format!("{i} {status}"), &status);
            let refusal = on.refused(&record, change);
            let is_held = refusal == WriteRefusal::Held;
            assert_eq!(is_held, status == Status::DoNotRelease, "{change:?} from {status}: {refusal}");
        }
    }
}

/// A hold set after the record was read wins over every change.
pub fn s0_10_a_hold_is_never_left(on: &mut Subject) {
    for (i, change) in changes().iter().enumerate() {
        let from = if *change == Change::Delivered { Status::InProcess } else { Status::Error };
        let record = on.added(&format!("b{i}"), &from);
        on.people.settle();
        let hold = on.values.do_not_release.clone();
        on.people.edit(&record.id, Field::Status, Some(&hold));
        assert_eq!(on.refused(&record, change), WriteRefusal::Held, "{change:?}");
    }
    assert_eq!(on.selected(), []);
}

/// The same where the revision is too coarse to tell: the hold came within its resolution.
pub fn s0_10_a_hold_set_a_moment_ago_is_never_left(on: &mut Subject) {
    for (i, change) in changes().iter().enumerate() {
        let from = if *change == Change::Delivered { Status::InProcess } else { Status::Error };
        let record = on.added(&format!("b{i}"), &from);
        let hold = on.values.do_not_release.clone();
        on.people.edit(&record.id, Field::Status, Some(&hold));
        assert_eq!(on.refused(&record, change), WriteRefusal::Held, "{change:?}");
    }
}

/// Whoever changed the record, whatever they changed: a write planned before that is void.
pub fn a_record_that_moved_is_refused_and_stays_as_people_left_it(on: &mut Subject) {
    let edits = [(Field::BuildPath, "/builds/other"), (Field::Status, "Parked"), (Field::Status, "")];
    for (i, (field, value)) in edits.into_iter().enumerate() {
        let record = on.added(&format!("b{i}"), &Status::Error);
        on.people.settle();
        on.people.edit(&record.id, field, Some(value).filter(|value| !value.is_empty()));
        for change in [prepared(), failed("x"), Change::Retry] {
            assert_eq!(on.refused(&record, &change), WriteRefusal::Moved, "{field:?} = {value:?}");
        }
    }
}

/// So a write may be repeated when its answer was lost.
pub fn a_write_repeated_after_success_is_refused_as_moved(on: &mut Subject) {
    let record = on.added("b", &Status::Error);
    on.write(&record, &prepared());
    assert_eq!(on.refused(&record, &prepared()), WriteRefusal::Moved);
    let record = on.read(&record.id);
    on.write(&record, &Change::Delivered);
    assert_eq!(on.refused(&record, &Change::Delivered), WriteRefusal::Moved);
}

/// A removed record is not made again.
pub fn a_record_that_is_gone_is_refused_as_gone(on: &mut Subject) {
    let record = on.added("b", &Status::InProcess);
    on.people.remove(&record.id);
    let stranger = Record { id: "a0B5g00000XyZ12EAF".parse().expect("an id"), ..record.clone() };
    for record in [record, stranger] {
        match on.store.write(&record, &Change::Delivered) {
            Err(WriteError::Refused { refusal: WriteRefusal::Gone, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(on.store.get(&[record.id]).expect("the store can be read"), []);
    }
    assert_eq!(on.selected(), []);
}

/// The neighbours of a record stay as they are.
pub fn one_write_touches_one_record(on: &mut Subject) {
    let before = on.added("a", &Status::Empty);
    let record = on.added("b", &Status::Empty);
    let after = on.added("c", &Status::Empty);
    on.write(&record, &prepared());
    assert_eq!(on.read(&before.id), before);
    assert_eq!(on.read(&after.id), after);
}

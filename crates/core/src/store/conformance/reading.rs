//! What a store must keep when it reads: whole records, each once, told apart letter by letter.

use super::{Field, PATH, Sheet, Subject, digests, statuses};
use crate::record::{RecordId, Status};

/// Records are selected by build type, path and status; each comes once.
pub fn s0_17_select_takes_what_is_due_and_nothing_else(on: &mut Subject) {
    assert_eq!(on.selected(), []);
    let mut due = Vec::new();
    for (i, status) in statuses().iter().enumerate() {
        let sheet = on.due(&format!("b{i}"), status);
        let id = on.people.add(&sheet);
        if matches!(status, Status::Empty | Status::Error | Status::InProcess) {
            due.push(id);
        }
    }
    let sheet = on.due("no type", &Status::Empty);
    on.people.add(&Sheet { build_type: None, ..sheet });
    let sheet = on.due("other type", &Status::Empty);
    on.people.add(&Sheet { build_type: Some("Full Build".into()), ..sheet });
    let sheet = on.due("no path", &Status::Error);
    on.people.add(&Sheet { build_path: None, ..sheet });
    let sheet = on.due("path removed", &Status::Error);
    let id = on.people.add(&sheet);
    on.people.edit(&id, Field::BuildPath, None);
    let sheet = on.due("path emptied", &Status::Error);
    let id = on.people.add(&sheet);
    on.people.edit(&id, Field::BuildPath, Some(""));
    due.sort();
    assert_eq!(on.selected(), due);
}

/// Whether there ever was a spool is told by one record that went through it.
pub fn newcomer_s2_one_record_that_went_through_a_spool_is_found(on: &mut Subject) {
    for (i, status) in statuses().iter().enumerate() {
        if !matches!(status, Status::InProcess | Status::Completed) {
            let sheet = on.due(&format!("b{i}"), status);
            on.people.add(&sheet);
        }
    }
    let sheet = on.due("other type", &Status::Completed);
    on.people.add(&Sheet { build_type: Some("Full Build".into()), ..sheet });
    assert_eq!(on.store.one_spooled().expect("the store answers"), None);
    for status in [Status::Completed, Status::InProcess] {
        let sheet = on.due("spooled", &status);
        let id = on.people.add(&sheet);
        let found =
            on.store.one_spooled().expect("the store answers").map(|record| (record.id, record.status));
        assert_eq!(found, Some((id.clone(), status)));
        on.people.remove(&id);
    }
}

/// A store that ignores letter case in its queries must look again.
pub fn s0_17_words_are_compared_letter_by_letter(on: &mut Subject) {
    let sheet = on.due("type in capitals", &Status::Empty);
    let capitals = on.values.build_type[0].to_uppercase();
    on.people.add(&Sheet { build_type: Some(capitals), ..sheet });
    let sheet = on.due("status in capitals", &Status::Empty);
    let capitals = on.values.error.to_uppercase();
    let id = on.people.add(&Sheet { status: Some(capitals.clone()), ..sheet });
    assert_eq!(on.selected(), []);
    assert_eq!(on.read(&id).status, Status::Other(capitals));
}

/// All fields are read, and a field without a value is none.
pub fn s0_18_a_record_is_read_as_it_is_stored(on: &mut Subject) {
    let bare = on.added("bare", &Status::Empty);
    assert_eq!((bare.name.as_str(), bare.build_path.as_deref()), ("bare", Some(PATH)));
    assert_eq!(bare.build_type.as_deref(), Some(on.values.build_type[0].as_str()));
    assert_eq!((bare.detail, bare.size, bare.md5, bare.sha1), (None, None, None, None));
    assert_eq!((bare.build_date, bare.priority, bare.released), (None, None, false));

    let sheet = Sheet {
        detail: Some("the disk\nwas full".into()),
        size: Some(digests().size),
        md5: Some(digests().md5.to_string()),
        sha1: Some(digests().sha1.to_string()),
        build_date: Some("2026-02-03T04:05:06Z".parse().expect("a time")),
        priority: Some(-3),
        ..on.due("Überarbeitung \u{1f4a3} 'q\" \\", &Status::Error)
    };
    let id = on.people.add(&sheet);
    let full = on.read(&id);
    assert_eq!(full.name, sheet.name);
    assert_eq!(full.detail, sheet.detail);
    assert_eq!((full.build_date, full.priority), (sheet.build_date, sheet.priority));
    assert!(full.describes(&digests()));
}

/// "Ready" and "Associated" both say that customers may have the build.
pub fn s0_26_both_association_words_mean_released(on: &mut Subject) {
    let record = on.added("b", &Status::Completed);
    for (word, released) in [(on.values.ready.clone(), true), (on.values.associated.clone(), true)] {
        on.people.edit(&record.id, Field::Association, Some(&word));
        assert_eq!(on.read(&record.id).released, released, "{word}");
    }
    on.people.edit(&record.id, Field::Association, None);
    assert!(!on.read(&record.id).released);
}

/// Reading by id knows no filter; what does not exist is not in the answer.
pub fn get_reads_any_status_and_leaves_out_what_is_not_there(on: &mut Subject) {
    assert_eq!(on.store.get(&[]).expect("nothing is asked for"), []);
    let mut ids = Vec::new();
    for (i, status) in statuses().iter().enumerate() {
        let record = on.added(&format!("b{i}"), status);
        assert_eq!(&record.status, status);
        ids.push(record.id);
    }
    on.people.remove(&ids[1]);
    let mut wanted = ids.clone();
    wanted.push("a0B5g00000XyZ12EAF".parse().expect("an id"));
    wanted.push("000000000000000000".parse().expect("an id"));
    let read = on.store.get(&wanted).expect("the records can be read");
    let mut read: Vec<RecordId> = read.into_iter().map(|record| record.id).collect();
    read.sort();
    ids.remove(1);
    ids.sort();
    assert_eq!(read, ids);
}

/// A word is an id or a whole name; nothing in it is a pattern or a piece of a query.
pub fn find_takes_ids_and_exact_names(on: &mut Subject) {
    let names = ["p7", "P8", "O'Hare", "a\\b", "100%", "x_y", "größe", "\"q\"", "x' OR Name != '"];
    for name in names {
        let record = on.added(name, &Status::DoNotRelease);
        for word in [name, record.id.as_str()] {
            let found = on.store.find(word).expect("the store can be searched");
            assert_eq!(found, std::slice::from_ref(&record), "searched for {word:?}");
        }
    }
    for word in ["", " ", "p", "p7 ", "p8", "%", "xzy", "' OR '' = '", "\\", "größ", "0"] {
        let found = on.store.find(word).expect("the store can be searched");
        assert_eq!(found, [], "searched for {word:?}");
    }
}

/// A store that works says what it has looked at.
pub fn check_tells_what_it_looked_at(on: &mut Subject) {
    on.added("b", &Status::Empty);
    let lines = on.store.check().expect("the store is sound");
    assert!(!lines.is_empty() && lines.iter().all(|line| !line.is_empty() && !line.contains('\n')));
}

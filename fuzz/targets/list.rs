//! Any bytes as a fragment's list: they are read or refused, and what is read keeps to the rules of paths.

#![no_main]

use intraware_assemble::list::{ListedKind, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, |entry| {
        let is_below =
            entry.path.is_empty() || entry.path.split('/').all(|name| !matches!(name, "" | "." | ".."));
        assert!(is_below && !entry.path.chars().any(char::is_control), "{entry:?}");
        if let ListedKind::Other(word) = &entry.kind {
            assert!(!word.chars().any(char::is_control), "{entry:?}");
        }
        Ok(())
    });
});

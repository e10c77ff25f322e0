//! Any bytes as an uncompressed archive, as they are and with right checksums: they are checked or refused.

#![no_main]

#[path = "../seal.rs"]
mod seal;

use intraware_assemble::names::MachineName;
use intraware_assemble::{Limits, check_archive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let machine = MachineName::new("m").expect("a name");
    let limits = Limits { max_entries: 1000, ..Limits::default() };
    let _ = check_archive(bytes, &machine, &limits);
    let mut sealed = bytes.to_vec();
    seal::seal(&mut sealed);
    let _ = check_archive(&*sealed, &machine, &limits);
});

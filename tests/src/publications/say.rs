//! What is printed.
#![expect(clippy::disallowed_macros, reason = "this program prints, and does so here")]

/// Says a line on standard output.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Says a line on standard error.
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

//! The only place that prints.

/// Writes a result to standard output.
#[expect(clippy::disallowed_macros, reason = "the tables are what the command is for")]
pub(crate) fn result(text: impl std::fmt::Display) {
    println!("{text}");
}

/// Writes to standard error how far it is, or what is wrong.
#[expect(clippy::disallowed_macros, reason = "who waits for minutes wants to know for what")]
pub(crate) fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

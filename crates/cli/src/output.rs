//! The only place that writes to standard output and, besides the log, to standard error.
//!
//! Standard output is for results. Whoever reads it may go away early, as `head` does; that is no error.

use std::io::{self, IsTerminal as _, Write as _};

use intraware_core::exit::Fault;
use serde::Serialize;

use crate::failure::Failure;

/// Writes a result to standard output, with a line break at the end if it has none.
pub fn text(result: impl std::fmt::Display) -> Result<(), Failure> {
    let mut text = result.to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    bytes(text.as_bytes())
}

/// Writes a result to standard output as JSON.
pub fn json<T: Serialize>(result: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(result).map_err(|e| failed(&e.into()))?;
    bytes((text + "\n").as_bytes())
}

/// Writes bytes to standard output.
pub fn bytes(result: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(result).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(failed(&e)),
        Ok(()) => Ok(()),
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(Fault::Spool, format!("cannot write to standard output: {error}"))
}

/// Writes lines for people to standard error.
pub fn complain(message: &str) {
    // Where even this fails, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Returns whether a person looks at standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

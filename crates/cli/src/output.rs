//! The only place that writes to standard output and, besides the log, to standard error.
//!
//! Standard output is for results. Whoever reads it may go away early, as `head` does; that is no error.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use intraware_core::exit::Fault;
use intraware_core::foreign;
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
fn json<T: Serialize>(result: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(result).map_err(|e| failed(&e.into()))?;
    bytes((harmless(&text) + "\n").as_bytes())
}

/// The number of the form of what [`object`] writes. What is added to it changes nothing for those who read
/// it; the number changes when something is taken away or means something else.
const FORMAT: u32 = 1;

/// A result with the number of its form.
#[derive(Serialize)]
struct Numbered<'r, T> {
    format: u32,
    #[serde(flatten)]
    result: &'r T,
}

/// Writes a result that is an object to standard output as JSON, with the number of its form.
pub fn object<T: Serialize>(result: &T) -> Result<(), Failure> {
    json(&Numbered { format: FORMAT, result })
}

/// Writes results to standard output as JSON: an object with the number of its form and a list of this name.
pub fn list<T: Serialize>(name: &str, results: &[T]) -> Result<(), Failure> {
    object(&BTreeMap::from([(name, results)]))
}

/// Writes results to standard output as JSON, each on a line.
pub fn json_lines<T: Serialize>(results: &[T]) -> Result<(), Failure> {
    let line = |result| serde_json::to_string(result).map(|line| harmless(&line) + "\n");
    let lines: Result<String, _> = results.iter().map(line).collect();
    bytes(lines.map_err(|e| failed(&e.into()))?.as_bytes())
}

/// Returns JSON in which what steers a terminal is written as an escape; the standard leaves some of it as it
/// is.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings there is none of it but the line break.
        if foreign::is_unsafe(c) && c != '\n' {
            text.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            text.push(c);
        }
    }
    text
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

/// Writes a question to standard error, and no line break.
pub fn ask(question: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
}

/// Returns whether a person looks at standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes a line that says what was done, if a person looks at standard output.
pub fn confirm(line: &str) -> Result<(), Failure> {
    if is_terminal() { text(line) } else { Ok(()) }
}

/// Returns whether the same person sees standard error as well.
pub fn is_heard() -> bool {
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_steers_no_terminal_and_means_the_same() {
        let value = serde_json::json!({ "a\u{9b}2J": "\u{202e}\u{7f}\u{1b}é\\" });
        let text = harmless(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| foreign::is_unsafe(c) && c != '\n'), "{text:?}");
        assert!(text.contains("\\u009b2J") && text.contains("\\u202e\\u007f\\u001bé"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}

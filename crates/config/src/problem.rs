//! What is wrong with a configuration, all of it at once.
//!
//! Nobody wants to mend a file one error at a time, in a maintenance window. Each problem stands on
//! a line of its own in the form that editors jump to, `file:line: key = value: what is allowed`.
//! A value that is or might be a secret is left out.

use std::fmt;

use intraware_core::exit::{Fault, HasFault};
use intraware_core::foreign;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it is on; none if the file does not say anything about it.
    pub line: Option<usize>,
    /// The key, with the names of its tables; empty if it concerns the whole file.
    pub key: String,
    /// The value that was found, as TOML, if it can be shown.
    pub value: Option<String>,
    /// What is allowed, or what to do.
    pub message: String,
}

/// Everything that is wrong with a configuration file; nothing of such a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Collects what was found; the order becomes that of the file, with what is missing from it last.
    pub(super) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Self { file: foreign::escape(file), problems }
    }

    /// Reports that the file as a whole cannot be used.
    pub(super) fn whole(file: &str, message: impl Into<String>) -> Self {
        let problem = Problem { line: None, key: String::new(), value: None, message: message.into() };
        Self::new(file, vec![problem])
    }

    /// Returns the problems in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl HasFault for ConfigErrors {
    /// Somebody has to mend the file.
    fn fault(&self) -> Fault {
        Fault::Configuration
    }

    /// It has a line for each problem.
    fn told(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
            if !problem.key.is_empty() {
                f.write_str(&problem.key)?;
                if let Some(value) = &problem.value {
                    write!(f, " = {value}")?;
                }
                f.write_str(": ")?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

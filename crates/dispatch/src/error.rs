//! What keeps a package from having a route. It names the file, the line, the section and the package, as far
//! as there are any, and no value: that may be a password.

use std::fmt;
use std::path::Path;

use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::foreign;
use intraware_core::secret::SecretError;

/// One thing that is wrong in the file of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it is on.
    pub line: usize,
    /// The section it is in, if it is in one.
    pub section: Option<String>,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl Problem {
    pub(crate) fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line, section: None, message: message.into() }
    }
}

/// All that is wrong in the file of routes; nothing of such a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    problems: Vec<Problem>,
}

impl Problems {
    pub(crate) fn of(file: &Path, problems: Vec<Problem>) -> Self {
        Self { file: foreign::path(file).to_string(), problems }
    }
}

impl fmt::Display for Problems {
    /// One line each, in the form that editors jump to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Problem { line, section, message }) in self.problems.iter().enumerate() {
            let file = &self.file;
            let section = section.as_ref().map(|name| format!("[{}] ", foreign::escape(name)));
            let end = if i + 1 < self.problems.len() { "\n" } else { "" };
            write!(f, "{file}:{line}: {}{message}{end}", section.unwrap_or_default())?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A package has no route.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The file of routes, or another one that keeps secrets, cannot be read.
    #[error(transparent)]
    File(#[from] SecretError),
    /// The file of routes is wrong.
    #[error(transparent)]
    Wrong(#[from] Problems),
    /// The package has a name that cannot be used at the other end.
    #[error("package {package}: {why}")]
    Name {
        /// The package.
        package: String,
        /// Why not.
        why: String,
    },
    /// No section is for the package.
    #[error("{file}: no section matches the package {package}; add one, or correct the name")]
    Nowhere {
        /// The file of routes.
        file: String,
        /// The package.
        package: String,
    },
    /// Several sections are for the package.
    #[error("{file}: several sections match the package {package}, and one has to: {sections}")]
    Unclear {
        /// The file of routes.
        file: String,
        /// The package.
        package: String,
        /// Each with its line.
        sections: String,
    },
    /// Two sections send the package to one machine.
    #[error(
        "{file}: the package {package} goes to {machine} twice, the second time by {section}; take it out of one of them"
    )]
    Twice {
        /// The file of routes.
        file: String,
        /// The package.
        package: String,
        /// The second section, with its line.
        section: String,
        /// The machine.
        machine: String,
    },
    /// A group has to have the package first, and does not get it.
    #[error(
        "{file}: {section} sends the package {package} after the group {group}, and no section of that group matches it; widen one"
    )]
    NoGroup {
        /// The file of routes.
        file: String,
        /// The package.
        package: String,
        /// The section that waits, with its line.
        section: String,
        /// The group.
        group: String,
    },
    /// Something that logging in needs is neither in the section nor in the netrc file.
    #[error("{file}:{line}: [{section}] {}{what}", package.as_ref().map_or_else(String::new, |name| format!("package {name}: ")))]
    Missing {
        /// The file of routes.
        file: String,
        /// Where the section is.
        line: usize,
        /// The section.
        section: String,
        /// The package, if one was looked at.
        package: Option<String>,
        /// What is missing.
        what: String,
    },
}

impl RouteError {
    /// Says which package it is about, if that was not known before.
    pub(crate) fn of_package(mut self, name: &str) -> Self {
        if let Self::Missing { package, .. } = &mut self {
            *package = Some(foreign::escape(name));
        }
        self
    }

    /// Returns what has to happen before the package can be sent.
    pub fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Name { .. } => Fault::Build,
            Self::Wrong(_)
            | Self::Nowhere { .. }
            | Self::Unclear { .. }
            | Self::Twice { .. }
            | Self::NoGroup { .. }
            | Self::Missing { .. } => Fault::Configuration,
        }
    }
}

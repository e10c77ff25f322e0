//! How a configuration is read, whole or one section of it.

use std::path::Path;

use super::file::{load_section, text};
use super::reader::Reader;
use super::written::Written;
use super::{AssembleConfig, Config, ConfigErrors, REFERENCE, SpoolConfig, sections};
use intraware_core::foreign;

impl Config {
    /// Reads a configuration file.
    ///
    /// A file that everybody can write is refused, since it can name commands to run.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&text(path)?, &foreign::path(path).to_string())
    }

    /// Takes the text of a configuration; `shown_name` is what messages call the file.
    ///
    /// The last line must be ended: a file without that was probably not written to its end.
    pub fn parse(text: &str, shown_name: &str) -> Result<Self, ConfigErrors> {
        let errors = |problems| ConfigErrors::new(shown_name, problems);
        if !text.is_empty() && !text.ends_with('\n') {
            let message = "does not end with a line break, so it may be half-written; end its last line";
            return Err(ConfigErrors::whole(shown_name, message));
        }
        let written = Written::parse(text).map_err(errors)?;
        let defaults = Written::parse(REFERENCE).map_err(errors)?;
        let mut reader = Reader::new(&written, &defaults);
        let mut config = sections::read(&mut reader);
        config.entries = reader.finish().map_err(errors)?;
        Ok(config)
    }
}

impl SpoolConfig {
    /// Reads `[spool]` alone, for those who can do without one: nothing else is read or checked here.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        load_section(path, "spool", sections::spool)
    }
}

impl AssembleConfig {
    /// Reads `[assemble]` alone: a build machine's daemon needs none of the rest, which is neither read nor
    /// checked here.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        load_section(path, "assemble", sections::assemble)
    }
}

//! A configuration file that nobody else can have written, and one section of it.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::reader::Reader;
use super::written::Written;
use super::{ConfigErrors, REFERENCE};
use intraware_core::foreign;

/// Largest configuration file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Reads one section of a file, and neither reads nor checks the rest.
pub(super) fn load_section<T>(
    path: &Path,
    name: &str,
    section: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T, ConfigErrors> {
    parse_section(&text(path)?, &foreign::path(path).to_string(), name, section)
}

/// The same of a text; `shown_name` is what messages call its file.
pub(super) fn parse_section<T>(
    text: &str,
    shown_name: &str,
    name: &str,
    section: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T, ConfigErrors> {
    let errors = |problems| ConfigErrors::new(shown_name, problems);
    let written = Written::parse(text).map_err(errors)?;
    let defaults = Written::parse(REFERENCE).map_err(errors)?;
    let mut reader = Reader::new(&written, &defaults);
    let config = section(&mut reader);
    reader.finish_below(name).map_err(errors)?;
    Ok(config)
}

/// Returns the text of a configuration file, if nobody else can have written it.
pub(super) fn text(path: &Path) -> Result<String, ConfigErrors> {
    let shown = foreign::path(path).to_string();
    let failed = |doing: &str, error: std::io::Error| {
        let advice = "give the right path with --config, or copy config/intraware.toml there";
        ConfigErrors::whole(&shown, format!("cannot {doing} the configuration ({error}); {advice}"))
    };
    let file = std::fs::File::open(path).map_err(|error| failed("open", error))?;
    let metadata = file.metadata().map_err(|error| failed("read", error))?;
    if !metadata.is_file() {
        return Err(ConfigErrors::whole(&shown, "is not a regular file"));
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        let advice = format!("everybody can write the configuration; make it safe: `chmod o-w {shown}`");
        return Err(ConfigErrors::whole(&shown, advice));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed("read", error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ConfigErrors::whole(&shown, format!("is larger than {MAX_FILE} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Err(ConfigErrors::whole(&shown, format!("is not UTF-8 on line {line}")))
        }
    }
}

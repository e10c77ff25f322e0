//! Whether an index has what its list has.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use intraware_core::config::TreeConfig;

use super::conf::{index, indexes};
use crate::lists::SuiteList;

/// Fails if a package is missing in an index, or too much in it.
pub(super) fn fits(tree: &TreeConfig, dir: &Path, list: &SuiteList) -> Result<(), String> {
    for (component, architecture) in indexes(tree) {
        let name = index(component, architecture);
        let expected = list.items().iter().filter(|item| {
            let is_for_all = item.architecture == "all" && architecture != "source";
            item.component == component && (item.architecture == architecture || is_for_all)
        });
        let expected = expected.count();
        let found = stanzas(&dir.join(&name)).map_err(|error| format!("{name} cannot be read: {error}"))?;
        if found != expected {
            return Err(format!(
                "apt-ftparchive has put {found} of {expected} packages into {name}; a file of the list in \
                 .publish/suites is missing in the pool, or cannot be read"
            ));
        }
    }
    Ok(())
}

fn stanzas(path: &Path) -> io::Result<usize> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let (mut line, mut count) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        count += usize::from(line.starts_with(b"Package:"));
        line.clear();
    }
    Ok(count)
}

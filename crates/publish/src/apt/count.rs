//! Whether an index has what its list has.

use intraware_config::TreeConfig;

use super::conf::{index, indexes};
use super::forms::Index;
use crate::lists::SuiteList;

/// Fails if a package is missing in an index, or too much in it.
pub(super) fn fits(tree: &TreeConfig, list: &SuiteList, found: &[Index]) -> Result<(), String> {
    for (component, architecture) in indexes(tree) {
        let name = index(component, architecture);
        let expected = list.items().iter().filter(|item| {
            let is_for_all = item.architecture == "all" && architecture != "source";
            item.component == component && (item.architecture == architecture || is_for_all)
        });
        let expected = expected.count();
        let found: usize =
            found.iter().filter(|index| index.name == name).map(|index| stanzas(&index.text)).sum();
        if expected != found {
            return Err(format!(
                "apt-ftparchive has put {found} of {expected} packages into {name}; a file of the list in \
                 .publish/suites is missing in the pool, or cannot be read"
            ));
        }
    }
    Ok(())
}

fn stanzas(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"Package:")).count()
}

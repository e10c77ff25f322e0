//! `[dispatch]`: where packages that are to be dispatched are dropped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{load_section, parse_section};
use super::reader::Reader;
use super::{ConfigErrors, rules};

/// Where packages are dropped, and how they are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DispatchConfig {
    /// The trees; none lies in another.
    pub trees: Vec<PathBuf>,
    /// For so long nobody may have written to a file before it is taken.
    pub settle: Duration,
    /// The time from one scan to the next, for those who do not leave that to cron.
    pub every: Duration,
}

impl DispatchConfig {
    /// Reads `[dispatch]` alone: a host that dispatches packages needs none of the rest, which is neither
    /// read nor checked here.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        load_section(path, "dispatch", read)
    }

    /// Returns what holds where there is no configuration.
    pub fn unset() -> Result<Self, ConfigErrors> {
        parse_section("", "the defaults", "dispatch", read)
    }
}

pub(super) fn read(from: &mut Reader<'_>) -> DispatchConfig {
    let config = DispatchConfig {
        trees: from.some("dispatch.trees", rules::absolute),
        settle: Duration::from_secs(from.number("dispatch.settle_s", 0..=86_400)),
        every: Duration::from_secs(from.number("dispatch.every_s", 1..=86_400)),
    };
    let is_inside = |(i, one): (usize, &PathBuf)| {
        config.trees.iter().enumerate().any(|(j, other)| i != j && one.starts_with(other))
    };
    if config.trees.iter().enumerate().any(is_inside) {
        from.refuse("dispatch.trees", "must not name a directory inside another");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DispatchConfig, ConfigErrors> {
        parse_section(text, "x.toml", "dispatch", read)
    }

    #[test]
    fn s2_03_trees_are_named_once_and_none_lies_in_another() {
        let config = parse("[dispatch]\ntrees = [\"/srv/a\", \"/srv/ab/\"]\n[other]\nx = 1\n").unwrap();
        assert_eq!(config.trees, [Path::new("/srv/a"), Path::new("/srv/ab")]);
        assert_eq!((config.settle, config.every), (Duration::from_secs(5), Duration::from_secs(30)));
        assert_eq!(parse("").unwrap(), DispatchConfig::unset().unwrap());
        for (text, told) in [
            (
                "trees = [\"/srv/a\", \"/srv/a/b\"]",
                "x.toml:2: dispatch.trees = [\"/srv/a\", \"/srv/a/b\"]: must not name a directory inside another",
            ),
            ("trees = [\"/srv/a\", \"/srv/a/\"]", "dispatch.trees"),
            ("trees = [\"in\"]", "dispatch.trees = [\"in\"]: each must be an absolute path"),
            ("every_s = 0", "dispatch.every_s = 0: must be"),
            ("tree = 1", "dispatch.tree: is not a known key; did you mean dispatch.trees?"),
        ] {
            let errors = parse(&format!("[dispatch]\n{text}\n")).unwrap_err().to_string();
            assert!(errors.contains(told), "{text}: {errors}");
        }
    }
}

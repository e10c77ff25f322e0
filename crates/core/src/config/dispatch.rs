//! `[dispatch]`: where packages that are to be dispatched are dropped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::{load_section, parse_section};
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
    /// Reads `[dispatch]` alone: a host that dispatches packages needs none of the rest, which is neither read nor checked
    /// here.
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

//! `[activity]`: the runs of cron, and who is told of them.

use std::path::{Path, PathBuf};

use super::file::load_section;
use super::reader::Reader;
use super::{ConfigErrors, rules};
use intraware_core::activity::{Expected, PingUrl};

/// The runs of cron, and who is told of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityConfig {
    /// The runs that `manage activity --check` looks for.
    pub expected: Vec<Expected>,
    /// Where node_exporter reads the metrics of this host's runs.
    pub textfile: Option<PathBuf>,
    /// The service that is told of each run's start and end.
    pub ping: Option<PingUrl>,
    /// Authorities of our own, which may have signed its certificate.
    pub ca_file: Option<PathBuf>,
}

impl ActivityConfig {
    /// Reads `[activity]` alone: a host that publishes or assembles needs none of the rest, which is neither
    /// read nor checked here.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        load_section(path, "activity", read)
    }
}

pub(super) fn read(from: &mut Reader<'_>) -> ActivityConfig {
    let pairs = from.pairs("activity.expect", rules::expected_run, rules::interval);
    ActivityConfig {
        expected: pairs.iter().filter_map(|(what, every)| Expected::parse(what, every)).collect(),
        textfile: from.optional("activity.textfile", rules::textfile),
        ping: from.hidden("activity.ping_url", rules::ping_url),
        ca_file: from.optional("activity.ca_file", rules::absolute),
    }
}

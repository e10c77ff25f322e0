//! What came of the tries, kept beside the servers, and the versions that were installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::life::{Seen, Verdict};
use crate::way::Way;

/// The versions of what `tests/servers` has installed, and from where.
pub(crate) struct Versions(BTreeMap<String, (String, String)>);

impl Versions {
    /// Reads the list that `tests/servers` makes: on each line a package, its version, and its registry.
    pub(crate) fn read(peers: &Path) -> Self {
        let text = fs::read_to_string(peers.join("versions")).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, (words.next()?, words.collect::<Vec<_>>().join(" "))))
        };
        Self(text.lines().filter_map(entry).collect())
    }

    /// Returns the version of a package; an empty text if it is not known.
    pub(crate) fn of(&self, package: &str) -> &str {
        self.0.get(package).map_or("", |(version, _)| version)
    }

    /// Returns where a package comes from.
    pub(crate) fn registry(&self, package: &str) -> &str {
        self.0.get(package).map_or("", |(_, registry)| registry)
    }
}

/// What came of one try.
pub(crate) struct Kept {
    pub(crate) verdict: Verdict,
    pub(crate) abilities: BTreeMap<String, String>,
    pub(crate) warnings: Vec<String>,
}

impl Kept {
    /// Keeps what was seen.
    pub(crate) fn write(seen: &Seen, peers: &Path, server: &str, way: Way) {
        let (verdict, reason) = match &seen.verdict {
            Verdict::Delivered => ("delivered", ""),
            Verdict::Refused(reason) => ("refused", reason.as_str()),
            Verdict::Failed(reason) => ("failed", reason.as_str()),
        };
        let value = json!({
            "verdict": verdict,
            "reason": reason,
            "abilities": seen.abilities,
            "warnings": seen.warnings,
        });
        fs::create_dir_all(peers.join("kept")).expect("a directory");
        fs::write(file(peers, server, way), format!("{value:#}\n")).expect("a file");
    }

    /// Returns what was kept of a try, if it was made.
    pub(crate) fn read(peers: &Path, server: &str, way: Way) -> Option<Self> {
        let text = fs::read_to_string(file(peers, server, way)).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let reason = value["reason"].as_str()?.to_owned();
        let verdict = match value["verdict"].as_str()? {
            "delivered" => Verdict::Delivered,
            "refused" => Verdict::Refused(reason),
            _ => Verdict::Failed(reason),
        };
        let abilities = serde_json::from_value(value["abilities"].clone()).ok()?;
        let warnings = serde_json::from_value(value["warnings"].clone()).ok()?;
        Some(Self { verdict, abilities, warnings })
    }
}

fn file(peers: &Path, server: &str, way: Way) -> PathBuf {
    peers.join("kept").join(format!("{server}.{}.json", way.to_string().replace(", ", "-")))
}

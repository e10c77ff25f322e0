//! What lies in a spool, for comparison whole.

use std::fs;
use std::path::Path;

/// The names in the spool's rooms and in its work directory, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spool {
    /// Archives under construction.
    pub work: Vec<String>,
    /// Complete jobs that are not handed over.
    pub staged: Vec<String>,
    /// Jobs that wait for an uploader.
    pub upload: Vec<String>,
    /// Jobs that stand at the site and still have their payload.
    pub sent: Vec<String>,
    /// What completed jobs leave: manifest, receipt and signature.
    pub kept: Vec<String>,
    /// What was taken out of the flow.
    pub parked: Vec<String>,
}

impl Spool {
    /// Lists the spool at `root`.
    pub(crate) fn list(root: &Path) -> Self {
        let has_payload =
            |job: &String| names(&root.join("sent").join(job)).iter().any(|name| name.ends_with(".tar.gz"));
        let (sent, kept) = names(&root.join("sent")).into_iter().partition(has_payload);
        Self {
            work: names(&root.join("work")),
            staged: names(&root.join("staged")),
            upload: names(&root.join("upload")),
            parked: names(&root.join("parked")),
            sent,
            kept,
        }
    }

    /// Returns the number of jobs in `staged`, `upload`, `sent`, `kept` and `parked`.
    pub fn counts(&self) -> [usize; 5] {
        [&self.staged, &self.upload, &self.sent, &self.kept, &self.parked].map(Vec::len)
    }
}

/// Returns the names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("a directory entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

//! A real apt-get with a root of its own: nothing of the system's is read or changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What takes an option from us and nowhere else, and is a file or directory of its own.
const PLACES: [(&str, &str); 6] = [
    ("Dir::Etc::SourceList", "etc/sources.list"),
    ("Dir::Etc::SourceParts", "none"),
    ("Dir::Etc::Parts", "none"),
    ("Dir::State::Lists", "lists"),
    ("Dir::State::status", "status"),
    ("Dir::Cache", "cache"),
];

const OPTIONS: [&str; 5] = [
    "APT::Architecture=amd64",
    "APT::Architectures=amd64",
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
    // What fails once is a fault, and shall not be hidden by trying again.
    "Acquire::Retries=0",
];

/// A machine's apt.
pub struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Makes one in a new directory, which reads these suites at this address, as packages and as sources.
    pub fn new(dir: PathBuf, url: &str, keyring: &Path, suites: &[&str]) -> Self {
        for name in ["lists/partial", "cache/archives/partial", "etc"] {
            fs::create_dir_all(dir.join(name)).expect("a directory");
        }
        let signed = keyring.display();
        let sources = suites.iter().flat_map(|suite| {
            [
                format!("deb [arch=amd64 signed-by={signed}] {url} {suite} main\n"),
                format!("deb-src [signed-by={signed}] {url} {suite} main\n"),
            ]
        });
        fs::write(dir.join("etc/sources.list"), sources.collect::<String>()).expect("a list");
        fs::write(dir.join("status"), "").expect("a file");
        Self { dir }
    }

    /// Runs apt-get; fails with what it says if it has anything to complain of.
    pub fn get(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new("apt-get");
        for (name, value) in PLACES {
            command.arg("-o").arg(format!("{name}={}", self.dir.join(value).display()));
        }
        command.args(OPTIONS.iter().flat_map(|option| ["-o", option]));
        let output = command.args(arguments).current_dir(&self.dir).output().expect("apt-get starts");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let complains =
            text.lines().any(|line| ["W:", "E:", "Err:"].iter().any(|mark| line.starts_with(mark)));
        if output.status.success() && !complains { Ok(()) } else { Err(text) }
    }

    /// Returns whether a file that it was told to download is there, and forgets it.
    pub fn takes(&self, name: &str) -> bool {
        let path = self.dir.join(name);
        path.exists() && fs::remove_file(path).is_ok()
    }
}

//! What the figures were measured on.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::measure;
use crate::process;

/// The host, the commit, and the versions of the tools.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    file_system: String,
    commit: String,
    tools: String,
}

impl Machine {
    /// Looks at the host, at the file system of `dir`, and at the Debian packages whose tools are compared.
    pub(crate) fn look(dir: &Path, packages: &[&str]) -> Result<Self, Failure> {
        let file_system = Command::new("findmnt").args(["-no", "FSTYPE", "--target"]).arg(dir).output();
        let describe = ["describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=, changed"];
        let mut versions = Command::new("dpkg-query");
        versions.args(["--show", "--showformat=${Package} ${Version}, "]).args(packages);
        Ok(Self {
            cpu: cpu_model(),
            cores: measure::cores(),
            memory_gib: memory_gib(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            file_system: text(file_system),
            commit: text(Command::new("git").args(describe).output()),
            tools: measure::output(&mut versions)?.trim_end_matches(", ").to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, kernel, file_system, commit, tools } = self;
        writeln!(f, "{cpu}, {cores} cores, {memory_gib:.1} GiB of memory, Linux {kernel}, {file_system}.")?;
        write!(f, "Commit {commit}; {tools}.")
    }
}

/// Returns what a tool says, or that it says nothing: a copy without git can be measured too.
fn text(output: std::io::Result<std::process::Output>) -> String {
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|said| !said.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned())
}

fn memory_gib() -> f64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = process::field_kib(&info, "MemTotal:").unwrap_or(0);
    kib as f64 / f64::from(1 << 20)
}

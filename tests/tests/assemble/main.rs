//! `manage assemble` and `manage fragment` between real processes: what becomes of right fragments, of
//! contradicting ones, and of such as somebody has made on purpose.

mod build_directory;
mod conflicts;
mod found;
mod hostile;
mod kills;
mod merged;
mod options;
mod same;
mod writers;

use intraware_tests::fragment::Archive;

/// What every machine provides.
fn common() -> Archive {
    Archive::new().dir("include").file("include/a.h", 0o644, "int a;\n")
}

/// Returns a right fragment's content: what all provide, and one file of its own.
fn of(machine: &str) -> Archive {
    common().file("descpkg", 0o644, format!("built on {machine}\n")).dir(&format!("bin.{machine}")).file(
        &format!("bin.{machine}/tool"),
        0o755,
        format!("program of {machine}\n"),
    )
}

//! `upload dispatch versions`: what runs at the machines.

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::environment::variable;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, table};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_core::outcome::gravest;
use intraware_dispatch::{Netrcs, Routes, Version, versions};

/// How it is shown.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print what the machines say as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, routes: &Routes, arguments: &Arguments) -> Result<u8, Failure> {
    let context = process::context("upload", common);
    let all = versions(routes, &mut Netrcs::default(), &|name: &str| variable(name), &context);
    if arguments.json {
        output::list("machines", &all)?;
    } else if all.is_empty() {
        output::text("no section has a command or version")?;
    } else {
        let header = ["SECTION", "MACHINE", "PACKAGE", "CONTENT", "VERSION", ""];
        output::text(table::columns(&header, all.iter().map(cells).collect()))?;
    }
    for Version { section, machine, error, .. } in &all {
        if let Some(error) = error {
            tracing::error!("[{}] {machine}: {}", foreign::escape(section), foreign::tame(error));
        }
    }
    let mut faults: Vec<Fault> = all.iter().filter_map(|version| version.fault).collect();
    faults.extend(all.iter().filter(|version| version.differs).map(|_| Fault::Build));
    Ok(gravest(&faults).map_or(exit::OK, Fault::exit_status))
}

fn cells(of: &Version) -> Vec<String> {
    let shown = |text: &Option<String>| text.as_ref().map_or_else(|| "-".to_owned(), foreign::escape);
    let content = of.sha256.as_ref().map(|sha256| sha256.chars().take(12).collect());
    let note = match (&of.error, of.differs) {
        (Some(_), _) => "not known",
        (None, true) => "differs",
        (None, false) => "",
    };
    vec![
        format!("[{}]", foreign::escape(&of.section)),
        of.machine.clone(),
        shown(&of.package),
        shown(&content),
        foreign::tame(of.version.as_deref().unwrap_or("-")),
        note.to_owned(),
    ]
}

//! `manage config`: the values in force.

use crate::parts;
use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, table};
use intraware_config::{Entry, Origin};
use intraware_core::exit;
use intraware_core::foreign;

/// How to show them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    if arguments.json {
        output::list("keys", config.entries())?;
        return Ok(exit::OK);
    }
    let file = foreign::path(&common.config);
    let row = |entry: &Entry| {
        let origin = match entry.origin {
            Origin::Default => "default".to_owned(),
            Origin::File { line } => format!("{file}:{line}"),
        };
        vec![entry.key.clone(), foreign::escape(&entry.value), origin]
    };
    let rows = config.entries().iter().map(row).collect();
    output::text(table::columns(&["KEY", "VALUE", "FROM"], rows))?;
    for limit in config.sites.iter().filter_map(parts::limit) {
        output::text(limit)?;
    }
    Ok(exit::OK)
}

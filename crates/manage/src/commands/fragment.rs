//! `manage fragment`: a build directory becomes a fragment for `manage assemble`.

use std::path::PathBuf;

use clap::Args;
use intraware_assemble::fragment::{FragmentRequest, fragment};
use intraware_assemble::names::{MachineName, Package};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_core::txlog::chain;

use super::assemble::Paths;

/// What becomes a fragment.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Build directory
    dir: PathBuf,

    /// Machine that it was built on
    #[arg(long)]
    machine: String,

    /// Name of the package; without it, the name of the directory above DIR
    #[arg(long, value_name = "NAME")]
    pname: Option<String>,

    /// Version of the package; without it, the name of DIR
    #[arg(long, value_name = "VERSION")]
    pversion: Option<String>,

    /// Directory to put the fragment into
    ///
    /// Without it, .dpkg_archive/fragments below GBE_DPKG.
    #[arg(long, visible_alias = "srcdir", value_name = "PATH")]
    srcpath: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let dir = arguments.dir.canonicalize().map_err(|error| {
        let shown = foreign::path(&arguments.dir);
        Failure::new(Fault::Build, format!("cannot find the build directory {shown}: {error}"))
    })?;
    let source = match &arguments.srcpath {
        Some(path) => path.clone(),
        None => Paths::new(false).fragments()?,
    };
    if !source.is_dir() {
        let shown = foreign::path(&source);
        let message = format!(
            "the fragments' directory {shown} is not a directory; make it, or give another with --srcpath"
        );
        return Err(Failure::new(Fault::Configuration, message));
    }
    let bad = |error: intraware_assemble::names::BadName| Failure::usage(error.to_string());
    let request = FragmentRequest {
        package: package(arguments, &dir)?,
        machine: MachineName::new(&arguments.machine).map_err(bad)?,
        dir,
        source,
    };
    let made = fragment(&request, &process::context("manage", common))
        .map_err(|error| Failure::new(error.fault(), chain(&error)))?;
    for list in &made.left_out {
        tracing::warn!("{list} is a list of another assembly and is left out");
    }
    if arguments.json {
        output::object(&made)?;
    } else if !common.quiet {
        output::text(format!("made {}: {} files, {} bytes", made.path, made.files, made.bytes))?;
    }
    Ok(exit::OK)
}

fn package(arguments: &Arguments, dir: &std::path::Path) -> Result<Package, Failure> {
    let of_dir = |path: Option<&std::path::Path>| {
        path.and_then(|path| path.file_name()).and_then(|name| name.to_str()).unwrap_or_default().to_owned()
    };
    let name = arguments.pname.clone().unwrap_or_else(|| of_dir(dir.parent()));
    let version = arguments.pversion.clone().unwrap_or_else(|| of_dir(Some(dir)));
    Package::new(&name, &version)
        .map_err(|error| Failure::usage(format!("{error}; give --pname and --pversion")))
}

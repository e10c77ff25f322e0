//! `manage init`: makes the spool.
//!
//! Where there is none yet, it is careful: a file system that is not mounted looks the same, and a second
//! spool has none of the first one's holds and releases.

use crate::parts::{self, Permission};
use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_config::Config;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{self, escape};
use intraware_core::spool::Spool;

/// What is known of the place.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Make a spool although records say that there was one, because that is lost
    #[arg(long)]
    new: bool,

    /// Make root's own spool, because it is root who runs the programs
    #[arg(long)]
    as_root: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let root = foreign::path(&config.spool.root);
    // Before anything is made: a directory made where NFS is not mounted would be taken for the spool from
    // then on.
    check(&config, arguments).map_err(|failure| Failure {
        message: format!("nothing was made: {}", failure.message),
        ..failure
    })?;
    let made = Spool::init(&config.spool.root, context.now())?;
    if made.is_empty() {
        output::text(format!("the spool at {root} is whole; nothing was made"))?;
    } else {
        output::text(format!("made in {root}: {}", made.join(" ")))?;
    }
    // Says at once what else the first run would complain about.
    Spool::open(&config.spool.root, config.spool.single_host)?;
    Ok(exit::OK)
}

fn check(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let root = &config.spool.root;
    if !Spool::is_absent(root) {
        return Ok(Spool::check_place(root, config.spool.single_host)?);
    }
    Spool::check_first(root, arguments.as_root)?;
    Spool::check_place(root, config.spool.single_host)?;
    if arguments.new {
        return Ok(());
    }
    let store = parts::store(config, Permission::ReadOnly);
    match store.and_then(|mut store| Ok(store.one_spooled()?)) {
        Ok(None) => Ok(()),
        Ok(Some(record)) => {
            let message = format!(
                "the record {} of the build {} is {}, so there was a spool; mount the file system it is on, or, if it is \
                 lost, run `manage init --new`",
                record.id,
                escape(&record.name),
                record.status
            );
            Err(Failure::new(Fault::Spool, message))
        }
        // Who installs has often no login yet, and `check` tells what is wrong with it.
        Err(failure) => {
            tracing::warn!(
                "whether there was a spool before could not be asked of the record store: {failure}"
            );
            Ok(())
        }
    }
}

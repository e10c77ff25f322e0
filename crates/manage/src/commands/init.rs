//! `manage init`: makes the spool.

use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_core::exit;
use intraware_core::foreign;
use intraware_core::spool::Spool;

pub(crate) fn run(common: &Common) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let root = foreign::path(&config.spool.root);
    // Before anything is made: a directory made where NFS is not mounted would be taken for the spool from
    // then on.
    Spool::check_place(&config.spool.root, config.spool.single_host).map_err(|error| {
        let failure = Failure::from(error);
        Failure { message: format!("nothing was made: {}", failure.message), ..failure }
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

//! `upload check`: configuration, spool, locks and sites, each tried for real, and what the sites can do.

use intraware_cli::check::{Arguments, Checks};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::process;

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let context = process::context("upload", common);
    let mut checks = Checks::default();
    let Some(config) = checks.configuration(common) else { return checks.finish(arguments) };
    let spool = checks.spool(parts::spool(&config, Permission::ReadWrite), &config, &context);
    if checks.is_by_stranger() {
        return checks.finish(arguments);
    }
    for site in checks.sites(&config, spool.as_ref(), &context) {
        checks.probe(&config, site, spool.as_ref(), &context);
    }
    checks.mail();
    checks.finish(arguments)
}

//! `upload check`: configuration, spool, locks and site, each tried for real, and what the site can do.

use intraware_cli::check::Checks;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::process;

pub(crate) fn run(common: &Common) -> Result<u8, Failure> {
    let context = process::context("upload", common);
    let mut checks = Checks::default();
    let Some(config) = checks.configuration(common) else { return checks.finish() };
    let spool = checks.spool(&config, &context);
    if checks.site(&config) {
        checks.probe(&config, spool.as_ref(), &context);
    }
    checks.finish()
}

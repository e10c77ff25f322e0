//! `manage check`: everything a run needs, each tried for real.

use intraware_cli::check::Checks;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::process;
use intraware_core::foreign;

use super::check_key::describe;
use crate::customers;

pub(crate) fn run(common: &Common) -> Result<u8, Failure> {
    let context = process::context("manage", common);
    let mut checks = Checks::default();
    let Some(config) = checks.configuration(common) else { return checks.finish() };
    let spool = checks.spool(&config, &context);
    if checks.is_by_stranger() {
        return checks.finish();
    }
    let roots: Vec<String> =
        config.spool.build_roots.iter().map(|root| foreign::path(root).to_string()).collect();
    checks.take("build roots", parts::build_roots(&config).map(|_| ((), roots.join(", "))));
    let store = parts::store(&config, Permission::ReadWrite);
    let looked = store.and_then(|mut store| Ok((store.check()?.join("; "), store.clock_ahead())));
    let ahead = checks.take("record store", looked.map(|(lines, ahead)| (ahead, lines)));
    checks.clock("the record store", ahead.flatten());
    let key = parts::signing_key(&config, &context).and_then(|key| {
        let verified = customers::verify(&key, &context)?;
        Ok(((), format!("{}; {verified}", describe(&key))))
    });
    checks.take("signing key", key);
    checks.sites(&config, spool.as_ref(), &context);
    checks.finish()
}

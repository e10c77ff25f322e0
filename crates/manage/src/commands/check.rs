//! `manage check`: everything a run needs, each tried for real.

use crate::parts::{self, Permission};
use intraware_cli::check::{Arguments, Checks};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::process;
use intraware_core::foreign;

use super::check_key::describe;
use crate::customers;

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let context = process::context("manage", common);
    let mut checks = Checks::default();
    let Some(config) = checks.configuration(common) else { return checks.finish(arguments) };
    let spool = checks.spool(parts::spool(&config, Permission::ReadWrite), &config, &context);
    if checks.is_by_stranger() {
        return checks.finish(arguments);
    }
    let roots: Vec<String> =
        config.spool.build_roots.iter().map(|root| foreign::path(root).to_string()).collect();
    checks.take("build roots", parts::build_roots(&config).map(|_| ((), roots.join(", "))));
    let store = parts::store(&config, Permission::ReadWrite);
    let looked = store.and_then(|mut store| Ok((store.check()?, store.clock_ahead())));
    let looked = looked.map(|(lines, ahead)| (ahead, lines));
    let is_field = |line: &str| line.starts_with("field ") && !line.contains(" although ");
    let ahead = checks.take_each("record store", looked, is_field, common.verbose > 0);
    checks.clock("the record store", ahead.flatten());
    let key = parts::signing_key(&config, &context).and_then(|key| {
        let verified = customers::verify(&key, &context)?;
        Ok(((), format!("{}; {verified}", describe(&key))))
    });
    checks.take("signing key", key);
    checks.sites(&config, spool.as_ref(), &context);
    checks.mail();
    checks.finish(arguments)
}

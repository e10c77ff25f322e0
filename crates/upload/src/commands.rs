//! One module a subcommand: its arguments, and its `run`.

pub(crate) mod check;
pub(crate) mod run;
pub(crate) mod status;

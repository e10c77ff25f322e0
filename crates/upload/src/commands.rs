//! One module a subcommand: its arguments, and its `run`.

pub(crate) mod check;
pub(crate) mod dispatch;
pub(crate) mod passwd;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod status;

//! One module a subcommand: its arguments, and its `run`.

pub(crate) mod activity;
pub(crate) mod assemble;
pub(crate) mod check;
pub(crate) mod check_key;
pub(crate) mod config;
pub(crate) mod find;
pub(crate) mod fragment;
pub(crate) mod hold;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod publish;
pub(crate) mod records;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod unhold;
pub(crate) mod verify;
pub(crate) mod why;

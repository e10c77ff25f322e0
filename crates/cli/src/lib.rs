//! What the command lines of `manage` and `upload` have in common.
//!
//! The options every command takes, the start and the end of a process, the parts that a configuration
//! describes, and the only places that print. What a command does is in the binary's file of that name, and
//! in `intraware-core`.

mod abilities;
pub mod activity;
mod amount;
pub mod check;
pub mod common;
pub mod environment;
pub mod failure;
pub mod output;
pub mod pages;
pub mod parts;
pub mod people;
pub mod process;
pub mod progress;
pub mod report;
pub mod said;
pub mod table;
pub mod told;
pub mod txlog;

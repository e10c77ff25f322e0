//! What the whole-system tests stand on: the real programs, real servers and real keys, set up in one place.
//!
//! A [`Bench`] is a small company: build roots, a spool, a record store, a site and a signing key, with the
//! configuration file that names them all. Its programs run as cron runs them, with an empty environment, in
//! an empty directory, with nothing on standard input; what a test sees of them is what an operator sees.
//! Nothing here calls the library that is tested.
//!
//! It relies on programs that `cargo build --workspace` has made, and refuses older ones.

pub mod apt;
pub mod archive;
mod bench;
mod builder;
mod delivered;
mod desk;
pub mod fragment;
pub mod hosts;
mod key;
mod package;
mod people;
mod program;
mod record;
pub mod scene;
mod spool;
pub mod trace;
pub mod tree;
pub mod web;

pub use bench::{BUILD, Bench};
pub use builder::Builder;
pub use desk::Desk;
pub use intraware_test_support as support;
pub use key::Key;
pub use package::{Packages, seen};
pub use program::{Program, Run, Running};
pub use spool::Spool;

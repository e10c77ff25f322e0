//! Real servers, tools and faults for the tests of every crate: nothing here imitates our own code.
//!
//! A server lives as long as its value, listens on loopback only, and writes below its own temporary
//! directory. What a test needs and the machine lacks (an `sshd`, a `gpg`) is a panic that names it: a test
//! that cannot run must not pass.

pub mod disk;
pub mod gpg;
pub mod relay;
pub mod salesforce;
pub mod sshd;
pub mod unprivileged;

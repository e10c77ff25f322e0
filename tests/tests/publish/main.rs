//! `manage publish` between real processes: apt, apt-ftparchive, rsync, gpgv, and real hooks.

mod built_in;
mod crash;
mod examples;
mod full;
mod hooks;
mod indexes;
mod newcomer;
mod outcomes;
mod passes;
mod pipeline;
mod public;
mod readers;
mod tools;
mod trees;
mod uploads;
mod wrong;

use intraware_tests::scene;

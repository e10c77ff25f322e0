//! `manage publish` between real processes: apt, apt-ftparchive, rsync, gpgv, and real hooks.

mod crash;
mod hooks;
mod passes;
mod readers;
mod trees;

use intraware_tests::scene;

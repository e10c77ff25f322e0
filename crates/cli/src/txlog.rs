//! The end of a run's transaction log.

use intraware_core::exit::{self, Fault};
use intraware_core::txlog::TxLog;

/// Closes the transaction log; returns the fault if it could not be written.
pub fn close(log: TxLog) -> Option<Fault> {
    let error = log.finish().err()?;
    tracing::error!("the transaction log could not be written: {error}");
    Some(Fault::Spool)
}

/// Closes the transaction log of a command that did what it was asked for, and returns the exit status.
pub fn finish(log: TxLog) -> u8 {
    close(log).map_or(exit::OK, Fault::exit_status)
}

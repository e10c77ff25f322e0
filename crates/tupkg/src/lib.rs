//! The tupkg upload protocol, both ends.
//!
//! A client logs in, announces packages, is told how much of each the server already has, and sends the rest
//! of all of them as one stream; the server verifies each and says PASS or FAIL. [`wire`] is the form of the
//! messages and touches nothing but bytes. The library blocks, prints nothing, reads no environment and knows
//! nothing of builds.

pub mod accounts;
pub mod client;
pub mod digest;
mod line;
mod pace;
mod private;
pub mod secret;
pub mod server;
pub mod shown;
pub mod tls;
pub mod wire;

pub use private::PrivateError;

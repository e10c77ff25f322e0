//! The server: takes packages from clients, and lays those that are whole into `incoming`.
//!
//! ```text
//! ROOT/lock                            held by the one server that works here
//! ROOT/accounts/ACCOUNT/partial/KEY    the first bytes of a package; KEY is made of its name, size and MD5
//! ROOT/accounts/ACCOUNT/done/KEY       says that the package was laid into incoming, for who asks again
//! ROOT/incoming/ACCOUNT/NAME           a whole package, until another program takes it on
//! ```
//!
//! **Order.** A package's bytes go to `partial` as they come, so that a connection that dies loses nothing,
//! and a resume never joins two different files. When all are there and their digests are right, the file is
//! flushed to the disk, gets its name in `incoming` by a link that never overwrites, the directory is
//! flushed, `done` is written, and the name in `partial` is removed; then the client is told PASS. A crash
//! between any two of these repeats what is left: a client that comes again is told that all is there. `done`
//! keeps that answer when the package has been taken on meanwhile; only a crash between the link and `done`,
//! with the package taken on at once, lets it come twice.
//!
//! **Who waits for whom.** A thread a session. What has not logged in is counted apart from what has, so that
//! strangers cannot keep accounts out for longer than a login may take. Each step has a deadline
//! ([`settings::Limits`]). Passwords are checked one at a time, for the memory that it takes.

pub mod settings;

mod gate;
mod hooks;
mod listen;
mod receive;
mod room;
mod session;
mod sessions;

pub use listen::{ServerError, run};
pub use settings::Settings;

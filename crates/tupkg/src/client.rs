//! The client: checks packages, and sends them until the server has said PASS.
//!
//! Each package is read once to be checked and digested before anything is said to a server. Those that are
//! fine are announced, as many in a session as fit into a message and as a server takes, and the bytes that
//! the server lacks follow. A session that breaks is gone on with by the next, after a pause that grows, as
//! long as each gets further or there are tries left. A package that the server refuses is left out, and the
//! others go on.

mod batch;
mod conversation;
mod ini;
mod outcome;
mod package;
mod send;
mod session;
mod target;

pub use outcome::{End, Failure, Outcome};
pub use package::Check;
pub use send::{Options, Progress, send};
pub use session::{Server, Session, Transfer};
pub use target::{Protection, Target, TargetError};

//! Fragments from many build machines become one package directory, and a build directory becomes a fragment.
//!
//! A fragment is `<name>_<version>_<machine>.tar.gz` and holds, beside what the machine built, its list
//! `built.files.<machine>.xml`: path, type, MD5 and size of everything in it. An assembly goes through these
//! steps:
//!
//! ```text
//! find ─▶ unpack and check ─▶ merge ─▶ judge ─▶ build the tree ─▶ sync ─▶ rename ─▶ delete the fragments
//!          a thread each       pure    reads what differs                  commit
//! ```
//!
//! - **Nothing a fragment says is believed.** Each archive is read once, by a reader that knows what it
//!   accepts ([`mod@tar`]) and not what it refuses. File contents go to files without names of theirs
//!   ([`store`]), so that no name of an archive ever meets the file system before all archives were read to
//!   their last byte and agree with their lists.
//! - **The merge decides by content and in the order of the machines' names** ([`merge`]): the result (bytes,
//!   modes, list) is the same for any order of fragments and any number of threads.
//! - **A million files fit into 256 MiB.** In memory is what a path needs ([`nodes`]), and neither a list nor
//!   a content.
//! - **Whoever looks sees the whole target or none.** All work is below
//!   `<output>/<name>/.<version>.partial.<run>/`, which only its owner can enter. The tree is made of renames
//!   there, is on the disk before it gets its name, and gets it by one rename; with pre-delete by one
//!   exchange. Links are made last, so that nothing is written through one.
//! - **Fragments are deleted when the target stands,** and not before, unless the caller wants them gone on
//!   errors as well. A crash leaves them, and a partial directory that the next assembly of this package
//!   removes. Assemblies of one package exclude each other by a lock file in the output directory; nobody
//!   waits for it.
//!
//! The library prints nothing: what people should see of its steps goes to a [`Tell`], the rest is in what it
//! returns.

mod assemble;
mod error;
pub mod fragment;
pub mod list;
pub mod merge;
pub mod names;
mod nodes;
mod partial;
mod path;
pub mod reason;
mod refused;
mod request;
mod result;
mod store;
pub mod tar;
mod target;
mod unpack;

pub use assemble::assemble;
pub use error::{AssembleError, RefusedFragment};
pub use refused::Refused;
pub use request::{Limits, Modes, Request, Step, Tell};
pub use result::{Assembled, Machine, Placed};
pub use unpack::check_archive;

//! Dispatching packages: the name of a package decides to which machines it goes, and as whom.
//!
//! # Routes
//!
//! A file has a section for each kind of package ([`Routes`]). The section's name is a regular expression: it counts from
//! the beginning of a package's name, and as far as it goes, as Python's `re.match` does. A package goes where the one
//! section says that matches its name; none and two are errors ([`RouteError`]), and nothing is done for any package then.
//! What a section does not say about logging in comes from a netrc file ([`route()`]), by the rules of
//! [`intraware_core::secret::netrc`]. Of all this nothing asks a machine, so that it can be tried at a desk; [`check()`]
//! finds what is wrong with sections that are right one by one.
//!
//! The file holds passwords and says which machines are logged in to, so it is refused if others can read it.
//!
//! # A dispatch
//!
//! Of one content of one package at one machine these are the states. `planned` to `verified` are about the file,
//! the others about the upgrade that is run for it there. **Of this, routes are built; what follows is what is built on them.**
//!
//! | state | what is certain | a crash right after it: the next run |
//! |---|---|---|
//! | `planned` | directory, login and digest are noted, and stay as they are whatever day it is by then | goes on with what is there under a temporary name |
//! | `sent` | the machine has acknowledged every byte under the temporary name | proves it |
//! | `verified` | the content is proven, and has its name | begins the upgrade |
//! | `running` | noted and flushed here before anything is begun there; the machine has a marker that the first to make it owns | asks the marker: not there, begins; ended, takes its status; begun and not ended, `unknown` |
//! | `done` | the upgrade has ended with 0, and its check too | nothing |
//! | `failed` | it has ended otherwise; nothing is tried again before a person asks for it | nothing |
//! | `unknown` | it was begun, and how it ended is not known | waits for the marker, a check or a person, and never begins it again |
//!
//! A row is written before the step that cannot be repeated (`running`) and after each that can. Two runs, or a run that
//! comes back to life, meet at the marker, which is made by one call that only one of them can succeed in.

mod check;
mod directory;
mod error;
mod expression;
mod host;
mod reader;
mod route;
mod routes;
mod written;

pub use check::{Finding, check};
pub use directory::{Dated, Directory};
pub use error::{Problem, Problems, RouteError};
pub use host::Host;
pub use route::{Machine, Netrcs, Origin, Route, package_name, route};
pub use routes::{Password, Protocol, Routes, Section};

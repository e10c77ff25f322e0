//! Dispatching packages: the name of a package decides to which machines it goes, and as whom.
//!
//! # Routes
//!
//! A file has a section for each kind of package ([`Routes`]). The section's name is a regular expression: it
//! counts from the beginning of a package's name, and as far as it goes, as Python's `re.match` does. A
//! package goes where the one section says that matches its name; none and two are errors ([`RouteError`]),
//! and nothing is done for any package then. What a section does not say about logging in comes from a netrc
//! file ([`route()`]), by the rules of [`intraware_core::secret::netrc`]. Of all this nothing asks a machine,
//! so that it can be tried at a desk; [`check()`] finds what is wrong with sections that are right one by
//! one.
//!
//! The file holds passwords and says which machines are logged in to, so it is refused if others can read it.
//!
//! # New packages
//!
//! They are named, or found in trees ([`mod@scan`]). Those that are named go all or none; of those that are
//! found each goes by itself, since nobody is there to mend one for the sake of the others.
//!
//! # A dispatch
//!
//! A run plans ([`plan_files`], [`plan_rest`]) and carries the plan out ([`Sender::send`]); a dry run shows
//! the plan. Of one content of one package at one machine these are the states, each a row in a database that
//! is on the disk before the next step:
//!
//! | state | what is certain | a crash right after it: the next run |
//! |---|---|---|
//! | `planned` | digest, machine and directory are noted; the directory stays, whatever day it is by then | goes on with what is there under the temporary name |
//! | `sent` | all of it is there under the temporary name, and proven | proves it again, and gives it its name |
//! | `verified` | it has its name there | runs its upgrade, if it has one |
//! | `running` | its upgrade may have been begun there | asks the marker there, and begins it if there is none |
//! | `done` | its upgrade has ended there, and well | nothing |
//! | `unknown` | its upgrade was begun there; how it ended is not known | asks the marker there, and begins nothing |
//! | `failed` | it was refused, the file is not what it was, or its upgrade has failed; nothing is tried before a person asks | nothing |
//! | `superseded` | another content of the package was to go to the machine later | nothing |
//!
//! A crash between a step and its note costs a look: the next run finds the content under its name, and notes
//! that. What was planned is in the database before the first byte goes out, all of it or nothing. A failure
//! that passes leaves the state as it is, with a pause ([`intraware_core::retry`]).
//!
//! Of several contents of one package the one that was named last counts, at each machine; the former ones
//! are known by their digests, so one that stands at the name gives way, and what is not from here does not.
//! Of a name the one that gave way last is kept beside it, for whoever has to go back.
//!
//! # Turns
//!
//! A section says in which order its machines get a package ([`Rollout`]): canaries first, then batches with
//! a pause between them, up to a share of failures; not in times of freezing ([`Freeze`]); and not before all
//! machines of another group have the same content. Which machines may go now is a pure function of how far
//! the package is at each of them, of the section and of the clock, so a run that was killed, and one that
//! cron starts a day later, go on where the last one stopped. What may not go yet stays `planned`, and
//! [`Wait`] says why and until when, in the dry run as well.
//!
//! | what happens at a machine | for the other machines of the section |
//! |---|---|
//! | it is done | it counts as a canary; the next batch begins when the whole one before it has ended |
//! | it fails, for now or for good, or how its upgrade has ended is not known | it counts towards `stop_at`; of a canary, no further machine gets the package |
//! | nobody answers ([`Outage`]) | nothing: the next machine takes its place. It is connected to once a run, for all packages |
//! | a person holds the package there | nothing: the next machine takes its place; a group that goes after waits for it |
//!
//! How bytes get there is the delivery of core ([`intraware_core::deliver`]): temporary names, resuming,
//! proof, renaming that never overwrites.
//!
//! # The upgrade
//!
//! A section may have commands ([`Commands`]): the upgrade, a check, a rollback, and one that says what is
//! installed. They are run over SSH alone. What is run at the machine is one script for a POSIX shell, which
//! the login shell is not asked to understand, and which does nothing before it has read all of itself. A
//! marker there, made by one call that only one process can succeed in, keeps a second dispatcher, or one
//! that comes back to life, from running an upgrade again; its number is the turn that one upgrade at a time
//! has there. Upgrade, check and rollback are one run, which goes on when the connection is lost, and notes
//! there how each of them ended; so the next run learns it.
//!
//! A row that is `running` after a crash asks the marker: not there, begins; with a status, takes it; else it
//! is `unknown`, and so it is if the connection was lost after the machine had begun. What is `unknown` is
//! asked for, settled by the check if there is one, and else by a person; nothing begins it again. A person's
//! `--retry` of one that has failed is another try, with a marker of its own.

mod board;
mod check;
mod contact;
mod copies;
mod directory;
mod error;
mod expression;
mod freeze;
mod host;
mod jobs;
mod known;
mod outage;
mod plan;
mod reader;
mod rollout;
mod route;
mod routes;
mod scan;
mod send;
mod state;
mod turns;
mod upgrade;
mod written;

pub use check::{Finding, check};
pub use contact::{ContactError, Environment};
pub use copies::Copies;
pub use directory::{Dated, Directory};
pub use error::{Problem, Problems, RouteError};
pub use freeze::{Freeze, Window};
pub use host::Host;
pub use outage::Outage;
pub use plan::{Action, Content, Item, Plan, PlanError, plan_each, plan_files, plan_found, plan_rest};
pub use reader::Password;
pub use rollout::{Rollout, Share};
pub use route::{Machine, Netrcs, Origin, Route, package_name, route};
pub use routes::{Protocol, Routes, Section};
pub use scan::{Noted, Refused, Scan, ScanError, Seen, Wish};
pub use send::{Sender, Sent};
pub use state::{End, Row, State, StateError, States};
pub use turns::Wait;
pub use upgrade::{Commands, Markers, Version, Words, versions};

//! Publishing a distribution tree: its suites are renewed in a copy that nobody reads, and the copy is put in
//! place at once.
//!
//! A tree is a directory with a name in it, mostly `dists`, that is renewed as a whole, and a pool beside it
//! that only grows. Readers come at any time, so they get the old tree or the new one, and never none or half
//! of one.
//!
//! # The pipeline
//!
//! [`publish`] does it for one tree; [`plan()`] says what it would do, and does nothing.
//!
//! 1. One lock for all that touches the tree, over all hosts. Who finds it taken leaves a note, and the
//!    holder goes round once more.
//! 2. What a run that was killed has left is brought to an end.
//! 3. The command `process_accepted` puts what was accepted into the pool, and makes `.publish/dirty/SUITE`;
//!    or signed uploads are taken in ([`upload`]).
//! 4. These requests are taken over into the journal, and only then removed, before anything is read that
//!    they are about.
//! 5. If suites of security are due, the fast-track pass (priority 0) for them alone.
//! 6. The normal pass (priority 1) for all that are due. A suite of security is due in it as well, for what
//!    hooks do at that priority only, unless its own pass has failed: then it waits for the next run, and
//!    spoils nothing here.
//!
//! A pass: `rsync` copies the tree; the `publisher`, a command or the one built in ([`apt`]), renews the
//! suites in the copy; the hooks before publication; old indexes by digest go ([`outdated`]); the copy is
//! looked at ([`check`]); it is flushed to the disk; it is put in place; the hooks after publication; it is
//! read as readers get it, if `public_url` says where. What is wrong there undoes nothing: the tree is in
//! place, and the next run looks again.
//!
//! [`roll_back`] is a pass that copies a former tree instead, and leaves what is due as it is.
//!
//! # On the disk
//!
//! ```text
//! ROOT/dists                 -> .publish/trees/8/dists
//! ROOT/pool/
//! ROOT/.publish/lock         who publishes
//! ROOT/.publish/journal.json what is due, and how far the pass has come
//! ROOT/.publish/dirty/SUITE  a request
//! ROOT/.publish/again        a run found the lock taken
//! ROOT/.publish/suites/SUITE which packages a suite has, for what is built in ([`lists`])
//! ROOT/.publish/cache/       what apt-ftparchive remembers of packages
//! ROOT/.publish/work/9/      a tree in the making: dists, and links to everything else below ROOT
//! ROOT/.publish/trees/8/     the one in place, and former ones
//! ```
//!
//! Putting a tree in place is one rename of a symbolic link over another. That works on every file system,
//! NFS as well. A directory that stands where the link belongs is taken over by exchanging the two in one
//! step, where the file system can do that; elsewhere a person has to.
//!
//! # A crash
//!
//! The kernel lets go of the lock, and its content, which a run empties at its end, says whom the crash has
//! hit. What that run had started, and what these processes have started in their turn, still has the run's
//! name in its environment, and is killed before anything else is done. Then:
//!
//! | the crash came | the journal says | and the link | the next run |
//! |---|---|---|---|
//! | before the switch | `building`, N | names another tree | throws N away; its suites are still due, and its passes come anew, with `INTRAWARE_AGAIN=yes` |
//! | just after the switch | `building`, N | names N | goes on with all hooks after publication |
//! | in or between hooks after it | `in-place`, N, which are done and which has begun | names N | goes on with those that are not done; only the one that had begun gets `INTRAWARE_AGAIN=yes` |
//! | while old trees are removed | nothing under way | | removes them |
//!
//! So a hook of a completed pass never runs twice.

mod apt;
mod check;
mod command;
mod control;
mod dates;
mod diff;
mod error;
mod flush;
mod journal;
mod layout;
mod leftover;
mod lists;
mod outdated;
mod pass;
mod pipeline;
mod plan;
mod standing;
mod sum;
mod upload;
mod version;

pub use diff::{Change, Difference, difference};
pub use error::PublishError;
pub use journal::{Due, Ended, GivenUp, Priority};
pub use pipeline::{Finished, Report, Snapshot, Wish, look_over, publish, roll_back, snapshots};
pub use plan::{HookPlan, PassPlan, Plan, plan};
pub use standing::{Standing, standing};

//! Hooks: the programs in a directory, run one after the other by one set of rules.
//!
//! The rules are those of Debian's `run-parts` (debianutils), which people know from `/etc/cron.daily`.
//! Whoever wants hooks calls [`look()`], which changes nothing and so is a dry run as well, and then
//! [`run()`] for each of them. Programs that are no hooks, but shall be run in the same way, go through
//! [`run()`] too.
//!
//! | question | the rule | `run-parts` |
//! |---|---|---|
//! | which names | letters, digits, `_` and `-`, the whole name | the same |
//! | in which order | by the bytes of the names | the same |
//! | what is run | executable regular files, and links to such files | the same |
//! | a link that leads nowhere | is left out, and a fault | says so, and ends with 0 |
//! | a file that others can write, or another user's, or in a directory like that | is not run, and a fault | runs it |
//! | one that fails | is told with its own exit status; the caller decides whether the others are run | ends with 1 |
//! | no such directory | an error | the same |
//! | a script without `#!`, an empty file | cannot be run | the same |
//! | formats that binfmt_misc adds | cannot be run | are run |
//! | the umask | 022, whatever the caller's is | the same |
//! | the session | a new one for each hook, so that no terminal's signal ends it | with `--new-session` |
//! | how long | a time limit, then SIGTERM, and 5 s later SIGKILL, to all that it has started | no limit |
//! | what it leaves behind | is killed when it has ended, unless it has a session of its own | goes on |
//! | the environment | the given one alone, and a `PATH` | the caller's |
//! | standard input | empty | the caller's |
//! | what it prints | the beginning and the end are kept, and told with the outcome | is passed on |
//!
//! "Others" are the file's group and everybody. "Another user" is neither root nor the one that this process
//! works as. Such a directory or file could be exchanged by somebody who may not do what the hook may do.
//!
//! Nothing is printed or logged here, and no path is escaped: both are the caller's.

mod look;
mod run;
mod said;

pub use look::{Hook, Left, Listing, LookError, Why, look};
pub use run::{Call, End, Outcome, run};
pub use said::Said;

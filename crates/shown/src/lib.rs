//! What is shown to people: text that somebody else chose, and errors with their causes; and what is not,
//! secrets.
//!
//! One set of rules for every program and library of this project, so that no copy of them falls behind. This
//! crate knows none of the others. Secrets that stand in files are read by [`private`].
//!
//! | what | function | at most |
//! |---|---|---|
//! | a name, a path, a field: each byte matters | [`escape()`], [`path`], [`Shown`] | [`MAX_SHOWN`] bytes |
//! | the body or a header of an answer: its beginning is enough | [`excerpt`] | [`MAX_EXCERPT`] bytes |
//! | a sentence of ours, in which others' words are escaped already | [`tame`] | [`MAX_SHOWN`] bytes |
//! | an error and its causes | [`chain()`] | [`MAX_SHOWN`] bytes |
//! | a secret | [`Secret`] | three stars |
//!
//! All of them give one line of printable text. What is not UTF-8 is spelled out byte by byte and never
//! replaced, since two different names must not look alike.

mod chain;
mod escape;
pub mod private;
mod secret;

pub use chain::chain;
pub use escape::{MAX_EXCERPT, MAX_SHOWN, Shown, escape, excerpt, is_unsafe, path, tame};
pub use secret::Secret;

//! Passwords: values that are never shown.

pub use intraware_shown::Secret;

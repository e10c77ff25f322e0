//! What tests share that is not the project itself: keys, servers and trees made by real tools.

pub mod gpg;
pub mod unprivileged;

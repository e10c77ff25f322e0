//! A blocking, typed client of the Salesforce REST API, for programs that run unattended.
//!
//! It offers the few calls that a job of cron needs (log in, describe, query, read, update) and is
//! strict where such a job has nobody to ask:
//!
//! - **Every failure is told apart** by [`Kind`], so that nobody reads an error's text; each says
//!   in one line what was being done and what to do now.
//! - **Nothing is repeated that might take effect twice.** Reads and refused requests are repeated
//!   a bounded number of times; a write whose answer was lost is [`Kind::UnknownOutcome`], and the
//!   caller reads the record back.
//! - **Nothing waits or grows without end**: connecting, each call and each body are bounded.
//! - **A page that is lost is an error**, never a shorter result.
//! - **No secret** is in a `Debug`, an error or a trace; those held here are wiped when dropped.
//!
//! The client reads no environment, not even for a proxy. The time, pauses and random numbers
//! come in through [`Clock`].

mod auth;
mod client;
mod clock;
mod describe;
mod error;
mod http;
mod json;
mod limits;
mod percent;
mod query;
mod retry;
mod secret;
mod soql;
mod time;
mod token;

pub use auth::{Login, SigningKey};
pub use client::{Client, Settings, Version};
pub use clock::{Clock, SystemClock};
pub use describe::{Field, Object, PicklistValue};
pub use error::{Error, Kind};
pub use http::Timeouts;
pub use limits::ApiUsage;
pub use query::{Row, Rows};
pub use secret::Secret;
pub use soql::{Condition, Literal, Name, NotName, Order, Query};
pub use time::{parse_datetime, print_datetime};
pub use token::{Access, TokenStore};

//! How a job could not be delivered so far.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deliver::Stuck;
use crate::exit::Fault;
use crate::retry::Pause;
use crate::streak::{Concern, Lasting, Streak};

/// Failed tries to deliver a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many tries have failed in a row.
    pub count: u32,
    /// Not before this time again, unless asked for by name.
    pub next_try: Timestamp,
    /// When the last one failed.
    pub at: Timestamp,
    /// The host on which it failed.
    pub host: String,
    /// What has to happen.
    pub fault: Fault,
    /// Why the last one failed.
    pub error: String,
    /// How often the same has failed since something went better.
    #[serde(default, skip_serializing_if = "Streak::is_empty")]
    pub streak: Streak,
    /// How many of them came to nothing at one byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
}

impl Attempts {
    /// Returns the time in which no try is made.
    pub fn pause(&self) -> Pause {
        Pause { begun: self.at, until: self.next_try }
    }

    /// Returns what is to be said if the last failure has come too often to pass by itself.
    pub fn lasting(&self) -> Option<Lasting> {
        self.streak.lasting(Concern::Delivery)
    }

    /// Returns why the last one failed, and whether it is always the same.
    pub fn told(&self) -> String {
        Lasting::tell(self.lasting(), &self.error)
    }
}
